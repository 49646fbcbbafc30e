"""``verify --again``: the candidates of a report measured anew, as its evidence says it was done, and what moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weighin.core import registry
from weighin.core.config import validate
from weighin.core.result import Candidate, Report
from weighin.core.run import Run, runs_root
from weighin.steps import assemble, speed
from weighin.steps.candidate import Weighed
from weighin.steps.weigh import weigh


class Session(NamedTuple):
    """How a candidate was measured: examples and the seed they were drawn with, rounds, batches, threads."""

    examples: int
    seed: int
    rounds: int
    batches: tuple[int, ...]
    threads: int


def measured_again(report: Report, folder: Path, again: Sequence[str], root: Path | str | None) -> list[str]:
    """Measures ``again`` (``quality``, ``speed``) on the runs under ``root``; figures whose two intervals do not overlap."""
    family = registry.family(report.family)
    sessions: dict[Session, list[Candidate]] = {}
    for row in assemble.scored(family, report.candidates):
        sessions.setdefault(session_of(row, folder, "speed" in again), []).append(row)
    found = []
    for session, rows in sessions.items():
        candidates = [_weighed(family, report, row, session, root) for row in rows]
        how = {"examples": session.examples, "seed": session.seed, "rounds": session.rounds, "batches": session.batches}
        fresh = {row.label: row for row in weigh(candidates, **how, again=again)}
        found += [line for row in rows for line in _apart(row, fresh[row.label])]
    return found


def session_of(row: Candidate, folder: Path, timed: bool) -> Session:
    """How the evidence of a row says that it was measured; no rounds unless it is to be ``timed``. Raises RunError."""
    files = assemble.gathered(folder, row)
    note = files["quality"][1]
    rounds, batches = 0, ()
    if timed and "speed" in files:
        arrays = files["speed"][0]
        rounds, batches = len(arrays["single_ms"]), tuple(speed.offline(arrays))
    named = [m.hardware for m in row.measurements if not timed or m.name in speed.NAMES]
    return Session(note["n"], note["seed"], rounds, batches, int(named[0].get("threads", 1)) if named else 1)


def _weighed(family: Any, report: Report, row: Candidate, session: Session, root: Path | str | None) -> Weighed:
    base = family.variants().get(row.variant) or family.variant("nano")
    raw = base.model_dump(mode="json") | {"name": row.variant} | dict(row.settings)
    variant = validate(type(base), raw, row.label)
    run = Run.open(runs_root(root) / report.family / row.run)
    return Weighed(family, variant, run, row.runtime, report.data, session.threads)


def _apart(old: Candidate, new: Candidate) -> list[str]:
    found = [f"{old.label} could not be measured again: {new.reason}"] if new.status == "failed" else []
    for before in old.measurements:
        after = new.get(before.name)
        bounds = after and (before.low, before.high, after.low, after.high)
        if after and bounds and None not in bounds and (after.low > before.high or after.high < before.low):  # type: ignore[operator]
            found.append(
                f"{old.label}: {before.name} moved from {before.value:.4g} to {after.value:.4g}, beyond both intervals"
            )
    return found
