"""The variants: the originals, the same with pixels in place of primitives, cheaper networks, and ways to use them."""

from collections.abc import Mapping
from functools import cache

from weighin.core.config import Match, Recipe
from weighin.families.glyphs.model import GlyphModel
from weighin.families.glyphs.predict import Glyphic, GlyphPredict

_RECIPE = Recipe(
    data="fonts",
    cpu_minutes=40,
    batch=128,
    lr=2e-3,
    weight_decay=0.05,
    ema=0.999,
    precision="bf16",
    save_every=1000,
)

TINY = Glyphic(
    name="tiny",
    about="the original's smallest: primitives, 1.40 M parameters",
    model=GlyphModel(stem="codebook", augment=True),
    recipe=_RECIPE,
    predict=GlyphPredict(),
)
LIGHT = TINY.but(
    "light",
    "the original's middle: primitives, 2.82 M parameters",
    **{"model.embed": 64, "model.stages": (64, 128, 192), "model.hidden": 256, "model.drop": 0.1, "model.drop_head": 0.25},
)
FULL = LIGHT.but(
    "full",
    "the original's largest: primitives, 7.20 M parameters",
    **{
        "model.embed": 96,
        "model.stages": (96, 192, 256),
        "model.blocks": (3, 3, 3),
        "model.drop": 0.15,
        "model.drop_head": 0.3,
    },
)

SWIFT = TINY.but(
    "swift",
    "patches of 4 x 4 pixels, a shallow fine stage, a place-aware pool: half of tiny's work",
    **{
        "model.stem": "patch",
        "model.patch": 4,
        "model.embed": 16,
        "model.stages": (16, 32, 96, 160),
        "model.blocks": (0, 1, 1, 1),
        "model.pool": "depthwise",
        "model.activation": "relu",
        "model.drop": 0.0,
        "model.drop_head": 0.1,
    },
)

NANO = SWIFT.but(
    "nano",
    "trains in seconds on made-up glyphs: for tests and first steps",
    **{
        "model.patch": 8,
        "model.stages": (16, 32, 64),
        "model.blocks": (0, 0, 0),
        "model.hidden": 64,
        "model.augment": False,
        "recipe.data": "synthetic",
        "recipe.cpu_minutes": None,
        "recipe.steps": 300,
        "recipe.batch": 64,
        "recipe.lr": 5e-3,
        "recipe.ema": 0.98,
        "recipe.precision": "fp32",
    },
)

_KL = {"logits": Match(distance="kl", weight=1.0, temperature=2.0)}


def _taught(student: Glyphic, teacher: str) -> Glyphic:
    """The student, learning from labels and from the teacher's probabilities."""
    about = f"{student.name}, taught by {teacher}"
    match = {name: match.model_dump(mode="json") for name, match in _KL.items()}
    changes = {"recipe.teacher": teacher, "recipe.match": match, "recipe.hard": 0.5}
    return student.but(f"{student.name}-distilled", about, **changes)


def _patched(grid: Glyphic) -> Glyphic:
    """The same network on a linear embedding of a cell's 64 pixels."""
    about = f"{grid.name} with a linear embedding of pixels for primitives"
    return grid.but(f"patch-{grid.name}", about, **{"model.stem": "patch"})


def _singles() -> tuple[Glyphic, ...]:
    patch_tiny, patch_light = _patched(TINY), _patched(LIGHT)
    return (
        *(NANO, TINY, LIGHT, FULL, patch_tiny, patch_light, _patched(FULL), SWIFT),
        patch_tiny.but("tiny-relu", "patch-tiny with ReLU for GELU", **{"model.activation": "relu"}),
        patch_tiny.but("tiny-em", "patch-tiny on glyphs in their place in the em", **{"model.normalise": "em"}),
        patch_tiny.but("tiny-box", "patch-tiny with size and bearings beside the picture", **{"model.normalise": "tight+box"}),
        TINY.but("tiny-phase1", "tiny behind the original's network that names cells", **{"model.stem": "phase1"}),
        SWIFT.but("swift-box", "swift with size and bearings beside the picture", **{"model.normalise": "tight+box"}),
        SWIFT.but(
            "swift-next",
            "swift of ConvNeXt blocks",
            **{"model.trunk": "convnext", "model.stages": (16, 48, 96, 160), "model.blocks": (0, 2, 3, 2)},
        ),
        SWIFT.but("swift-thin", "swift with fewer channels: two thirds of its work", **{"model.stages": (16, 32, 64, 128)}),
        SWIFT.but(
            "swift-large",
            "swift with more channels: somewhat more work than tiny's",
            **{"model.stages": (24, 48, 128, 224), "model.blocks": (0, 1, 2, 1), "model.hidden": 256, "model.drop_head": 0.2},
        ),
        TINY.but(
            "transformer",
            "sixteen pooled patches and a CLS token through five layers",
            **{
                "model.trunk": "transformer",
                "model.embed": 96,
                "model.stages": (256,),
                "model.blocks": (5,),
                "model.hidden": 256,
            },
        ),
        SWIFT.but(
            "mlp",
            "MLP-Mixer over patches of 16 x 16 pixels",
            **{"model.trunk": "mlp", "model.patch": 16, "model.embed": 144, "model.stages": (144,), "model.blocks": (6,)},
        ),
    )


def _taughts() -> tuple[Glyphic, ...]:
    return (
        _taught(LIGHT, "full"),
        _taught(TINY, "light-distilled"),
        _taught(SWIFT, "swift-large"),
        TINY.but(
            "tiny-finetuned",
            "tiny trained on at a tenth of the rate",
            **{"recipe.init": "tiny", "recipe.lr": 2e-4, "recipe.cpu_minutes": 10},
        ),
    )


def _uses() -> tuple[Glyphic, ...]:
    cascade = SWIFT.but("cascade", "swift answers, swift-large where it is unsure", of=("swift", "swift-large"))
    return (
        TINY.but("ensemble", "mean log-probability of tiny and swift", of=("tiny", "swift")),
        cascade.but(**{"predict.combine": "cascade"}),
        SWIFT.but("swift-abstain", "swift, silent where it would be right less than 99 times in 100", predict__precision=0.99),
    )


@cache
def variants() -> Mapping[str, Glyphic]:
    """Name -> variant."""
    return {variant.name: variant for variant in (*_singles(), *_taughts(), *_uses())}
