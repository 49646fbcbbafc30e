"""The toy family `points` stands in a folder outside the package: found through WEIGHIN_PLUGINS, with no edit."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # two threads on a busy machine wait for each other
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start
os.environ["WEIGHIN_PLUGINS"] = str(Path(__file__).parent / "plugins")


def pytest_collection_modifyitems(items):
    """With several processes (-n 2): a family's conformance in one, a file's tests in one, as they share what is trained."""
    for item in items:
        family = getattr(item, "callspec", None) and item.callspec.params.get("family")
        item.add_marker(pytest.mark.xdist_group(str(family or item.path)))


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHIN_RUNS", str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def points():
    from weighin.core import registry

    return registry.family("points")
