"""The family ``forcefields``: energies and forces of atoms, nearly as a slow teacher gives them, fast enough for dynamics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from torch import Tensor, nn

from weighin.core.config import Match
from weighin.core.errors import ConfigError, DataError
from weighin.core.family import Bound, Check, Example, Family, Json, Part, Predictor, Split, Tally, shifted
from weighin.core.tool import Tools
from weighin.families.forcefields import batch, forces, metrics, predict, readers, references, rotation, training, variants
from weighin.families.forcefields import data as source
from weighin.families.forcefields.batch import ForceBatch
from weighin.families.forcefields.labels import Evaluation, Labels
from weighin.families.forcefields.predict import PART, Forceful, ForcePredictor
from weighin.families.forcefields.training import ForceField


class ForceFields(Family[Atoms, Labels, Evaluation]):
    """Structures of atoms; units are ASE's: eV, A."""

    name = "forcefields"
    about = "energies and forces of atoms, nearly as a slow teacher gives them, fast enough for dynamics"
    scores = metrics.SCORES
    datas = source.KINDS
    match: Mapping[str, Match] = {
        "forces": Match(distance="mse", weight=10.0),
        "energies": Match(distance="mse", weight=1.0),
    }
    libraries = ("ase", "vesin")
    compared = ("original", "tiny", "ultra-tiny", "source-tiny")
    peers = ("source-original", "source-tiny", "source-ultra-tiny")

    def variants(self) -> Mapping[str, Forceful]:
        """See ``variants.py``."""
        return variants.variants()

    def examples(self, data: str, split: Split) -> Sequence[Example[Atoms, Labels]]:
        """group is the molecule, or a block of a trajectory."""
        return source.examples(data, split)

    def batch(self, variant: Forceful, examples: Sequence[Example[Atoms, Labels]], folder: Path) -> ForceBatch:
        """See :class:`ForceBatch`."""
        known = references.load(folder)
        return batch.batch_of([e.x for e in examples], [e.y for e in examples], known, variant.model.cutoff)

    def build(self, variant: Forceful) -> nn.Module:
        """See :class:`ForceField`."""
        return ForceField(variant.model)

    def loss(self, outputs: Mapping[str, Tensor], batch: ForceBatch, variant: Forceful) -> Mapping[str, Tensor]:
        """See ``training.losses``."""
        return training.losses(outputs, batch, variant.model.loss)

    def parts(self, model: nn.Module, variant: Forceful) -> Mapping[str, Part]:
        """``energy_forces``."""
        assert isinstance(model, ForceField)
        dtype = torch.float64 if variant.predict.double else torch.float32
        return {PART: forces.part_of(model.net, dtype)}

    def predictor(self, parts: Mapping[str, Bound], variant: Forceful, folder: Path) -> ForcePredictor:
        """See :class:`ForcePredictor`."""
        return predict.make(parts, variant, folder)

    def read(self, raw: bytes) -> Atoms:
        """One structure: extxyz, xyz, cif, SDF and others. Raises InputError."""
        return readers.read(raw)

    def show(self, y: Evaluation) -> Json:
        """Units are in the names."""
        shown = {
            "energy_ev": y.energy,
            "symbols": list(y.symbols),
            "forces_ev_per_a": y.forces.tolist(),
            "energies_ev": y.energies.tolist(),
        }
        if y.stress is not None:
            shown["stress_ev_per_a3"] = y.stress.tolist()
        if y.forces_std is not None:
            shown["forces_std_ev_per_a"] = y.forces_std.tolist()
        return shown

    def score(self, predicted: Sequence[Evaluation], examples: Sequence[Example[Atoms, Labels]]) -> Mapping[str, Tally]:
        """See ``metrics.py``."""
        return metrics.score(predicted, examples)

    def augment(
        self, variant: Forceful, examples: Sequence[Example[Atoms, Labels]], rng: np.random.Generator
    ) -> Sequence[Example[Atoms, Labels]]:
        """Structures turned at random where the model asks for it: PaiNN needs none of it."""
        return [rotation.turned(e, rng) for e in examples] if variant.model.turn else examples

    def prepare(self, model: nn.Module, variant: Forceful, examples: Sequence[Example[Atoms, Labels]], folder: Path) -> None:
        """Elements, reference energies, and the scale of forces, of the variant's own training structures."""
        assert isinstance(model, ForceField)
        structures = [e.x for e in examples]
        known = [int(n) for n in model.numbers if n]
        found = references.fitted(structures, np.array([e.y.energy for e in examples]), known)
        if len(found.numbers) > len(model.numbers):
            came = f"The training data hold {len(found.numbers)} elements: {', '.join(found.symbols)}"
            raise ConfigError(came, f"model.species is {len(model.numbers)}", "Raise it")
        squares = np.concatenate([np.square(e.y.forces).ravel() for e in examples])
        if not np.isfinite(squares).all():
            raise DataError("A training label holds something that is not a number")
        model.set(list(found.numbers), fresh=not known, scale=float(np.sqrt(squares.mean())))
        found.save(folder)

    def relabel(self, example: Example[Atoms, Labels], y: Evaluation) -> Example[Atoms, Labels]:
        """The teacher's energy, forces, stress and energies of atoms as the truth."""
        return shifted(example, Labels(y.energy, y.forces, y.stress, y.energies))

    def checks(self, predict: Predictor[Atoms, Evaluation], examples: Sequence[Example[Atoms, Labels]]) -> Sequence[Check]:
        """See ``checks.py``."""
        from weighin.families.forcefields import checks

        return checks.run(predict, examples)

    def brief(self, y: Evaluation) -> str:
        """Composition, energy, largest force."""
        largest = np.linalg.norm(y.forces, axis=1).max(initial=0)
        return f"{Atoms(y.symbols).get_chemical_formula()} {y.energy:.2f} eV, at most {largest:.2f} eV/A"

    def picture(self, x: Atoms) -> bytes:
        """The structure from above."""
        from weighin.families.forcefields import pictures

        return pictures.png(x)

    def notes(self, examples: Sequence[Example[Atoms, Labels]]) -> Mapping[str, float | str]:
        """What the trivial predictor scores."""
        return metrics.notes(examples)

    def expand(self, path: Path) -> Sequence[Sequence[tuple[str, Atoms]]]:
        """Every frame of a file, as one group: also of a single one, so that its answer is written as extxyz, too."""
        return [readers.expand(path) or [("", readers.read(path.read_bytes()))]]

    def save_answers(self, path: Path, named: Sequence[tuple[str, Evaluation]], out: Path) -> Sequence[Path]:
        """The structures of ``path`` with energies, forces and stress, as extxyz."""
        from weighin.families.forcefields import answers

        return answers.save(path, [atoms for _, atoms in self.expand(path)[0]], [y for _, y in named], out)

    def tools(self) -> Tools:
        """Relaxation, dynamics, the largest timestep, active learning, labelling, metatomic."""
        from weighin.families.forcefields import tools

        return tools.tools()

    def fingerprint(self, data: str) -> str:
        """A hash of what ``data`` names."""
        return source.fingerprint(data)
