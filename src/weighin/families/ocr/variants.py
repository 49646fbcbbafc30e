"""The variants: one recogniser in four sizes, one of convolutions alone, a vision-language model with adapters."""

from collections.abc import Mapping
from functools import cache

from weighin.core.config import Recipe
from weighin.families.ocr import strategies
from weighin.families.ocr.model import OcrModel
from weighin.families.ocr.predict import Recogniser
from weighin.families.ocr.use import Use

_RECIPE = Recipe(cpu_minutes=40, batch=16, lr=3e-3, weight_decay=0.01, warmup=0.03, ema=0.999, precision="bf16", save_every=500)

LIGHT = Recogniser(
    name="light",
    about="convolutions over the picture, then over time, then a bidirectional LSTM; lines 40 pixels high",
    model=OcrModel(),
    recipe=_RECIPE,
    predict=Use(),
)
TINY = LIGHT.but(
    "tiny",
    "light with half the channels",
    **{"model.stem": (16, 32, 48, 64), "model.width": 128, "model.blocks": (0, 0, 1, 0)},
)
FULL = LIGHT.but(
    "full",
    "light with more channels and layers, lines 48 pixels high",
    **{
        "model.height": 48,
        "model.stem": (32, 64, 128, 192),
        "model.blocks": (0, 1, 2, 1),
        "model.width": 384,
        "model.layers": 4,
    },
)
SWIFT = LIGHT.but(
    "swift",
    "light with more convolutions for the LSTM: nothing in it waits for the frame before",
    **{"model.trunk": "conv", "model.width": 192, "model.layers": 5},
)
NANO = TINY.but(
    "nano",
    "trains in seconds: for tests and first steps",
    **{
        "model.height": 32,
        "model.stem": (8, 16, 32, 48),
        "model.blocks": (0, 0, 0, 0),
        "model.width": 96,
        "model.trunk": "conv",
        "model.kernel": 7,
        "model.drop": 0.0,
        "model.longest": 8,
        "model.wear": 0.2,
        "recipe.cpu_minutes": None,
        "recipe.steps": 900,
        "recipe.batch": 8,
        "recipe.lr": 5e-3,
        "recipe.ema": None,
        "recipe.precision": "fp32",
    },
)

VLM_QWEN = LIGHT.but(
    "vlm-qwen",
    "Qwen2.5-VL-3B with LoRA of rank 32 on q_proj and v_proj: the original project's model",
    **{
        "model.vlm": {},
        "predict.vlm": {},
        "recipe.cpu_minutes": None,
        "recipe.steps": 3000,
        "recipe.batch": 4,
        "recipe.accumulate": 4,
        "recipe.lr": 2e-4,
        "recipe.weight_decay": 0.0,
        "recipe.ema": None,
    },
)
_VLMS = (
    VLM_QWEN,
    VLM_QWEN.but("vlm-qwen-beam", "vlm-qwen, a beam of 5", **{"predict.vlm.beams": 5}),
    VLM_QWEN.but("vlm-qwen-sample", "vlm-qwen, tokens drawn at temperature 0.7", **{"predict.vlm.temperature": 0.7}),
    VLM_QWEN.but("vlm-qwen-r64", "vlm-qwen with twice the rank", **{"model.vlm.rank": 64, "model.vlm.alpha": 128}),
)


@cache
def variants() -> Mapping[str, Recogniser]:
    """Name -> variant."""
    trained = {variant.name: variant for variant in (NANO, TINY, LIGHT, FULL, SWIFT, *_VLMS)}
    return trained | strategies.of(TINY) | strategies.checkpoints(TINY) | strategies.votes(TINY)
