"""The toy family `points` stands in a folder outside the package: found through WEIGHIN_PLUGINS, with no edit."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # two threads on a busy machine wait for each other
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start
os.environ["WEIGHIN_PLUGINS"] = str(Path(__file__).parent / "plugins")


COMPILED = ("torch:compile", "aoti")  # runtimes that call a C++ compiler: up to two minutes for a family's parts
QUICK = ("points", "glyphs")  # families whose parts compile in seconds


def pytest_collection_modifyitems(items):
    """With several processes (-n 2): a family's conformance in one, a file's tests in one, as they share what is trained."""
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        family = given.get("family")
        item.add_marker(pytest.mark.xdist_group(str(family or item.path)))
        if given.get("runtime") in COMPILED and family not in (None, *QUICK):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHIN_RUNS", str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def points():
    from weighin.core import registry

    return registry.family("points")
