"""A trained model as an ASE calculator, so that everything that ASE does can be done with it."""

from collections.abc import Callable, Sequence
from typing import Any

from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress

from weighin.core.errors import ConfigError
from weighin.families.forcefields.committee import Committee
from weighin.families.forcefields.labels import Evaluation

Predict = Callable[[Sequence[Atoms]], list[Evaluation]]


class Calculator(ase_calculator.Calculator):
    """ASE's calculator over one predictor, or over several: then a committee with ``forces_std``.

    Results: ``energy`` and ``free_energy`` [eV], ``forces`` [n,3] [eV/A], ``energies`` [n] [eV], ``stress`` [6] [eV/A^3],
    Voigt order, only in a cell periodic along all three axes; ``forces_std`` [n] [eV/A] of a committee. A structure is
    computed once, and anew when positions, species, cell or periodicity changed. Raises InputError, the predictor's.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "forces", "energies", "stress", "forces_std"]  # noqa: RUF012

    def __init__(self, predict: Predict | Sequence[Predict]) -> None:
        super().__init__()
        self.predict = predict if callable(predict) else _one(predict)

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Sequence[str] = ase_calculator.all_changes
    ) -> None:
        """All results in one call of the predictor, whatever was asked for."""
        super().calculate(atoms, properties or ["energy"], list(system_changes))
        self.results = results_of(self.predict([self.atoms])[0])


def _one(predictors: Sequence[Predict]) -> Predict:
    if not predictors:
        raise ConfigError("A calculator got no predictor", "It takes one, or several as a committee")
    return predictors[0] if len(predictors) == 1 else Committee(predictors)


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
