"""Molecular dynamics with a trained model or any ASE calculator: NVE and NVT, resumed exactly, stopped when it breaks."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pydantic import Field

from weighin.core.config import Settings
from weighin.core.engine import Say, silent
from weighin.core.errors import InputError
from weighin.core.files import hash_json, write_json
from weighin.families.forcefields import motion, plots
from weighin.families.forcefields.drift import drift
from weighin.families.forcefields.motion import Bath, Watch
from weighin.families.forcefields.record import Record, Row
from weighin.families.forcefields.relaxation import RelaxDials, relaxed
from weighin.families.forcefields.starts import with_calculator

CHECKED = 10  # steps between two looks at bonds
KEPT = 100  # steps between two states on disk
FREE = ("steps", "save_every")  # dials that may differ when a run goes on


class MdDials(Settings):
    """Dials of dynamics."""

    ensemble: Literal["nve", "nvt"] = "nvt"
    steps: int = Field(default=1000, gt=0)
    timestep: float = Field(default=0.5, gt=0, le=50, description="fs")
    temperature: float = Field(default=300.0, ge=0, description="K")
    friction: float = Field(default=10.0, gt=0, description="1/ps, of the heat bath")
    equilibrate: int = Field(default=200, ge=0, description="steps in a heat bath before the first that is recorded")
    relax: bool = Field(default=True, description="relax a little first, so that no bond starts stretched")
    save_every: int = Field(default=10, gt=0, description="steps between frames")
    seed: int = Field(default=0, ge=0)
    broken: float | None = Field(default=2.0, gt=1, description="stop when a bond is so many times its first length")


@dataclass(frozen=True)
class Motion:
    """Where dynamics has got to: the atoms move in place."""

    step: int
    atoms: Atoms
    temperature: float  # K
    ended: str = ""  # why it stopped early


def hottest(temperature: float) -> float:
    """K, above which a structure has exploded."""
    return 10 * temperature + 2000


def moving(atoms: Atoms, dials: MdDials, first: int, watch: Watch) -> Iterator[Motion]:
    """Steps ``atoms`` on from step ``first``, in place, one Motion a step; steps below zero equilibrate in a heat bath.

    The last Motion has ``ended`` set when bonds broke, atoms fused, or it exploded.
    """
    for number in range(first + 1, dials.steps + 1):
        bath = Bath(dials.temperature, dials.friction, dials.seed) if dials.ensemble == "nvt" or number <= 0 else None
        try:
            motion.step(atoms, dials.timestep, number + dials.equilibrate, bath)
        except InputError as error:
            yield Motion(number, atoms, np.inf, f"exploded: {error}")
            return
        if number == 0 and dials.ensemble == "nve":
            motion.stilled(atoms)
        temperature = motion.temperature_of(atoms, bath)
        wrong = "" if number % CHECKED else watch.why_not(atoms, temperature)
        yield Motion(number, atoms, temperature, wrong)
        if wrong:
            return


def prepared(atoms: Atoms, calculator: Calculator, dials: MdDials) -> tuple[Atoms, Watch]:
    """A copy to move, relaxed and heated as the dials say, and the watch over the bonds of ``atoms``. Raises InputError."""
    copy = with_calculator(atoms, calculator)
    watch = Watch(copy, dials.broken, hottest(dials.temperature))
    if dials.relax:
        found = relaxed(copy, calculator, RelaxDials(fmax=0.05, steps=200, broken=dials.broken))
        copy = with_calculator(found.atoms, calculator)
    motion.heated(copy, dials.temperature, dials.seed)
    return copy, watch


def md(atoms: Atoms, calculator: Calculator, dials: MdDials, out: Path, say: Say = silent, models: Any = ()) -> dict[str, Any]:
    """Runs dynamics into ``out`` and returns the summary that ``summary.json`` holds.

    Writes ``trajectory.xyz`` (momenta, energy, forces), ``log.csv``, ``dynamics.png`` and ``dynamics.svg``. Called
    again with the same folder it goes on where it was; more ``steps`` make it longer. ``models`` go into its identity.
    Raises InputError for a structure that cannot move, ConfigError where the folder holds another run.
    """
    fixed = {key: value for key, value in dials.model_dump(mode="json").items() if key not in FREE}
    start = [atoms.numbers.tolist(), atoms.positions.tolist(), np.asarray(atoms.cell).tolist(), atoms.pbc.tolist()]
    record = Record(out, hash_json([fixed, start, models])[:16])
    moved, watch = prepared(atoms, calculator, dials)
    first = record.resume(moved)
    if first is None:
        first = -dials.equilibrate
        if not dials.equilibrate:
            _add(record, moved, dials, 0, motion.temperature_of(moved))
    ended = watch.why_not(moved)  # relaxing may have broken it already
    for now in () if ended else moving(moved, dials, first, watch):
        ended = now.ended
        if now.step >= 0 and not now.step % dials.save_every and not ended:
            _add(record, moved, dials, now.step, now.temperature)
        if not now.step % KEPT and not ended:
            record.keep(moved, now.step)
            calculator.reset()  # what a killed run would not know either: neighbours, a first guess of a density
            say(f"md {atoms.get_chemical_formula()}", max(0, now.step) / dials.steps, f"{now.temperature:.0f} K")
        first = now.step
    if not ended:
        record.keep(moved, first)
    return _summary(record, atoms, dials, ended)


def _add(record: Record, atoms: Atoms, dials: MdDials, step: int, temperature: float) -> None:
    spread = (atoms.calc.results if atoms.calc else {}).get("forces_std", np.zeros(1))
    time = step * dials.timestep * 1e-3
    row = Row(step, time, atoms.get_potential_energy(), float(atoms.get_kinetic_energy()), temperature, float(spread.max()))
    record.add(atoms, row)


def _summary(record: Record, atoms: Atoms, dials: MdDials, ended: str) -> dict[str, Any]:
    """What the run has come to, from its table."""
    out = record.folder
    table = record.rows() if record.log.exists() else {name: np.zeros(0) for name in Row.__dataclass_fields__}
    rows = len(table["step"])
    summary: dict[str, Any] = {
        "status": "stopped" if ended else "finished",
        "reason": ended,
        "steps": int(table["step"][-1]) if rows else 0,
        "ps": float(table["time_ps"][-1]) if rows else 0.0,
        "frames": rows,
        "temperature_K": float(table["temperature_K"].mean()) if rows else None,
        "temperature_std_K": float(table["temperature_K"].std()) if rows else None,
    }
    total = table["potential_eV"] + table["kinetic_eV"]
    if dials.ensemble == "nve" and rows >= 3:
        seen = asdict(drift(table["time_ps"], total, len(atoms)))
        summary |= {"drift_meV_per_atom_per_ps": seen["slope"], "drift_error": seen["error"]}
        summary |= {"fluctuation_meV_per_atom": seen["fluctuation"]}
    if table["forces_std"].any():
        summary["largest_forces_std"] = float(table["forces_std"].max())
    if rows >= 3:
        chart = plots.dynamics(table, len(atoms))
        summary["plots"] = [plots.save(chart, out / f"dynamics.{ending}").name for ending in ("png", "svg")]
    write_json(out / "summary.json", summary)
    return summary
