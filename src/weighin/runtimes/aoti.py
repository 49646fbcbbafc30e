"""AOTInductor: the part compiled once to machine code, which runs without Python's interpreter or a compiler."""

import json
import os
import platform
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighin.core.errors import ExportError, RunError
from weighin.core.family import Bound, Part
from weighin.core.program import cause, hushed, trace
from weighin.core.runtime import Inputs, Runtime

METADATA = "weighin"  # key in the package's own metadata


class Aoti(Runtime):
    """``aoti``: what ``torch:compile`` makes, but in a file: no compiling when it is loaded, no Python when it runs.

    The file is a shared library and belongs to one version of torch and to CPUs with the features of the one that
    compiled it; both are checked when it is loaded. Compiling takes seconds to minutes, hence not by default.
    """

    name = "aoti"
    suffix = ".pt2"
    order = 15
    default = ()

    def why_not(self) -> str | None:
        """It needs a C++ compiler. A file that is made already does not, but whoever weighs makes one."""
        if any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++")):
            return None
        return "AOTInductor needs a C++ compiler; install g++"

    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes a ``.pt2`` package with the compiled library, its weights, and what it is bound to. Raises ExportError."""
        program = trace(part, tape)
        bound = json.dumps({"torch": torch.__version__, "machine": platform.machine(), "features": sorted(_features())})
        settings: dict[str, Any] = {"aot_inductor.metadata": {METADATA: bound}}
        try:
            with _quiet() as (compile_and_package, _), tempfile.TemporaryDirectory(prefix="weighin-aoti-") as name:
                made = Path(name) / path.name
                compile_and_package(program, package_path=str(made), inductor_configs=settings)
                shutil.copyfile(made, path)
        except OSError:
            raise
        except Exception as error:  # Inductor raises its own errors, the compiler's and anybody's
            raise ExportError(f"AOTInductor cannot compile the part: {cause(error)}") from error

    def load(self, path: Path, threads: int) -> Bound:
        """Raises RunError when the file is damaged, or bound to another torch or CPU."""
        _check(path)
        try:
            with _quiet() as (_, load_package):
                loader = load_package(str(path)).loader
        except Exception as error:  # a damaged library is a RuntimeError, a damaged zip anything
            raise RunError(f"{path} cannot be loaded: {cause(error)}", hint="Export the run again") from error

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            if torch.get_num_threads() != threads:  # the setting belongs to the process, not to the model
                torch.set_num_threads(threads)
            with torch.inference_mode():
                return tuple(loader.run([x.contiguous() for x in inputs]))  # type: ignore[attr-defined]

        return call


def _check(path: Path) -> None:
    """Machine code that another CPU or another torch made may crash the process, so it is not even tried."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("_metadata.json")]
            bound = json.loads(json.loads(archive.read(names[0]))[METADATA])
            wanted, machine, features = bound["torch"], bound["machine"], set(bound["features"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is damaged: {cause(error)}", hint="Export the run again") from None
    if wanted != torch.__version__:
        allowed = f"An aoti file runs only with the torch that made it, {wanted}"
        raise RunError(f"{path} cannot run with torch {torch.__version__}", allowed, "Export the run again")
    missing = sorted(features - _features())
    if machine != platform.machine() or missing:
        lacks = f"lacks {', '.join(missing[:5])}" if missing else f"is {platform.machine()}, not {machine}"
        raise RunError(f"{path} was compiled for another CPU: this one {lacks}", hint="Export the run again on this machine")


@cache
def _features() -> frozenset[str]:
    """What this CPU can do, by Linux's names; empty where there is no such list."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(found.partition(":")[2].split())


@contextmanager
def _quiet() -> Iterator[tuple[Callable[..., Any], Callable[..., Any]]]:
    """How Inductor compiles and loads, imported late. Its warnings say nothing to a user: what fails is raised."""
    with hushed("torch", "torch._inductor"), warnings.catch_warnings():
        # torch 2.13's own Inductor defines a ScriptModule while it is imported
        warnings.filterwarnings("ignore", r"`torch\.jit\.script_method` is deprecated", DeprecationWarning)
        from torch._inductor import aoti_compile_and_package, aoti_load_package

        yield aoti_compile_and_package, aoti_load_package
