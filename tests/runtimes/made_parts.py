"""Small parts of the kinds that families have, with inputs for any batch: importable from a fresh process, too."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from weighin.core.family import Part
from weighin.core.recording import Recorder, eager

Draw = Callable[[int], tuple[Tensor, ...]]


class Convolutions(nn.Module):
    """[b, 1, 16, 16] -> probabilities [b, 10], embedding [b, 16], label [b]."""

    def __init__(self) -> None:
        super().__init__()
        norms = [nn.BatchNorm2d(8), nn.BatchNorm2d(16)]
        for norm in norms:
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), norms[0], nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1, groups=2), norms[1], nn.Hardswish()
        )
        self.head = nn.Linear(16, 10)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        hidden = self.body(pixels).mean((2, 3))  # [b, 16]
        scores = self.head(hidden)  # [b, 10]
        return scores.softmax(-1), hidden, scores.argmax(-1)


class Tokens(nn.Module):
    """[b, t] of ids below 50, 0 is padding, t at most 32 -> [b, t, 20]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 32, padding_idx=0)
        self.place = nn.Parameter(torch.randn(32, 32) * 0.1)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.head = nn.Linear(32, 20)

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        hidden = self.embed(ids) + self.place[: ids.shape[1]]  # [b, t, 32]
        return (self.head(self.layer(hidden, src_key_padding_mask=ids == 0)),)


class TwoInputs(nn.Module):
    """[b, 8], [b, 4] -> [b, 3], with a buffer and a plain tensor among its constants."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(8, 32), nn.Linear(4, 32)
        self.head = nn.Sequential(nn.LayerNorm(32), nn.SiLU(), nn.Linear(32, 3))
        self.register_buffer("scale", torch.tensor(2.0))
        self.shift = torch.ones(3)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return (self.head(self.left(x) + self.right(y)) * self.scale + self.shift,)


class Says(nn.Module):
    """Any function of a linear layer and tensors, for parts with one peculiarity."""

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.function = function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.function(self.linear, *inputs)


def made(name: str) -> tuple[Part, Draw]:
    """A part by name, with the same weights every time, and a draw of inputs for a batch size."""
    torch.manual_seed(0)
    free = {0: "batch"}
    if name == "convolutions":
        part = Part(Convolutions(), ("pixels",), ("p", "embedding", "label"), {"pixels": free})
        return part, lambda b: (torch.rand(b, 1, 16, 16),)
    if name == "tokens":
        part = Part(Tokens(), ("ids",), ("logits",), {"ids": {0: "batch", 1: "tokens"}})
        return part, lambda b: (torch.randint(0, 50, (b, 6 + b % 20)).clamp(min=int(b > 1)),)
    part = Part(TwoInputs(), ("x", "y"), ("z",), {"x": free, "y": free})
    return part, lambda b: (torch.randn(b, 8), torch.randn(b, 4))


def one_input(function: Callable[..., tuple[Tensor, ...]], *outputs: str) -> Part:
    """A part of one input ``x`` [batch, 4]."""
    return Part(Says(function), ("x",), outputs or ("z",), {"x": {0: "batch"}})


def recorded(part: Part, draw: Draw, batches: tuple[int, ...] = (1, 1, 1, 1, 32)) -> Recorder:
    """The part called eagerly under the name ``part``."""
    recorder = Recorder(eager({"part": part}))
    for batch in batches:
        recorder.bound["part"](*draw(batch))
    return recorder
