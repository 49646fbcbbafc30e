"""Evidence files: the raw numbers a figure is computed from, compressed, without pickles; and the figures again from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core.errors import RunError
from weighin.core.files import write_atomic

Arrays = Mapping[str, np.ndarray]


def save(path: Path, arrays: Arrays, note: Mapping[str, Any]) -> None:
    """``path`` (.npz) holds the arrays and, under ``note``, a JSON text; written whole or not at all."""
    text = np.array(json.dumps(note, sort_keys=True, default=str))
    whole: dict[str, Any] = {name: small(array) for name, array in arrays.items()} | {"note": text}
    write_atomic(path, lambda temporary: np.savez_compressed(temporary, **whole))


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and note. Raises RunError when missing or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("note")))
    except FileNotFoundError:
        raise RunError(f"The evidence {path} is missing") from None
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for a damaged file
        raise RunError(f"The evidence {path} cannot be read: {error}") from None


def small(array: np.ndarray) -> np.ndarray:
    """The narrowest type that holds every value exactly: hits as bytes, counts as integers."""
    if array.dtype.kind not in "fiu" or not array.size:
        return array
    for kind in (np.int8, np.int16, np.int32, np.float32):
        if np.isfinite(array).all() or kind is np.float32:
            with np.errstate(all="ignore"):
                narrow = array.astype(kind)
            if np.array_equal(narrow.astype(array.dtype), array, equal_nan=True):
                return narrow
    return array
