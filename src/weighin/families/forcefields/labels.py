"""What a teacher says of one structure, and what a model answers. Units are ASE's everywhere: eV, A, eV/A^3."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class HessianRows:
    """Some rows of d2E/dx2: what a student learns of curvature (Amin et al. 2025, "Towards fast, specialized MLFFs")."""

    rows: np.ndarray  # int64 [k], 3 * atom + axis
    values: np.ndarray  # float64 [k, n, 3], eV/A^2


@dataclass(frozen=True, eq=False)
class Labels:
    """The truth of one structure of n atoms."""

    energy: float  # eV, total
    forces: np.ndarray  # float64 [n, 3], eV/A
    stress: np.ndarray | None = None  # float64 [3, 3], eV/A^3, ASE's sign (tension positive)
    energies: np.ndarray | None = None  # float64 [n], eV, of a teacher that tells them apart
    hessian: HessianRows | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An answer: energy and its derivatives for one structure of n atoms."""

    energy: float  # eV
    forces: np.ndarray  # float64 [n, 3], eV/A
    energies: np.ndarray  # float64 [n], eV, sum to the energy
    stress: np.ndarray | None = None  # float64 [3, 3], eV/A^3; None without a three-dimensional periodic cell
    forces_std: np.ndarray | None = None  # float64 [n], eV/A, spread of a committee
    symbols: tuple[str, ...] = ()
