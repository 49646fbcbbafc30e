"""The largest timestep that a model bears: NVE from one thermal start, the step doubled until energy is not conserved."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pydantic import Field

from weighin.core.config import Settings
from weighin.core.engine import Say, silent
from weighin.core.files import write_json
from weighin.families.forcefields import plots
from weighin.families.forcefields.drift import drift
from weighin.families.forcefields.dynamics import MdDials, moving, prepared
from weighin.families.forcefields.motion import stilled


class TimestepDials(Settings):
    """Dials of the search."""

    first: float = Field(default=0.25, gt=0, description="fs, the first step tried")
    largest: float = Field(default=16.0, gt=0, le=50, description="fs, the last")
    ps: float = Field(default=1.0, gt=0, description="length of a trial")
    limit: float = Field(default=1.0, gt=0, description="meV/atom/ps of drift that is borne")
    equilibrate: float = Field(default=0.5, gt=0, description="ps in a heat bath before the first trial")
    refine: int = Field(default=2, ge=0, description="steps tried between the last that held and the first that did not")
    temperature: float = Field(default=300.0, gt=0, description="K")
    seed: int = Field(default=0, ge=0)
    broken: float | None = Field(default=2.0, gt=1, description="a bond so many times its first length ends a trial")


@dataclass(frozen=True)
class Trial:
    """One timestep tried."""

    timestep: float  # fs
    drift: float | None  # meV/atom/ps; None where it came apart
    error: float | None  # meV/atom/ps
    fluctuation: float | None  # meV/atom
    held: bool
    reason: str  # why it did not hold


def trial(start: Atoms, calculator: Calculator, dials: TimestepDials, timestep: float) -> Trial:
    """NVE for ``dials.ps`` from the momenta of ``start``, which is left as it is."""
    steps = max(20, round(1000 * dials.ps / timestep))
    md = _dials(dials, timestep=timestep, steps=steps)
    atoms, watch = prepared(start, calculator, md)
    atoms.set_momenta(start.get_momenta())
    times, energies = [], []
    for now in moving(atoms, md, 0, watch):
        if now.ended:
            return Trial(timestep, None, None, None, False, f"{now.ended} after {now.step * timestep:.1f} fs")
        times.append(now.step * timestep * 1e-3)
        energies.append(atoms.get_total_energy())
    seen = drift(np.array(times), np.array(energies), len(atoms))
    held = abs(seen.slope) - 2 * seen.error <= dials.limit and abs(seen.slope) <= 2 * dials.limit
    reason = "" if held else f"drifts by {seen.slope:.3g} meV/atom/ps"
    return Trial(timestep, seen.slope, seen.error, seen.fluctuation, held, reason)


def largest_timestep(
    atoms: Atoms, calculator: Calculator, dials: TimestepDials, out: Path | None = None, say: Say = silent
) -> dict[str, Any]:
    """Every trial and the largest timestep that held, fs (None: not even the first). Raises InputError."""
    start, ended = _start(atoms, calculator, dials)
    if ended:
        return {"largest_timestep_fs": None, "reason": f"it came apart before the first trial: {ended}", "trials": []}
    trials: list[Trial] = []
    timestep = dials.first
    while timestep <= dials.largest and (not trials or trials[-1].held):
        trials.append(trial(start, calculator, dials, timestep))
        say("timestep", min(1.0, timestep / dials.largest), f"{timestep:g} fs: {trials[-1].reason or 'held'}")
        timestep *= 2
    for _ in range(dials.refine if len(trials) > 1 and not trials[-1].held else 0):
        held = max(t.timestep for t in trials if t.held)
        broke = min(t.timestep for t in trials if not t.held)
        trials.append(trial(start, calculator, dials, (held + broke) / 2))
    held = [t.timestep for t in trials if t.held]
    rows = [asdict(t) for t in sorted(trials, key=lambda t: t.timestep)]
    found = {"largest_timestep_fs": max(held, default=None), "limit_meV_per_atom_per_ps": dials.limit, "trials": rows}
    if out is not None:
        if any(row["drift"] is not None for row in rows):
            chart = plots.timesteps(rows, dials.limit)
            found["plots"] = [plots.save(chart, out / f"timestep.{ending}").name for ending in ("png", "svg")]
        write_json(out / "summary.json", found)
    return found


def _start(atoms: Atoms, calculator: Calculator, dials: TimestepDials) -> tuple[Atoms, str]:
    """Relaxed, then some time in a heat bath, without momentum of the whole; and why that failed, if it did."""
    md = _dials(dials, timestep=0.25, ensemble="nvt", steps=round(4000 * dials.equilibrate) or 1, relax=True)
    moved, watch = prepared(atoms, calculator, md)
    ended = ""
    for now in moving(moved, md, 0, watch):
        ended = now.ended
    stilled(moved)
    return moved, ended


def _dials(dials: TimestepDials, **changes: Any) -> MdDials:
    kept = {"temperature": dials.temperature, "seed": dials.seed, "broken": dials.broken, "equilibrate": 0}
    return MdDials(**{"ensemble": "nve", "relax": False, **kept, **changes})
