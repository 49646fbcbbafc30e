"""What dynamics leaves on disk: frames, a table, and a state from which a killed run goes on exactly."""

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from weighin.core.errors import ConfigError, RunError
from weighin.core.files import storing, write_atomic

KEPT = ("energy", "forces", "stress", "energies")  # results that a frame carries


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    step: int
    time_ps: float
    potential_eV: float  # noqa: N815
    kinetic_eV: float  # noqa: N815
    temperature_K: float  # noqa: N815
    forces_std: float = 0.0  # eV/A, largest of a committee


class Record:
    """``trajectory.xyz`` and ``log.csv``, appended to, and ``state.npz``, replaced; ``identity`` says of which run.

    The state knows how long both files were when it was written; what a killed run appended after it is cut off.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.trajectory, self.log, self.state = folder / "trajectory.xyz", folder / "log.csv", folder / "state.npz"

    def resume(self, atoms: Atoms) -> int | None:
        """Puts ``atoms`` where the run was and returns the step, or None at a fresh start. Raises ConfigError, RunError."""
        if not self.state.exists():
            for path in (self.trajectory, self.log):
                path.unlink(missing_ok=True)
            return None
        try:
            with np.load(self.state, allow_pickle=False) as found:
                kept = {name: found[name] for name in found.files}
            identity, sizes, step = str(kept["identity"]), kept["sizes"], int(kept["step"])
            positions, momenta = kept["positions"], kept["momenta"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(f"{self.state} is damaged: {error}", hint="Delete the folder and start again") from error
        if identity != self.identity:
            raise ConfigError(
                f"{self.folder} holds another run", "The same structure, models and dials go on", "Take another folder"
            )
        for path, size in zip((self.trajectory, self.log), sizes, strict=True):
            _cut(path, int(size))
        atoms.set_positions(positions, apply_constraint=False)
        atoms.set_momenta(momenta, apply_constraint=False)
        return step

    def add(self, atoms: Atoms, row: Row) -> None:
        """One frame and one line of the table."""
        frame = atoms.copy()
        frame.info |= {"step": row.step, "time_ps": row.time_ps}
        results = atoms.calc.results if atoms.calc else {}
        frame.calc = SinglePointCalculator(frame, **{key: results[key] for key in KEPT if key in results})
        if "forces_std" in results:
            frame.arrays["forces_std"] = results["forces_std"]
        text = io.StringIO()
        write(text, frame, format="extxyz")
        _append(self.trajectory, text.getvalue())
        _append(self.log, _line(asdict(row), header=not row.step))

    def keep(self, atoms: Atoms, step: int) -> None:
        """The state after ``step`` steps."""
        sizes = [path.stat().st_size if path.exists() else 0 for path in (self.trajectory, self.log)]
        arrays = {"positions": atoms.positions, "momenta": atoms.get_momenta(), "step": step, "sizes": sizes}
        write_atomic(self.state, lambda path: np.savez(path, identity=self.identity, **arrays))

    def rows(self) -> dict[str, np.ndarray]:
        """The table, a column a name."""
        with self.log.open(newline="") as file:
            found = list(csv.DictReader(file))
        return {name: np.array([float(row[name]) for row in found]) for name in Row.__dataclass_fields__}


def _line(row: Mapping[str, float], header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerow(row)
    return text.getvalue()


def _append(path: Path, text: str) -> None:
    with storing(path), path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()


def _cut(path: Path, size: int) -> None:
    """Takes off what came after the state. Raises RunError where there is less than the state knows of."""
    there = path.stat().st_size if path.exists() else 0
    if there < size:
        raise RunError(f"{path} is shorter than {path.parent.name}/state.npz knows", hint="Delete the folder and start again")
    if there > size:
        os.truncate(path, size)
