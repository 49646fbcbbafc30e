"""A trained model as an ASE calculator, so that everything that ASE does can be done with it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress

from weighin.core.errors import ConfigError
from weighin.families.forcefields.committee import combined
from weighin.families.forcefields.labels import Evaluation
from weighin.families.forcefields.neighbours import VerletList
from weighin.families.forcefields.predict import ForcePredictor

Predict = Callable[[Sequence[Atoms]], list[Evaluation]]


class Calculator(ase_calculator.Calculator):
    """ASE's calculator over one predictor, or over several: then a committee with ``forces_std``.

    Results: ``energy`` and ``free_energy`` [eV], ``forces`` [n,3] [eV/A], ``energies`` [n] [eV], ``stress`` [6] [eV/A^3],
    Voigt order, only in a cell periodic along all three axes; ``forces_std`` [n] [eV/A] of a committee. A structure is
    computed once, and anew when positions, species, cell or periodicity changed. Neighbours of the family's own
    predictors are searched anew when an atom has moved half of ``skin``, A. Raises InputError, the predictor's.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "forces", "energies", "stress", "forces_std"]  # noqa: RUF012

    def __init__(self, predict: Predict | Sequence[Predict], skin: float = 0.5) -> None:
        self.members = (predict,) if callable(predict) else tuple(predict)
        if not self.members:
            raise ConfigError("A calculator got no predictor", "It takes one, or several as a committee")
        self.skin = skin
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forgets the last structure, and the neighbours found for it."""
        super().reset()
        lists: dict[float, VerletList] = {}  # members of one cutoff share theirs
        self._members = [_reusing(member, lists, self.skin) for member in self.members]

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What has changed since the last calculation, exactly: ASE's own comparison takes longer than a small model."""
        last = self.atoms
        if last is None:
            return list(ase_calculator.all_changes)
        same = {
            "positions": np.array_equal(atoms.positions, last.positions),
            "numbers": np.array_equal(atoms.numbers, last.numbers),
            "cell": np.array_equal(atoms.cell.array, last.cell.array),
            "pbc": np.array_equal(atoms.pbc, last.pbc),
        }
        return [name for name, kept in same.items() if not kept]

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Sequence[str] = ase_calculator.all_changes
    ) -> None:
        """All results in one call of the predictor, whatever was asked for."""
        if atoms is None:
            raise ConfigError("The calculator got no atoms", "Set atoms.calc and ask the atoms")
        super().calculate(atoms, properties or ["energy"], list(system_changes))
        answers = [member([atoms])[0] for member in self._members]
        self.results = results_of(answers[0] if len(answers) == 1 else combined(answers))


def _reusing(predict: Predict, lists: dict[float, VerletList], skin: float) -> Predict:
    """The same predictor, given the neighbours of a Verlet list where it takes them."""
    if not isinstance(predict, ForcePredictor) or not skin:
        return predict
    known = lists.setdefault(predict.cutoff, VerletList(predict.cutoff, skin))
    return lambda structures: predict.evaluate(structures, [known.of(atoms) for atoms in structures])


def results_of(evaluation: Evaluation) -> dict[str, Any]:
    """An answer under ASE's names; what the answer does not have is not there."""
    results: dict[str, Any] = {
        "energy": evaluation.energy,
        "free_energy": evaluation.energy,
        "forces": evaluation.forces,
        "energies": evaluation.energies,
    }
    if evaluation.stress is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(evaluation.stress)
    if evaluation.forces_std is not None:
        results["forces_std"] = evaluation.forces_std
    return results
