"""A run: a folder with weights and all that is known of them. Its identity is a hash of (family, model, recipe, data)."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from weighin.core.config import Settings, Variant, validate
from weighin.core.errors import RunError
from weighin.core.family import Family
from weighin.core.files import hash_json, hash_path, storing, sweep, write_atomic, write_json, write_text
from weighin.core.result import Measurement

VERSION = 1  # of the folder's layout; part of the identity


class Info(Settings):
    """``run.json``: what the run is and what became of it."""

    version: int = VERSION
    id: str
    family: str
    variant: str  # name of the variant that first asked for these weights
    model: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data_hash: str
    links: Mapping[str, str] = Field(default_factory=dict, description="teacher, init, members -> run id")
    state: str = "new"  # new, trained
    weights_hash: str = ""
    assets_hash: str = ""
    training: Mapping[str, Any] = Field(default_factory=dict)
    versions: Mapping[str, str] = Field(default_factory=dict)
    hardware: Mapping[str, Any] = Field(default_factory=dict)
    predict: Mapping[str, Any] = Field(default_factory=dict, description="how the variant that first asked uses them")
    of: tuple[str, ...] = ()
    command: str = ""
    at: str = ""


def identity(family: Family[Any, Any, Any], variant: Variant[Any, Any], links: Mapping[str, str]) -> str:
    """Twelve hexadecimal digits that change when the weights would: not with the name, nor with ``predict``.

    How often a resume point is written does not change the weights, so it is left out. A composite has no weights,
    only what is fitted to its use, and costs nothing to make: there ``predict`` and the order of members count.
    """
    recipe = variant.recipe.model_dump(mode="json", exclude={"save_every"})
    used = [variant.of, variant.predict.model_dump(mode="json")] if variant.of else []
    return hash_json(
        [VERSION, family.name, variant.model.model_dump(mode="json"), recipe, fingerprint(family, variant), links, *used]
    )[:12]


def fingerprint(family: Family[Any, Any, Any], variant: Variant[Any, Any]) -> str:
    """The hash of the variant's training data; composites have none of their own."""
    return "" if variant.of else family.fingerprint(variant.recipe.data)


def runs_root(given: Path | str | None = None) -> Path:
    """Where runs live: the argument, WEIGHIN_RUNS, or ``runs`` here."""
    return Path(given or os.environ.get("WEIGHIN_RUNS") or "runs")


class Run:
    """``run.json``, ``weights.safetensors``, ``assets/``, ``log.jsonl``, ``exports/``, ``evidence/``, measurements."""

    def __init__(self, path: Path, info: Info) -> None:
        self.path, self.info = path, info

    @classmethod
    def open(cls, path: Path) -> "Run":
        """An existing run. Raises RunError when the folder is none, or damaged."""
        try:
            raw = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path} is not a run", "A run is a folder with run.json", "weighin train makes one") from None
        except (OSError, ValueError) as error:
            hint = "Delete the folder and train again"
            raise RunError(f"{path / 'run.json'} cannot be read: {error}", "It is JSON", hint) from None
        return cls(path, validate(Info, raw, str(path / "run.json")))

    @classmethod
    def place(cls, root: Path, family: Family[Any, Any, Any], variant: Variant[Any, Any], links: Mapping[str, str]) -> "Run":
        """The run of these weights under ``root``: the one that is there, or a new folder."""
        id = identity(family, variant, links)
        known = sorted((root / family.name).glob(f"*-{id}/run.json"))
        if known:
            return cls.open(known[0].parent)
        info = Info(
            id=id,
            family=family.name,
            variant=variant.name,
            model=variant.model.model_dump(mode="json"),
            recipe=variant.recipe.model_dump(mode="json"),
            data_hash=fingerprint(family, variant),
            links=links,
            predict=variant.predict.model_dump(mode="json"),
            of=variant.of,
        )
        run = cls(root / family.name / f"{variant.name}-{id}", info)
        write_json(run.path / "run.json", info.model_dump(mode="json"))
        return run

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.path / "weights.safetensors"

    @property
    def assets(self) -> Path:
        """What ``prepare`` and ``finish`` wrote: part of what is shipped."""
        return self.path / "assets"

    @property
    def trained(self) -> bool:
        """Whether training came to its end."""
        return self.info.state == "trained"

    def update(self, **changes: Any) -> None:
        """Changes run.json, atomically."""
        self.info = self.info.model_copy(update=changes)
        write_json(self.path / "run.json", self.info.model_dump(mode="json"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one process at a time. Raises RunError when another holds it; a killed one holds nothing."""
        with storing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                hint = "Wait for it, or choose another folder with --runs"
                raise RunError(f"{self.path} is in use by another process", hint=hint) from None
        try:
            sweep(self.path)
            yield
        finally:
            lock.release()

    def load_into(self, model: nn.Module) -> nn.Module:
        """The run's weights in ``model``, verified by hash, strictly, in eval mode. Raises RunError."""
        if not self.trained:
            raise RunError(f"{self.path} is not trained yet", hint=f"weighin train {self.info.family}/{self.info.variant}")
        if not self.weights.exists():
            raise RunError(f"{self.weights} is missing", hint="Delete the run folder and train again")
        if hash_path(self.weights) != self.info.weights_hash:
            came = f"{self.weights} is not the file that training wrote: its hash differs from run.json"
            raise RunError(came, hint="Put the file back, or delete the run folder and train again")
        load_state(model, load_tensors(self.weights), self.weights)
        return model.eval()

    def check_assets(self) -> None:
        """Raises RunError when ``assets/`` is not what training wrote."""
        if self.info.assets_hash and hash_path(self.assets) != self.info.assets_hash:
            came = f"{self.assets} is not what training wrote: its hash differs from run.json"
            raise RunError(came, hint="Put the files back, or delete the run folder and train again")

    def measurements(self) -> list[Measurement]:
        """All measurements of the run; a half-written last line is left out."""
        path = self.path / "measurements.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        kept: list[Measurement] = []
        for number, line in enumerate(lines):
            try:
                kept.append(validate(Measurement, json.loads(line), f"{path}:{number + 1}"))
            except ValueError:
                if number < len(lines) - 1:
                    raise RunError(f"{path}:{number + 1} is not JSON", hint="Delete the line and weigh again") from None
        return kept

    def record(self, new: list[Measurement]) -> None:
        """Adds measurements; one of the same variant, runtime, data and name takes the place of the older."""
        replaced = {_key(m) for m in new}
        with storing(self.path), FileLock(self.path / ".measurements.lock"):  # two that weigh the same run lose nothing
            kept = [m for m in self.measurements() if _key(m) not in replaced]
            write_text(self.path / "measurements.jsonl", "".join(m.model_dump_json() + "\n" for m in [*kept, *new]))


def _key(m: Measurement) -> tuple[str, str, str, str]:
    return m.variant, m.runtime, m.data, m.name


def find(root: Path, family: str, reference: str) -> Run | None:
    """A run by path, by id, or by folder name under ``root``; None when there is none.

    Raises RunError for a run of another family.
    """
    for path in (Path(reference), root / family / reference):
        if (path / "run.json").exists():
            run = Run.open(path)
            if run.info.family != family:
                raise RunError(f"{path} is a run of {run.info.family}", f"It must be one of {family}")
            return run
    known = sorted((root / family).glob(f"*-{reference}/run.json")) if reference.isalnum() else []
    return Run.open(known[0].parent) if known else None


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """safetensors, atomically; tensors that share memory (tied weights) are written once each under their own name."""
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, lambda temporary: save_file(whole, temporary, dict(metadata or {})))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """safetensors, on the CPU. Raises RunError when truncated or not safetensors."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as safetensors: {str(error).splitlines()[0]}") from None


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Strict: every name and shape must agree, every value must be finite."""
    try:
        model.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise RunError(f"{source} holds the weights of another model: {reason[:200]}") from None
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise RunError(f"{source} holds NaN or infinity in {bad[0]}", hint="Train again with a lower rate (recipe.lr)")
