"""The recognisers: convolutions make a line of features, layers over time mix them, CTC reads them off."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from weighin.core.config import Settings
from weighin.core.errors import ConfigError
from weighin.core.family import Part
from weighin.families.ocr.alphabet import Alphabet, alphabet
from weighin.families.ocr.layers import Convolutional, Recurrent, Residual, conv
from weighin.families.ocr.vlm_use import VlmModel

HALVINGS = 4  # of the height, by the stem; the width is halved twice
FRAME = 2  # columns of pixels a frame stands for


class OcrModel(Settings):
    """What decides the weights."""

    alphabet: str = Field(default="odia", description="whose characters it writes; see alphabet.py")
    height: int = Field(default=40, ge=16, le=96, description="pixels a line is scaled to")
    stem: tuple[int, int, int, int] = Field(default=(24, 48, 96, 128), description="channels; each stage halves the height")
    blocks: tuple[int, int, int, int] = Field(default=(0, 1, 1, 0), description="residual blocks after each stage")
    trunk: Literal["mixed", "conv", "lstm"] = Field(
        default="mixed", description="what mixes over time: convolutions, a bidirectional LSTM, or those and then this"
    )
    width: int = Field(default=256, gt=0, description="of the features over time")
    layers: int = Field(default=2, gt=0, description="of convolutions over time, or of the LSTM alone")
    kernel: int = Field(default=11, gt=0, description="frames of four pixels that a convolution over time sees")
    drop: float = Field(default=0.1, ge=0, lt=1)
    longest: int = Field(
        default=60, gt=0, description="letters, about, of a training line; like wear it decides the weights, so it stands here"
    )
    wear: float = Field(
        default=1.0, ge=0, le=2, description="how much training lines are damaged; 0 hardly, 1 as print and photos are"
    )

    vlm: VlmModel | None = Field(default=None, description="reads with a vision-language model; all but alphabet is unused")

    @field_validator("alphabet")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return alphabet(value).name
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _even(self) -> "OcrModel":
        if self.width % 2 or not self.kernel % 2:
            raise ValueError("width must be even (two directions) and kernel odd (as many frames on either side)")
        return self

    @property
    def letters(self) -> Alphabet:
        """The alphabet itself."""
        return alphabet(self.alphabet)


@dataclass
class LineBatch:
    """Lines of one height, paper to the right of the shorter ones."""

    pixels: Tensor  # [B,height,W] uint8, ink 0, paper 255
    frames: Tensor  # [B] int64, frames that belong to the line
    target: Tensor  # [B,longest] int64 classes, 0 behind the end
    length: Tensor  # [B] int64, characters


class Net(nn.Module):
    """Pixels [B,height,W] uint8 -> logits [B,W/2,classes]: the part that a runtime executes."""

    def __init__(self, model: OcrModel) -> None:
        super().__init__()
        strides = ((2, 2), (2, 1), (2, 2), (2, 1))
        layers: list[nn.Module] = []
        inside = 1
        for outside, count, stride in zip(model.stem, model.blocks, strides, strict=True):
            layers += [conv(inside, outside, stride), *(Residual(outside) for _ in range(count))]
            inside = outside
        self.stem = nn.Sequential(*layers)
        left = -(-model.height // 2**HALVINGS)
        self.column = nn.Sequential(
            nn.Conv2d(inside, model.width, (left, 1), bias=False), nn.BatchNorm2d(model.width), nn.ReLU(inplace=True)
        )
        self.trunk = _trunk(model)
        # Layers over time take a step of four pixels, and each answers for two frames: stacked signs of one narrow cluster
        # need as many frames as they have code points, and steps are what costs.
        self.classes = model.letters.classes
        self.head = nn.Linear(model.width, 2 * self.classes)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        ink = (255 - pixels.to(self.head.weight.dtype)) / 255
        x = self.column(self.stem(ink.unsqueeze(1)))  # [B,D,1,W/4]
        x = self.trunk(x.squeeze(2).transpose(1, 2))  # [B,W/4,D]
        x = self.head(x)  # [B,W/4,2*classes]
        return (x.reshape(x.shape[0], -1, self.classes),)


def _trunk(model: OcrModel) -> nn.Module:
    """[B,T,D] -> [B,T,D]"""
    if model.trunk == "lstm":
        return Recurrent(model.width, model.layers, model.drop)
    near = Convolutional(model.width, model.layers, model.kernel, model.drop)
    return near if model.trunk == "conv" else nn.Sequential(near, Recurrent(model.width, 1, model.drop))


class LineNet(nn.Module):
    """What is trained."""

    def __init__(self, model: OcrModel) -> None:
        super().__init__()
        self.net = Net(model)

    def forward(self, batch: LineBatch) -> dict[str, Tensor]:
        return {"logits": self.net(batch.pixels)[0]}  # [B,W/2,classes]


def parts_of(network: LineNet) -> dict[str, Part]:
    """``net``; free axes are the batch, the width and, of the answer, the frames."""
    axes = {"pixels": {0: "batch", 2: "width"}, "logits": {0: "batch", 1: "frames"}}
    return {"net": Part(network.net, ("pixels",), ("logits",), axes)}
