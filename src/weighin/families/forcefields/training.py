"""The module that learns: a network with its derivatives, and what its errors cost."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.autograd import grad
from torch.nn.functional import huber_loss

from weighin.families.forcefields.batch import ForceBatch, Rows
from weighin.families.forcefields.layers import TINY, forces_of
from weighin.families.forcefields.model import ForceModel, LossDials, PaiNN
from weighin.families.forcefields.source import SourceNet

MEV = 1e3  # meV in an eV


class ForceField(nn.Module):
    """forward(batch) -> ``energy`` [structures] (eV an atom, float64), ``energies`` [atoms] above the references, ``forces``.

    ``stress`` [structures, 3, 3] where a structure has a cell; ``hessian`` [rows, atoms, 3] in training, where asked for.
    ``numbers`` are the atomic numbers of the rows of the table in use, 0 where a row is free.
    """

    def __init__(self, model: ForceModel) -> None:
        super().__init__()
        self.net: PaiNN | SourceNet = PaiNN(model) if model.net == "painn" else SourceNet(model)
        self.rows = model.loss.rows if model.loss.hessian else 0
        self.register_buffer("numbers", torch.zeros(self.net.embed.num_embeddings, dtype=torch.int64))
        self.numbers: Tensor

    def set(self, numbers: list[int], fresh: bool, scale: float) -> None:
        """Elements of the rows; and, for weights that are fresh, the unit of energies: ``scale`` (eV/A) times 1 A."""
        self.numbers[: len(numbers)] = torch.tensor(numbers)
        if fresh and scale > 0:
            self.net.scale.fill_(scale)
        if isinstance(self.net, PaiNN) and self.net.repulsion is not None:
            self.net.repulsion.set(numbers)

    def forward(self, batch: ForceBatch) -> dict[str, Tensor]:
        """Derivatives are the network's own, so that learning from forces takes one backward pass, not two."""
        edges, rows = batch.edges, batch.rows if self.rows and torch.is_grad_enabled() else None
        edges.vectors.requires_grad_(rows is not None)
        energies, slopes = self.net.with_slopes(batch.species, edges)  # [atoms], [edges, 3]
        forces = forces_of(slopes, edges)
        outputs = {"energy": per_atom(energies, batch), "energies": energies, "forces": forces}
        if batch.volume.isfinite().any():
            outputs["stress"] = stress(slopes, batch)
        return outputs if rows is None else outputs | curvature(forces, batch, rows, self.rows)


def per_atom(energies: Tensor, batch: ForceBatch) -> Tensor:
    """Energy an atom [structures], eV, references included: summed in float64."""
    total = batch.reference.new_zeros(len(batch.sizes)).index_add(0, batch.owner, energies.double())
    return total / batch.sizes + batch.reference


def stress(slopes: Tensor, batch: ForceBatch) -> Tensor:
    """Derivative by strain over the volume [structures, 3, 3], eV/A^3; NaN where there is no volume."""
    products = batch.edges.vectors.unsqueeze(2) * slopes.unsqueeze(1)  # [edges, 3, 3]
    strained = products.new_zeros(len(batch.sizes), 3, 3).index_add(0, batch.edge_owner, products)
    return strained / batch.volume[:, None, None]


def curvature(forces: Tensor, batch: ForceBatch, rows: Rows, most: int) -> dict[str, Tensor]:
    """Rows of the Hessian drawn at random: one more backward pass for each, of all structures at once."""
    drawn = torch.randperm(len(rows.pick))[:most]
    found = []
    for pick in rows.pick[drawn]:
        chosen = forces.reshape(-1)[pick[pick >= 0]].sum()
        (slopes,) = grad(chosen, batch.edges.vectors, create_graph=True)
        found.append(forces_of(slopes, batch.edges))  # minus the pull of minus the slope: the Hessian itself
    return {"hessian": torch.stack(found), "drawn": drawn}


def losses(outputs: Mapping[str, Tensor], batch: ForceBatch, dials: LossDials) -> dict[str, Tensor]:
    """Named terms; those with weight zero or without labels are left out."""
    apart = (outputs["forces"] - batch.forces).float()  # [atoms, 3]
    wrong = MEV * (outputs["energy"] - batch.energy).float()  # [structures]
    found = {"energy": dials.energy * _cost(wrong, dials.form), "force": dials.force * _force(apart, dials.form)}
    if dials.angular:
        found["angular"] = dials.angular * angular(outputs["forces"], batch.forces, dials.floor)
    if dials.atomic and batch.atomic.isfinite().any():
        found["atomic"] = dials.atomic * _cost(_known(MEV * (outputs["energies"] - batch.atomic)), dials.form)
    if dials.stress and "stress" in outputs:
        found["stress"] = dials.stress * _cost(_known(MEV * (outputs["stress"] - batch.stress)), dials.form)
    if "hessian" in outputs and batch.rows is not None:
        found["hessian"] = dials.hessian * _curved(outputs["hessian"], outputs["drawn"], batch, batch.rows, dials.form)
    return found


def angular(forces: Tensor, truth: Tensor, floor: float) -> Tensor:
    """Mean of 1 - cosine over atoms whose true force exceeds ``floor`` (the source has no floor, and learns noise)."""
    large = truth.square().sum(1) > floor**2
    lengths = ((forces.square().sum(1) + TINY) * (truth.square().sum(1) + TINY)).sqrt()
    apart = 1 - (forces * truth).sum(1) / lengths
    return (apart * large).sum() / large.sum().clamp(min=1)


def _curved(given: Tensor, drawn: Tensor, batch: ForceBatch, rows: Rows, form: str) -> Tensor:
    has = (rows.pick[drawn] >= 0).index_select(1, batch.owner)  # [rows, atoms]
    return _force((given - rows.values[drawn])[has], form) if has.any() else given.sum() * 0


def _known(x: Tensor) -> Tensor:
    return x[x.isfinite()]


def _cost(x: Tensor, form: str) -> Tensor:
    """A mean over errors, in their unit or its square."""
    if not x.numel():
        return x.sum()
    return {"mse": x.square, "huber": lambda: huber_loss(x, torch.zeros_like(x), reduction="none"), "norm": x.abs}[
        form
    ]().mean()


def _force(x: Tensor, form: str) -> Tensor:
    """x [n, 3]: its lengths, or the squares of its components."""
    return (x.square().sum(-1) + TINY).sqrt().mean() if form == "norm" else _cost(x, form)
