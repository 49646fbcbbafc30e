"""What users of a force field do beside predicting: `weighin use forcefields TOOL`."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from weighin.core.errors import InputError, RunError
from weighin.core.files import hash_json, sweep, write_json, write_text
from weighin.core.tool import Loaded, Tool, ToolCall, Tools
from weighin.families.forcefields import active, labelling, metatomic, plots, starts
from weighin.families.forcefields.active import AcquireDials
from weighin.families.forcefields.calculator import Calculator
from weighin.families.forcefields.dynamics import MdDials, md
from weighin.families.forcefields.metatomic import MetatomicDials
from weighin.families.forcefields.molecules import Molecule, from_atoms, from_smiles_file, listed
from weighin.families.forcefields.relaxation import Relaxation, RelaxDials, relaxed
from weighin.families.forcefields.sampling import Labelling
from weighin.families.forcefields.starts import Named
from weighin.families.forcefields.timestep import TimestepDials, largest_timestep

MOST = 16  # models of a committee


def tools() -> Tools:
    """Name -> tool. Models given more than once are a committee: their mean moves the atoms."""
    some = (1, MOST)
    return {
        "relax": Tool("relax structures to the nearest minimum, with their cell if asked", RelaxDials, _relax, some),
        "md": Tool("molecular dynamics, NVE or NVT, that goes on after a kill and says when it breaks", MdDials, _md, some),
        "timestep": Tool("the largest timestep at which energy is conserved", TimestepDials, _timestep, some),
        "acquire": Tool("label frames of dynamics where a committee disagrees, or at random", AcquireDials, _acquire, some),
        "label": Tool("label molecules (SMILES, structures, or the family's list) by a teacher", Labelling, _label, (0, 0)),
        "metatomic": Tool("export for LAMMPS, i-PI, torch-sim and others, by metatomic", MetatomicDials, _metatomic),
    }


def _calculator(call: ToolCall) -> Calculator:
    return Calculator([model.predict for model in call.models])


def _marks(models: Sequence[Loaded]) -> list[Any]:
    """Which models these are: their settings and the run's folder."""
    return [[model.variant.model_dump(mode="json"), str(model.folder)] for model in models]


def _each(call: ToolCall, least: int, work: Callable[[str, Atoms, Path], dict[str, Any]]) -> dict[str, Any]:
    """``work`` on the only structure in ``call.out``, on several each in a folder of its own."""
    sweep(call.out)
    found = starts.read(call.paths, least)
    if len(found) == 1:
        return work(*found[0], call.out)
    summaries = {}
    for name, atoms in found:
        folder = call.out / name
        folder.mkdir(parents=True, exist_ok=True)
        summaries[name] = work(name, atoms, folder)
    write_json(call.out / "summary.json", summaries)
    return {"structures": len(found), "out": str(call.out), "each": summaries}


def _relax(call: ToolCall) -> dict[str, Any]:
    calculator, dials = _calculator(call), call.dials

    def work(name: str, atoms: Atoms, out: Path) -> dict[str, Any]:
        marks = [_marks(call.models), dials.model_dump(mode="json"), _geometry(atoms)]
        return _once(out, marks, lambda: _relaxed(name, relaxed(atoms, calculator, dials, call.say), out))

    return _each(call, 1 if dials.cell else 2, work)


def _relaxed(name: str, found: Relaxation, out: Path) -> dict[str, Any]:
    """Writes ``relaxed.xyz`` and the curve."""
    frame = found.atoms.copy()
    results = found.atoms.calc.results if found.atoms.calc else {}
    kept = {key: results[key] for key in ("energy", "forces", "energies", "stress") if key in results}
    frame.calc = SinglePointCalculator(frame, **kept)
    text = io.StringIO()
    write(text, frame, format="extxyz")
    write_text(out / "relaxed.xyz", text.getvalue())
    chart = plots.relaxation(found.energies, found.fmax)
    drawn = [plots.save(chart, out / f"relaxation.{ending}").name for ending in ("png", "svg")]
    return {"name": name, **found.summary(), "files": ["relaxed.xyz", *drawn]}


def _once(out: Path, marks: Any, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The summary in ``out`` where it is of the same work, else ``work`` anew."""
    path, mark = out / "summary.json", hash_json(marks)[:16]
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}", hint="Delete it and start again") from None
        if there.get("identity") == mark:
            return there
    summary = {**work(), "identity": mark}
    write_json(path, summary)
    return summary


def _geometry(atoms: Atoms) -> Any:
    return [atoms.numbers.tolist(), atoms.positions.tolist(), atoms.cell.array.tolist(), atoms.pbc.tolist()]


def _md(call: ToolCall) -> dict[str, Any]:
    calculator, marks = _calculator(call), _marks(call.models)
    return _each(call, 2, lambda name, atoms, out: md(atoms, calculator, call.dials, out, call.say, marks))


def _timestep(call: ToolCall) -> dict[str, Any]:
    calculator = _calculator(call)

    def work(name: str, atoms: Atoms, out: Path) -> dict[str, Any]:
        marks = [_marks(call.models), call.dials.model_dump(mode="json"), _geometry(atoms)]
        return _once(out, marks, lambda: largest_timestep(atoms, calculator, call.dials, out, call.say))

    return _each(call, 2, work)


def _acquire(call: ToolCall) -> dict[str, Any]:
    found = starts.read(call.paths, least=2)
    predictors = [model.predict for model in call.models]
    return active.acquire(found, predictors, call.dials, call.out, call.say, _marks(call.models))


def _label(call: ToolCall) -> dict[str, Any]:
    how: Labelling = call.dials
    molecules = [molecule for path in call.paths for molecule in _molecules(path, how)] if call.paths else listed()
    return asdict(labelling.label(molecules, call.out, how, call.say))


def _molecules(path: Path, how: Labelling) -> list[Molecule]:
    if path.is_dir():
        raise InputError(f"{path} is a folder", "Files of SMILES (.smi) or structures")
    if path.suffix.lower() in (".smi", ".smiles", ".txt"):
        return from_smiles_file(path)
    named: list[Named] = starts.read([path])
    for name, atoms in named:
        atoms.info.setdefault("name", name)
    return from_atoms([atoms for _, atoms in named], how.implicit_hydrogens)


def _metatomic(call: ToolCall) -> dict[str, Any]:
    return metatomic.export(call.models[0], call.dials, call.out)
