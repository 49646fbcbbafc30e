"""The networks: the original's exact sizes, every variant's forward, backward and export."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from weighin.core.config import Variant
from weighin.core.errors import ConfigError
from weighin.families.glyphs.layers import Primitives
from weighin.families.glyphs.model import CLASSES, GlyphBatch, GlyphModel, GlyphNet, parts_of
from weighin.families.glyphs.variants import TINY, variants

MODELS = {repr(v.model): (name, v.model) for name, v in reversed(variants().items()) if not v.of}
EACH = pytest.mark.parametrize("model", [model for _, model in MODELS.values()], ids=[name for name, _ in MODELS.values()])


def random_inputs(model: GlyphModel, count: int) -> tuple[torch.Tensor, ...]:
    """What the part ``net`` takes: grid, and box where the model reads it."""
    side, patch = model.side, model.patch
    if model.stem == "patch":
        grid = torch.randint(0, 2, (count, patch * patch, side, side), dtype=torch.uint8)
    else:
        grid = torch.randint(0, 1024, (count, side, side))
    return (grid, torch.rand(count, 6)) if model.normalise == "tight+box" else (grid,)


@pytest.mark.parametrize(
    ("name", "parameters", "mflop"), [("full", 7_198_317, 701), ("light", 2_822_957, 230), ("tiny", 1_400_397, 124)]
)
def test_originals_are_exact(name: str, parameters: int, mflop: int) -> None:
    model = variants()[name].model
    network = GlyphNet(model).eval()
    assert sum(p.numel() for p in network.parameters()) == parameters
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.net(*random_inputs(model, 1))
    assert round(counter.get_total_flops() / 1e6) == mflop


def test_phase1_has_the_originals_parameters() -> None:
    assert sum(p.numel() for p in Primitives().parameters()) == 183_904


def test_ours_are_smaller_than_tiny_and_cheaper() -> None:
    for name in ("swift", "swift-box", "swift-next", "swift-thin"):
        model = variants()[name].model
        network = GlyphNet(model).eval()
        assert sum(p.numel() for p in network.parameters()) <= 1_400_397
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.net(*random_inputs(model, 1))
        assert counter.get_total_flops() < 0.65 * 124e6, name


@EACH
def test_gradient_reaches_every_weight(model: GlyphModel) -> None:
    torch.manual_seed(0)
    network = GlyphNet(model)
    grid, *box = random_inputs(model, 4)
    cells = torch.randint(0, 2, (8, 1, 8, 8), dtype=torch.uint8) if model.stem == "phase1" else None
    batch = GlyphBatch(grid, torch.arange(4), box[0] if box else None, cells)
    outputs = network(batch)
    assert outputs["logits"].shape == (4, CLASSES)
    sum(output.float().square().mean() for output in outputs.values()).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@EACH
def test_parts_export_with_a_free_batch(model: GlyphModel) -> None:
    torch.manual_seed(0)
    network = GlyphNet(model).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for name, part in parts_of(network, model).items():

        def inputs(count: int, name: str = name) -> tuple[torch.Tensor, ...]:
            cells = (torch.randint(0, 2, (count, 1, 8, 8), dtype=torch.uint8),)
            return random_inputs(model, count) if name == "net" else cells

        free = torch.export.Dim("free", min=1, max=8192)
        shapes = tuple(dict.fromkeys(part.axes[key], free) for key in part.inputs)
        exported = torch.export.export(part.module, inputs(2), dynamic_shapes=shapes).module()
        for count in (1, 5):
            given = inputs(count)
            with torch.no_grad():
                torch.testing.assert_close(exported(*given)[0], part.module(*given)[0], atol=1e-5, rtol=1e-4)


def test_box_matters_and_may_be_missing() -> None:
    torch.manual_seed(0)
    model = variants()["swift-box"].model
    net = GlyphNet(model).eval().net
    grid, box = random_inputs(model, 1)
    with torch.no_grad():
        known, missing = net(grid, box)[0], net(grid, torch.zeros_like(box))[0]
    assert torch.isfinite(missing).all() and not torch.allclose(known, missing)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.patch": 4}, "patch must be 8"),
        ({"model.stem": "patch", "model.patch": 7}, "cannot be halved"),
        ({"model.blocks": (2, 2)}, "equally long"),
        ({"model.trunk": "mlp"}, "one stage"),
        ({"model.stam": "patch"}, "Did you mean 'stem'"),
        ({"predict.precision": 0.97}, "0.99"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TINY.but(**changes)


def test_variants_round_trip_and_know_each_other() -> None:
    known = variants()
    for name, variant in known.items():
        assert isinstance(variant, Variant) and variant.name == name and variant.about
        assert type(variant).model_validate(variant.model_dump(mode="json")) == variant
        for other in (*variant.of, variant.recipe.teacher, variant.recipe.init):
            assert other is None or other in known


def test_uses_share_the_weights_of_what_they_use() -> None:
    known = variants()
    assert known["swift-abstain"].model == known["swift"].model
    assert known["swift-abstain"].recipe == known["swift"].recipe
    assert known["swift-abstain"].predict != known["swift"].predict
