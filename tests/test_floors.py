"""The house's floors: who may import whom, what no source may hold, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from weighin.core import registry

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "weighin"
FILES = sorted(SOURCE.rglob("*.py"))
CORE = [path for path in FILES if path.parent == SOURCE / "core"]
PLUGINS = ("families", "runtimes", "engines")
HOUSE = [path for path in FILES if path.relative_to(SOURCE).parts[0] not in PLUGINS]
ALLOWED = {"weighin", "torch", "numpy", "scipy", "pydantic", "yaml", "safetensors", "filelock", "psutil"}
SAME = ("family.py", "data.py", "model.py", "variants.py", "metrics.py", "predict.py")
LONGEST_FILE, LONGEST_FUNCTION = 300, 40
REASON = "# long: "

named = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Full names of all modules that are imported anywhere, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide who imports whom"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_imports_point_down():
    """The contracts stand in pyproject.toml, [tool.importlinter]."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 kept, 0 broken" in result.stdout


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_core_stands_on_little(path):
    found = imported(tree_of(path))
    assert {name.partition(".")[0] for name in found} - ALLOWED - sys.stdlib_module_names == set()
    assert [name for name in found if name == "weighin" or (name.startswith("weighin.") and name.split(".")[1] != "core")] == []


def strings(tree):
    """Every text of the source that is no docstring, and every name."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value
        elif isinstance(node, (ast.Name, ast.Attribute)):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr


def test_no_plug_in_is_named_outside_its_file():
    """``torch`` is also the library that all stand on; ``local`` is a word and a default. Help texts may give examples."""
    names = {path.name for path in (SOURCE / "families").iterdir() if path.is_dir()}
    names = (names | {path.stem for path in (SOURCE / "runtimes").glob("*.py")}) - {"torch", "__init__", "__pycache__"}
    assert {"glyphs", "onnx", "openvino"} <= names
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text!r}"
        for path in HOUSE
        for line, text in strings(tree_of(path))
        for word in [text.strip().partition(":")[0]]
        if word in names
    ]
    assert found == []


@named
def test_lengths(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > LONGEST_FILE:
        assert any(line.startswith(REASON) for line in lines[:20]), f"{len(lines)} lines and no reason"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION or REASON in lines[node.lineno - 1], f"{node.name}: {length} lines and no reason"


@named
def test_nothing_is_unpickled(path):
    tree = tree_of(path)
    assert not {name.partition(".")[0] for name in imported(tree)} & {
        "pickle",
        "cPickle",
        "dill",
        "cloudpickle",
        "joblib",
        "shelve",
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in ("torch.load", "torch.package.PackageImporter", "eval", "exec"), f"line {node.lineno}: {called}"
        kept = {keyword.arg: keyword.value for keyword in node.keywords}
        assert called != "np.load" or ast.unparse(kept["allow_pickle"]) == "False", f"line {node.lineno}: np.load"
        assert not (called.startswith("yaml.") and called.endswith("load")) or called == "yaml.safe_load"
        assert ast.unparse(kept["weights_only"]) != "False" if "weights_only" in kept else True


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SOURCE.glob("families/*/family.py")))
def test_every_family_has_the_same_files(name):
    assert [file for file in SAME if not (SOURCE / "families" / name / file).is_file()] == []


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent.name != "core" and p.name != "__init__.py"], ids=lambda p: p.stem
)
def test_no_manager_helper_or_utils(path):
    classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
    assert [
        name for name in [path.stem, *classes] if name.lower().endswith(("manager", "factory", "helper", "utils", "util"))
    ] == []


def test_help_imports_nothing_heavy():
    script = """
import sys
sys.argv = ["weighin", "--help"]
import weighin.cli
try:
    weighin.cli.main()
except SystemExit as ending:
    assert ending.code == 0, ending.code
heavy = {"torch", "numpy", "scipy", "pydantic", "lightning", "onnx", "onnxruntime", "openvino", "PIL", "yaml"}
print("heavy:", sorted(heavy & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "compare" in result.stdout and "heavy: []" in result.stdout


def test_every_verb_of_the_design_is_there():
    from typer.main import get_command

    from weighin.cli import app

    verbs = [
        "families",
        "variants",
        "runtimes",
        "show",
        "train",
        "distill",
        "export",
        "weigh",
        "compare",
        "pick",
        "predict",
        "verify",
        "bench",
    ]
    assert set(verbs) <= set(get_command(app).commands)


def test_plug_ins_are_found_by_path():
    for kind, pattern in (("families", "*/family.py"), ("runtimes", "[!_]*.py"), ("engines", "[!_]*.py")):
        there = {p.parent.name if kind == "families" else p.stem for p in (SOURCE / kind).glob(pattern)}
        assert there and there <= set(registry.names(kind))
