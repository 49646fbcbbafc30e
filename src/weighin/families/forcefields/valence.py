"""Are the hydrogens there? Bond orders by length (Pauling 1947), counted against ordinary valences."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

VALENCE = {6: 4, 7: 3, 8: 2}
DECAY = 0.3  # A; bond order = exp((single bond - length) / 0.3)
SHORT = 0.5  # bonds that an atom lacks before it counts: estimates from lengths are not better
BESIDE_HYDROGEN = 0.9  # the same where hydrogens are there: dynamics stretches bonds
LEAST = 0.75  # bonds that a structure without hydrogen lacks in all
SHARE = 0.5  # of its carbons, in a structure that has some hydrogens (polar ones only, say)


def missing_hydrogens(atoms: Atoms) -> dict[int, tuple[str, float, int]]:
    """Atom -> (symbol, bonds seen, bonds wanted) where a molecule's hydrogens are left out; empty where they are there.

    Without any hydrogen, all atoms together must lack a bond. With some, half of the carbons must lack one and have
    none: a radical or a stretched bond is no missing hydrogen. Periodic structures and those without carbon are not
    judged.
    """
    carbons = atoms.numbers == 6
    if not carbons.any() or atoms.pbc.any() or len(atoms) < 2:
        return {}
    order = bond_orders(atoms)
    hydrogens = order[:, atoms.numbers == 1].any(1)
    bonds = order.sum(1)
    bonds[((order > 0).sum(1) == 1) & (bonds > 2.4)] = 4.0  # carbon monoxide, an isocyanide
    wanted = np.array([VALENCE.get(int(z), 0) for z in atoms.numbers])
    lacks = np.maximum(wanted - bonds, 0.0)
    if (atoms.numbers == 1).any():
        short = (lacks > BESIDE_HYDROGEN) & ~hydrogens
        enough = short[carbons].sum() >= SHARE * carbons.sum()
    else:
        short = lacks > SHORT
        enough = lacks[short].sum() >= LEAST
    found = np.flatnonzero(short) if enough else []
    return {int(at): (chemical_symbols[atoms.numbers[at]], round(float(bonds[at]), 1), int(wanted[at])) for at in found}


def bond_orders(atoms: Atoms) -> np.ndarray:
    """Estimated bond orders [n,n], 0 where there is no bond."""
    radius = covalent_radii[atoms.numbers]
    single = radius[:, None] + radius[None]
    distance = np.linalg.norm(atoms.positions[:, None] - atoms.positions[None], axis=2)  # [n,n]
    bonded = (distance < 1.25 * single) & ~np.eye(len(atoms), dtype=bool)
    return np.where(bonded, np.exp((single - distance) / DECAY), 0.0)
