"""How trained weights are used: dials that cost no training."""

from typing import Literal

from weighin.core.config import Settings


class Use(Settings):
    """How scores of frames become text."""

    decoder: Literal["greedy"] = "greedy"
