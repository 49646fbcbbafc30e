"""A made-up report with everything a real one can hold: 3 variants x 4 runtimes, and rows that failed or came from elsewhere.

No figure in it was measured; it exists so that pages and tests have something to show.
"""

from typing import Any, NamedTuple

import numpy as np
from made_details import details

from weighin.core.files import hash_bytes
from weighin.core.result import Candidate, Measurement, Pair, Report
from weighin.steps.assemble import picks
from weighin.steps.losses import with_losses

RUNTIMES = ("torch", "onnx", "onnx:int8", "openvino")


class Kind(NamedTuple):
    """How figures of a name are made up; ``spread``: half of the interval, as a share of the value, None without one."""

    unit: str
    spread: float | None
    n: int
    method: str
    better: str = "lower"


FIGURES = {
    "top1": Kind("share", 0.012, 2048, "Clopper-Pearson, 24 groups, design effect 2.1", "higher"),
    "top1_merged": Kind("share", 0.010, 2048, "Clopper-Pearson, 24 groups, design effect 2.1", "higher"),
    "latency_p50_ms": Kind("ms", 0.02, 400, "single stream, interleaved rounds, order statistics"),
    "latency_p90_ms": Kind("ms", 0.06, 400, "single stream, interleaved rounds, order statistics"),
    "throughput_per_s": Kind("1/s", 0.025, 12, "offline, best of the stated batches, median of 12 rounds", "higher"),
    "cpu_ms_per_item": Kind("ms", 0.015, 400, "process CPU time, single stream, median of rounds"),
    "peak_memory_mb": Kind("MB", 0.03, 5, "fresh process, peak minus import-only baseline, 5 processes"),
    "size_mb": Kind("MB", None, 1, "bytes on disk of what is shipped"),
    "cold_start_s": Kind("s", 0.07, 5, "fresh process, load to first answer, 5 processes"),
    "train_minutes": Kind("min", None, 1, "wall clock of the training run"),
    "train_cpu_minutes": Kind("min", None, 1, "CPU time of the training process"),
    "parameters": Kind("", None, 1, "counted on the built model"),
}
VARIANTS = {  # top1, latency p50 in torch (ms), memory (MB), size in torch (MB), training minutes, parameters, width, about
    "full": (0.9382, 6.41, 214.0, 17.12, 41.3, 4_483_172, 64, "the largest: all widths"),
    "light": (0.9297, 2.18, 121.0, 4.66, 22.8, 1_219_044, 32, "half the width"),
    "tiny": (0.9011, 0.74, 74.5, 1.07, 14.1, 279_908, 16, "a quarter of the width, learned from full"),
}
SPEEDS = {  # of torch: time, size; and the change of top1
    "torch": (1.0, 1.0, 0.0),
    "onnx": (0.62, 1.02, 0.0),
    "onnx:int8": (0.41, 0.28, -0.009),
    "openvino": (0.55, 1.04, 0.0001),
}
SHARES = (0.02, 0.41, 0.0, 0.97, 0.03, 0.3, 0.93, 0.81, 0.0, 0.22, 1.0, 0.9)
ENVIRONMENT = {
    "hardware": {"cpu": "Made-up CPU", "cores": 2, "memory_gib": 23.5, "accelerator": None, "system": "Linux 6.8 x86_64"},
    "versions": {"weighin": "0.1.0", "torch": "2.13.0", "onnxruntime": "1.23.1", "openvino": "2026.1"},
    "threads": [1],
    "unavailable_runtimes": {"torch:compile": "No C++ compiler here: install g++ and start again."},
}
SCORES = [
    {"name": "top1", "unit": "share", "better": "higher", "about": "right character"},
    {"name": "top1_merged", "unit": "share", "better": "higher", "about": "right character, O and 0 counted as one"},
]


def measurement(name: str, value: float, label: tuple[str, str], **over: Any) -> Measurement:
    """One figure, with an interval where figures of that name have one."""
    kind = FIGURES[name]
    half = None if kind.spread is None else kind.spread * value
    variant, runtime = label
    made = {
        "name": name,
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else value + 1.15 * half,
        "unit": kind.unit,
        "better": kind.better,
        "n": kind.n,
        "method": kind.method,
        "family": "glyphs",
        "variant": variant,
        "runtime": runtime,
        "run": f"runs/glyphs/{variant}-4f1c09",
        "data": "synthetic",
        "hardware": {"cpu": "Made-up CPU", "cores": 2},
        "versions": {"torch": "2.13.0", "onnxruntime": "1.23.1"},
        "hashes": {"weights": hash_bytes(variant.encode()), "data": "9f" * 32},
        "command": "weighin compare glyphs --threads 1",
        "at": "2026-11-20T10:02:11+00:00",
        "evidence": f"{variant}-{runtime.replace(':', '_')}-speed.npz",
    }
    return Measurement(**{**made, **over})


def candidate(variant: str, runtime: str, rng: np.random.Generator) -> Candidate:
    """A measured candidate."""
    top1, p50, memory, size, minutes, parameters, width, about = VARIANTS[variant]
    faster, smaller, gain = SPEEDS[runtime]
    p50 = p50 * faster * rng.uniform(0.98, 1.02)
    values = {
        "top1": top1 + gain,
        "top1_merged": top1 + gain + 0.021,
        "latency_p50_ms": p50,
        "latency_p90_ms": p50 * rng.uniform(1.12, 1.3),
        "throughput_per_s": 2600 / p50 * rng.uniform(0.9, 1.1),
        "cpu_ms_per_item": p50 * 0.97,
        "peak_memory_mb": memory * (0.6 + 0.4 * faster),
        "size_mb": size * smaller,
        "cold_start_s": 0.4 + 0.1 * p50,
        "train_minutes": minutes,
        "train_cpu_minutes": minutes * 1.93,
        "parameters": parameters,
    }
    figures = [measurement(name, float(value), (variant, runtime)) for name, value in values.items()]
    settings = {"model": {"width": width, "depth": 4}, "recipe": {"lr": 0.002, "batch": 64}}
    run = f"runs/glyphs/{variant}-4f1c09"
    return Candidate(
        variant=variant, runtime=runtime, run=run, status="ok", about=about, settings=settings, measurements=figures
    )


def candidates(rng: np.random.Generator) -> list[Candidate]:
    """12 measured, one failed, one not measured, one partly measured, one imported."""
    rows = [candidate(variant, runtime, rng) for variant in VARIANTS for runtime in RUNTIMES]
    why = "Export of part 'classify' differs by 0.031 of its largest value; 0.02 is allowed. See runs/glyphs/tiny-4f1c09."
    compiler = "No C++ compiler here: install g++ and start again."
    part = [m for m in candidate("light", "onnx", rng).measurements if m.name in ("top1", "size_mb")]
    theirs = ("paper", "their torch")
    paper = [
        measurement(name, value, theirs, low=None, high=None) for name, value in (("top1", 0.951), ("latency_p50_ms", 0.9))
    ]
    return [
        *rows,
        Candidate(variant="tiny", runtime="openvino:int8", status="failed", reason=why),
        Candidate(variant="full", runtime="torch:compile", status="not measured", reason=compiler),
        Candidate(variant="light", runtime="aoti", run="runs/glyphs/light-4f1c09", status="ok", measurements=part),
        Candidate(variant="paper", runtime="their torch", status="imported", reason="from peers.csv", measurements=paper),
    ]


def pairs(rows: list[Candidate]) -> list[Pair]:
    """Every fully measured candidate against every other."""
    measured = [c for c in rows if c.status == "ok" and c.get("latency_p50_ms")]
    values = {c.label: c.measurements[0].value for c in measured}
    labels = list(values)
    return [_pair(a, b, values[a] - values[b]) for i, a in enumerate(labels) for b in labels[i + 1 :]]


def _pair(first: str, second: str, gap: float) -> Pair:
    different = abs(gap) > 0.0075
    more = None if different else int(2000 + 10 / max(abs(gap), 1e-3))
    found = {"difference": gap, "low": gap - 0.0071, "high": gap + 0.0069, "p": 0.0021 if different else 0.31}
    return Pair(first=first, second=second, score="top1", test="exact McNemar", different=different, more_needed=more, **found)


def made_report(seed: int = 0) -> Report:
    """The whole report, without picks."""
    rng = np.random.default_rng(seed)
    rows = candidates(rng)
    found = pairs(rows)
    rows = with_losses(rows, found, "top1", "higher")
    ceiling = "0.978: 2.2 % of the pictures are of look-alikes that no one can tell apart"
    return Report(
        schema=1,
        family="glyphs",
        about="Which character is this picture of?",
        data="synthetic",
        primary="top1",
        candidates=rows,
        pairs=found,
        front={c.label: share for c, share in zip((c for c in rows if c.status == "ok"), SHARES)},
        environment=ENVIRONMENT,
        scores=SCORES,
        notes={"examples": 2048, "groups": 24, "ceiling": ceiling},
        details=details(rows, rng),
        command="weighin compare glyphs --threads 1",
        at="2026-11-20T10:14:52+00:00",
    )


def picked(report: Report, limits: tuple[str, ...] = ("latency_p90_ms<=2", "peak_memory_mb<=120")) -> Report:
    """The report with its picks, as ``compare`` puts them there."""
    return report.model_copy(update={"details": {**report.details, **picks(report, None, limits)}})
