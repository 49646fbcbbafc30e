"""A candidate on the scales: a variant's run on a runtime; what it is made of, by hash and by size."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from weighin.core import environment
from weighin.core.config import Variant
from weighin.core.family import Family, Predictor
from weighin.core.files import hash_json, hash_path
from weighin.core.result import Better, Measurement
from weighin.core.run import Run
from weighin.steps import evidence
from weighin.steps.predictors import artefacts, export_folder, export_record, load_predictor, members, variant_of, versions_of

MEGABYTE = 1e6  # sizes and memory are in units of 10^6 bytes
CURVE = 200  # points of a training curve


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

    @property
    def versions(self) -> dict[str, str]:
        """Of the libraries that decide its figures."""
        return versions_of(self.run, self.runtime)

    @property
    def where(self) -> dict[str, Any]:
        """Hardware, threads and library versions: every figure names them, and its evidence repeats them."""
        return {"hardware": environment.hardware() | {"threads": self.threads}, "versions": self.versions}

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
            **self.where,
            hashes=self.hashes | more.pop("hashes", {}),
            command=environment.command(),
            at=environment.now(),
            **more,
        )

    def standing(self, names: Sequence[str], **hashes: str) -> list[Measurement]:
        """Measurements of these names that were made of the very same things and whose evidence is intact."""
        wanted = {**self.hashes, **hashes}
        found = [
            m
            for m in self.run.measurements()
            if (m.variant, m.runtime, m.data) == (self.variant.name, self.runtime, self.data)
            and m.name in names
            and m.versions == self.versions
            and all(m.hashes.get(key) == value for key, value in wanted.items())
        ]
        files = {self.run.path / "evidence" / m.evidence: m.hashes.get("evidence") for m in found}
        intact = all(path.is_file() and hash_path(path)[:16] == known for path, known in files.items())
        return sorted(found, key=lambda m: names.index(m.name)) if intact else []

    def renewed(
        self, known: Sequence[Measurement], figures: Callable[[evidence.Arrays], Sequence[Mapping[str, Any]]]
    ) -> list[Measurement]:
        """Measurements that stand, their figures computed from the one evidence file of all: statistics may have changed."""
        arrays, _ = evidence.load(self.run.path / "evidence" / known[0].evidence)
        fresh = updated(known, figures(arrays))
        if any(m not in known for m in fresh):
            self.run.record(fresh)
        return fresh

    def facts(self) -> list[Measurement]:
        """What is counted, not timed: size, parameters, training cost; with the list of what is shipped as evidence."""
        shipped = {f"{m.path.name}/{p.name}": p for m in members(self.run, self.variant).values() for p in self._exported(m)}
        assets = [p for p in sorted(self.run.assets.rglob("*")) if p.is_file() and p.name[0] != "."]
        shipped |= {f"assets/{p.relative_to(self.run.assets).as_posix()}": p for p in assets}  # members have files of one name
        built = [
            variant_of(self.family, m) if prefix else self.variant for prefix, m in members(self.run, self.variant).items()
        ]
        note = {
            "bytes": {name: path.stat().st_size for name, path in shipped.items()},
            "parameters": sum(count(self.family, variant) for variant in built),
            "training": dict(self.run.info.training),
            "curve": self._curve(),
            "parity": self.parity(),
            "hashes": dict(self.hashes),
        }
        counted, asked = figures(note), hash_json(note)[:16]
        known = self.standing([figure["name"] for figure in counted], facts=asked)
        if known:
            return known
        path = self.run.path / "evidence" / f"{self.stem}-facts.npz"
        evidence.save(path, {}, note | {"where": self.where})
        hashes = {"facts": asked, "evidence": hash_path(path)[:16]}
        return [self.measurement(**figure, evidence=path.name, hashes=hashes) for figure in counted]

    def _curve(self) -> list[dict[str, Any]]:
        """The training log, thinned to at most 200 lines."""
        path = self.run.path / "log.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = lines[:: -(-len(lines) // CURVE) or 1]
        keys = ("step", "minutes", "cpu_minutes", "loss", "validation")
        return [{key: line[key] for key in keys if key in line} for line in map(json.loads, kept)]

    def _exported(self, member: Run) -> list[Path]:
        return [p for p in sorted(export_folder(member, self.runtime).iterdir()) if p.name != "export.json"]


def updated(known: Sequence[Measurement], figures: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Measurements of one evidence file with the figures that follow from it now; a new one has the origin of the first."""
    named = {m.name: m for m in known}
    return [Measurement(**{**dict(named.get(figure["name"], known[0])), **figure}) for figure in figures]


def figures(note: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Size, parameters and training cost from a note of facts: deterministic, so that ``verify`` can repeat it."""

    def fact(name: str, value: float, unit: str, method: str) -> dict[str, Any]:
        return {
            "name": name,
            "value": value,
            "low": None,
            "high": None,
            "n": 1,
            "unit": unit,
            "better": "lower",
            "method": method,
        }

    training = note["training"]
    made = [
        fact("size_mb", sum(note["bytes"].values()) / MEGABYTE, "MB", "bytes on disk of exported files and assets / 10^6"),
        fact("parameters", note["parameters"], "", "elements of all parameters of the built model"),
    ]
    where = f"of the training on {training.get('threads', '?')} threads; a teacher's training is not in it"
    for name, key, what in (("train_minutes", "minutes", "wall clock"), ("train_cpu_minutes", "cpu_minutes", "CPU time")):
        if key in training:
            made.append(fact(name, training[key], "min", f"{what} {where}"))
    return made


def count(family: Family[Any, Any, Any], variant: Variant[Any, Any], trainable: bool = False) -> int:
    """Parameters of the built model, counted on the meta device: no weights are made."""
    import torch

    with torch.device("meta"):
        model = family.build(variant)
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
