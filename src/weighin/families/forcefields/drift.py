"""How well a run conserves energy: the slope of the total energy, meV/atom/ps, never a share of an energy without zero."""

from dataclasses import dataclass

import numpy as np

from weighin.core.errors import DataError


@dataclass(frozen=True)
class Drift:
    """A line through the total energy."""

    slope: float  # meV/atom/ps
    error: float  # meV/atom/ps, standard error, with the autocorrelation of what the line leaves over
    fluctuation: float  # meV/atom, root mean square around the line
    span: float  # meV/atom, largest less smallest total energy
    ps: float  # fitted over


def drift(times: np.ndarray, energies: np.ndarray, atoms: int) -> Drift:
    """Least squares over ``times`` [n] ps and total ``energies`` [n] eV. Raises DataError for fewer than three points."""
    if len(times) < 3 or not np.isfinite(energies).all():
        raise DataError(
            f"A drift got {len(times)} energies", "It takes three finite ones or more", "Run longer or save more often"
        )
    per_atom = 1000 * (np.asarray(energies) - energies[0]) / atoms
    slope, start = np.polyfit(times, per_atom, 1)
    left = per_atom - slope * times - start
    spread = float(np.sqrt((left**2).mean()))
    return Drift(float(slope), _error(times, left), spread, float(np.ptp(per_atom)), float(times[-1] - times[0]))


def _error(times: np.ndarray, left: np.ndarray) -> float:
    """Standard error of a slope whose residuals are an AR(1) process: the ordinary one, widened."""
    variance = (left**2).sum() / max(1, len(left) - 2)
    if not variance:
        return 0.0
    follows = float(np.clip((left[1:] * left[:-1]).sum() / (left**2).sum(), 0.0, 0.99))
    ordinary = np.sqrt(variance / ((times - times.mean()) ** 2).sum())
    return float(ordinary * np.sqrt((1 + follows) / (1 - follows)))
