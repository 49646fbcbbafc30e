"""One comparison of the toy family, made once: two variants that share a run, on two runtimes that work and one that fails."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weighin.core import registry
from weighin.core.result import Report
from weighin.steps.compare import Plan, compare

LAME = """
from weighin.core.errors import ExportError
from weighin.core.runtime import Runtime

class Lame(Runtime):
    name = "lame"
    suffix = ".lame"
    order = 90
    default = ()

    def why_not(self):
        return None

    def save(self, part, tape, path):
        raise ExportError("No kernel for Dropout", "It has Linear", "Use torch")

    def load(self, path, threads):
        raise NotImplementedError
"""


@dataclass
class Compared:
    """A finished comparison: what it was asked, what it left behind."""

    report: Report
    folder: Path
    root: Path
    plan: Plan
    plugins: str

    def again(self, **more: Any) -> Report:
        """The same comparison once more."""
        return compare(self.plan, root=self.root, out=self.folder, **more)[0]


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    place = tmp_path_factory.mktemp("compared")
    (place / "plugins" / "runtimes").mkdir(parents=True)
    (place / "plugins" / "runtimes" / "lame.py").write_text(LAME)
    plugins = f"{os.environ['WEIGHIN_PLUGINS']}{os.pathsep}{place / 'plugins'}"
    plan = Plan(
        "points",
        variants=["nano", "biased"],
        runtimes=["torch", "onnx", "lame"],
        settings={"recipe.steps": 60},
        examples=400,
        rounds=6,
        batches=[16],
        best="top1",
        limits=["size_mb<=1", "latency_p50_ms<=100000.5"],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIGHIN_PLUGINS", plugins)
        registry.forget()
        report, _ = compare(plan, root=place / "runs", out=place / "report")
    registry.forget()
    return Compared(report, place / "report", place / "runs", plan, plugins)


@pytest.fixture
def with_lame(compared, monkeypatch):
    """The plug-ins of the comparison, for tests that call it again."""
    monkeypatch.setenv("WEIGHIN_PLUGINS", compared.plugins)
    registry.forget()
    yield
    monkeypatch.undo()
    registry.forget()
