"""How many times the figure of another candidate's: from paired rounds of one session, so that noise falls on both.

On a busy machine the median of one candidate's calls says how often a neighbour cut in, and cuts fall on long calls more
often than on short ones: beside bursts of load, ratios of medians moved by a quarter from session to session. What nobody
cut moves by a few per cent (benchmarks/noise.py; Chen and Revels 2016 come to the same). On a quiet machine all calls are
such calls.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from weighin.core.clusters import Interval
from weighin.core.statistics import ratio_interval
from weighin.steps import evidence, speed

UNDISTURBED = 0.1  # quantile of the calls of a round: of ten calls, one at least was let through
SINGLE = {"latency_p50_ms": "single_ms", "latency_cpu_p50_ms": "single_cpu_ms"}

Loaded = tuple[evidence.Arrays, Mapping[str, Any]]  # arrays and note of an evidence file of speed


def ratios(mine: Loaded, other: Loaded) -> dict[str, Interval]:
    """Measurement -> mine by the other's: median over rounds of undisturbed single calls, or of calls of the same batch.

    Empty where the two were not timed in the same rounds; without what fewer than 6 rounds do not support.
    """
    (arrays, note), (others, their) = mine, other
    if any(note[key] != their[key] for key in ("session", "wave")):
        return {}
    pairs = {name: (undisturbed(arrays[key]), undisturbed(others[key])) for name, key in SINGLE.items()}
    batch = speed.best_batch(arrays)
    if batch and batch == speed.best_batch(others):
        wall, cpu = ((arrays[f"batch{batch}_{key}"], others[f"batch{batch}_{key}"]) for key in ("ms", "cpu_ms"))
        pairs |= {"throughput_per_s": wall[::-1], "cpu_ms_per_item": cpu}
    found = {name: ratio_interval(one, two) for name, (one, two) in pairs.items() if (one > 0).all() and (two > 0).all()}
    return {name: seen for name, seen in found.items() if seen}


def undisturbed(times: np.ndarray) -> np.ndarray:
    """Milliseconds of a call that nobody cut: [rounds, visits, calls] -> [rounds]."""
    return np.quantile(times.reshape(len(times), -1), UNDISTURBED, axis=1)
