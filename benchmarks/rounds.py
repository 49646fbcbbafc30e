"""How often do 95 % intervals of latency hold the truth, when rounds of a session differ?

Made-up sessions, no clock: every round has an effect of its own (a neighbour, a frequency), calls differ within it. Beside
weighin's interval (rounds are the unit) stands the one that takes calls for independent, against the same true figure:
the median over rounds of a round's percentile.

    python benchmarks/rounds.py [--simulations 1000] [--seed 0] [--out docs/evidence/statistics/rounds.json]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from weighin.core.files import write_json
from weighin.core.statistics import median_interval, percentile_by_round, percentile_interval

OUT = Path("docs/evidence/statistics/rounds.json")
TRUTH_CALLS, TRUTH_ROUNDS = 1000, 4000  # of the session that the true figure is taken from
Rng = np.random.Generator
Session = Callable[[Rng, int, int], np.ndarray]  # rounds, calls -> milliseconds [rounds, calls]


def alike(rng: Rng, rounds: int, calls: int) -> np.ndarray:
    """A quiet machine: rounds do not differ."""
    return rng.lognormal(0, 0.1, (rounds, calls))


def drifting(rng: Rng, rounds: int, calls: int) -> np.ndarray:
    """Rounds differ by a tenth, calls within a round by a twentieth."""
    return rng.lognormal(0, 0.1, (rounds, 1)) * rng.lognormal(0, 0.05, (rounds, calls))


def skewed(rng: Rng, rounds: int, calls: int) -> np.ndarray:
    """Some rounds are much slower: the effect is exponential."""
    return (1 + rng.exponential(0.2, (rounds, 1))) * rng.lognormal(0, 0.05, (rounds, calls))


def bad_moments(rng: Rng, rounds: int, calls: int) -> np.ndarray:
    """One round in five takes 1.6 times as long."""
    return np.where(rng.random((rounds, 1)) < 0.2, 1.6, 1.0) * rng.lognormal(0, 0.05, (rounds, calls))


def cut(rng: Rng, rounds: int, calls: int) -> np.ndarray:
    """A neighbour cuts into a share of calls that differs from round to round, for 4 to 40 ms."""
    times = rng.lognormal(0, 0.03, (rounds, 1)) * rng.lognormal(0, 0.02, (rounds, calls))
    return times + (rng.random((rounds, calls)) < rng.beta(1, 12, (rounds, 1))) * rng.uniform(4, 40, (rounds, calls))


SESSIONS: tuple[Session, ...] = (alike, drifting, skewed, bad_moments, cut)


def truth(session: Session, q: float) -> float:
    """The median over rounds of a round's quantile, from a very long session."""
    return float(np.median(np.quantile(session(np.random.default_rng(99), TRUTH_ROUNDS, TRUTH_CALLS), q, axis=1)))


def percentile(session: Session, q: float, rounds: int, calls: int, simulations: int, rng: Rng) -> dict[str, Any]:
    """Coverage of both intervals of a percentile; None where a session supports no interval by round."""
    true, ours, naive, shares = truth(session, q), [], [], []
    for _ in range(simulations):
        times = session(rng, rounds, calls)
        mine, theirs = percentile_by_round(times, q), percentile_interval(times, q)
        if mine is None or theirs is None or mine.low is None or mine.high is None or theirs.low is None or theirs.high is None:
            continue
        ours.append(mine.low <= true <= mine.high)
        naive.append(theirs.low <= true <= theirs.high)
        shares.append((mine.high - mine.low) / mine.value)
    return {
        "session": session.__name__, "figure": f"p{100 * q:g}", "rounds": rounds, "calls_a_round": calls,
        "simulations": simulations, "measured": len(ours), "coverage": float(np.mean(ours)) if ours else None,
        "coverage_if_calls_were_independent": float(np.mean(naive)) if naive else None,
        "width": float(np.median(shares)) if shares else None,
    }  # fmt: skip


def throughput(session: Session, rounds: int, simulations: int, rng: Rng) -> dict[str, Any]:
    """Coverage of the interval of a throughput: one call of a batch a round."""
    true, held = 1 / truth(session, 0.5), []
    for _ in range(simulations):
        seen = median_interval(1 / session(rng, rounds, 1)[:, 0])
        held.append(seen is not None and seen.low is not None and seen.high is not None and seen.low <= true <= seen.high)
    return {
        "session": session.__name__, "figure": "throughput", "rounds": rounds, "simulations": simulations,
        "coverage": float(np.mean(held)),
    }  # fmt: skip


def study(simulations: int, seed: int) -> list[dict[str, Any]]:
    """Every row, each with a generator of its own."""
    made = iter(np.random.default_rng([seed, number]) for number in range(1000))
    shapes = (
        (0.5, 6, 30), (0.5, 15, 30), (0.5, 15, 270), (0.9, 8, 30), (0.9, 15, 10), (0.9, 15, 30), (0.9, 15, 270),
        (0.95, 15, 30), (0.99, 15, 270),
    )  # fmt: skip
    rows = [percentile(session, *shape, simulations, next(made)) for session in SESSIONS for shape in shapes]
    smooth = (alike, drifting)  # a call of each round has the median of a round's median there
    return rows + [throughput(session, rounds, simulations, next(made)) for session in smooth for rounds in (8, 15)]


def show(rows: list[dict[str, Any]]) -> None:
    """The rows as lines."""
    print("coverage of 95 % intervals, in per cent: rounds as the unit (calls as the unit)")
    for row in rows:
        shape = f"{row['rounds']} rounds" + (f" of {row['calls_a_round']} calls" if "calls_a_round" in row else "")
        naive = row.get("coverage_if_calls_were_independent")
        beside = "" if naive is None else f" ({100 * naive:.1f})"
        ours = "not measured" if row["coverage"] is None else f"{100 * row['coverage']:.1f}"
        print(f"  {row['session']:12} {row['figure']:10} {shape:24} {ours}{beside}")


def main() -> None:
    """Runs the study, prints it and writes it down with its command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    rows = study(asked.simulations, asked.seed)
    show(rows)
    command = f"python benchmarks/rounds.py --simulations {asked.simulations} --seed {asked.seed}"
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__}
    write_json(asked.out, {"command": command, "versions": versions, "rows": rows})


if __name__ == "__main__":
    main()
