"""Are the hydrogens there? Bonds by distance, counted against ordinary valences."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

ORDER_LENGTHS = {  # A; bonds shorter than these are at least double, then at least triple
    (6, 6): (1.44, 1.25),
    (6, 7): (1.38, 1.22),
    (6, 8): (1.31, 1.15),
    (6, 16): (1.74, 0.0),
    (7, 7): (1.35, 1.15),
    (7, 8): (1.30, 1.10),
    (8, 8): (1.30, 0.0),
}
VALENCE = {6: 4, 7: 3, 8: 2}
SHARE = 0.5  # of carbons


def missing_hydrogens(atoms: Atoms) -> dict[int, tuple[str, float, int]]:
    """Atom -> (symbol, bonds seen, bonds wanted) where a molecule's hydrogens are left out; empty where they are there.

    A molecule is refused when at least half of its carbons lack bonds and have no hydrogen: one radical or a
    stretched bond is no missing hydrogen. Periodic structures and those without carbon are not judged.
    """
    carbons = np.flatnonzero(atoms.numbers == 6)
    if not len(carbons) or atoms.pbc.any() or len(atoms) < 2:
        return {}
    order = bond_orders(atoms)
    bonds, hydrogens = order.sum(1), (order[:, atoms.numbers == 1] > 0).any(1)
    bonds[(order.max(1) >= 3) & ((order > 0).sum(1) == 1)] = 4.0  # carbon monoxide, an isocyanide
    wanted = np.array([VALENCE.get(int(z), 0) for z in atoms.numbers])
    short = (bonds < wanted - 0.75) & ~hydrogens
    if short[carbons].sum() < SHARE * len(carbons):
        return {}
    return {int(at): (chemical_symbols[atoms.numbers[at]], float(bonds[at]), int(wanted[at])) for at in np.flatnonzero(short)}


def bond_orders(atoms: Atoms) -> np.ndarray:
    """Estimated bond orders [n,n]; 0 where there is no bond, 1.5 between single and double."""
    distance = np.linalg.norm(atoms.positions[:, None] - atoms.positions[None], axis=2)  # [n,n]
    radius = covalent_radii[atoms.numbers]
    bonded = (distance < 1.25 * (radius[:, None] + radius[None])) & ~np.eye(len(atoms), dtype=bool)
    order = bonded.astype(np.float64)
    for one, other in np.argwhere(np.triu(bonded)):
        pair = tuple(sorted((int(atoms.numbers[one]), int(atoms.numbers[other]))))
        order[one, other] = order[other, one] = _order(pair, distance[one, other])
    return order


def _order(pair: tuple[int, ...], length: float) -> float:
    double, triple = ORDER_LENGTHS.get((pair[0], pair[-1]), (0.0, 0.0))
    if length < triple:
        return 3.0
    return 1.5 + 0.5 * (length < double - 0.06) if length < double else 1.0
