"""Scores, and the populations of benchmarks/coverage.py: the full study is the same code with more simulations."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

from weighin.core.family import Score

TOP1 = Score("top1", "share", "higher", binary=True)
CER = Score("cer", "share", "lower")
FORCE = Score("force_mae", "eV/A", "lower")
RMSE = Score("force_rmse", "eV/A", "lower", transform=lambda value, weight: float(np.sqrt(value[0] / weight)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def study(name: str):
    """A script of benchmarks/ as a module: the full study is the same code with more simulations."""
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_study", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


STUDY = study("coverage")
ROUNDS = study("rounds")
