"""Several models asked the same: their mean answers, their spread says where not to believe it (Seung et al. 1992)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from ase import Atoms

from weighin.core.errors import ConfigError, DataError
from weighin.core.family import Example
from weighin.families.forcefields.labels import Evaluation, Labels

Predict = Callable[[Sequence[Atoms]], list[Evaluation]]
LEVELS = np.arange(0.05, 1.0, 0.05)  # of confidence, at which coverage is compared


class Committee:
    """``list[Atoms] -> list[Evaluation]`` with ``forces_std``, from at least two predictors."""

    def __init__(self, members: Sequence[Predict]) -> None:
        if len(members) < 2:
            raise ConfigError(
                f"A committee got {len(members)} models", "It takes two or more", "Train one with another recipe.seed"
            )
        self.members = tuple(members)

    def __call__(self, structures: Sequence[Atoms]) -> list[Evaluation]:
        """Mean and spread a structure. Raises InputError, the first member's."""
        answers = [member(structures) for member in self.members]
        return [combined(those) for those in zip(*answers, strict=True)]


def combined(answers: Sequence[Evaluation]) -> Evaluation:
    """The mean of at least two answers for one structure.

    ``forces_std`` [n] is the sample standard deviation of a force component, root mean square over x, y and z: it is
    to be compared with the RMSE of components, eV/A.
    """
    forces = np.stack([answer.forces for answer in answers])  # [members,n,3]
    stresses = [answer.stress for answer in answers if answer.stress is not None]
    return replace(
        answers[0],
        energy=float(np.mean([answer.energy for answer in answers])),
        forces=forces.mean(0),
        energies=np.mean([answer.energies for answer in answers], 0),
        stress=np.mean(stresses, 0) if len(stresses) == len(answers) else None,
        forces_std=np.sqrt(forces.var(0, ddof=1).mean(-1)),
    )


@dataclass(frozen=True)
class SpreadCheck:
    """What the spread of a committee says of its true error, over all atoms of some labelled structures."""

    atoms: int
    rmse: float  # eV/A, of force components
    spread: float  # eV/A, root mean square of forces_std
    spearman: float  # rank correlation of spread and error an atom: 1 is perfect, 0 useless
    pearson: float
    scale: float  # the spread must be multiplied by it to have the size of the error; above 1: too sure
    miscalibration: float  # area between expected and seen coverage of components, 0 to 0.5 (Tran et al. 2020)
    miscalibration_scaled: float  # the same after scaling


def calibration(predict: Predict, examples: Sequence[Example[Atoms, Labels]]) -> SpreadCheck:
    """Compares ``forces_std`` with the true error. Raises DataError where there is no spread or too little to compare."""
    from scipy.stats import rankdata

    answers = predict([example.x for example in examples])
    spreads = [answer.forces_std for answer in answers if answer.forces_std is not None]
    if len(spreads) != len(examples) or sum(map(len, spreads)) < 3:
        raise DataError(
            "There is no spread to calibrate", "It takes a committee and labelled structures of three atoms or more"
        )
    spread = np.concatenate(spreads)
    errors = np.concatenate([a.forces - e.y.forces for a, e in zip(answers, examples, strict=True)])  # [atoms,3]
    size = np.sqrt((errors**2).mean(1))
    safe = np.maximum(spread, 1e-9)  # eV/A: members that agree to the last bit
    scale = float(np.sqrt(((size / safe) ** 2).mean()))
    return SpreadCheck(
        atoms=len(spread),
        rmse=float(np.sqrt((errors**2).mean())),
        spread=float(np.sqrt((spread**2).mean())),
        spearman=_correlation(rankdata(spread), rankdata(size)),
        pearson=_correlation(spread, size),
        scale=scale,
        miscalibration=_miscalibration(errors, safe),
        miscalibration_scaled=_miscalibration(errors, safe * scale),
    )


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two columns [n]; a constant has none."""
    return float(np.corrcoef(one, other)[0, 1]) if min(np.ptp(one), np.ptp(other)) > 0 else 0.0


def _miscalibration(errors: np.ndarray, spread: np.ndarray) -> float:
    """Mean distance of seen from expected coverage: errors [n,3] should be normal with deviation spread [n]."""
    z = np.abs(errors / spread[:, None])
    seen = [(z <= NormalDist().inv_cdf(0.5 + level / 2)).mean() for level in LEVELS]
    return float(np.abs(np.array(seen) - LEVELS).mean())
