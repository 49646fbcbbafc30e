"""The made-up details of :mod:`made_report`: every optional key of ``Report.details``."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from weighin.core.result import Candidate

KINDS = ("uppercase", "lowercase", "digit", "punctuation")
GROUPS = tuple(f"Family {letter}{n}" for n in range(1, 4) for letter in "ABCDEFGH")
CONFUSED = (("O", "0", 41), ("l", "I", 33), ("0", "O", 21), ("S", "s", 18), ("'", "`", 9))
MINUTES = {"full": 41.3, "light": 22.8, "tiny": 14.1}


def picture(text: str, rng: np.random.Generator) -> str:
    """A small PNG of a character, base64."""
    image = Image.new("L", (48, 48), 255)
    at = (24 + int(rng.integers(-3, 4)), 24)
    ImageDraw.Draw(image).text(at, text, fill=0, font=ImageFont.load_default(34), anchor="mm")
    raw = io.BytesIO()
    image.rotate(float(rng.uniform(-18, 18)), fillcolor=255).save(raw, "PNG")
    return base64.b64encode(raw.getvalue()).decode()


def curve(start: float, floor: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A falling loss with noise; validation every fourth entry."""
    losses = floor + (start - floor) * np.exp(-np.arange(60) / 12) + rng.normal(0, 0.02, 60)
    rows = [{"step": 50 * i, "minutes": 0.4 * i, "cpu_minutes": 0.77 * i, "loss": float(x)} for i, x in enumerate(losses)]
    return [{**row, "validation": row["loss"] + 0.05 if i % 4 == 0 else None} for i, row in enumerate(rows)]


def by(names: Sequence[str], base: float, rng: np.random.Generator) -> dict[str, Any]:
    """Scores by kind or group for one candidate."""
    rows = {}
    for i, name in enumerate(names):
        value = min(base - 0.03 * (i % 5) + float(rng.normal(0, 0.01)), 0.98)
        half = 0.015 + 0.001 * (i % 4)
        rows[name] = {"value": value, "low": value - half, "high": value + half, "n": 2048 // len(names)}
    return {"top1": rows, "top1_merged": {name: {**row, "high": row["high"] + 0.001} for name, row in rows.items()}}


def worst(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Ten examples, one without a picture."""
    lines = [(truth, answer, group) for (truth, answer, _), group in zip(CONFUSED * 2, GROUPS)]
    return [
        {"id": f"{g}/{t}", "group": g, "truth": t, "answer": a, "confidence": 0.99 - 0.02 * i, "picture": _or_none(t, i, rng)}
        for i, (t, a, g) in enumerate(lines)
    ]


def _or_none(truth: str, i: int, rng: np.random.Generator) -> str | None:
    return None if i == 4 else picture(truth, rng)


def confusions(rng: np.random.Generator) -> list[dict[str, Any]]:
    """The commonest wrong answers, three pictures each."""
    return [
        {"truth": truth, "answer": answer, "count": count, "pictures": [picture(truth, rng) for _ in range(3)]}
        for truth, answer, count in CONFUSED
    ]


def checks(label: str) -> list[dict[str, Any]]:
    """Two checks; one does not hold in int8."""
    allowed = "at most 2" if "int8" in label else "at most 4"
    return [
        {"name": "same answer in any batch", "passed": True, "seen": "0 of 64 differ", "allowed": "0"},
        {"name": "unmoved by a shift", "passed": "int8" not in label, "seen": "3 of 64 change", "allowed": allowed},
    ]


def parity(label: str) -> dict[str, Any]:
    """int8 is further off than full precision; torch has nothing to differ from."""
    if label.endswith("@ torch"):
        return {"max_abs": None, "max_rel": None, "passed": None}
    return {"max_abs": 3.1e-2 if "int8" in label else 2.4e-6, "max_rel": 1.2e-2 if "int8" in label else 8.8e-7, "passed": True}


def training(variant: str) -> dict[str, Any]:
    """What a run says of its cost."""
    teacher = "glyphs/full" if variant == "tiny" else None
    cost = {"minutes": MINUTES[variant], "cpu_minutes": MINUTES[variant] * 1.93, "steps": 3000, "examples_seen": 192_000}
    return {**cost, "data": "synthetic", "examples": 48_000, "teacher": teacher, "stopped_by": "steps"}


def batches(p50: float) -> dict[str, Any]:
    """Throughput at batches of 1 and 32."""
    values = {"1": 1000 / p50, "32": 2600 / p50}
    return {batch: {"value": value, "low": 0.98 * value, "high": 1.03 * value} for batch, value in values.items()}


def details(rows: Sequence[Candidate], rng: np.random.Generator) -> dict[str, Any]:
    """Every optional key but the picks."""
    measured = {c.label: c for c in rows if c.status == "ok" and len(c.measurements) > 2}
    base = {label: c.measurements[0].value for label, c in measured.items()}
    firsts = [label for label in measured if label.endswith("@ torch") or label == "tiny @ onnx:int8"]
    return {
        "by_kind": {label: by(KINDS, base[label], rng) for label in measured},
        "by_group": {label: by(GROUPS, base[label], rng) for label in measured},
        "confusions": {label: confusions(rng) for label in firsts},
        "worst": {label: worst(rng) for label in firsts},
        "curves": {"full": curve(4.1, 0.31, rng), "light": curve(4.2, 0.42, rng), "tiny": curve(4.3, 0.71, rng)},
        "checks": {label: checks(label) for label in measured},
        "noise": {"label": "light @ torch", "ratio": 1.0041, "low": 0.9872, "high": 1.0193},
        "batches": {label: batches(c.measurements[2].value) for label, c in measured.items()},
        "parity": {label: parity(label) for label in measured},
        "training": {variant: training(variant) for variant in MINUTES},
    }
