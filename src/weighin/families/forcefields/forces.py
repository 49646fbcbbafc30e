"""The one part of the family: energies and forces of atoms as one graph of plain operators."""

import torch
from torch import Tensor, nn

from weighin.core.family import Part
from weighin.families.forcefields.graph import Padded
from weighin.families.forcefields.layers import forces_of
from weighin.families.forcefields.model import PaiNN
from weighin.families.forcefields.source import SourceNet

INPUTS = ("species", "second", "reverse", "vectors")
OUTPUTS = ("energies", "forces", "slopes")


class EnergyForces(nn.Module):
    """(species [n], second [n, k], reverse [n, k], vectors [n, k, 3]) -> energies [n], forces [n, 3], slopes [n, k, 3].

    Row i holds the neighbours of atom i, padded with vectors beyond the cutoff; see :class:`Padded`. Units are eV and A,
    energies are above the references. Slopes are derivatives of the energy by the vectors: the virial, stress times
    volume, is the sum of their products with the vectors.
    """

    def __init__(self, net: PaiNN | SourceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, species: Tensor, second: Tensor, reverse: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        edges = Padded(second, reverse, vectors)
        energies, slopes = self.net.with_slopes(species, edges)
        return energies, forces_of(slopes, edges), slopes


def part_of(net: PaiNN | SourceNet, dtype: torch.dtype) -> Part:
    """Free axes: atoms, and places in a row."""
    atoms, both = {0: "atoms"}, {0: "atoms", 1: "neighbours"}
    axes = {"species": atoms, "second": both, "reverse": both, "vectors": both}
    axes |= {"energies": atoms, "forces": atoms, "slopes": both}
    return Part(EnergyForces(net.to(dtype).eval()), INPUTS, OUTPUTS, axes, precise=True)
