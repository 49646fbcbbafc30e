"""Untrained networks of both kinds, in float64 and with random weights, and structures to show them."""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule

from weighin.core.recording import eager
from weighin.families.forcefields.family import ForceFields
from weighin.families.forcefields.references import References

FAMILY = ForceFields()
KNOWN = References((1, 6, 8, 14), (-13.0, -1000.0, -2000.0, -7000.0))


def variant_of(name="tiny", **changes):
    return FAMILY.variant(name).but(**{"model.width": 16, "model.radial": 6, **changes})


def built(variant, seed=0):
    """A model whose every weight counts: biases and the table of elements too."""
    torch.manual_seed(seed)
    model = FAMILY.build(variant)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.set(list(KNOWN.numbers), fresh=True, scale=2.0)
    return model.eval()


def predictor(tmp_path, name="tiny", seed=0, **changes):
    """In float64 unless ``predict.double`` says otherwise."""
    variant = variant_of(name, **{"predict.double": True, **changes})
    KNOWN.save(tmp_path)
    return FAMILY.predictor(eager(FAMILY.parts(built(variant, seed), variant)), variant, tmp_path)


def shaken(atoms, seed=0, width=0.1):
    atoms = atoms.copy()
    atoms.rattle(width, seed=seed)
    return atoms


def ethanol(seed=0):
    return shaken(molecule("CH3CH2OH"), seed)


def silicon(seed=0):
    """Eight atoms in a cell that is no cube and smaller than twice the cutoff."""
    atoms = bulk("Si", cubic=True)
    atoms.set_cell(atoms.cell + np.array([[0, 0.2, 0], [0.1, 0, 0.3], [0, 0, 0.2]]), scale_atoms=True)
    return shaken(atoms, seed)


def slab(seed=0):
    places = [[0, 0, 0], [1.9, 1.9, 0.3], [0.2, 0.1, 1.7], [0.3, 0.2, 2.7]]
    return shaken(Atoms("Si2OH", places, cell=[4, 4, 9], pbc=(True, True, False)), seed)
