"""Plug-ins are found by path or entry point, with no edit; a broken one says what is wrong with it."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

from weighin.core import registry
from weighin.core.engine import Job
from weighin.core.errors import ConfigError, MissingError
from weighin.steps.train import train

POINTS = Path(__file__).parent.parent / "plugins" / "families" / "points" / "family.py"

RUNTIME = """
from weighin.core.runtime import Runtime

class Mine(Runtime):
    name = "mine"
    precisions = ("", "half")

    def why_not(self):
        return "never" if self.precision else None

    def save(self, part, tape, path):
        path.write_text("x")

    def load(self, path, threads):
        return lambda *inputs: inputs
"""

ENGINE = """
from weighin.core.engine import Engine, Outcome, silent

class Afar(Engine):
    def map(self, jobs, say=silent):
        return [Outcome(result=f"{self.address}/{job.verb}") for job in jobs]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of plug-ins for this test only."""
    for kind in ("families", "runtimes", "engines"):
        (tmp_path / kind).mkdir()
    before = set(sys.modules)
    monkeypatch.setenv("WEIGHIN_PLUGINS", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.forget()
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            parent, _, last = name.rpartition(".")
            sys.modules.pop(name)
            if parent in sys.modules:
                vars(sys.modules[parent]).pop(last, None)
    registry.forget()


def family(folder, name, text):
    """A family in a folder, ``text`` its family.py."""
    place = folder / "families" / name
    place.mkdir()
    (place / "family.py").write_text(text)
    importlib.invalidate_caches()
    registry.forget()


def said(call, kind=ConfigError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_a_sixth_family_is_one_new_folder(folder):
    family(folder, "spirals", POINTS.read_text().replace('name = "points"', 'name = "spirals"'))
    assert "spirals" in registry.names("families")
    found = registry.family("spirals")
    assert found.name == "spirals" and "nano" in found.variants() and len(found.examples("synthetic", "test")) == 600
    assert registry.family("spirals") is found
    run = train(found, found.variant("nano").but(**{"recipe.steps": 3}), root=folder / "runs")
    assert run.trained and run.path.parent.name == "spirals"
    assert "glyphs" in registry.names("families") and "points" not in registry.names("families")


def test_runtimes_and_engines_are_one_new_file(folder):
    (folder / "runtimes" / "mine.py").write_text(RUNTIME)
    (folder / "engines" / "afar.py").write_text(ENGINE)
    (folder / "runtimes" / "_private.py").write_text("raise RuntimeError('never imported')")
    assert {"mine", "mine:half"} <= set(registry.runtimes())
    assert registry.runtime("mine:half").why_not() == "never"
    assert "mine" in registry.usual() and "mine:half" not in registry.usual()
    assert registry.engine("afar://there").map([Job(verb="train", arguments={})])[0].result == "there/train"


def test_two_folders_of_plug_ins(folder, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    (other / "runtimes").mkdir()
    (other / "runtimes" / "mine.py").write_text(RUNTIME)
    assert "mine" not in registry.runtimes()
    monkeypatch.setenv("WEIGHIN_PLUGINS", f"{folder}:{other}:{folder / 'none'}")
    assert "mine" in registry.runtimes()
    sys.modules.pop("weighin.runtimes.mine")


@pytest.fixture
def stranger(folder):
    """Installs a distribution of somebody else's with the given entry points and module text."""

    def install(entry_points, text):
        site = folder / "site"
        info = site / "stranger-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        (site / "stranger.py").write_text(text)
        importlib.invalidate_caches()
        registry.forget()

    return install


def test_a_stranger_brings_a_family_by_entry_point(stranger):
    text = POINTS.read_text().replace('name = "points"', 'name = "strange"')
    stranger("[weighin.families]\nstrange = stranger:Points\n[weighin.runtimes]\nmine = stranger\n", text + RUNTIME)
    assert registry.family("strange").variant("wide").model.width == 64
    assert registry.runtime("mine").full_name == "mine"


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("strange = stranger:Nobody", ("strange", "stranger:Nobody", "leads nowhere")),
        ("strange = stranger:Model", ("strange", "Model", "must be a Family")),
        ("strange = stranger:Family", ("Family is abstract", "still define")),
        ("other = stranger:Points", ("other", "'points'", "Write name = 'other'")),
    ],
)
def test_a_wrong_entry_point_is_told(stranger, entry, parts):
    stranger(f"[weighin.families]\n{entry}\n", POINTS.read_text())
    message = said(lambda: registry.family(entry.partition(" ")[0]))
    assert all(part in message for part in parts), message


def test_an_entry_point_to_a_missing_package(stranger):
    stranger("[weighin.families]\nstrange = nowhere:Points\n", "")
    assert "strange needs the package 'nowhere', which is not installed" in said(
        lambda: registry.family("strange"), MissingError
    )


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda t: t + "\n\nclass Second(Points):\n    pass\n", ("2 concrete Family classes", "exactly one")),
        (lambda t: t.replace("    def score(", "    def skore("), ("0 concrete Family classes", "Still abstract: score")),
        (lambda t: "x = 1\n", ("0 concrete Family classes", "exactly one")),
        (lambda t: t.replace('name = "broken"', ""), ("broken", "its name is None", "The path is the name", "name = 'broken'")),
    ],
    ids=["two", "abstract", "none", "nameless"],
)
def test_a_broken_family_is_told(folder, change, parts):
    family(folder, "broken", change(POINTS.read_text().replace('name = "points"', 'name = "broken"')))
    message = said(lambda: registry.family("broken"))
    assert all(part in message for part in parts), message


def test_a_missing_package_is_told_and_hides_nobody(folder):
    family(folder, "broken", "import no_such_package_at_all\n")
    (folder / "runtimes" / "halt.py").write_text("import no_such_package_at_all\n")
    (folder / "runtimes" / "mine.py").write_text(RUNTIME)
    for call in (lambda: registry.family("broken"), lambda: registry.runtime("halt")):
        message = said(call, MissingError)
        assert "needs the package 'no_such_package_at_all', which is not installed. pip install" in message
    assert "mine" in registry.runtimes() and "halt" not in registry.runtimes()


def test_a_bug_in_a_plug_in_is_no_users_mistake(folder):
    family(folder, "broken", "import weighin.no_such_module\n")
    with pytest.raises(ModuleNotFoundError):
        registry.family("broken")


def test_a_folder_without_family_is_none(folder):
    (folder / "families" / "empty").mkdir()
    shutil.copy(POINTS, folder / "families" / "empty" / "model.py")
    assert "empty" not in registry.names("families")


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: registry.family("glifs"), ("No family is called 'glifs'", "There are: ", "Did you mean 'glyphs'?")),
        (lambda: registry.runtime("onyx"), ("No runtime is called 'onyx'", "onnx:int8", "Did you mean 'onnx'?")),
        (lambda: registry.runtime("onnx:int7"), ("No runtime is called 'onnx:int7'", "Did you mean 'onnx:int8'?")),
        (lambda: registry.engine("locale"), ("No engine is called 'locale'", "There are: local", "Did you mean 'local'?")),
        (lambda: registry.family(""), ("No family is called ''",)),
    ],
)
def test_an_unknown_name_is_told(call, parts):
    message = said(call)
    assert all(part in message for part in parts), message


def test_names_import_no_plug_in(folder):
    family(folder, "broken", "raise RuntimeError('imported')\n")
    assert "broken" in registry.names("families")
