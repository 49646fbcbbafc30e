"""The strategies as data: ways to use one run, and the few more runs that an ensemble of checkpoints needs.

Every claim of the source has its row, harmful or not, except its confusion table: the task does not say what was in it.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from weighin.core.config import Settings, Variant

M = TypeVar("M", bound=Settings)
P = TypeVar("P", bound=Settings)

SHARE = 0.25  # of the training of a variant that each of its further checkpoints gets
RATE = 0.5  # of its learning rate

_BEAM = {"predict.decoder": "beam"}
_FUSED = _BEAM | {"predict.language": "fused"}
_SCALES = {"predict.scales": (1.0, 0.9, 0.8)}
_DICTIONARY = {"predict.dictionary": "unsure"}

ALONE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "beam": ("a prefix beam of 10", _BEAM),
    "beam-lm": ("a prefix beam of 10 with a character 6-gram model in it", _FUSED),
    "rerank": ("a prefix beam of 10, its texts ordered anew by the 6-gram model", _BEAM | {"predict.language": "rerank"}),
    "dictionary": ("unsure unknown words become known ones that the frames allow", _DICTIONARY),
    "dictionary-always": ("every unknown word becomes the nearest known one", {"predict.dictionary": "always"}),
    "sample": ("classes drawn at temperature 1 for the likeliest", {"predict.decoder": "sample"}),
    "uncalibrated": ("confidences as the network says them", {"predict.temperature": 1.0}),
    "scales-frames": ("read at three sizes, joined by frames", _SCALES),
    "scales": ("read at three sizes, the reading nearest to all", _SCALES | {"predict.combine": "medoid"}),
    "scales-longest": ("read at three sizes, the longest reading: the source's rule", _SCALES | {"predict.combine": "longest"}),
}
TOGETHER: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # each has all of the one before
    "beam-lm": ALONE["beam-lm"],
    "beam-lm-dictionary": ("beam-lm, then the dictionary", _FUSED | _DICTIONARY),
    "beam-lm-dictionary-scales": (
        "beam-lm and dictionary at three sizes, joined by votes a character",
        _FUSED | _DICTIONARY | _SCALES | {"predict.combine": "rover"},
    ),
}
VOTES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ensemble": ("mean log-probability of a frame", {"predict.combine": "frames"}),
    "vote": ("votes character by character (ROVER)", {"predict.combine": "rover"}),
    "medoid": ("the reading nearest to all", {"predict.combine": "medoid"}),
    "longest": ("the longest reading: the source's rule", {"predict.combine": "longest"}),
}


def of(base: Variant[M, P]) -> dict[str, Variant[M, P]]:
    """Name -> a way to use ``base``'s run: ``tiny-beam``, ``tiny-beam-lm``, ... They share the run and cost no training."""
    return {
        f"{base.name}-{name}": base.but(f"{base.name}-{name}", f"{base.name}: {about}", **changes)
        for name, (about, changes) in {**ALONE, **TOGETHER}.items()
    }


def checkpoints(base: Variant[M, P], count: int = 3) -> dict[str, Variant[M, P]]:
    """``count`` - 1 further checkpoints of ``base`` (snapshots, Huang et al. 2017), and its last step without an average."""
    recipe, found = base.recipe, {}
    budgets = {name: getattr(recipe, name) for name in ("steps", "minutes", "cpu_minutes")}
    short = {
        f"recipe.{name}": max(1, int(value * SHARE)) if name == "steps" else value * SHARE
        for name, value in budgets.items()
        if value
    }
    for number in range(2, count + 1):
        name = f"{base.name}-{number}"
        about = f"{base.name} trained on with another seed, for a quarter of its time"
        again = {"recipe.init": base.name, "recipe.seed": recipe.seed + number, "recipe.lr": recipe.lr * RATE}
        found[name] = base.but(name, about, **short, **again)
    if recipe.ema:
        name = f"{base.name}-last"
        found[name] = base.but(name, f"{base.name} without the moving average of weights", **{"recipe.ema": None})
    return found


def votes(base: Variant[M, P], count: int = 3) -> dict[str, Variant[M, P]]:
    """Ways in which ``base`` and its further checkpoints answer together; see :func:`checkpoints`."""
    members = (base.name, *(f"{base.name}-{number}" for number in range(2, count + 1)))
    found = {}
    for name, (about, changes) in VOTES.items():
        told = f"{', '.join(members)}: {about}"
        found[f"{base.name}-{name}"] = base.but(f"{base.name}-{name}", told, of=members, **changes)
    return found
