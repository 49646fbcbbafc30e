"""A process that labels one piece after the other: JSON lines in, JSON lines out, a file a piece.

Run as ``python -m weighin.families.forcefields.worker``. It ends when its input does, in the middle of a piece if
need be: nobody would count what it made after that.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from ase import Atoms

from weighin.core.errors import StorageError, WeighinError
from weighin.families.forcefields.molecules import Molecule
from weighin.families.forcefields.sampling import Labelling, sample
from weighin.families.forcefields.store import save
from weighin.families.forcefields.teachers import teacher


def job_of(molecule: Molecule, at: int, how: Labelling, path: Path) -> str:
    """One line that describes a piece."""
    atoms = molecule.atoms
    given = None if atoms is None else {"numbers": atoms.numbers.tolist(), "positions": atoms.positions.tolist()}
    if given is not None and atoms is not None:
        given |= {"cell": atoms.cell.array.tolist(), "pbc": atoms.pbc.tolist()}
        given["info"] = {key: int(atoms.info[key]) for key in ("charge", "spin") if key in atoms.info}
    named = {"name": molecule.name, "group": molecule.group, "smiles": molecule.smiles, "atoms": given}
    return json.dumps({"molecule": named, "at": at, "how": how.model_dump(mode="json"), "path": str(path)})


def done(line: str) -> dict[str, Any]:
    """Does the piece of one line; answers what was counted, or the error of a user's mistake."""
    job = json.loads(line)
    named = job["molecule"]
    if named["atoms"] is not None:
        named["atoms"] = Atoms(**named["atoms"])
    how = Labelling.model_validate(job["how"])
    try:
        frames = sample(Molecule(**named), job["at"], how, teacher(how.teacher))
        save(frames, Path(job["path"]))
    except WeighinError as error:
        return {"error": str(error), "storage": isinstance(error, StorageError)}
    return {"frames": len(frames), **frames.notes}


def main() -> None:
    """Answers go to the original standard output; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    while True:
        answers.write(json.dumps(done(lines.get())) + "\n")
        answers.flush()


def _listen(lines: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # whoever asked is gone


if __name__ == "__main__":
    main()
