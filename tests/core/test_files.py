"""Files are written whole or not at all; a full disk is one clear error."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from weighin.core import files
from weighin.core.errors import RunError, StorageError
from weighin.core.files import hash_json, hash_path, listing_hash, storing, sweep, write_bytes, write_json, write_text
from weighin.core.run import save_tensors
from weighin.steps import evidence

DEAD = 2**22 + 1  # above the kernel's largest process number


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A file system of 16 KiB; needs root."""
    folder = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True).returncode
    ):
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_written_and_replaced(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one")
    write_text(path, "zwei ü")
    assert path.read_text(encoding="utf-8") == "zwei ü"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_files_of_other_writers_may_be_read_by_the_same_people(tmp_path):
    save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
    evidence.save(tmp_path / "a.npz", {}, {})
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~_umask()}


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), RuntimeError("a bug")]
)
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def fail(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        files.write_atomic(path, fail)
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ("Cannot write x.bin", "No space left", "Free some space")),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ("quota", "Free some space")),
        (SafetensorError("I/O error: No space left on device (os error 28)"), ("No space left", "Free some space")),
        (PermissionError(errno.EACCES, "Permission denied"), ("Permission denied", "Choose another folder")),
        (OSError(errno.EROFS, "Read-only file system"), ("Read-only", "Choose another folder")),
    ],
)
def test_storage_errors_say_what_to_do(error, parts):
    with pytest.raises(StorageError) as caught, storing(Path("x.bin")):
        raise error
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("error", [BrokenPipeError(), FileNotFoundError(2, "No such file", "font.ttf"), ValueError("x")])
def test_what_is_no_storage_error_passes(error):
    with pytest.raises(type(error)), storing(Path("x.bin")):
        raise error


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_bytes(path, bytes(10**6)),
        lambda path: save_tensors(path, {"a": torch.zeros(10**5)}),
        lambda path: evidence.save(path.with_suffix(".npz"), {"a": np.random.default_rng(0).random(10**5)}, {}),
        lambda path: write_bytes(path / "below" / "it", bytes(10**6)),
    ],
    ids=["bytes", "safetensors", "npz", "folder"],
)
def test_a_disk_that_is_really_full(small_disk, write):
    with pytest.raises(StorageError, match=r"No space left on device.*Free some space"):
        write(small_disk / "a.safetensors")
    assert [p for p in small_disk.rglob("*") if p.is_file()] == []


def test_what_a_killed_process_left_is_swept(tmp_path):
    mine, dead = (tmp_path / f".weights.partial-{number}-ab.safetensors" for number in (os.getpid(), DEAD))
    folder = tmp_path / "exports" / f".export.partial-{DEAD}-x"
    (folder / "new").mkdir(parents=True)
    keep = tmp_path / "exports" / ".partial-of-a-name"
    for path in (mine, dead, folder / "new" / "net.onnx", keep):
        path.write_text("half")
    sweep(tmp_path)
    assert mine.exists() and keep.exists() and not dead.exists() and not folder.exists()


def test_hashes(tmp_path):
    assert hash_json({"b": 1, "a": [1.5, None]}) == hash_json({"a": [1.5, None], "b": 1}) != hash_json({"a": [1.5, None]})
    (tmp_path / "a").write_text("x")
    before = hash_path(tmp_path)
    assert hash_path(tmp_path) == before
    (tmp_path / "b").write_text("")
    assert hash_path(tmp_path) != before
    (tmp_path / "b").unlink()
    assert hash_path(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "c")
    assert hash_path(tmp_path) != before


def test_a_listing_hash_sees_names_and_sizes(tmp_path):
    (tmp_path / "a").write_text("x")
    spec = f"fonts:{tmp_path}"
    before = listing_hash(spec)
    (tmp_path / "a").write_text("y")
    assert listing_hash(spec) == before
    (tmp_path / "a").write_text("xy")
    assert listing_hash(spec) != before
    assert len({listing_hash(s) for s in ("synthetic", "synthetic:1", f"fonts:{tmp_path}/none", spec)}) == 4


def test_evidence_holds_every_number_exactly(tmp_path):
    arrays = {
        "hits": np.array([0.0, 1.0, 1.0]),
        "counts": np.array([3, 70000]),
        "times": np.array([[0.1, 2.5], [1e-7, 3.0]]),
        "odd": np.array([np.nan, np.inf, 1.0]),
        "names": np.array(["ä", "b"]),
        "empty": np.zeros((0, 2)),
    }
    evidence.save(tmp_path / "e.npz", arrays, {"note": "x", "n": 3})
    found, note = evidence.load(tmp_path / "e.npz")
    assert note == {"note": "x", "n": 3}
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[k], arrays[k], equal_nan=arrays[k].dtype.kind == "f") for k in arrays)
    assert found["hits"].dtype == np.int8 and found["times"].dtype == np.float64
    evidence.save(tmp_path / "f.npz", arrays, {"note": "x", "n": 3})
    assert hash_path(tmp_path / "e.npz") == hash_path(tmp_path / "f.npz")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None, "pickle", "no note"])
def test_damaged_evidence_is_told(tmp_path, damage):
    path = tmp_path / "e.npz"
    if damage == "pickle":
        np.savez(path, note=np.array("{}"), a=np.array([object()], dtype=object), allow_pickle=True)
    elif damage == "no note":
        np.savez(path, a=np.zeros(3))
    elif damage is not None:
        path.write_bytes(damage)
    with pytest.raises(RunError, match="evidence"):
        evidence.load(path)
