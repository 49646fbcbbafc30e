"""Blocks of the line recognisers."""

import torch
from torch import Tensor, nn


def conv(inside: int, outside: int, stride: tuple[int, int], kernel: tuple[int, int] = (3, 3)) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, padding, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width, (1, 1))
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Recurrent(nn.Module):
    """Bidirectional LSTM layers beside the identity, by which features learn from the first step. [B,T,D] -> [B,T,D]"""

    def __init__(self, width: int, layers: int, drop: float) -> None:
        super().__init__()
        between = drop if layers > 1 else 0.0
        self.lstm = nn.LSTM(width, width // 2, layers, batch_first=True, bidirectional=True, dropout=between)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.lstm(x)[0])


class Separable(nn.Module):
    """A wide depthwise convolution over time, then two per frame (after Liu et al. 2022, "ConvNeXt"), with batch norm.

    ReLU and batch norm fold into int8 convolutions; GELU and layer norm do not.
    """

    def __init__(self, width: int, kernel: int, drop: float) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2), groups=width, bias=False), nn.BatchNorm2d(width)
        )
        self.feed = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1), nn.ReLU(inplace=True), nn.Conv2d(2 * width, width, 1), nn.BatchNorm2d(width)
        )
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.feed(self.mix(x)))  # [B,D,1,T]


class Convolutional(nn.Module):
    """Separable convolutions over time. [B,T,D] -> [B,T,D]"""

    def __init__(self, width: int, layers: int, kernel: int, drop: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Separable(width, kernel, drop) for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
