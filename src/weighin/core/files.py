"""Files written whole or not at all, and hashes of them."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from safetensors import SafetensorError

from weighin.core.errors import StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)
PARTIAL = ".partial-"  # in the name of what is being written, before the number of the process


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns a full disk or missing permission into one clear error."""
    try:
        yield
    except OSError as error:
        if isinstance(error, (BrokenPipeError, FileNotFoundError)):
            raise  # whoever watched the progress has gone; what was to be read is not there
        raise _cannot(path, error.errno in FULL, error.strerror or str(error)) from error
    except SafetensorError as error:  # wraps the system's error in words of its own
        full = any(os.strerror(number) in str(error) for number in FULL)
        raise _cannot(path, full, str(error).splitlines()[0]) from error


def _cannot(path: Path, full: bool, reason: str) -> StorageError:
    hint = "Free some space and start again; what was saved before is intact" if full else "Choose another folder"
    return StorageError(f"Cannot write {path}: {reason}", hint=hint)


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Calls ``write(temporary)`` and renames; the temporary name never survives a failure. The mode is the umask's."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)  # some writers, safetensors' among them, make files that only the owner may read
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what a process that was killed left half-written below ``folder``."""
    for path in list(folder.rglob(f".*{PARTIAL}*")):
        owner = re.match(r"\d+", path.name.partition(PARTIAL)[2])
        if owner and int(owner[0]) != os.getpid() and not psutil.pid_exists(int(owner[0])):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write_bytes(path: Path, raw: bytes) -> None:
    """Bytes, atomically."""
    write_atomic(path, lambda temporary: _flush(temporary, raw))


def write_text(path: Path, text: str) -> None:
    """Text, atomically, UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """JSON, atomically, readable by people."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _flush(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def hash_bytes(raw: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hash_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())


def hash_path(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all files below a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hash_json([(str(p.relative_to(path)), hash_path(p)) for p in sorted(path.rglob("*")) if p.is_file()])


def listing_hash(data: str) -> str:
    """A hash of a data spec ``kind[:PATH]``: the spec, and names and sizes of the files at PATH if it is there."""
    _, _, where = data.partition(":")
    root = Path(where) if where else None
    if root is None or not root.exists():
        return hash_json([data])[:16]
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    return hash_json([data, [(str(p.relative_to(root)), p.stat().st_size) for p in files]])[:16]
