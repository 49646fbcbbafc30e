"""Resume points: all that the next step depends on, as safetensors, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from weighin.core.errors import RunError
from weighin.core.files import write_text
from weighin.core.run import load_tensors, save_tensors


def path_in(folder: Path) -> Path:
    """The resume point of a run folder."""
    return folder / "resume.safetensors"


def save(
    folder: Path, model: nn.Module, shadow: nn.Module | None, optimizer: torch.optim.Optimizer, counters: Mapping[str, Any]
) -> None:
    """Weights, averages (``shadow``), the optimizer's state and the counters."""
    tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
    if shadow is not None:
        tensors |= {f"shadow.{n}": t for n, t in shadow.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{n}": torch.as_tensor(t) for n, t in state.items()}
    save_tensors(path_in(folder), tensors, {"state": json.dumps(counters)})


def restore(folder: Path, model: nn.Module, shadow: nn.Module | None, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Puts everything back and returns the counters. Raises RunError when the file is damaged."""
    path = path_in(folder)
    tensors = load_tensors(path)
    model.load_state_dict(_below(tensors, "model."))
    if shadow is not None:
        shadow.load_state_dict(_below(tensors, "shadow."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = _laid_out(tensor, _parameters(optimizer)[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return counters(path)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """In the order that ``state_dict`` counts them."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """In the parameter's order in memory: a fused step walks both as they lie, and safetensors keeps one order only."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)


def counters(path: Path) -> dict[str, Any]:
    """The counters of a resume point. Raises RunError when it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()["state"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no resume point: {error}", hint="Delete it: the training starts again") from None


def cut_log(path: Path, step: int) -> None:
    """Drops lines behind the resume point: they are about to be made again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            kept += [line + "\n"] if json.loads(line)["step"] <= step else []
        except ValueError:
            break  # a line cut off by the kill is the last
    write_text(path, "".join(kept))


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
