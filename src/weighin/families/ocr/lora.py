"""Low-rank adapters on a frozen base (Hu et al. 2021, https://arxiv.org/abs/2106.09685), with the peft library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from weighin.core.errors import ConfigError, RunError
from weighin.core.frozen import BASE, keep_trained
from weighin.core.run import save_tensors
from weighin.families.ocr.chat import IGNORED, ChatBatch

KEPT = "base"  # folder among a run's assets: the base's configuration, tokenizer and processor
CHANGED = 1e-3  # share of a layer's largest output by which merging may change it: float32 rounding is 1e-6


class Vlm(nn.Module):
    """A base with adapters; its state is the adapters and the base's hash (see ``weighin.core.frozen``)."""

    def __init__(self, base: nn.Module, base_hash: str, lora: dict[str, Any]) -> None:
        super().__init__()
        self.base: Any = adapted(base, lora)
        keep_trained(self, base_hash)

    def forward(self, batch: ChatBatch) -> dict[str, Tensor]:
        """``logits`` [B, tail, V] of the last columns only: over all of a chat they would fill gigabytes."""
        answer = self.base(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
            logits_to_keep=batch.tail,
            **batch.inputs,
        )
        return {"logits": answer.logits}


def adapted(base: nn.Module, lora: dict[str, Any]) -> Any:
    """The base frozen, with adapters in the modules that ``lora["target_modules"]`` names. Raises ConfigError."""
    from peft import LoraConfig, inject_adapter_in_model

    try:
        made = inject_adapter_in_model(LoraConfig(bias="none", **lora), base)
    except ValueError as error:
        known = sorted({name.rpartition(".")[2] for name, m in base.named_modules() if isinstance(m, nn.Linear)})
        came = f"The base has no modules {', '.join(lora['target_modules'])}: {str(error).splitlines()[0][:120]}"
        raise ConfigError(came, f"Linear layers: {', '.join(known)}", "Set model.vlm.targets") from error
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # small steps vanish in bf16
    return made


def loss(logits: Tensor, batch: ChatBatch) -> Tensor:
    """Mean cross-entropy of the answers' tokens, each predicted from those before it; logits [B, tail, V]."""
    labels = batch.labels[:, 1 - batch.tail :]  # [B, tail - 1]
    return cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED)


def _layers(model: Vlm) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))


@torch.no_grad()
def merge(model: Vlm) -> float:
    """Adds every adapter to its matrix: the same answers at the cost of the base alone. The state stays the adapters'.

    Returns the largest change of a layer's output on random inputs, as a share of its largest output; it is
    rounding. Raises RunError when it is more. A model that was merged already is left as it is.
    """
    worst, generator = 0.0, torch.Generator().manual_seed(0)
    model.eval()
    for name, layer in _layers(model):
        if layer.merged:
            continue
        x = torch.randn(4, layer.in_features, generator=generator).to(layer.weight)
        before = layer(x)
        layer.merge(safe_merge=True)
        worst = max(worst, float((layer(x) - before).abs().max() / before.abs().max()))
        if worst > CHANGED:
            raise RunError(f"Merging the adapter of {name} changes its output by {worst:.2g}", f"At most {CHANGED:g}")
    return worst


def save_adapter(model: Vlm, folder: Path) -> None:
    """The adapter in peft's own format (``adapter_config.json``, ``adapter_model.safetensors``), for other programs."""
    renamed = {
        "base_model.model." + name.removeprefix("base.").replace(".default.", "."): tensor
        for name, tensor in model.state_dict().items()
        if name != BASE
    }
    folder.mkdir(parents=True, exist_ok=True)
    model.base.peft_config["default"].save_pretrained(folder)
    save_tensors(folder / "adapter_model.safetensors", renamed, {"format": "pt"})


def save_merged(model: Vlm, folder: Path) -> float:
    """The base with the adapters added to its matrices, in the hub's format; returns what :func:`merge` does.

    The model is used up: it has no adapters afterwards.
    """
    changed = merge(model)
    for name, layer in list(_layers(model)):
        model.set_submodule(name, layer.get_base_layer())
    model.base.save_pretrained(folder)
    return changed
