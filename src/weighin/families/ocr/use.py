"""How trained weights are used: dials that cost no training."""

from typing import Literal

from pydantic import Field, model_validator

from weighin.core.config import Settings
from weighin.families.ocr.vlm_use import Generation

Combine = Literal["frames", "medoid", "majority", "rover", "longest"]


class Use(Settings):
    """How scores of frames become text."""

    decoder: Literal["greedy", "beam", "sample"] = "greedy"
    width: int = Field(default=10, ge=1, le=1000, description="beam: prefixes kept after a frame")
    language: Literal["off", "fused", "rerank"] = Field(
        default="off", description="beam: a character language model in the search, or over the n-best that it ends with"
    )
    model: str | None = Field(default=None, description="an ARPA file of characters; None: the one made from training text")
    weight: float | None = Field(
        default=None, ge=0, le=5, description="of the language model's log-probability; None: the one fitted after training"
    )
    bonus: float | None = Field(
        default=None, ge=-20, le=20, description="a character, against the model's liking for short texts; None: the fitted one"
    )
    heat: float = Field(default=1.0, gt=0, description="sample: temperature of the scores that classes are drawn from")
    dictionary: Literal["off", "unsure", "always"] = Field(
        default="off", description="words that the dictionary does not know become its nearest: where unsure, or always"
    )
    words: str | None = Field(default=None, description="a text file of words; None: the words of the training text")
    gate: float = Field(default=0.8, ge=0, le=1, description="unsure: words at least this sure are never changed")
    distance: int = Field(default=1, ge=1, le=5, description="syllables in which a word may differ from the dictionary's")
    temperature: float | None = Field(default=None, gt=0, description="of confidences; None: the one fitted after training")
    scales: tuple[float, ...] = Field(
        default=(1.0,), description="sizes, of the height that the network sees, at which a line is read; all are combined"
    )
    combine: Combine = Field(default="frames", description="of scales, and of a composite's members")

    vlm: Generation | None = Field(default=None, description="of a vision-language model's answers; all else is unused")

    @property
    def speaks(self) -> bool:
        """Whether a language model is needed."""
        return self.language != "off"

    @model_validator(mode="after")
    def _consistent(self) -> "Use":
        if self.speaks and self.decoder != "beam":
            raise ValueError(f"language {self.language!r} needs the decoder 'beam'")
        if not self.scales or any(not 0.25 <= scale <= 1 for scale in self.scales):
            raise ValueError("scales are one or more sizes from 0.25 to 1")
        return self
