"""One peer with random weights in its own environment: energy and forces of moved atoms, neighbour list included.

Called by ``forcefields_speed.py`` as ``PYTHON forcefields_peers.py NAME FOLDER``; it prints one JSON line when it is
ready, then reads lines of ``{"file": "20.npz", "calls": 5}`` and answers the CPU and wall milliseconds of every call.
Atoms are moved at every call, so that no cache answers. Each peer is called as its own users would in a loop:
its own fastest neighbour list that this environment has, float32, gradients of the energy, one thread.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

warnings.filterwarnings("ignore")
CUTOFF = 5.0  # A
ELEMENTS = ("H", "C", "N", "O")
NUMBERS = (1, 6, 7, 8)


def mace():
    """MACE with 64x0e + 64x1o, two interactions, correlation 3: its ASE calculator without compilation."""
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 loads its own constants as a pickle
    from e3nn import o3
    from mace import data, modules
    from mace.tools import AtomicNumberTable, torch_geometric

    table = AtomicNumberTable(list(NUMBERS))
    gate = torch.nn.functional.silu
    net = modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(NUMBERS),
        hidden_irreps=o3.Irreps("64x0e + 64x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(NUMBERS)),
        avg_num_neighbors=15.0,
        atomic_numbers=list(NUMBERS),
        correlation=3,
        gate=gate,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )

    def evaluate(atoms):
        config = data.config_from_atoms(atoms)
        graph = data.AtomicData.from_config(config, z_table=table, cutoff=CUTOFF)
        batch = torch_geometric.Batch.from_data_list([graph])
        found = net(batch.to_dict(), compute_force=True)
        return float(found["energy"]), found["forces"].detach().numpy()

    return net, evaluate


def nequip():
    """NequIP, l = 1, 32 features, 3 layers; eager, as it comes out of training."""
    from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    net = NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=CUTOFF,
        type_names=list(ELEMENTS),
        num_layers=3,
        l_max=1,
        num_features=32,
        radial_mlp_depth=2,
        radial_mlp_width=64,
        avg_num_neighbors=15.0,
    )
    types = ChemicalSpeciesToAtomTypeMapper(list(ELEMENTS))

    def evaluate(atoms):
        data = types(compute_neighborlist_(from_ase(atoms), r_max=CUTOFF))
        found = net(data)
        return float(found[AtomicDataDict.TOTAL_ENERGY_KEY]), found[AtomicDataDict.FORCE_KEY].detach().numpy()

    return net, evaluate


def torchmdnet(model="tensornet", width=32, layers=1):
    """TorchMD-NET with its own neighbour kernel inside the network."""
    from torchmdnet.models.model import create_model

    arguments = {
        "model": model,
        "embedding_dimension": width,
        "num_layers": layers,
        "num_rbf": 32,
        "rbf_type": "expnorm",
        "trainable_rbf": False,
        "activation": "silu",
        "cutoff_lower": 0.0,
        "cutoff_upper": CUTOFF,
        "max_z": 100,
        "max_num_neighbors": 128,
        "equivariance_invariance_group": "O(3)",
        "prior_model": None,
        "atom_filter": -1,
        "derivative": True,
        "output_model": "Scalar",
        "reduce_op": "add",
        "precision": 32,
        "attn_activation": "silu",
        "num_heads": 8,
        "distance_influence": "both",
        "neighbor_embedding": False,
    }
    net = create_model(arguments)

    def evaluate(atoms):
        z, x = torch.as_tensor(atoms.numbers), torch.as_tensor(atoms.positions, dtype=torch.float32)
        energy, forces = net(z, x)
        return float(energy), forces.detach().numpy()

    return net, evaluate


def schnetpack():
    """PaiNN of SchNetPack, 56 features, 2 interactions, through its converter with the matscipy list."""
    import torch.utils.data.dataloader

    torch.utils.data.dataloader.T_co = TypeVar("T_co")  # SchNetPack 2.1 imports it from where torch 2.13 has it no more
    from schnetpack import atomistic, model, nn, representation
    from schnetpack.interfaces import AtomsConverter
    from schnetpack.transform import MatScipyNeighborList

    net = model.NeuralNetworkPotential(
        representation=representation.PaiNN(
            n_atom_basis=56,
            n_interactions=2,
            radial_basis=nn.GaussianRBF(n_rbf=20, cutoff=CUTOFF),
            cutoff_fn=nn.CosineCutoff(CUTOFF),
        ),
        input_modules=[atomistic.PairwiseDistances()],
        output_modules=[atomistic.Atomwise(n_in=56, output_key="energy"), atomistic.Forces()],
    )
    convert = AtomsConverter(neighbor_list=MatScipyNeighborList(cutoff=CUTOFF), dtype=torch.float32)

    def evaluate(atoms):
        found = net(convert(atoms))
        return float(found["energy"]), found["forces"].detach().numpy()

    return net, evaluate


PEERS = {
    "mace": mace,
    "nequip": nequip,
    "torchmd-tensornet": torchmdnet,
    "torchmd-et": lambda: torchmdnet("equivariant-transformer", 64, 3),
    "schnetpack-painn": schnetpack,
}


def atoms_of(path):
    from ase import Atoms

    stored = np.load(path, allow_pickle=False)
    return Atoms(numbers=stored["numbers"], positions=stored["positions"])


def timed(evaluate, atoms, calls, rng):
    """CPU and wall milliseconds of every call, each with the atoms moved by 0.01 A."""
    start, cpu, wall = atoms.positions.copy(), [], []
    for _ in range(calls):
        atoms.positions = start + rng.normal(0, 0.01, start.shape)
        c, w = time.process_time(), time.perf_counter()
        evaluate(atoms)
        cpu.append(1e3 * (time.process_time() - c))
        wall.append(1e3 * (time.perf_counter() - w))
    return {"cpu_ms": cpu, "wall_ms": wall}


def serve(evaluate, folder, facts):
    """Answers commands on standard input until it ends."""
    rng, known = np.random.default_rng(0), {}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        atoms = known.setdefault(order["file"], atoms_of(folder / order["file"]))
        sys.stdout.write(json.dumps(timed(evaluate, atoms, order["calls"], rng)) + "\n")
        sys.stdout.flush()


def main(name, folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, evaluate = PEERS[name]()
    net.eval()
    energy, forces = evaluate(atoms_of(sorted(folder.glob("*.npz"))[0]))
    assert np.isfinite(energy) and np.isfinite(forces).all()
    serve(evaluate, folder, {"ready": name, "parameters": sum(p.numel() for p in net.parameters()), "torch": torch.__version__})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
