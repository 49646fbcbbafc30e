"""Dials of a vision-language model: what decides the weights, and how they are used."""

from typing import Any, Literal

from pydantic import Field, model_validator

from weighin.core.config import Settings
from weighin.families.ocr.bases import QWEN


class VlmModel(Settings):
    """A base and the adapters that are trained on it."""

    base: str = Field(default=QWEN, description="on the hub, or a folder as save_pretrained writes it; Qwen2-VL or 2.5-VL")
    rank: int = Field(default=32, gt=0)
    alpha: float = Field(default=64, gt=0, description="an adapter's product is scaled by alpha / rank")
    targets: tuple[str, ...] = Field(default=("q_proj", "v_proj"), min_length=1, description="names of linear layers")
    dropout: float = Field(default=0.05, ge=0, lt=1)
    prompt: str = Field(default="Write down the text of this line, exactly as it is printed.", min_length=1)
    min_pixels: int | None = Field(default=None, gt=0, description="of an image; None: the base's own")
    max_pixels: int | None = Field(default=200_704, gt=0, description="of an image: 256 tokens of Qwen's; None: its own")
    most: int = Field(default=1024, gt=0, description="tokens of a chat in training; a longer one is refused, never cut")
    dtype: Literal["float32", "bfloat16"] = Field(default="bfloat16", description="of the frozen base in training")

    @model_validator(mode="after")
    def _consistent(self) -> "VlmModel":
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels {self.min_pixels} is more than max_pixels {self.max_pixels}")
        return self

    @property
    def lora(self) -> dict[str, Any]:
        """As peft calls them."""
        names: dict[str, Any] = {"r": self.rank, "lora_alpha": self.alpha, "target_modules": list(self.targets)}
        return names | {"lora_dropout": self.dropout}


class Generation(Settings):
    """How an answer is found, token by token."""

    beams: int = Field(default=1, ge=1, description="1: greedy")
    length_penalty: float = Field(default=1.0, ge=0, description="power of a beam's length that divides its log-probability")
    temperature: float = Field(default=0.0, ge=0, description="0: the likeliest token; above: drawn, seeded by the line")
    most: int = Field(default=256, gt=0, description="tokens of an answer")
    seed: int = Field(default=0, ge=0, description="of draws")

    @model_validator(mode="after")
    def _consistent(self) -> "Generation":
        if self.temperature and self.beams > 1:
            raise ValueError("a beam of drawn tokens is none: set beams to 1 or temperature to 0")
        return self
