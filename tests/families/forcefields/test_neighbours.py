"""Neighbour lists against brute force, their packing, reuse, and what is refused."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from weighin.core.errors import ConfigError, InputError
from weighin.families.forcefields.graph import pack
from weighin.families.forcefields.neighbours import Neighbours, VerletList, find


def brute(atoms, cutoff):
    """Sorted (first, second, vector) of every pair and image, both ways, by looking at all of them."""
    cell = np.asarray(atoms.cell.complete())
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0) if atoms.pbc.any() else np.ones(3)
    spread = np.ptp(atoms.get_scaled_positions(wrap=False), axis=0) if atoms.pbc.any() else np.zeros(3)
    reach = [int(np.ceil(cutoff / h + s)) + 1 if p else 0 for h, s, p in zip(heights, spread, atoms.pbc)]
    found = []
    for shift in np.ndindex(*(2 * r + 1 for r in reach)):
        offset = (np.array(shift) - reach) @ cell
        apart = atoms.positions[None] - atoms.positions[:, None] + offset
        for i, j in zip(*np.nonzero(np.linalg.norm(apart, axis=2) < cutoff)):
            if i != j or np.abs(offset).max() > 0:
                found.append((int(i), int(j), *np.round(apart[i, j], 6) + 0.0))
    return sorted(found)


def listed(found: Neighbours):
    packed = pack([found])
    return sorted((int(i), int(j), *np.round(v, 6) + 0.0) for i, j, v in zip(packed.first, packed.second, packed.vectors))


def skewed(pbc):
    rng = np.random.default_rng(4)
    cell = [[4.1, 0.3, 0.0], [0.9, 3.6, 0.2], [0.4, -0.5, 5.2]]
    return Atoms("H7", rng.uniform(-6, 6, (7, 3)), cell=cell, pbc=pbc)


CASES = {
    "molecule": lambda: molecule("CH3CH2OH"),
    "lone": lambda: Atoms("H"),
    "metal": lambda: bulk("Al"),
    "cube": lambda: bulk("Si", cubic=True),
    "skewed": lambda: skewed(True),
    "slab": lambda: skewed((True, True, False)),
    "wire": lambda: skewed((False, False, True)),
    "no cell": lambda: Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[[3, 0, 0], [0, 0, 0], [0, 0, 0]], pbc=(True, False, False)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_pair_and_image_is_there(name):
    atoms = CASES[name]()
    assert listed(find(atoms, 5.0)) == brute(atoms, 5.0)


def test_packed_lists_know_the_way_back():
    structures = [CASES[name]() for name in ("molecule", "lone", "metal", "slab")]
    packed = pack([find(atoms, 4.0) for atoms in structures])
    assert packed.atoms == sum(map(len, structures)) and (np.diff(packed.first) >= 0).all()
    assert np.array_equal(packed.first[packed.reverse], packed.second)
    assert np.array_equal(packed.vectors[packed.reverse], -packed.vectors)
    assert np.array_equal(packed.reverse[packed.reverse], np.arange(len(packed.first)))


def test_padded_rows_hold_the_same_edges():
    packed = pack([find(CASES[name](), 4.0) for name in ("molecule", "lone", "slab")])
    padded, place = packed.padded(8.0, torch.float64)
    flat = packed.flat(torch.float64)
    assert torch.equal(padded.vectors.reshape(-1, 3)[place], flat.vectors)
    assert torch.equal(padded.second.reshape(-1)[place], flat.second)
    assert sorted(padded.reverse.reshape(-1).tolist()) == list(range(padded.reverse.numel()))
    empty = torch.ones(padded.second.numel(), dtype=torch.bool)
    empty[place] = False
    assert (padded.vectors.reshape(-1, 3)[empty].norm(dim=1) == 8.0).all()
    values = torch.randn(len(flat.first), 3, dtype=torch.float64)
    spread = torch.zeros(padded.second.numel(), 3, dtype=torch.float64)
    spread[place] = values
    torch.testing.assert_close(padded.net(spread.view(*padded.second.shape, 3)), flat.net(values))
    torch.testing.assert_close(padded.sum(spread.view(*padded.second.shape, 3)), flat.sum(values))


@pytest.mark.parametrize("name", ["molecule", "cube", "slab"])
def test_a_verlet_list_is_used_again_and_never_wrong(name):
    atoms, verlet = CASES[name](), VerletList(4.0, skin=1.0)
    rng = np.random.default_rng(0)
    for _ in range(8):
        assert listed(verlet.of(atoms)) == listed(find(atoms, 4.0))
        atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
    assert 1 <= verlet.builds < 8


def test_a_verlet_list_sees_another_structure():
    verlet, atoms = VerletList(4.0), CASES["cube"]()
    verlet.of(atoms)
    stretched = atoms.copy()
    stretched.set_cell(atoms.cell * 1.01)
    other = atoms.copy()
    other.pbc = (True, True, False)
    for changed in (stretched, other, atoms[:-1], CASES["molecule"]()):
        assert listed(verlet.of(changed)) == listed(find(changed, 4.0))
    assert verlet.builds == 5
    with pytest.raises(ConfigError, match="skin is -1"):
        VerletList(4.0, skin=-1)


BAD = {
    "no atoms": (Atoms(), "has no atoms"),
    "not a number": (Atoms("OH", [[0, 0, 0], [0, np.nan, 1]]), r"Atom 1 \(H\)"),
    "coincident": (Atoms("CO", [[1, 1, 1], [1, 1, 1]]), r"Atoms 0 \(C\) and 1 \(O\) are 0 A apart"),
    "flat cell": (Atoms("H", cell=[3, 3, 0], pbc=True), "has no volume"),
    "cell of nothing": (Atoms("H", pbc=(True, False, False)), "has no volume"),
    "cell is not a number": (Atoms("H", cell=[3, 3, np.inf], pbc=True), "not a number"),
    "tiny cell": (Atoms("H", cell=[0.3, 0.3, 0.3], pbc=True), "is so small"),
    "atom on its image": (Atoms("H", cell=[0.001, 20, 20], pbc=(True, False, False)), r"so small|are 0\.001 A apart"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("search", [lambda atoms: find(atoms, 5.0), lambda atoms: VerletList(5.0).of(atoms)])
def test_what_cannot_be_is_refused(name, search):
    atoms, message = BAD[name]
    with pytest.raises(InputError, match=message):
        search(atoms)


def test_a_cell_smaller_than_twice_the_cutoff_lists_every_image():
    """One atom of aluminium, 2.86 A from its own images: 42 shells' worth of neighbours, all of them itself."""
    found = pack([find(bulk("Al"), 5.0)])
    assert found.atoms == 1 and len(found.first) == len(brute(bulk("Al"), 5.0)) == 42
