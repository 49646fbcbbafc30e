"""Units of other people's files: what they are said to be, and what they look like.

Everything inside is eV, A, eV/A and eV/A^3. Three things betray another unit: total energies of all-electron
calculations are near the sum of known atomic ones; forces of molecules at room temperature are near 1 eV/A; and along
any two similar structures the energy differs by minus the mean force times the way between them.
"""

from dataclasses import dataclass, replace

import numpy as np
from ase import units

from weighin.core.errors import DataError, unknown
from weighin.families.forcefields.store import Frames

ENERGY = {
    "eV": 1.0,
    "meV": 1e-3,
    "kcal/mol": units.kcal / units.mol,
    "kJ/mol": units.kJ / units.mol,
    "Hartree": units.Hartree,
    "Rydberg": units.Rydberg,
}
LENGTH = {"A": 1.0, "Bohr": units.Bohr, "nm": 10.0}
STRESS = {"eV/A^3": 1.0, "GPa": units.GPa, "kbar": 0.1 * units.GPa, "bar": units.bar}
COMMON = (  # energy, and energy and length of forces; the likelier first
    ("kcal/mol", "kcal/mol", "A"),
    ("Hartree", "Hartree", "Bohr"),
    ("Hartree", "eV", "A"),
    ("kcal/mol", "eV", "A"),
    ("eV", "Hartree", "Bohr"),
    ("eV", "kcal/mol", "A"),
    ("Hartree", "Hartree", "A"),
    ("Hartree", "kcal/mol", "A"),
    ("kJ/mol", "kJ/mol", "A"),
    ("kJ/mol", "eV", "A"),
)
ATOMIC_EV = {1: -13.6, 6: -1029.8, 7: -1485.3, 8: -2042.6, 9: -2713.5, 14: -7872.0, 15: -9288.0, 16: -10834.0, 17: -12522.0}
TOTALS = ("eV", "kcal/mol", "kJ/mol", "Hartree")  # no Rydberg: all-electron energies in it look like GFN2's in eV
TOLERANCE = 0.04  # of the sum of atomic energies; bonds are 1 % of it at most, density functionals differ by 1 %
MOST_RMS = 8.0  # eV/A, component; molecules at 3,000 K have less
USUAL_RMS = 1.2  # eV/A, component, of molecules near room temperature
LEAST_RMS = 0.02  # eV/A; below it structures are relaxed, or the unit is another
LEAST_PAIRS, SURE = 10, 0.9  # pairs of similar structures, and their correlation, for a slope that is believed
SLOPE = 1.35  # factor by which the slope may be off
LOOKED_AT = 150  # structures of one molecule
FURTHEST = 0.5  # A that an atom moves between two structures that count as similar
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # one [k], other [k], way [k,n,3], mean force [k,n,3]


@dataclass(frozen=True)
class Units:
    """Factors to eV, eV/A and A."""

    energy: float = 1.0
    forces: float = 1.0
    length: float = 1.0


def parse_units(text: str) -> Units:
    """``ENERGY``, ``ENERGY,FORCES`` or ``ENERGY,FORCES,LENGTH``: ``kcal/mol``, ``Hartree,Hartree/Bohr``. Raises ConfigError."""
    energy, *others = [part.strip() for part in text.split(",")]
    if energy not in ENERGY:
        raise unknown("unit of energy", energy, ENERGY)
    forces = others[0] if others else f"{energy}/A"
    length = others[1] if len(others) > 1 else "A"
    if length not in LENGTH:
        raise unknown("unit of length", length, LENGTH)
    top, _, bottom = forces.rpartition("/")
    if top not in ENERGY or bottom not in LENGTH:
        raise unknown("unit of forces", forces, sorted({f"{e}/{x}" for _, e, x in COMMON}))
    return Units(ENERGY[energy], ENERGY[top] / LENGTH[bottom], LENGTH[length])


def stress_factor(text: str) -> float:
    """Factor to eV/A^3 with tension positive: ``GPa``, ``-kbar``. Raises ConfigError."""
    name = text.removeprefix("-")
    if name not in STRESS:
        raise unknown("unit of stress", name, STRESS)
    return -STRESS[name] if text.startswith("-") else STRESS[name]


def converted(frames: Frames, by: Units) -> Frames:
    """Energies, forces and lengths in eV and A; the stress has its own factor already."""
    return replace(
        frames,
        energy=frames.energy * by.energy,
        forces=frames.forces * by.forces,
        positions=frames.positions * by.length,
        cell=frames.cell * by.length,
    )


def check(frames: Frames, spec: str) -> None:
    """Raises DataError, with what to write, where energies or forces look like another unit than eV and eV/A."""
    _one_unit(frames, spec)
    slope = consistency(frames)
    energy = energy_unit(frames)
    rms = float(np.sqrt((frames.forces**2).mean())) if frames.forces.size else 0.0
    likely = _likely(energy, slope, rms)
    if likely is None:
        return
    shown = [f"RMS force {rms:.3g}"]
    shown += [f"energies differ by {slope:.3g} times force times way"] if slope else []
    shown += [f"total energies are those of atoms in {energy}"] if energy else []
    forces = "/".join((likely[1], likely[2]))
    names = likely[0] if forces == f"{likely[0]}/A" else f"{likely[0]},{forces}"
    raise DataError(
        f"The units of {spec} look like {likely[0]} and {forces} ({', '.join(shown)})",
        "eV and eV/A, unless the spec says otherwise",
        f"Write {spec}@units={names}, or @units=eV if they are right",
    )


def energy_unit(frames: Frames) -> str | None:
    """The unit in which total energies are those of all-electron atoms; None where they are of no known kind."""
    table = np.zeros(256)
    table[list(ATOMIC_EV)] = list(ATOMIC_EV.values())
    own = table[frames.numbers]
    if not len(own) or not own.all():
        return None
    ratio = float(np.median(frames.energy / np.add.reduceat(own, frames.start[:-1])))
    near = [name for name in TOTALS if abs(ratio * ENERGY[name] - 1) < TOLERANCE]
    return near[0] if near else None


def consistency(frames: Frames) -> float | None:
    """The factor between differences of energy and minus mean force times way, over pairs of similar structures; 1 is right."""
    groups, counts = np.unique(frames.group, return_counts=True)
    if not len(groups):
        return None
    at = np.flatnonzero(frames.group == groups[counts.argmax()])
    first = frames.numbers[frames.start[at[0]] : frames.start[at[0] + 1]]
    at = np.array([i for i in at if np.array_equal(frames.numbers[frames.start[i] : frames.start[i + 1]], first)][:LOOKED_AT])
    if len(at) < LEAST_PAIRS or len(first) < 2:
        return None
    rows = frames.start[at][:, None] + np.arange(len(first))
    x, forces = frames.positions[rows], frames.forces[rows]  # [k,n,3]
    one, two, step, mean = _periodic_pairs(frames, at, x, forces) if frames.pbc[at].any() else _free_pairs(x, forces)
    near = np.linalg.norm(step, axis=2).max(1, initial=0) < FURTHEST if len(one) else np.zeros(0, bool)
    way, change = -(mean * step).sum((1, 2))[near], (frames.energy[at][two] - frames.energy[at][one])[near]
    if len(way) < LEAST_PAIRS or not (way**2).sum() or np.corrcoef(way, change)[0, 1] < SURE:
        return None
    return float(way @ change / (way @ way))


def _likely(energy: str | None, slope: float | None, rms: float) -> tuple[str, str, str] | None:
    """Units of energy and forces that explain what is seen; None where eV and eV/A do."""

    def fits(names: tuple[str, str, str]) -> bool:
        force = _force(names)
        seen = slope is None or 1 / SLOPE < slope * ENERGY[names[0]] / force < SLOPE
        return seen and energy in (None, names[0]) and (rms == 0 or LEAST_RMS < rms * force < MOST_RMS)

    if energy in (None, "eV") and (slope is None or 1 / SLOPE < slope < SLOPE) and rms < MOST_RMS:
        return None
    found = [names for names in COMMON if fits(names)] or ([COMMON[0]] if rms > MOST_RMS else [])
    return min(found, key=lambda names: abs(np.log(max(rms, 1e-9) * _force(names) / USUAL_RMS)), default=None)


def _force(names: tuple[str, str, str]) -> float:
    """Factor of a unit of forces to eV/A."""
    return ENERGY[names[1]] / LENGTH[names[2]]


def _one_unit(frames: Frames, spec: str) -> None:
    """Raises DataError where structures of one composition have energies that differ by the factor of a unit."""
    for group in np.unique(frames.group):
        at = np.flatnonzero(frames.group == group)
        middle = np.median(frames.energy[at])
        if not middle:
            continue
        ratio = frames.energy[at] / middle
        for name, value in ENERGY.items():
            odd = np.flatnonzero((np.abs(ratio * value - 1) < 0.01) | (np.abs(ratio / value - 1) < 0.01))
            if name != "eV" and len(odd):
                raise DataError(
                    f"{spec} mixes units: structure {int(at[odd[0]]) + 1} of {frames.groups[int(group)]} has "
                    f"{frames.energy[at[odd[0]]]:.6g}, others {middle:.6g}, as eV and {name} differ",
                    "One unit in one data set",
                    "Convert or remove those structures",
                )


def _free_pairs(x: np.ndarray, forces: np.ndarray) -> Pairs:
    """For every structure its nearest other, superposed on it (Kabsch 1976)."""
    x = x - x.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("ani,bnj->abij", x, x))
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]
    turn = u @ vt  # [k,k,3,3], turns b onto a
    other = np.einsum("abij,bnj->abni", turn, x)
    distance = ((other - x[:, None]) ** 2).sum((2, 3)) + np.diag(np.full(len(x), np.inf))
    one, two = np.arange(len(x)), distance.argmin(1)
    mean = 0.5 * (forces + np.einsum("aij,anj->ani", turn[one, two], forces[two]))
    return one, two, other[one, two] - x, mean


def _periodic_pairs(frames: Frames, at: np.ndarray, x: np.ndarray, forces: np.ndarray) -> Pairs:
    """Structures that follow each other in the same cell, by the shortest way."""
    one = np.flatnonzero(np.abs(frames.cell[at[1:]] - frames.cell[at[:-1]]).max((1, 2)) < 1e-6)
    cells = frames.cell[at[one]]
    flat = np.abs(np.linalg.det(cells)) < 1e-9
    cells = np.where(flat[:, None, None], np.eye(3) * 1e9, cells)
    inside = (x[one + 1] - x[one]) @ np.linalg.inv(cells)  # [k,n,3]
    step = (inside - np.round(inside) * frames.pbc[at[one]][:, None]) @ cells
    return one, one + 1, step, 0.5 * (forces[one] + forces[one + 1])
