"""In a fresh process: no import of a heavy library before it is needed, no network, no word on stderr, nothing left at home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys, warnings
warnings.simplefilter("error")
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"network: {event} {args}")
sys.addaudithook(watch)
from weighin.core import registry
"""
SAVE = """
from pathlib import Path
from made_parts import made, recorded
part, draw = made("convolutions")
tape = recorded(part, draw).inputs("part")
for name in ("torch", "torchscript", "onnx", "onnx:int8", "openvino", "openvino:int8"):
    runtime = registry.runtime(name)
    if runtime.why_not() is None:
        runtime.save(part, tape, Path(sys.argv[1]) / (name.replace(":", "-") + runtime.suffix))
"""
LOAD = """
import torch
from pathlib import Path
for name in ("torch", "torchscript", "onnx", "onnx:int8", "openvino", "openvino:int8"):
    runtime = registry.runtime(name)
    path = Path(sys.argv[1]) / (name.replace(":", "-") + runtime.suffix)
    if path.exists():
        outputs = runtime.load(path, 1)(torch.zeros(2, 1, 16, 16))
        print(name, [list(output.shape) for output in outputs])
assert "made_parts" not in sys.modules and "nncf" not in sys.modules
"""
NAMES = """
registry.runtimes()
heavy = {"onnx", "onnxruntime", "onnxscript", "openvino", "nncf", "torch._inductor.compile_fx"} & set(sys.modules)
assert not heavy, heavy
"""


def alone(code: str, home: Path, *arguments: str) -> str:
    here = str(Path(__file__).parent)
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": os.pathsep.join([here, *sys.path])}
    for name in ("CI", "ORT_DISABLE_TELEMETRY"):  # telemetry keeps quiet on CI machines anyway
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", START + code, *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def test_naming_runtimes_imports_none_of_their_libraries(home):
    assert alone(NAMES, home) == ""


def test_saved_by_one_process_and_loaded_by_another_without_the_familys_code(home, tmp_path):
    assert alone(SAVE, home, str(tmp_path)) == ""
    lines = alone(LOAD, home, str(tmp_path)).splitlines()
    assert len(lines) >= 2 and all(line.endswith("[[2, 10], [2, 16], [2]]") for line in lines)
    assert not list(home.iterdir())
