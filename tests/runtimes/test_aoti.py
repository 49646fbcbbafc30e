"""A compiled file belongs to one torch and to CPUs like the one that made it; on others it is refused, not tried."""

import platform
import shutil

import pytest
import torch
from made_parts import made, recorded

from weighin.core import registry
from weighin.core.errors import RunError
from weighin.runtimes import aoti
from weighin.steps.parity import parity


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    runtime = registry.runtime("aoti")
    if runtime.why_not():
        pytest.skip(runtime.why_not())
    part, draw = made("two_inputs")
    path = tmp_path_factory.mktemp("aoti") / "part.pt2"
    runtime.save(part, recorded(part, draw).inputs("part"), path)
    return path


def test_one_file_for_every_batch(compiled):
    part, draw = made("two_inputs")
    bound = registry.runtime("aoti").load(compiled, 1)
    seen = parity(part, bound, recorded(part, draw, (1, 2, 3, 50)).calls("part"))
    assert seen.passed, seen.reason


def test_another_torch_is_refused(compiled, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    with pytest.raises(RunError, match=r"cannot run with torch 2\.99\.0.*only with the torch that made it"):
        registry.runtime("aoti").load(compiled, 1)


def test_another_cpu_is_refused(compiled, monkeypatch):
    has = aoti._features()
    monkeypatch.setattr(aoti, "_features", lambda: frozenset(sorted(has)[1:]))
    with pytest.raises(RunError, match="compiled for another CPU: this one lacks"):
        registry.runtime("aoti").load(compiled, 1)
    monkeypatch.setattr(aoti, "_features", lambda: has | {"more"})
    registry.runtime("aoti").load(compiled, 1)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(RunError, match="another CPU: this one is riscv64"):
        registry.runtime("aoti").load(compiled, 1)


@pytest.mark.parametrize("harm", ["missing", "empty", "garbage", "half"])
def test_a_damaged_file_is_one_clear_error(compiled, harm, tmp_path):
    path, raw = tmp_path / "part.pt2", compiled.read_bytes()
    if harm != "missing":
        path.write_bytes({"empty": b"", "garbage": b"no model at all " * 99}.get(harm, raw[: len(raw) // 2]))
    with pytest.raises(RunError, match=r"part\.pt2 is damaged"):
        registry.runtime("aoti").load(path, 1)


def test_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "install g++" in registry.runtime("aoti").why_not()
