"""Export to metatomic, which LAMMPS, i-PI, torch-sim, ASE and others run (Bigi et al. 2025)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from weighin.core.config import Settings
from weighin.core.errors import ConfigError, ExportError, MissingError
from weighin.core.files import write_atomic
from weighin.core.program import cause
from weighin.core.tool import Loaded
from weighin.families.forcefields import references
from weighin.families.forcefields.graph import Flat
from weighin.families.forcefields.references import References
from weighin.families.forcefields.training import ForceField

FILE = "model.pt"  # metatomic's name of its format


class MetatomicDials(Settings):
    """Dials of the export."""

    name: str = Field(default="", description="in the file's metadata; default: the variant's")
    double: bool = Field(default=False, description="the network in float64 as well; energies are always")


class Energies(nn.Module):
    """The network as a function of tensors, for torch.jit.trace."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, species: Tensor, first: Tensor, second: Tensor, vectors: Tensor) -> Tensor:
        """species [n], first and second [e], vectors [e,3] -> energies [n], eV above the references."""
        return self.net(species, Flat(first, second, vectors, species.shape[0]))


def export(model: Loaded, dials: MetatomicDials, out: Path) -> dict[str, Any]:
    """Writes ``model.pt`` into ``out`` and returns what it is. Raises MissingError, ConfigError, ExportError."""
    if find_spec("metatomic") is None:
        raise MissingError("metatomic is not installed", hint="pip install metatomic-torch")
    if not isinstance(model.module, ForceField):
        raise ConfigError(f"{model.name} is no single network", "One with weights of its own", "Export its members")
    known = references.load(model.folder)
    dtype = torch.float64 if dials.double or model.variant.predict.double else torch.float32
    net = model.module.net.to(dtype).eval()
    cutoff = float(model.variant.model.cutoff)
    with _legacy():
        try:
            _write(out / FILE, net, known, cutoff, model.variant.model.layers * cutoff, dtype, dials.name or model.name)
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"{model.name} cannot be exported to metatomic: {cause(error)}") from error
    return {
        "path": str(out / FILE),
        "bytes": (out / FILE).stat().st_size,
        "elements": list(known.symbols),
        "cutoff_A": cutoff,
        "interaction_range_A": model.variant.model.layers * cutoff,
        "dtype": str(dtype).removeprefix("torch."),
        "units": "eV, A",
        "use": "LAMMPS: pair_style metatomic model.pt; ASE: metatomic_ase.MetatomicCalculator('model.pt')",
    }


def _write(path: Path, net: nn.Module, known: References, cutoff: float, reach: float, dtype: torch.dtype, name: str) -> None:
    """A TorchScript archive with metatomic's description of itself."""
    from metatomic import torch as mta  # type: ignore[import-not-found]

    from weighin.families.forcefields.metatomic_module import EnergyModel

    rows = torch.full((max(known.numbers) + 1,), -1, dtype=torch.int64)
    rows[list(known.numbers)] = torch.arange(len(known.numbers))
    inner = EnergyModel(_traced(net, dtype), rows, torch.tensor(known.energies, dtype=torch.float64), cutoff, dtype)
    capabilities = mta.ModelCapabilities(
        outputs={"energy": mta.ModelOutput(unit="eV", sample_kind="system")},
        atomic_types=list(known.numbers),
        interaction_range=reach,
        length_unit="angstrom",
        supported_devices=["cpu", "cuda"],
        dtype="float64",  # of positions and energies: float32 has no room for a total energy
    )
    model = mta.AtomisticModel(inner.eval(), mta.ModelMetadata(name=name), capabilities)  # type: ignore[arg-type]
    write_atomic(path, model.save)


def _traced(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network as TorchScript. Raises ExportError where the trace kept a number of atoms or pairs."""
    module = Energies(net)
    with torch.no_grad():
        traced = cast(nn.Module, torch.jit.trace(module, _chain(4, dtype), check_trace=False))
        for atoms in (2, 7):
            given = _chain(atoms, dtype)
            if not torch.allclose(traced(*given), module(*given), rtol=1e-4, atol=1e-5):
                raise ExportError("torch.jit traced numbers that the network computes from shapes")
    return traced


def _chain(atoms: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Atoms in a row, each with its neighbours: species, first, second, vectors."""
    first = torch.cat([torch.arange(atoms - 1), torch.arange(1, atoms)])
    second = torch.cat([torch.arange(1, atoms), torch.arange(atoms - 1)])
    order = torch.argsort(first)
    vectors = (second - first)[:, None] * torch.tensor([[0.9, 0.5, 0.2]], dtype=dtype)
    return torch.zeros(atoms, dtype=torch.int64), first[order], second[order], vectors[order]


@contextmanager
def _legacy() -> Iterator[None]:
    """Lets TorchScript's deprecated entry points pass, which metatomic stands on, and warnings that the check answers."""
    from torch.jit._trace import TracerWarning  # what torch.jit exports, by its true name

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield
