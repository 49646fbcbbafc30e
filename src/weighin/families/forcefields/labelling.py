"""Labelling many molecules: parallel, resumable, with nothing labelled twice and everything dropped counted."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from filelock import FileLock

from weighin.core.engine import Say, silent
from weighin.core.errors import DataError, StorageError, WeighinError
from weighin.core.files import hash_json, storing, sweep, write_json
from weighin.families.forcefields.molecules import Molecule, histogram
from weighin.families.forcefields.processes import answers
from weighin.families.forcefields.sampling import Labelling, sample, still
from weighin.families.forcefields.store import Frame, Frames, load, pack, save
from weighin.families.forcefields.teachers import Teacher, evaluate, teacher
from weighin.families.forcefields.worker import job_of

FRAMES, ABOUT, PIECES = "frames.safetensors", "labelling.json", "pieces"
SAME = 0.01  # A; frames none of whose sorted distances differ by more are one frame


@dataclass(frozen=True)
class Summary:
    """What labelling made, and what it dropped."""

    path: str
    frames: int
    molecules: int
    failed: int  # walks or structures on which the teacher failed
    absurd: int  # frames with too large a force
    duplicates: int
    refused: tuple[str, ...]  # molecules that could not be labelled at all, with the reason
    elements: str  # histogram of atoms
    charged: int = 0  # frames that are not neutral; a student that knows no charge sees the elements alone
    open_shell: int = 0  # frames with unpaired electrons


def label(
    molecules: Sequence[Molecule],
    out: Path,
    how: Labelling,
    say: Say = silent,
    *,
    processes: int | None = None,
    by: Teacher | None = None,
) -> Summary:
    """Labels all molecules into ``out/frames.safetensors``; goes on where an interrupted call was.

    ``by`` is a teacher that has no name (it labels in this process). Raises DataError when ``out`` was made with
    other settings, or when nothing at all could be labelled, StorageError for a full disk.
    """
    known = by or teacher(how.teacher)
    lock = FileLock(out / ".lock")
    with storing(out):
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        sweep(out)
        _same_settings(out, how, known)
        work = _open_work(molecules, out, how)
        refused = _in_this_process(work, how, by, say) if by else _in_processes(work, how, processes or _cores(), say)
        return _merge(molecules, out, how, refused)
    finally:
        lock.release()


def label_structures(
    structures: Sequence[Atoms], by: Teacher | str, *, group: str = "", tag: str = "given", most_force: float = 40.0
) -> tuple[Frames, Summary]:
    """Labels of structures as they are, in this process; failures and absurd forces are counted and left out."""
    known = teacher(by) if isinstance(by, str) else by
    kept: list[Frame] = []
    failed = absurd = 0
    for atoms in structures:
        try:
            labels = evaluate(atoms, known)
        except WeighinError:
            failed += 1
            continue
        if np.linalg.norm(labels.forces, axis=1).max() > most_force:
            absurd += 1
            continue
        formula = atoms.get_chemical_formula()
        kept.append(Frame(still(atoms), labels, group or formula, str(atoms.info.get("name", formula)), tag))
    fresh = distinct(kept)
    notes = {"teacher": known.name, "version": known.version, "conservative": known.conservative}
    frames = pack([kept[at] for at in fresh], notes)
    elements = histogram([kept[at].atoms for at in fresh])
    return frames, Summary("", len(fresh), len(frames.groups), failed, absurd, len(kept) - len(fresh), (), elements)


def distinct(frames: Sequence[Frame]) -> list[int]:
    """Places of the frames that are no copy of an earlier one of their group: sorted distances within 0.01 A."""
    seen: dict[tuple[str, bytes], list[np.ndarray]] = {}
    kept = []
    for at, frame in enumerate(frames):
        x = frame.atoms.positions
        own = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2)[np.triu_indices(len(x), 1)])
        own = np.concatenate((own, frame.atoms.cell.array.ravel()))
        earlier = seen.setdefault((frame.group, frame.atoms.numbers.tobytes()), [])
        if any(np.abs(own - other).max() < SAME for other in earlier):
            continue
        earlier.append(own)
        kept.append(at)
    return kept


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Piece:
    key: str
    molecule: Molecule
    at: int  # place of the temperature
    path: Path


def _same_settings(out: Path, how: Labelling, by: Teacher) -> None:
    """Writes down what this folder is, or refuses to mix two things in it."""
    wanted = {"settings": how.model_dump(mode="json"), "teacher": by.name, "version": by.version, "about": by.about}
    wanted["conservative"] = by.conservative
    path = out / ABOUT
    if not path.exists():
        write_json(path, wanted)
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}", hint="Choose another folder") from None
    differing = [k for k in wanted["settings"] if there.get("settings", {}).get(k) != wanted["settings"][k]]
    differing += [k for k in ("teacher", "version") if there.get(k) != wanted[k]]
    if differing:
        raise DataError(
            f"{out} was labelled with another {', '.join(dict.fromkeys(differing))}",
            "One folder holds labels of one teacher and one way of sampling",
            "Choose another folder, or the same settings to go on",
        )


def _open_work(molecules: Sequence[Molecule], out: Path, how: Labelling) -> list[_Piece]:
    """The pieces that are not there yet."""
    done = set(load(out / FRAMES).notes["done"]) if (out / FRAMES).exists() else set()
    pieces = []
    for molecule in {m.group + m.smiles + repr(m.name): m for m in molecules}.values():
        for at in range(len(how.temperatures)):
            if not how.share(at):
                continue
            key = _key(molecule, at)
            path = out / PIECES / f"{key}.safetensors"
            if key not in done and not path.exists():
                pieces.append(_Piece(key, molecule, at, path))
    return pieces


def _key(molecule: Molecule, at: int) -> str:
    atoms = molecule.atoms
    given = [] if atoms is None else [atoms.numbers.tolist(), atoms.positions.round(6).tolist(), atoms.cell.array.tolist()]
    return hash_json([molecule.group, molecule.smiles, given, at])[:24]


def _in_this_process(work: Sequence[_Piece], how: Labelling, by: Teacher, say: Say) -> list[str]:
    refused = []
    for number, piece in enumerate(work, 1):
        try:
            save(sample(piece.molecule, piece.at, how, by), piece.path)
        except StorageError:
            raise
        except WeighinError as error:
            refused.append(f"{piece.molecule.name}: {error}")
        say("label", number / len(work), f"{piece.molecule.name} at {how.temperatures[piece.at]:g} K")
    return refused


def _in_processes(work: Sequence[_Piece], how: Labelling, processes: int, say: Say) -> list[str]:
    """Pieces over processes; a molecule that ends its process is named and left out."""
    refused: list[str] = []
    lines = [job_of(piece.molecule, piece.at, how, piece.path) for piece in work]
    with closing(answers(lines, min(processes, len(work)))) as found:
        for number, (at, answer) in enumerate(found, 1):
            if answer.get("storage"):
                raise StorageError(answer["error"])
            why = "the process of the teacher died or hung" if answer.get("died") else answer.get("error")
            refused += [f"{work[at].molecule.name}: {why}"] if why else []
            detail = f"{work[at].molecule.name} at {how.temperatures[work[at].at]:g} K, {why or answer.get('frames')}"
            say("label", number / len(work), f"{number} of {len(work)}: {detail}")
    return refused


def _merge(molecules: Sequence[Molecule], out: Path, how: Labelling, refused: Sequence[str]) -> Summary:
    """All pieces in one file, in the order of the molecules; then the pieces go."""
    old = load(out / FRAMES) if (out / FRAMES).exists() else None
    done = list(old.notes["done"]) if old is not None else []
    keys = [_key(molecule, at) for molecule in molecules for at in range(len(how.temperatures))]
    fresh = [key for key in dict.fromkeys(keys) if key not in set(done) and (out / PIECES / f"{key}.safetensors").exists()]
    if fresh or old is None:
        parts = [load(out / PIECES / f"{key}.safetensors") for key in fresh]
        counts = {
            name: sum(p.notes[name] for p in parts) + (old.notes[name] if old is not None else 0)
            for name in ("failed", "absurd")
        }
        found = [part.frame(at) for part in ([old] if old is not None else []) + parts for at in range(len(part))]
        if not found:
            why = [*refused, *(part.notes["last_failure"] for part in parts if "last_failure" in part.notes)]
            raise DataError("Nothing could be labelled", "; ".join(why[:3]), "See that the teacher knows these molecules")
        kept = distinct(found)
        doubles = len(found) - len(kept) + (old.notes["duplicates"] if old is not None else 0)
        about = json.loads((out / ABOUT).read_text(encoding="utf-8"))
        notes = {**about, **counts, "duplicates": doubles, "refused": list(refused), "done": done + fresh}
        old = pack([found[at] for at in kept], notes)
        save(old, out / FRAMES)
    shutil.rmtree(out / PIECES, ignore_errors=True)
    return _summary(old, out)


def _summary(frames: Frames, out: Path) -> Summary:
    notes = frames.notes
    symbols, counts = np.unique(frames.numbers, return_counts=True)
    from ase.data import chemical_symbols

    elements = ", ".join(f"{chemical_symbols[z]} {n}" for z, n in zip(symbols.tolist(), counts.tolist(), strict=True))
    summary = Summary(
        path=str(out),
        frames=len(frames),
        molecules=len(frames.groups),
        failed=notes["failed"],
        absurd=notes["absurd"],
        duplicates=notes["duplicates"],
        refused=tuple(notes["refused"]),
        elements=elements,
        charged=int((frames.charge != 0).sum()),
        open_shell=int((frames.spin != 1).sum()),
    )
    write_json(out / "summary.json", asdict(summary))
    return summary
