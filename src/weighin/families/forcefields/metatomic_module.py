"""The module that metatomic wraps: TorchScript, energies only; engines bring neighbours and take derivatives.

Imported only where metatomic is installed. Names and annotations are what TorchScript and metatomic ask for.
"""

from typing import Dict, List, Optional  # noqa: UP035  (metatomic compares annotations with these)

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap  # type: ignore[import-not-found]
from metatomic.torch import ModelOutput, NeighborListOptions, System  # type: ignore[import-not-found]
from torch import Tensor, nn


class EnergyModel(nn.Module):
    """Energies of systems or atoms, references included, in float64 whatever the network computes in."""

    def __init__(self, energies: nn.Module, rows: Tensor, references: Tensor, cutoff: float, dtype: torch.dtype) -> None:
        """``energies(species [n], first [e], second [e], vectors [e,3])``, traced; ``rows`` [z] and ``references`` [rows]."""
        super().__init__()
        self.energies = energies
        self.register_buffer("rows", rows)
        self.register_buffer("references", references)
        self.rows: Tensor
        self.references: Tensor
        self.dtype = dtype
        self.options = NeighborListOptions(cutoff=cutoff, full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        """Every pair both ways, within the cutoff."""
        return [self.options]

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels] = None,  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        """``energy``, of every system or of the selected atoms' share in it; of atoms where that is asked for."""
        answers: Dict[str, TensorMap] = {}  # noqa: UP006
        if "energy" not in outputs:
            return answers
        energies, samples = self.atoms(systems)
        if selected_atoms is not None:
            chosen = self.chosen(samples, selected_atoms)
            energies, samples = energies[chosen], samples[chosen]
        if outputs["energy"].sample_kind == "atom":
            labels = Labels(["system", "atom"], samples)
        else:
            which, place = torch.unique(samples[:, 0], return_inverse=True)
            empty = torch.zeros(len(which), dtype=energies.dtype, device=energies.device)
            energies = empty.index_add(0, place, energies)
            labels = Labels(["system"], which.reshape(-1, 1))
        block = TensorBlock(
            values=energies.reshape(-1, 1),
            samples=labels,
            components=torch.jit.annotate(List[Labels], []),  # noqa: UP006
            properties=Labels(["energy"], torch.zeros(1, 1, dtype=torch.int32, device=energies.device)),
        )
        keys = Labels(["_"], torch.zeros(1, 1, dtype=torch.int32, device=energies.device))
        answers["energy"] = TensorMap(keys, [block])
        return answers

    def atoms(self, systems: List[System]) -> tuple[Tensor, Tensor]:  # noqa: UP006
        """Energies of all atoms [n], float64, and (system, atom) int32 [n,2]."""
        types: List[Tensor] = []  # noqa: UP006
        first: List[Tensor] = []  # noqa: UP006
        second: List[Tensor] = []  # noqa: UP006
        vectors: List[Tensor] = []  # noqa: UP006
        samples: List[Tensor] = []  # noqa: UP006
        start = 0
        for number, system in enumerate(systems):
            pairs = system.get_neighbor_list(self.options)
            first.append(pairs.samples.column("first_atom").to(torch.int64) + start)
            second.append(pairs.samples.column("second_atom").to(torch.int64) + start)
            vectors.append(pairs.values.reshape(-1, 3))
            types.append(system.types.to(torch.int64))
            place = torch.arange(len(system), dtype=torch.int32, device=system.types.device)
            samples.append(torch.stack([torch.full_like(place, number), place], 1))
            start += len(system)
        species = self.rows[torch.cat(types)]
        receives = torch.cat(first)
        order = torch.argsort(receives)
        edges = torch.cat(vectors)[order].to(self.dtype)
        energies = self.energies(species, receives[order], torch.cat(second)[order], edges)
        return energies.to(torch.float64) + self.references[species], torch.cat(samples)

    def chosen(self, samples: Tensor, selected: Labels) -> Tensor:
        """Places [k] in ``samples`` [n,2] of the selected (system, atom)."""
        size = int(samples[:, 1].max().item()) + 1
        own = samples[:, 0].to(torch.int64) * size + samples[:, 1]
        wanted = selected.column("system").to(torch.int64) * size + selected.column("atom")
        return torch.nonzero(torch.isin(own, wanted)).reshape(-1)
