"""The glyph networks: a grid of cells -> scores of the labels, by a stem, stages of blocks and a small head."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from weighin.core.config import Settings
from weighin.core.family import Part
from weighin.families.glyphs.glyph import SIDE
from weighin.families.glyphs.labels import LABELS
from weighin.families.glyphs.layers import Activation, ConvNeXt, Encoder, Mixer, Primitives, Residual, Tokens, activation, cba

CELL = 8  # pixels of a codebook cell's side
PRIMITIVES = 1024  # entries of the codebook, the empty cell being the first
CLASSES = len(LABELS)


class GlyphModel(Settings):
    """What decides the weights. ``stem`` and ``trunk`` choose the network, the rest its size and its input."""

    stem: Literal["codebook", "phase1", "patch"] = Field(
        default="patch", description="table of primitives, the original's network in its place, or a linear embedding of pixels"
    )
    patch: int = Field(default=CELL, description="pixels of a patch's side (codebook and phase1: 8)")
    trunk: Literal["residual", "convnext", "transformer", "mlp"] = "residual"
    embed: int = Field(default=48, gt=0, description="numbers a cell")
    stages: tuple[int, ...] = Field(default=(48, 96, 128), min_length=1, description="channels (or the one width of tokens)")
    blocks: tuple[int, ...] = Field(default=(2, 2, 2), min_length=1, description="blocks a stage (or layers)")
    heads: int = Field(default=8, gt=0, description="of attention")
    pool: Literal["mean", "depthwise"] = Field(default="mean", description="how the last grid becomes a vector")
    hidden: int = Field(default=128, gt=0)
    drop: float = Field(default=0.08, ge=0, lt=1, description="of whole channels in a block")
    drop_head: float = Field(default=0.2, ge=0, lt=1)
    activation: Activation = "gelu"
    normalise: Literal["tight", "em", "tight+box"] = Field(
        default="tight",
        description="glyph filling the raster, in its place in the em, or the first with size and bearings beside it",
    )
    augment: bool = Field(
        default=False, description="random change of training rasters; it decides the weights, so it stands here"
    )
    smooth: float = Field(default=0.0, ge=0, lt=1, description="label smoothing (Szegedy et al. 2016)")

    @model_validator(mode="after")
    def _consistent(self) -> "GlyphModel":
        if self.stem != "patch" and self.patch != CELL:
            raise ValueError(f"the codebook is made of cells of {CELL} pixels; patch must be {CELL}")
        if len(self.stages) != len(self.blocks):
            raise ValueError("stages and blocks must be equally long")
        halvings = len(self.stages) - 1
        if SIDE % (self.patch * 2**halvings):
            raise ValueError(f"a raster of {SIDE} pixels in patches of {self.patch} cannot be halved {halvings} times")
        if self.trunk in ("transformer", "mlp") and len(self.stages) != 1:
            raise ValueError(f"a {self.trunk} has one stage")
        return self

    @property
    def side(self) -> int:
        """Cells of the grid's side."""
        return SIDE // self.patch


@dataclass
class GlyphBatch:
    """Tensors of a batch; what a variant does not use is None."""

    grid: Tensor  # [B,side,side] int64 primitives, or [B,patch*patch,side,side] uint8 pixels
    label: Tensor  # [B] int64
    box: Tensor | None = None  # [B,6] float32: left, bottom, width, height, advance in em; 1 if known, else all 0
    cells: Tensor | None = None  # [N,1,8,8] uint8, distinct cells of the batch, for phase1
    primitives: Tensor | None = None  # [N] int64, what the table calls them


class Net(nn.Module):
    """Grid (and box) -> scores [B,classes]: the part that a runtime executes."""

    def __init__(self, model: GlyphModel) -> None:
        super().__init__()
        patches = model.stem == "patch"
        self.embed = nn.Conv2d(model.patch**2, model.embed, 1) if patches else nn.Embedding(PRIMITIVES, model.embed)
        self.trunk, width = _trunk(model)
        self.box = _box(width) if model.normalise == "tight+box" else None
        self.head = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, model.hidden),
            activation(model.activation),
            nn.Dropout(model.drop_head),
            nn.Linear(model.hidden, CLASSES),
        )

    def forward(self, grid: Tensor, box: Tensor | None = None) -> tuple[Tensor]:
        if isinstance(self.embed, nn.Embedding):
            x = self.embed(grid).permute(0, 3, 1, 2)  # [B,side,side,E] -> [B,E,side,side], channels last in memory
        else:
            x = self.embed(grid.to(self.embed.weight.dtype))  # [B,E,side,side]
        x = self.trunk(x)  # [B,width]
        if self.box is not None and box is not None:
            x = x + self.box(box.to(x.dtype))
        return (self.head(x),)


class GlyphNet(nn.Module):
    """What is trained: the net and, for phase1, the network that names cells."""

    def __init__(self, model: GlyphModel) -> None:
        super().__init__()
        self.net = Net(model)
        self.cells = Primitives(PRIMITIVES) if model.stem == "phase1" else None

    def forward(self, batch: GlyphBatch) -> dict[str, Tensor]:
        outputs = {"logits": self.net(batch.grid, batch.box)[0]}  # [B,classes]
        if self.cells is not None and batch.cells is not None:
            outputs["primitives"] = self.cells(batch.cells)[0]  # [N,1024]
        return outputs


def parts_of(network: GlyphNet, model: GlyphModel) -> dict[str, Part]:
    """``net``, and for phase1 ``cells``; the batch is the free axis."""
    inputs = ("grid", "box") if model.normalise == "tight+box" else ("grid",)
    parts = {"net": Part(network.net, inputs, ("logits",), {name: {0: "batch"} for name in (*inputs, "logits")})}
    if network.cells is not None:
        parts["cells"] = Part(network.cells, ("cells",), ("scores",), {name: {0: "cell"} for name in ("cells", "scores")})
    return parts


def _box(width: int) -> nn.Module:
    """Size and bearings as a vector beside the picture's; the flag's weights are what stands for a missing box."""
    return nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, width))


def _trunk(model: GlyphModel) -> tuple[nn.Module, int]:
    """[B,E,side,side] -> [B,width], and the width."""
    if model.trunk in ("transformer", "mlp"):
        return _Sequence(model), model.stages[0]
    return _Pyramid(model), model.stages[-1]


class _Pyramid(nn.Module):
    """Stages of blocks, each half as large as the one before; then the grid becomes one vector."""

    def __init__(self, model: GlyphModel) -> None:
        super().__init__()
        block = Residual if model.trunk == "residual" else ConvNeXt
        widths = (model.embed, *model.stages)
        layers: list[nn.Module] = []
        for place, (width, count) in enumerate(zip(model.stages, model.blocks)):
            layers.append(cba(widths[place], width, model.activation, stride=1 if place == 0 else 2))
            layers += [block(width, model.drop, model.activation) for _ in range(count)]
        self.stages = nn.Sequential(*layers)
        width, last = model.stages[-1], model.side // 2 ** (len(model.stages) - 1)
        # a global depthwise convolution keeps where things are, a mean does not (Chen et al. 2018, "MobileFaceNets")
        mean = model.pool == "mean"
        self.pool = nn.AdaptiveAvgPool2d(1) if mean else nn.Conv2d(width, width, last, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.stages(x)).flatten(1)  # [B,C]


class _Sequence(nn.Module):
    """Tokens through layers; read out at the CLS token (transformer) or as a mean (mlp)."""

    def __init__(self, model: GlyphModel) -> None:
        super().__init__()
        width, attends = model.stages[0], model.trunk == "transformer"
        pool = model.side // 4 if attends else 1
        self.tokens = Tokens(model.embed, width, model.side, pool, cls=attends)
        layer = (
            (lambda: Encoder(width, model.heads, model.drop)) if attends else (lambda: Mixer(model.side**2, width, model.drop))
        )
        self.layers = nn.Sequential(*(layer() for _ in range(model.blocks[0])))
        self.attends = attends

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(self.tokens(x))  # [B,tokens,width]
        return x[:, 0] if self.attends else x.mean(1)
