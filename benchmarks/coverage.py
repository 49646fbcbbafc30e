"""How often do weighin's 95 % intervals hold the truth, and how often is a candidate told from itself?

Made-up populations whose true figure is known are drawn again and again, with and without groups; every
interval either holds the truth or misses it. Beside weighin's own interval stand the two that most tools
use, the percentile and the BCa bootstrap of the same resampled groups.

    python benchmarks/coverage.py [--simulations 1000] [--seed 0] [--out docs/evidence/statistics/coverage.json]
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.special import ndtr, ndtri

from weighin.core.clusters import influence, sums_by_group
from weighin.core.family import Score, Tally
from weighin.core.files import write_json
from weighin.core.statistics import all_pairs, draws, interval, least_n, mcnemar, paired, percentile_interval, ratio_interval

OUT = Path("docs/evidence/statistics/coverage.json")
Rng = np.random.Generator
Drawn = tuple[Tally, np.ndarray]

TOP1 = Score("top1", "share", "higher", binary=True)
CER = Score("cer", "share", "lower")
MAE = Score("force_mae", "eV/A", "lower")
RMSE = Score("force_rmse", "eV/A", "lower", transform=lambda value, weight: float(np.sqrt(value[0] / weight)))
CLASSES = np.array([0.4, 0.25, 0.15, 0.1, 0.1])  # share of each class
RECALL = np.array([0.9, 0.8, 0.7, 0.6, 0.8])


def mean_recall(value: np.ndarray, weight: float) -> float:
    """Balanced accuracy from value [10]: hits by class, then examples by class."""
    return float(np.mean(value[:5] / np.maximum(value[5:], 1)))


BALANCED = Score("balanced_accuracy", "share", "higher", transform=mean_recall)


@dataclass(frozen=True)
class Population:
    """What is drawn, and the true figure behind it."""

    name: str
    score: Score
    truth: float
    draw: Callable[[Rng], Drawn]


def sizes(rng: Rng, groups: int, size: int) -> np.ndarray:
    """Group of every example [n]; sizes differ (log-normal, sigma 0.6) unless they are 1."""
    count = np.ones(groups, int) if size == 1 else np.maximum(2, np.round(rng.lognormal(np.log(size), 0.6, groups)).astype(int))
    return np.repeat(np.arange(groups), count)


def share(groups: int, size: int, rate: float, correlation: float) -> Population:
    """Right or wrong; the rate of a group is beta-distributed with this correlation within groups."""

    def draw(rng: Rng) -> Drawn:
        of = sizes(rng, groups, size)
        scale = (1 - correlation) / correlation if correlation else 0
        rates = rng.beta(rate * scale, (1 - rate) * scale, groups) if correlation else np.full(groups, rate)
        return Tally.of(rng.random(len(of)) < rates[of]), of

    return Population(f"share {rate}, {where(groups, size)}, correlation {correlation}", TOP1, rate, draw)


def errors(groups: int, size: int) -> Population:
    """Errors a character: lines of 10 to 60 characters, hard and easy lines, hard and easy groups; skewed."""

    def draw(rng: Rng) -> Drawn:
        of = sizes(rng, groups, size)
        length = rng.integers(10, 61, len(of))
        hard = rng.lognormal(-0.18 / 2, np.sqrt(0.18), groups)[of] * rng.gamma(1.0, 1.0, len(of))
        return Tally.of(rng.poisson(0.05 * length * hard), length), of

    return Population(f"character errors, {where(groups, size)}", CER, 0.05, draw)


def absolute(groups: int, size: int, rate: float = 1.0) -> Population:
    """Absolute errors: gamma within a group, groups of different scale; all but a share ``rate`` of examples have none."""

    def draw(rng: Rng) -> Drawn:
        of = sizes(rng, groups, size)
        errors = rng.gamma(1.5, 1 / 1.5, len(of)) * rng.lognormal(-0.045, 0.3, groups)[of]
        return Tally.of(errors if rate == 1 else errors * (rng.random(len(of)) < rate)), of

    often = "" if rate == 1 else f" in {100 * rate:g} % of examples"
    return Population(f"absolute error{often}, {where(groups, size)}", MAE, rate, draw)


def squared(groups: int, size: int) -> Population:
    """Root of the mean of squared errors, which have heavy tails."""

    def draw(rng: Rng) -> Drawn:
        of = sizes(rng, groups, size)
        return Tally.of((rng.standard_t(12, len(of)) * rng.lognormal(0, 0.25, groups)[of]) ** 2), of

    return Population(f"root mean square error, {where(groups, size)}", RMSE, float(np.sqrt(1.2 * np.exp(2 * 0.25**2))), draw)


def balanced(groups: int, size: int) -> Population:
    """Mean recall of five classes of different size."""

    def draw(rng: Rng) -> Drawn:
        of = sizes(rng, groups, size)
        kind = rng.choice(5, len(of), p=CLASSES)
        hit = rng.random(len(of)) < RECALL[kind] + rng.uniform(-0.08, 0.08, groups)[of]
        value = np.zeros((len(of), 10))
        value[np.arange(len(of)), kind] = hit
        value[np.arange(len(of)), 5 + kind] = 1
        return Tally.of(value), of

    return Population(f"balanced accuracy, {where(groups, size)}", BALANCED, float(RECALL.mean()), draw)


def where(groups: int, size: int) -> str:
    return f"{groups} examples" if size == 1 else f"{groups} groups of about {size}"


POPULATIONS = (
    share(150, 1, 0.9, 0), share(600, 1, 0.97, 0), share(10, 30, 0.9, 0.05), share(20, 30, 0.9, 0.1), share(20, 30, 0.6, 0.2),
    share(40, 30, 0.97, 0.05), share(200, 5, 0.8, 0.3),
    errors(300, 1), errors(10, 20), errors(20, 20), errors(40, 20),
    absolute(50, 1), absolute(10, 20), absolute(20, 20),
    squared(200, 1), squared(12, 30), squared(40, 30),
    balanced(300, 1), balanced(12, 40), balanced(40, 20),
)  # fmt: skip
RARE = (
    share(200, 1, 0.99, 0),
    share(10, 30, 0.99, 0.1),
    share(20, 30, 0.99, 0.2),
    share(4, 30, 0.9, 0.1),
)
RARE_ERRORS = (absolute(120, 5, 0.003), absolute(120, 5, 0.01), absolute(600, 1, 0.005), absolute(40, 20, 0.01))


def bootstraps(tally: Tally, score: Score, groups: np.ndarray) -> dict[str, tuple[float, float]]:
    """The percentile and BCa intervals (Efron 1987) of the same resampled groups: not used by weighin."""
    drawn, value = draws(tally, score, groups), interval(tally, score, groups).value
    parts = influence(score, sums_by_group(tally, groups, score.name))
    shift = ndtri(np.clip((drawn < value).mean() + (drawn == value).mean() / 2, 0.001, 0.999))
    bend = (parts**3).sum() / (6 * max((parts**2).sum(), 1e-100) ** 1.5)
    tails = ndtri(np.array([0.025, 0.975])) + shift
    low, high = np.quantile(drawn, ndtr(shift + tails / (1 - bend * tails)))
    plain = np.quantile(drawn, [0.025, 0.975])
    return {"percentile": (float(plain[0]), float(plain[1])), "bca": (float(low), float(high))}


def coverage(population: Population, simulations: int, rng: Rng, others: bool = True) -> dict[str, Any]:
    """Share of draws whose interval holds the truth, for each method, and on which side it misses."""
    held: dict[str, list[tuple[bool, bool]]] = {}
    none = 0
    for _ in range(simulations):
        tally, groups = population.draw(rng)
        seen = interval(tally, population.score, groups)
        none += seen.low is None
        if seen.low is None or seen.high is None:
            continue
        ends = {"weighin": (seen.low, seen.high)} | (bootstraps(tally, population.score, groups) if others else {})
        for method, (low, high) in ends.items():
            held.setdefault(method, []).append((population.truth < low - 1e-12, population.truth > high + 1e-12))
    rows = {
        method: {"coverage": 1 - np.mean([a or b for a, b in misses]), "truth_below": np.mean([a for a, _ in misses]),
                 "truth_above": np.mean([b for _, b in misses])}
        for method, misses in held.items()
    }  # fmt: skip
    return {"population": population.name, "truth": population.truth, "simulations": simulations, "no_interval": none, **rows}


def rivals(rng: Rng, groups: int, size: int, gap: float) -> tuple[Tally, Tally, np.ndarray]:
    """Two candidates, right on 0.7 + gap and on 0.7 of the same easy and hard examples; each has its lucky groups."""
    of = sizes(rng, groups, size)
    easy = rng.uniform(-0.15, 0.15, len(of))
    luck = rng.uniform(-0.08, 0.08, (2, groups)) if size > 1 else np.zeros((2, groups))
    hits = [rng.random(len(of)) < 0.7 + more + easy + luck[i][of] for i, more in enumerate((gap, 0.0))]
    return Tally.of(hits[0]), Tally.of(hits[1]), of


def difference(groups: int, size: int, gap: float, simulations: int, rng: Rng) -> dict[str, Any]:
    """Coverage of the interval of a paired difference."""
    held = []
    for _ in range(simulations):
        first, second, of = rivals(rng, groups, size, gap)
        seen = paired(first, second, TOP1, of)
        held.append(seen.low is not None and seen.high is not None and seen.low <= gap <= seen.high)
    name = f"difference {gap} of two shares, {where(groups, size)}"
    return {"population": name, "truth": gap, "simulations": simulations, "coverage": np.mean(held)}


def itself(groups: int, size: int, simulations: int, rng: Rng) -> dict[str, Any]:
    """A/A: two equally good trainings of one candidate. How often are they called different, how often by McNemar alone?"""
    called, naive = [], []
    for _ in range(simulations):
        first, second, of = rivals(rng, groups, size, 0.0)
        called.append(all_pairs({"a": first, "b": second}, TOP1, of)[0].different)
        naive.append(mcnemar(first.value, second.value) <= 0.05)
    return {"population": f"A/A, {where(groups, size)}", "simulations": simulations, "called_different": np.mean(called),
            "called_different_by_mcnemar_on_examples": np.mean(naive)}  # fmt: skip


def family_of_six(simulations: int, rng: Rng) -> dict[str, Any]:
    """A/A of six candidates: how often is any of the 15 pairs called different (Holm)?"""
    called = []
    for _ in range(simulations):
        of, luck = sizes(rng, 30, 20), rng.uniform(-0.08, 0.08, (6, 30))
        tallies = {str(i): Tally.of(rng.random(len(of)) < 0.7 + luck[i][of]) for i in range(6)}
        called.append(any(pair.different for pair in all_pairs(tallies, TOP1, of)))
    return {"population": "A/A, six candidates, any of 15 pairs, 30 groups of about 20", "simulations": simulations,
            "called_different": np.mean(called)}  # fmt: skip


def percentile(q: float, n: int, simulations: int, rng: Rng) -> dict[str, Any]:
    """Coverage of the order-statistic interval on log-normal times."""
    truth = float(np.exp(0.5 * ndtri(q)))
    seen = [percentile_interval(rng.lognormal(0, 0.5, n), q) for _ in range(simulations)]
    held = np.mean([s is not None and s.low is not None and s.high is not None and s.low <= truth <= s.high for s in seen])
    return {"population": f"p{100 * q:g} of {n} log-normal times", "simulations": simulations, "coverage": held}


def rounds(n: int, simulations: int, rng: Rng) -> dict[str, Any]:
    """Coverage of the ratio of two candidates (2.0) over rounds of a machine that slows down by half and has bad moments."""
    held = []
    for _ in range(simulations):
        drift = np.linspace(1, 1.5, n) * np.where(rng.random(n) < 0.1, 3.0, 1.0)
        times = [scale * drift * rng.lognormal(0, 0.1, n) for scale in (2.0, 1.0)]
        seen = ratio_interval(*times)
        held.append(seen is not None and seen.low is not None and seen.high is not None and seen.low <= 2.0 <= seen.high)
    return {"population": f"ratio over {n} drifting rounds", "simulations": simulations, "coverage": np.mean(held)}


def study(simulations: int, seed: int) -> dict[str, Any]:
    """Every row. Each population has a generator of its own, so that adding one changes no other."""
    made = iter(np.random.default_rng([seed, number]) for number in range(10_000))
    return {
        "intervals": [coverage(p, simulations, next(made)) for p in POPULATIONS],
        "rare": [coverage(p, simulations, next(made)) for p in RARE],
        "differences": [
            difference(*shape, simulations, next(made))
            for shape in ((500, 1, 0.02), (12, 30, 0.05), (30, 30, 0.02), (100, 10, 0.0))
        ],
        "itself": [itself(*shape, max(200, simulations), next(made)) for shape in ((400, 1), (5, 40), (10, 40), (40, 25))]
        + [family_of_six(200, next(made))],
        "percentiles": [percentile(q, n, simulations, next(made)) for q in (0.5, 0.9, 0.99) for n in (least_n(q), 1000)]
        + [rounds(n, simulations, next(made)) for n in (6, 15, 40)],
        "rare_errors": [coverage(p, simulations, next(made)) for p in RARE_ERRORS],
    }


def show(found: dict[str, Any]) -> None:
    """The rows as lines."""
    for part in ("intervals", "rare", "rare_errors"):
        print(f"{part}: coverage of 95 % intervals, in per cent")
        print(f"  {'':48} weighin (misses below, above)   BCa  percentile")
        for row in found[part]:
            ours, bca, plain = (row[m] for m in ("weighin", "bca", "percentile"))
            sides = f"({100 * ours['truth_below']:.1f}, {100 * ours['truth_above']:.1f})"
            rest = f"{100 * bca['coverage']:18.1f}{100 * plain['coverage']:12.1f}"
            print(f"  {row['population']:48} {100 * ours['coverage']:7.1f} {sides:>12}{rest}")
    for part in ("differences", "percentiles"):
        print(f"{part}: coverage in per cent")
        for row in found[part]:
            print(f"  {row['population']:60} {100 * row['coverage']:6.1f}")
    print("itself: called different, in per cent (by McNemar on single examples)")
    for row in found["itself"]:
        naive = row.get("called_different_by_mcnemar_on_examples")
        beside = "" if naive is None else f" ({100 * naive:.1f})"
        print(f"  {row['population']:60} {100 * row['called_different']:6.1f}{beside}")


def main() -> None:
    """Runs the study, prints it and writes it down with its command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    found = study(asked.simulations, asked.seed)
    show(found)
    command = f"python benchmarks/coverage.py --simulations {asked.simulations} --seed {asked.seed}"
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__}
    rounded = {part: [_rounded(row) for row in rows] for part, rows in found.items()}
    write_json(asked.out, {"command": command, "versions": versions, **rounded})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(float(value), 6) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
