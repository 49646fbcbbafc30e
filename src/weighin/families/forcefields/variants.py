"""The variants: PaiNN in the distiller's three sizes, and the distiller's own layers at the same counts."""

from collections.abc import Mapping
from functools import cache

from weighin.core.config import Recipe
from weighin.families.forcefields.model import ForceModel, LossDials
from weighin.families.forcefields.predict import Forceful, ForcePredict

_RECIPE = Recipe(  # made to be tried: labels, trains and weighs four variants in a quarter of an hour; train longer to ship
    data="gfn2@molecules=120@frames=12",
    cpu_minutes=2,
    batch=8,
    lr=3e-3,
    weight_decay=0.0,
    clip=10.0,
    ema=0.999,
    save_every=500,
)

TINY = Forceful(
    name="tiny",
    about="PaiNN of 64 channels and 2 interactions",
    model=ForceModel(zbl=True),  # teachers' structures do not show what atoms do that nearly touch
    recipe=_RECIPE,
    predict=ForcePredict(),
)
ORIGINAL = TINY.but(
    "original",
    "PaiNN of 128 channels and 3 interactions",
    **{"model.width": 128, "model.layers": 3, "model.radial": 20},
)
ULTRA_TINY = TINY.but(
    "ultra-tiny",
    "PaiNN of 32 channels and 2 interactions",
    **{"model.width": 32, "model.radial": 10},
)
NANO = ULTRA_TINY.but(
    "nano",
    "trains in seconds on made-up structures: for tests and first steps",
    **{
        "model.width": 16,
        "model.radial": 8,
        "recipe.data": "synthetic",
        "recipe.cpu_minutes": None,
        "recipe.steps": 300,
        "recipe.batch": 8,
        "recipe.lr": 1e-2,
        "recipe.ema": 0.95,
    },
)

_SOURCE = LossDials(form="mse", energy=1e-3, force=100.0, angular=10.0)  # 1 / 100 / 10


def _source(name: str, size: Forceful) -> Forceful:
    """The distiller's layers at the size of ours."""
    about = f"the distiller's own {name}: messages from lengths alone, a learned matrix over x, y and z"
    changes = {"model.net": "source", "model.zbl": False, "model.loss": _SOURCE.model_dump(mode="json"), "model.turn": True}
    return size.but(f"source-{name}", about, **changes)


@cache
def variants() -> Mapping[str, Forceful]:
    """Name -> variant."""
    ours = (NANO, TINY, ORIGINAL, ULTRA_TINY)
    source = (_source("original", ORIGINAL), _source("tiny", TINY), _source("ultra-tiny", ULTRA_TINY))
    return {variant.name: variant for variant in (*ours, *source)}
