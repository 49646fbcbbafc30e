"""Blocks of the glyph networks: plain convolutions, ConvNeXt, attention, mixing. Nobody else imports them."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "relu"]


def activation(name: Activation) -> nn.Module:
    """A fresh activation module."""
    return nn.GELU() if name == "gelu" else nn.ReLU(inplace=True)


def cba(inside: int, outside: int, act: Activation, stride: int = 1) -> nn.Sequential:
    """Convolution 3x3 without bias, batch norm, activation: [B,inside,h,w] -> [B,outside,h/stride,w/stride]."""
    conv = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), activation(act))


class Residual(nn.Module):
    """``x + drop(CBA(CBA(x)))``, the original's block; whole channels are dropped."""

    def __init__(self, width: int, drop: float, act: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(cba(width, width, act), cba(width, width, act))
        self.drop = nn.Dropout2d(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.body(x))  # [B,width,h,w]


class ConvNeXt(nn.Module):
    """Depthwise 5x5, then a two-layer perceptron over channels (Liu et al. 2022, "A ConvNet for the 2020s").

    Batch norm in place of layer norm: at inference it folds into the convolution.
    """

    def __init__(self, width: int, drop: float, act: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 3 * width, 1),
            activation(act),
            nn.Conv2d(3 * width, width, 1),
        )
        self.drop = nn.Dropout2d(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.body(x))  # [B,width,h,w]


class Encoder(nn.Module):
    """A pre-norm transformer layer (Vaswani et al. 2017; order of norms: Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.mlp = perceptron(width, 4 * width, drop)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        count, width = x.shape[1], x.shape[2]
        qkv = self.qkv(self.before(x)).view(-1, count, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [B,heads,tokens,width/heads]
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, count, width)
        x = x + self.drop(self.join(mixed))
        return x + self.mlp(x)  # [B,tokens,width]


class Mixer(nn.Module):
    """Perceptrons over tokens, then over channels (Tolstikhin et al. 2021, "MLP-Mixer")."""

    def __init__(self, tokens: int, width: int, drop: float) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens), nn.Dropout(drop))
        self.channels = perceptron(width, 2 * width, drop)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.before(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(x)  # [B,tokens,width]


def perceptron(width: int, hidden: int, drop: float) -> nn.Sequential:
    """Layer norm, two linear layers with a GELU between, dropout: [..., width] -> [..., width]."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.Dropout(drop))


class Tokens(nn.Module):
    """A grid as tokens: mean over ``pool`` x ``pool`` cells, a linear layer, learned places, optionally a CLS token."""

    def __init__(self, inside: int, width: int, side: int, pool: int, cls: bool) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        self.widen = nn.Linear(inside, width)
        self.places = nn.Parameter(0.02 * torch.randn(1, (side // pool) ** 2, width))
        self.cls = nn.Parameter(torch.zeros(1, 1, width)) if cls else None

    def forward(self, grid: Tensor) -> Tensor:
        x = self.widen(self.pool(grid).flatten(2).transpose(1, 2)) + self.places  # [B,tokens,width]
        if self.cls is None:
            return x
        return torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)  # [B,1+tokens,width]


class Primitives(nn.Module):
    """The original's phase-1 network, 183,904 parameters: an 8x8 cell -> scores of the 1,024 primitives."""

    def __init__(self, primitives: int = 1024) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(32), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(256, 128), nn.ReLU(inplace=True), nn.Linear(128, primitives)),
        )

    def forward(self, cells: Tensor) -> tuple[Tensor]:
        return (self.body(self.first(cells.to(self.first.weight.dtype))),)  # [N,1,8,8] uint8 -> [N,1024]
