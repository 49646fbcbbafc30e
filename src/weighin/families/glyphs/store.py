"""Drawn glyphs on disk: built once a data set, whole or not at all, and mapped into memory from then on."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_dir

from weighin.core.errors import DataError
from weighin.core.files import PARTIAL, storing, sweep, write_json
from weighin.families.glyphs.worker import NOTHING_KNOWN, FaceInfo

log = logging.getLogger("weighin.glyphs")
Progress = Callable[[int, int], None]  # files done, files in all

PROCESSES = min(2, os.cpu_count() or 1)
CHUNK = 16  # files a process draws before it starts anew
LIMIT_S = 600  # a process that hangs on a damaged font is ended after this


@dataclass(frozen=True, slots=True)
class Store:
    """Packed rasters [n, 128, 16], boxes [n, 5] (NaN: no em), rows [n] of worker.ROW, and what they came from."""

    bits: np.ndarray
    box: np.ndarray
    rows: np.ndarray
    faces: Sequence[FaceInfo]
    counts: dict[str, Any]
    skipped: Sequence[Sequence[str]]


def cache_folder() -> Path:
    """Where drawn glyphs are kept; XDG_CACHE_HOME moves it on Linux."""
    return Path(user_cache_dir("weighin", appauthor=False)) / "glyphs"


def load(folder: Path) -> Store:
    """A finished store, mapped into memory. Raises DataError where it is damaged."""
    try:
        index = json.loads((folder / "index.json").read_text())
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("bits", "box", "rows")]
    except (OSError, ValueError, json.JSONDecodeError) as error:
        raise DataError(f"The cache {folder} is damaged: {error}", hint=f"Delete {folder} and start again") from error
    faces = [FaceInfo(**face) for face in index["faces"]]
    return Store(arrays[0], arrays[1], arrays[2], faces, index["counts"], index["skipped"])


def save(store: Store, folder: Path) -> None:
    """Writes a store beside its place, then renames the folder: an interrupted build leaves no half of one."""
    with storing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        made = Path(tempfile.mkdtemp(prefix=f".saving{PARTIAL}{os.getpid()}-", dir=folder.parent))
        try:
            for name in ("bits", "box", "rows"):
                np.save(made / f"{name}.npy", getattr(store, name))
            faces = [{key: getattr(face, key) for key in FaceInfo.__slots__} for face in store.faces]
            write_json(made / "index.json", {"faces": faces, "counts": store.counts, "skipped": store.skipped})
            if not folder.exists():  # else another process was faster, with the same content
                made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def drawn(paths: Sequence[Path], progress: Progress) -> Store:
    """Draws font files in parallel processes; what cannot be read is skipped, named and counted."""
    chunks = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    with tempfile.TemporaryDirectory(prefix="weighin-glyphs-") as scratch, ThreadPoolExecutor(PROCESSES) as pool:
        jobs = [pool.submit(_chunk, chunk, Path(scratch) / str(number)) for number, chunk in enumerate(chunks)]
        parts: list[Store] = []
        try:
            for number, job in enumerate(jobs):
                parts += job.result()
                progress(min((number + 1) * CHUNK, len(paths)), len(paths))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return _joined(parts)


def _chunk(paths: Sequence[Path], out: Path) -> list[Store]:
    """One process for some files; where it dies, one for each of them, to find the one at fault."""
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "weighin.families.glyphs.worker", str(out)]
    given = json.dumps([str(path) for path in paths])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if isinstance(error, subprocess.CalledProcessError) and error.returncode == 1:
            raise DataError(f"Drawing fonts failed: {(error.stderr or '').strip()[-500:]}") from error
        if len(paths) == 1:
            return [_empty([[paths[0].name, "the process that drew it died or hung"]])]
        return [store for number, path in enumerate(paths) for store in _chunk([path], out / str(number))]
    answer = json.loads(done.stdout)
    bits, box, rows = (np.load(out / f"{name}.npy", allow_pickle=False) for name in ("bits", "box", "rows"))
    if not len(rows):
        return [_empty(answer["skipped"])]
    return [Store(bits, box, rows, [FaceInfo(**face) for face in answer["faces"]], {}, answer["skipped"])]


def _empty(skipped: Sequence[Sequence[str]]) -> Store:
    nothing = np.zeros(0)
    return Store(nothing, nothing, nothing, [], {}, skipped)


def _joined(parts: Iterable[Store]) -> Store:
    """Stores one after the other, faces renumbered, ids made different where two files have one name."""
    kept, faces, skipped, seen = [], [], [], set()
    for part in parts:
        skipped += part.skipped
        if not len(part.rows):
            continue
        rows = part.rows.copy()
        rows["face"] += len(faces)
        kept.append((part.bits, part.box, rows))
        for face in part.faces:
            name = face.id if face.id not in seen else f"{Path(face.path).parent.name}/{face.id}"
            seen.add(name)
            faces.append(FaceInfo(name, face.path, face.index, face.weight, face.family, face.style, face.group))
    for name, reason in skipped:
        log.log(logging.DEBUG if reason == NOTHING_KNOWN else logging.WARNING, "left out %s: %s", name, reason)
    if not kept:
        named = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
        allowed = "Outlines of Arabic or Latin characters, found by a Unicode cmap"
        raise DataError(f"No font here has a known character ({named})", allowed, "Name other fonts")
    bits, box, rows = (np.concatenate([part[place] for part in kept]) for place in range(3))
    return Store(bits, box, rows, faces, {}, skipped)
