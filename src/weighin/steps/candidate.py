"""A candidate on the scales: a variant's run on a runtime; what it is made of, by hash and by size."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from weighin.core import environment
from weighin.core.config import Variant
from weighin.core.family import Family, Predictor
from weighin.core.files import hash_json, hash_path, size_bytes
from weighin.core.result import Better, Measurement
from weighin.core.run import Run
from weighin.steps.predictors import artefacts, export_folder, export_record, load_predictor, members, variant_of

MEGABYTE = 1e6  # sizes and memory are in units of 10^6 bytes


@dataclass
class Weighed:
    """What is weighed. ``data`` names the data set of every quality figure and of the inputs that are timed."""

    family: Family[Any, Any, Any]
    variant: Variant[Any, Any]
    run: Run
    runtime: str
    data: str
    threads: int = 1

    @property
    def label(self) -> str:
        """``tiny @ onnx:int8``."""
        return f"{self.variant.name} @ {self.runtime}"

    @property
    def stem(self) -> str:
        """Name of this candidate's evidence files."""
        return f"{self.variant.name}-{self.runtime.replace(':', '-')}-{hash_json([self.data])[:6]}"

    def predictor(self) -> Predictor[Any, Any]:
        """The predictor with the runtime inside: everything is measured through it."""
        return load_predictor(self.family, self.variant, self.run, self.runtime, self.threads)

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """Weights, artefact, assets, settings of use, data: what a figure depends on."""
        files = {
            prefix + name: hash_path(path)
            for prefix, m in members(self.run, self.variant).items()
            for name, path in artefacts(m, self.runtime).items()
        }
        weights = {prefix: m.info.weights_hash for prefix, m in members(self.run, self.variant).items()}
        return {
            "weights": hash_json(weights)[:16],
            "artefact": hash_json(files)[:16],
            "assets": self.run.info.assets_hash[:16],
            "predict": hash_json(self.variant.predict.model_dump(mode="json"))[:16],
            "data": self.family.fingerprint(self.data)[:16],
        }

    def shipped_bytes(self) -> int:
        """Bytes on disk of what is shipped: exported files and assets."""
        exported = [
            size_bytes(export_folder(m, self.runtime)) - _record_size(m, self.runtime)
            for m in members(self.run, self.variant).values()
        ]
        return sum(exported) + sum(
            p.stat().st_size for p in self.run.assets.rglob("*") if p.is_file() and not p.name.startswith(".")
        )

    def parity(self) -> dict[str, Any]:
        """The worst parity over all parts and members."""
        seen = [
            p
            for m in members(self.run, self.variant).values()
            for p in (export_record(m, self.runtime) or {"parity": {}})["parity"].values()
        ]
        return {
            "max_abs": max((p["max_abs"] for p in seen), default=None),
            "max_rel": max((p["max_rel"] for p in seen), default=None),
            "passed": all(p["passed"] for p in seen) if seen else None,
        }

    def measurement(
        self, name: str, value: float, unit: str, better: Better | None, n: int, method: str, **more: Any
    ) -> Measurement:
        """A measurement of this candidate with everything that is needed to do it again."""
        return Measurement(
            name=name,
            value=value,
            unit=unit,
            better=better,
            n=n,
            method=method,
            family=self.family.name,
            variant=self.variant.name,
            run=self.run.path.name,
            runtime=self.runtime,
            data=self.data,
            hardware=environment.hardware() | {"threads": self.threads},
            versions=environment.versions(),
            hashes=self.hashes | more.pop("hashes", {}),
            command=environment.command(),
            at=environment.now(),
            **more,
        )

    def facts(self) -> list[Measurement]:
        """What is counted, not timed: size, parameters, training cost."""
        training = self.run.info.training
        parameters = sum(
            count(self.family, variant_of(self.family, m) if p else self.variant)
            for p, m in members(self.run, self.variant).items()
        )
        device = (
            f"on {training.get('threads', '?')} threads of {training.get('device', self.run.info.hardware.get('cpu', '?'))}"
        )
        made = [
            self.measurement(
                "size_mb",
                self.shipped_bytes() / MEGABYTE,
                "MB",
                "lower",
                1,
                "bytes on disk of exported files and assets / 10^6",
            ),
            self.measurement("parameters", parameters, "", "lower", 1, "elements of all parameters of the built model"),
        ]
        for name, key in (("train_minutes", "minutes"), ("train_cpu_minutes", "cpu_minutes")):
            if key in training:
                what = "wall clock" if key == "minutes" else "CPU time of the process"
                made.append(
                    self.measurement(
                        name,
                        training[key],
                        "min",
                        "lower",
                        1,
                        f"{what} of the training {device}; a teacher's training is not in it",
                    )
                )
        return made


def _record_size(run: Run, runtime: str) -> int:
    return (export_folder(run, runtime) / "export.json").stat().st_size


def count(family: Family[Any, Any, Any], variant: Variant[Any, Any], trainable: bool = False) -> int:
    """Parameters of the built model, counted on the meta device: no weights are made."""
    import torch

    with torch.device("meta"):
        model = family.build(variant)
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
