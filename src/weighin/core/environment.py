"""What a figure was measured on: hardware, library versions, the command."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = ("weighin", "torch", "lightning", "numpy")  # of the house; families and runtimes name their own


@cache
def hardware() -> dict[str, Any]:
    """CPU model, cores, memory in GiB, accelerator name if any, operating system."""
    return {
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "logical_cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line for line in lines if line.startswith("flags")), "")
    wanted = [f for f in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8") if f" {f} " in f"{flags} "]
    return f"{model or platform.processor()} ({' '.join(wanted)})" if wanted else model or platform.processor()


def _accelerator() -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


@cache
def versions(*more: str) -> dict[str, str]:
    """Versions of the libraries that decide a figure, ``more`` beside the house's; those not installed are left out."""
    found = {}
    for name in dict.fromkeys((*LIBRARIES, *more)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command() -> str:
    """The command line of this process as a person would type it."""
    program, *arguments = sys.argv or [""]
    name = Path(program).name
    return shlex.join(["weighin" if name in ("weighin", "__main__.py", "cli.py") else name, *arguments])


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
