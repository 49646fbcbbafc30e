"""What the networks are made of: distances, a radial basis that ends smoothly, a short-range repulsion.

Every piece has ``forward``, which autograd follows in training, and a pair for what is exported: ``keep`` answers the
same and what ``back`` needs to turn a gradient of the answer into gradients of the inputs. Forces are then plain
operators that any runtime knows; and as every pair stands in both atoms' rows, gradients are gathered, never scattered.
"""

import math

import torch
from torch import Tensor, nn

from weighin.families.forcefields.graph import Edges

TINY = 1e-8  # below the square of any length that matters: keeps derivatives of norms finite at zero

COULOMB = 14.399645  # eV A: e^2 / (4 pi epsilon_0)
BOHR = 0.529177  # A
REACH = 0.75  # of the sum of covalent radii: shorter than a triple bond (0.78), so that no bond feels it
ZBL = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))  # amplitude, decay


def lengths(vectors: Tensor) -> Tensor:
    """[..., 3] -> [..., 1], A."""
    return vectors.square().sum(-1, keepdim=True).sqrt()


def envelope(x: Tensor) -> tuple[Tensor, Tensor]:
    """1 at zero, 0 from 1 on, twice continuously differentiable; and its slope (DimeNet's, p = 6; Gasteiger et al. 2020)."""
    x = x.clamp(max=1.0)
    x2 = x * x
    x5 = x2 * x2 * x
    return 1 + x5 * x * (-28 + x * (48 - 21 * x)), x5 * (-168 + x * (336 - 168 * x))


class TwoLayers(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, into: int, hidden: int, out: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(into, hidden), nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """[..., into] -> [..., out]."""
        return self.outer(nn.functional.silu(self.inner(x)))

    def keep(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the slope of the activation [..., hidden]."""
        before = self.inner(x)
        gate = before.sigmoid()
        hidden = before * gate
        return self.outer(hidden), gate + hidden * (1 - gate)

    def back(self, g: Tensor, slope: Tensor) -> Tensor:
        """[..., out] -> [..., into]."""
        return ((g @ self.outer.weight) * slope) @ self.inner.weight

    def uphill(self, slope: Tensor) -> Tensor:
        """The gradient of a single output: ``back`` of ones, which Inductor (torch 2.13) computes wrongly."""
        return (self.outer.weight * slope) @ self.inner.weight


class Bessel(nn.Module):
    """sqrt(2 / c) sin(n pi d / c) / d times the envelope, for n = 1 ... ``size`` (Gasteiger et al. 2020)."""

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer("waves", torch.arange(1, size + 1) * (math.pi / cutoff), persistent=False)
        self.waves: Tensor

    def forward(self, distance: Tensor) -> Tensor:
        """[..., 1] -> [..., size]."""
        ending = envelope(distance / self.cutoff)[0] * (math.sqrt(2 / self.cutoff) / distance)  # [..., 1]
        return torch.sin(distance * self.waves) * ending

    def keep(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its slope [..., size]."""
        height, fall = envelope(distance / self.cutoff)
        factor = math.sqrt(2 / self.cutoff) / distance
        ending, angle = height * factor, distance * self.waves
        sine = torch.sin(angle)
        slope = torch.cos(angle) * self.waves * ending + sine * (fall * (factor / self.cutoff) - ending / distance)
        return sine * ending, slope


class Repulsion(nn.Module):
    """Screened repulsion of nuclei (Ziegler, Biersack and Littmark 1985), ending smoothly below the length of any bond."""

    def __init__(self, species: int) -> None:
        super().__init__()
        self.register_buffer("charge", torch.zeros(species))  # of the nucleus, e
        self.register_buffer("radius", torch.zeros(species))  # covalent, A
        self.charge: Tensor
        self.radius: Tensor

    def set(self, numbers: list[int]) -> None:
        """The elements of the rows that are in use."""
        from ase.data import covalent_radii

        for row, number in enumerate(numbers):
            self.charge[row], self.radius[row] = float(number), REACH * float(covalent_radii[number])

    def forward(self, species: Tensor, edges: Edges, distance: Tensor) -> Tensor:
        """Energies [atoms], eV: half of every pair's."""
        return self.keep(species, edges, distance)[0]

    def keep(self, species: Tensor, edges: Edges, distance: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its slope by distance [..., 1]."""
        charge, radius = self.charge[species][:, None], self.radius[species][:, None]  # [atoms, 1]
        one, other = edges.spread(charge), edges.gather(charge)
        reach = (edges.spread(radius) + edges.gather(radius)).clamp(min=TINY)
        rate = (one**0.23 + other**0.23) / (0.88534 * BOHR)
        terms = [(a * torch.exp(-b * rate * distance), b * rate) for a, b in ZBL]
        screen, fall = sum(t for t, _ in terms), sum(-t * r for t, r in terms)
        height, end = envelope(distance / reach)
        half = 0.5 * COULOMB * one * other / distance
        pairs = half * screen * height
        return edges.sum(pairs)[:, 0], half * (fall * height + screen * end / reach) - pairs / distance


def slopes_of(by_distance: Tensor, by_unit: Tensor, unit: Tensor, distance: Tensor) -> Tensor:
    """Derivatives of the energy by vectors [..., 3] from those by length [..., 1] and by direction [..., 3]."""
    along = (by_unit * unit).sum(-1, keepdim=True)
    return by_distance * unit + (by_unit - along * unit) / distance


def forces_of(slopes: Tensor, edges: Edges) -> Tensor:
    """Forces [atoms, 3], eV/A, from derivatives of the energy by edge vectors, eV/A: of an atom's own and of others' edges."""
    return edges.net(slopes)
