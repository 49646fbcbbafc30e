"""The distiller's own layers, rebuilt to the parameter (427,292 / 77,203 / 21,459), to be weighed like the others.

What an edge brings comes from its length alone, through biases that do not end at the cutoff; and a learned 3 x 3
matrix mixes x, y and z. So the energy jumps when an atom enters, and changes when the molecule turns: see the checks.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from weighin.families.forcefields.graph import Edges
from weighin.families.forcefields.layers import TINY, Bessel, TwoLayers, lengths, slopes_of
from weighin.families.forcefields.model import ForceModel

ROWS = 101  # of the table of elements: atomic numbers 0 to 100


class Kept(NamedTuple):
    """What a layer keeps for its way back."""

    wave: Tensor  # [..., 3 * width]
    slope: Tensor  # [..., width]
    s: Tensor  # [..., width], of neighbours
    v: Tensor  # [..., 3, width], of neighbours
    mixed: tuple[Tensor, ...]


class SourceLayer(nn.Module):
    """One interaction and what follows it."""

    def __init__(self, width: int, radial: int) -> None:
        super().__init__()
        self.width = width
        self.radial = TwoLayers(radial, width, 3 * width)
        self.axes = nn.Linear(3, 3, bias=False)
        self.node = TwoLayers(2 * width, width, 3 * width)

    def forward(self, s: Tensor, v: Tensor, edges: Edges, basis: Tensor, unit: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """s [n, width], v [n, 3, width], basis [..., radial], unit [..., 3, 1], near [..., 1] -> the next s and v."""
        scalar, pointing, passed = (self.radial(basis) * near).split(self.width, -1)
        s = s + edges.sum(scalar * edges.gather(s))
        v = v + edges.sum(pointing.unsqueeze(-2) * unit + passed.unsqueeze(-2) * edges.gather(v))
        return self._mixed(s, v)[:2]

    def _mixed(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        mixed = self.axes(v.transpose(1, 2)).transpose(1, 2)  # [n, 3, width]
        norm = (mixed.square().sum(1) + TINY).sqrt()
        given, slope = self.node.keep(torch.cat([s, norm], 1))
        plain, weight, along = given.split(self.width, 1)
        dot = (v * mixed).sum(1)
        return s + plain + weight * dot, v + along.unsqueeze(1) * mixed, (v, mixed, norm, slope, dot, weight, along)

    def keep(
        self, s: Tensor, v: Tensor, edges: Edges, basis: Tensor, unit: Tensor, near: Tensor
    ) -> tuple[Tensor, Tensor, Kept]:
        """As forward, and what ``back`` needs."""
        wave, slope = self.radial.keep(basis)
        wave = wave * near  # [..., 3 * width]
        scalar, pointing, passed = wave.split(self.width, -1)
        s_near, v_near = edges.gather(s), edges.gather(v)
        s_next = s + edges.sum(scalar * s_near)
        v_next = v + edges.sum(pointing.unsqueeze(-2) * unit + passed.unsqueeze(-2) * v_near)
        s_next, v_next, mixed = self._mixed(s_next, v_next)
        return s_next, v_next, Kept(wave, slope, s_near, v_near, mixed)

    def back(
        self, gs: Tensor, gv: Tensor, edges: Edges, unit: Tensor, near: Tensor, kept: Kept
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients of the next s and v -> of s and v, of basis [..., radial], of unit [..., 3]."""
        gs, gv = self._back_mixed(gs, gv, kept.mixed)
        scalar, pointing, passed = kept.wave.split(self.width, -1)
        here = edges.spread(gv)  # [..., 3, width]
        by_wave = torch.cat([edges.spread(gs) * kept.s, (here * unit).sum(-2), (here * kept.v).sum(-2)], -1)
        by_basis = self.radial.back(by_wave * near, kept.slope)
        by_unit = (here * pointing.unsqueeze(-2)).sum(-1)
        gs = gs + edges.sum(scalar * edges.gather(gs))  # the other end of an edge has the same wave
        gv = gv + edges.sum(passed.unsqueeze(-2) * edges.gather(gv))
        return gs, gv, by_basis, by_unit

    def _back_mixed(self, gs: Tensor, gv: Tensor, kept: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        v, mixed, norm, slope, dot, weight, along = kept
        by_given = torch.cat([gs, gs * dot, (gv * mixed).sum(1)], 1)
        by_s, by_norm = self.node.back(by_given, slope).split(self.width, 1)
        by_dot = (gs * weight).unsqueeze(1)
        by_mixed = gv * along.unsqueeze(1) + by_dot * v + (by_norm / norm).unsqueeze(1) * mixed
        back = (by_mixed.transpose(1, 2) @ self.axes.weight).transpose(1, 2)
        return gs + by_s, gv + by_dot * mixed + back


class Head(nn.Module):
    """width -> width / 2 -> width / 4 -> 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width // 2)
        self.rest = TwoLayers(width // 2, width // 4, 1)

    def forward(self, s: Tensor) -> Tensor:
        """[n, width] -> [n, 1]."""
        return self.rest(silu(self.first(s)))

    def with_slopes(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """[n, width] -> [n, 1], and the gradient of its sum [n, width]."""
        before = self.first(s)
        gate = before.sigmoid()
        hidden = before * gate
        energies, slope = self.rest.keep(hidden)
        g = self.rest.uphill(slope)
        return energies, (g * (gate + hidden * (1 - gate))) @ self.first.weight


class SourceNet(nn.Module):
    """Energies of atoms, as the distiller's students compute them."""

    def __init__(self, model: ForceModel) -> None:
        super().__init__()
        self.cutoff = model.cutoff
        self.embed = nn.Embedding(ROWS, model.width)
        self.basis = Bessel(model.radial, model.cutoff)
        self.layers = nn.ModuleList(SourceLayer(model.width, model.radial) for _ in range(model.layers))
        self.head = Head(model.width)
        self.register_buffer("scale", torch.ones(()))
        self.scale: Tensor

    def forward(self, species: Tensor, edges: Edges) -> Tensor:
        """species int64 [n] -> energies [n], eV, above the references."""
        distance = lengths(edges.vectors)  # [..., 1]
        basis, unit = self.basis(distance), (edges.vectors / distance).unsqueeze(-1)
        near = (distance < self.cutoff).to(distance.dtype)
        s = self.embed(species)
        v = s.new_zeros(s.shape[0], 3, s.shape[1])
        for layer in self.layers:
            s, v = layer(s, v, edges, basis, unit, near)
        return self.head(s)[:, 0] * self.scale

    def with_slopes(self, species: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Energies [n] as forward gives them, and their sum's derivative by the vectors [..., 3], eV/A."""
        distance = lengths(edges.vectors)  # [..., 1]
        (basis, fall), flat = self.basis.keep(distance), edges.vectors / distance
        unit, near = flat.unsqueeze(-1), (distance < self.cutoff).to(distance.dtype)
        s, kept = self.embed(species), []
        v = s.new_zeros(s.shape[0], 3, s.shape[1])
        for layer in self.layers:
            s, v, own = layer.keep(s, v, edges, basis, unit, near)  # type: ignore[operator]
            kept.append(own)
        energies, gs = self.head.with_slopes(s)
        gs, gv = gs * self.scale, torch.zeros_like(v)
        by_basis, by_unit = torch.zeros_like(basis), torch.zeros_like(flat)
        for layer, own in zip(reversed(self.layers), reversed(kept), strict=True):
            gs, gv, b, u = layer.back(gs, gv, edges, unit, near, own)  # type: ignore[operator]
            by_basis, by_unit = by_basis + b, by_unit + u
        return energies[:, 0] * self.scale, slopes_of((by_basis * fall).sum(-1, keepdim=True), by_unit, flat, distance)
