"""PaiNN: polarizable atom interaction neural network (Schuett, Unke and Gastegger 2021), in plain torch.

Scalars [atoms, width] and vectors [atoms, 3, width]; vectors only ever meet scalars, unit vectors and one another's
dot products, so energies do not turn with the molecule. Nothing but a multiple of the enveloped basis comes from an
edge, so nothing jumps at the cutoff.
"""

from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from weighin.core.config import Settings
from weighin.families.forcefields.graph import Edges
from weighin.families.forcefields.layers import TINY, Bessel, Repulsion, TwoLayers, lengths, slopes_of


class LossDials(Settings):
    """What errors cost: energies in meV an atom, forces in eV/A, stress in meV/A^3, curvature in eV/A^2."""

    form: Literal["mse", "huber", "norm"] = Field(default="norm", description="norm: |error| of a force, not its square")
    energy: float = Field(default=0.01, ge=0, description="a meV an atom")
    force: float = Field(default=1.0, ge=0, description="an eV/A")
    angular: float = Field(default=0.0, ge=0, description="1 - cosine between predicted and true force")
    floor: float = Field(default=0.1, gt=0, description="eV/A: forces below it have no say in the angular term")
    atomic: float = Field(default=0.0, ge=0, description="a meV of a teacher's energies of single atoms")
    stress: float = Field(default=0.01, ge=0, description="a meV/A^3, where there is a cell and a label")
    hessian: float = Field(default=0.0, ge=0, description="an eV/A^2, where labels have rows of the Hessian")
    rows: int = Field(default=1, gt=0, description="rows of the Hessian a structure and step")


class ForceModel(Settings):
    """What decides the weights."""

    net: Literal["painn", "source"] = "painn"
    width: int = Field(default=64, gt=0)
    layers: int = Field(default=2, gt=0)
    radial: int = Field(default=12, gt=0, description="functions of the radial basis")
    hidden: int | None = Field(default=None, gt=0, description="inside the mixing network; None: half the width")
    cutoff: float = Field(default=5.0, gt=0, description="A")
    species: int = Field(default=16, gt=0, description="rows of the table of elements")
    zbl: bool = Field(default=False, description="add the screened repulsion of nuclei")
    turn: bool = Field(default=False, description="train on structures turned at random")
    loss: LossDials = LossDials()


class Kept(NamedTuple):
    """What an interaction keeps for its way back."""

    node: Tensor  # [n, parts * width]
    slope: Tensor  # [n, width]
    wave: Tensor  # [..., parts * width]
    v: Tensor | None  # [n, 3, width]


class Interaction(nn.Module):
    """Messages: what neighbours are, times a bias-free filter of how far they are."""

    def __init__(self, width: int, radial: int, first: bool) -> None:
        super().__init__()
        self.width, self.parts = width, 2 if first else 3  # before the first there are no vectors to pass on
        self.node = TwoLayers(width, width, self.parts * width)
        self.filter = nn.Linear(radial, self.parts * width, bias=False)

    def forward(self, s: Tensor, v: Tensor | None, edges: Edges, basis: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """s [n, width], v [n, 3, width], basis [..., radial], unit [..., 3, 1] -> what is added to s and to v."""
        message = edges.gather(self.node(s)) * self.filter(basis)  # [..., parts * width]
        scalar, *vector = message.split(self.width, -1)
        pointing = vector[0].unsqueeze(-2) * unit  # [..., 3, width]
        if v is not None:
            pointing = pointing + vector[1].unsqueeze(-2) * edges.gather(v)
        return edges.sum(scalar), edges.sum(pointing)

    def keep(self, s: Tensor, v: Tensor | None, edges: Edges, basis: Tensor, unit: Tensor) -> tuple[Tensor, Tensor, Kept]:
        """As forward; kept are the node network's answer and slope, the filter, and v."""
        node, slope = self.node.keep(s)
        wave = self.filter(basis)  # [..., parts * width]
        scalar, *vector = (edges.gather(node) * wave).split(self.width, -1)
        pointing = vector[0].unsqueeze(-2) * unit  # [..., 3, width]
        if v is not None:
            pointing = pointing + vector[1].unsqueeze(-2) * edges.gather(v)
        return edges.sum(scalar), edges.sum(pointing), Kept(node, slope, wave, v)

    def back(self, gs: Tensor, gv: Tensor, edges: Edges, unit: Tensor, kept: Kept) -> tuple[Tensor, Tensor]:
        """Gradients [n, width], [n, 3, width] of what was added -> of basis [..., radial], of unit [..., 3]."""
        node, here = edges.gather(kept.node), edges.spread(gv)  # [..., parts * width], [..., 3, width]
        scalar, *vector = node.split(self.width, -1)
        by_wave = [edges.spread(gs) * scalar, (here * unit).sum(-2) * vector[0]]
        if kept.v is not None:
            by_wave.append((here * edges.gather(kept.v)).sum(-2) * vector[1])
        pointing = vector[0] * kept.wave[..., self.width : 2 * self.width]
        return torch.cat(by_wave, -1) @ self.filter.weight, (here * pointing.unsqueeze(-2)).sum(-1)

    def back_nodes(self, gs: Tensor, gv: Tensor, edges: Edges, unit: Tensor, kept: Kept) -> tuple[Tensor, Tensor]:
        """Gradients of what was added -> of s and v. The other end of an edge has the same filter and points here."""
        assert kept.v is not None
        near_s, near_v = edges.gather(gs), edges.gather(gv)  # [..., width], [..., 3, width]
        scalar, pointing, passing = kept.wave.split(self.width, -1)
        passed = edges.sum(passing.unsqueeze(-2) * near_v)  # [n, 3, width]
        by_pointing = -edges.sum(pointing * (near_v * unit).sum(-2))  # [n, width]
        by_node = torch.cat([edges.sum(scalar * near_s), by_pointing, (kept.v * passed).sum(1)], 1)
        return self.node.back(by_node, kept.slope), kept.node[:, None, 2 * self.width :] * passed


class Mixing(nn.Module):
    """Within an atom: channels of vectors mix, and tell scalars their lengths and dot products."""

    def __init__(self, width: int, hidden: int, last: bool) -> None:
        super().__init__()
        self.width, self.parts = width, 2 if last else 3  # after the last nobody asks for vectors
        self.both = nn.Linear(width, 2 * width, bias=False)  # U and V
        self.node = TwoLayers(2 * width, hidden, self.parts * width)

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor | None]:
        """s [n, width], v [n, 3, width] -> what is added to s and to v."""
        u, w = self.both(v).split(self.width, -1)  # [n, 3, width]
        norm = (w.square().sum(1) + TINY).sqrt()  # [n, width]
        plain, weight, *along = self.node(torch.cat([s, norm], 1)).split(self.width, 1)
        return plain + weight * (u * w).sum(1), along[0].unsqueeze(1) * u if along else None

    def keep(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """As forward, and what ``back`` needs."""
        u, w = self.both(v).split(self.width, -1)  # [n, 3, width]
        norm = (w.square().sum(1) + TINY).sqrt()  # [n, width]
        given, slope = self.node.keep(torch.cat([s, norm], 1))
        plain, weight, *along = given.split(self.width, 1)
        dot = (u * w).sum(1)
        added = along[0].unsqueeze(1) * u if along else None
        return plain + weight * dot, added, (u, w, norm, slope, dot, weight, *along)

    def back(self, gs: Tensor, gv: Tensor | None, kept: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Gradients of what was added -> of s and v. ``gv`` is None after the last interaction."""
        u, w, norm, slope, dot, weight, *along = kept
        by_dot = (gs * weight).unsqueeze(1)
        by_u, by_w, by_given = by_dot * w, by_dot * u, [gs, gs * dot]
        if gv is not None:
            by_u, by_given = by_u + gv * along[0].unsqueeze(1), [*by_given, (gv * u).sum(1)]
        by_s, by_norm = self.node.back(torch.cat(by_given, 1), slope).split(self.width, 1)
        by_w = by_w + (by_norm / norm).unsqueeze(1) * w
        return by_s, torch.cat([by_u, by_w], -1) @ self.both.weight


class PaiNN(nn.Module):
    """Energies of atoms from their elements and neighbours."""

    def __init__(self, model: ForceModel) -> None:
        super().__init__()
        width, hidden, last = model.width, model.hidden or model.width // 2, model.layers - 1
        self.embed = nn.Embedding(model.species, width)
        self.basis = Bessel(model.radial, model.cutoff)
        self.interactions = nn.ModuleList(Interaction(width, model.radial, k == 0) for k in range(model.layers))
        self.mixings = nn.ModuleList(Mixing(width, hidden, k == last) for k in range(model.layers))
        self.head = TwoLayers(width, width // 2, 1)
        self.repulsion = Repulsion(model.species) if model.zbl else None
        self.register_buffer("scale", torch.ones(()))  # eV: what prepare finds a force to be
        self.scale: Tensor

    def forward(self, species: Tensor, edges: Edges) -> Tensor:
        """species int64 [n] -> energies [n], eV, above the references."""
        distance = lengths(edges.vectors)  # [..., 1]
        basis, unit = self.basis(distance), (edges.vectors / distance).unsqueeze(-1)  # [..., radial], [..., 3, 1]
        s, v = self.embed(species), None
        for interaction, mixing in zip(self.interactions, self.mixings, strict=True):
            scalar, vector = interaction(s, v, edges, basis, unit)
            s, v = s + scalar, vector if v is None else v + vector
            scalar, vector = mixing(s, v)
            s, v = s + scalar, v if vector is None else v + vector
        energies = self.head(s)[:, 0] * self.scale
        return energies if self.repulsion is None else energies + self.repulsion(species, edges, distance)

    def with_slopes(self, species: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Energies [n] as forward gives them, and their sum's derivative by the vectors [..., 3], eV/A."""
        distance = lengths(edges.vectors)  # [..., 1]
        (basis, fall), flat = self.basis.keep(distance), edges.vectors / distance
        unit, s, v, kept = flat.unsqueeze(-1), self.embed(species), None, []  # [..., 3, 1]
        for interaction, mixing in zip(self.interactions, self.mixings, strict=True):
            scalar, vector, of_edges = interaction.keep(s, v, edges, basis, unit)  # type: ignore[operator]
            s, v = s + scalar, vector if v is None else v + vector
            scalar, vector, of_atoms = mixing.keep(s, v)  # type: ignore[operator]
            s, v = s + scalar, v if vector is None else v + vector
            kept.append((of_edges, of_atoms))
        energies, slope = self.head.keep(s)
        gs = self.head.uphill(slope) * self.scale  # [n, width]
        by_basis, by_unit = self._back(gs, edges, unit, kept)
        by_distance, energies = (by_basis * fall).sum(-1, keepdim=True), energies[:, 0] * self.scale
        if self.repulsion is not None:
            added, steep = self.repulsion.keep(species, edges, distance)
            energies, by_distance = energies + added, by_distance + steep
        return energies, slopes_of(by_distance, by_unit, flat, distance)

    def _back(self, gs: Tensor, edges: Edges, unit: Tensor, kept: list[Any]) -> tuple[Tensor, Tensor]:
        """Gradients of basis [..., radial] and unit [..., 3] from that of the last scalars."""
        gv = by_basis = by_unit = None
        for k in reversed(range(len(kept))):
            interaction, mixing = self.interactions[k], self.mixings[k]
            of_edges, of_atoms = kept[k]
            by_s, by_v = mixing.back(gs, gv, of_atoms)  # type: ignore[operator]
            gs, gv = gs + by_s, by_v if gv is None else gv + by_v
            basis, turn = interaction.back(gs, gv, edges, unit, of_edges)  # type: ignore[operator]
            by_basis = basis if by_basis is None else by_basis + basis
            by_unit = turn if by_unit is None else by_unit + turn
            if k:
                by_s, by_v = interaction.back_nodes(gs, gv, edges, unit, of_edges)  # type: ignore[operator]
                gs, gv = gs + by_s, gv + by_v
        assert by_basis is not None and by_unit is not None  # there is at least one interaction
        return by_basis, by_unit
