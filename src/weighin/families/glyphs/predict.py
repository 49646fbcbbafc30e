"""From glyphs to readings: one network, several that vote, or a small one that asks a large one where it is unsure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from weighin.core.config import Settings, Variant
from weighin.core.errors import ConfigError, InputError
from weighin.core.family import Bound
from weighin.families.glyphs import calibration, codebook, context, inputs
from weighin.families.glyphs.calibration import PRECISIONS, Calibration
from weighin.families.glyphs.glyph import SIDE, Glyph
from weighin.families.glyphs.labels import GROUPS, LABELS, MEMBERS
from weighin.families.glyphs.model import GlyphModel

CHUNK = 256  # glyphs a call of the net
CELLS = 4096  # cells a call of the phase-1 network

_GROUP = torch.tensor(GROUPS)  # label -> merged class


class GlyphPredict(Settings):
    """How trained weights are used."""

    topk: int = Field(default=5, ge=1, le=len(LABELS), description="labels and merged classes that a reading lists")
    temperature: float | None = Field(default=None, gt=0, description="None: the one fitted after training")
    precision: float | None = Field(
        default=None, description=f"abstain where validation was less often right; one of {PRECISIONS}"
    )
    context: bool = Field(default=True, description="glyphs of one font share out the labels (font files only)")
    combine: Literal["mean", "cascade"] = Field(
        default="mean", description="of a composite's members; cascade: first, then last"
    )
    unsure: float | None = Field(
        default=None, ge=0, le=1, description="cascade: ask below this confidence; None: 99 % precision's"
    )

    @field_validator("precision")
    @classmethod
    def _known(cls, value: float | None) -> float | None:
        if value is not None and value not in PRECISIONS:
            raise ValueError(f"thresholds are kept for {', '.join(map(str, PRECISIONS))}")
        return value


Glyphic = Variant[GlyphModel, GlyphPredict]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a glyph is: labels by falling probability, merged classes likewise, and whether to believe it."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    groups: tuple[int, ...]  # merged classes, see labels.MEMBERS
    group_probabilities: tuple[float, ...]  # each the sum over the class's labels
    abstain: bool = False

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[0]

    @property
    def members(self) -> tuple[str, ...]:
        """Labels of the likeliest merged class: no eye can tell them apart."""
        return MEMBERS[self.groups[0]]

    @property
    def confidence(self) -> float:
        """Probability of the likeliest merged class."""
        return self.group_probabilities[0]


@dataclass(frozen=True)
class Member:
    """One network with what it needs to see a glyph."""

    parts: Mapping[str, Bound]
    model: GlyphModel
    folder: Path
    calibration: Calibration

    def scores(self, glyphs: Sequence[Glyph]) -> torch.Tensor:
        """Glyphs -> float32 [n,classes], before any temperature."""
        bits = inputs.bits_of(glyphs, self.model)
        grid = torch.from_numpy(self.grid(bits))
        boxes = (torch.from_numpy(inputs.boxes(glyphs)),) if self.model.normalise == "tight+box" else ()
        return self.parts["net"](grid, *boxes)[0].float()

    def grid(self, bits: np.ndarray) -> np.ndarray:
        """Packed rasters [n,128,16] -> patches uint8 [n,p*p,side,side] or primitives int64 [n,16,16]."""
        if self.model.stem == "patch":
            return inputs.pixels(bits, self.model.patch)
        if self.model.stem == "codebook":
            return codebook.load(self.folder).ids(bits)
        cells = codebook.cells_of(bits)
        chunks = torch.split(inputs.cell_images(cells.ravel()), CELLS)  # every cell, as the original does
        return torch.cat([self.parts["cells"](chunk)[0].argmax(1) for chunk in chunks]).view(cells.shape).numpy()


class GlyphPredictor:
    """``list[Glyph] -> list[Reading]``."""

    def __init__(self, members: Sequence[Member], settings: GlyphPredict, own: Calibration) -> None:
        self.members, self.settings = members, settings
        self.temperature = settings.temperature or own.temperature
        self.least = own.threshold(settings.precision) if settings.precision else 0.0
        first = members[0].calibration
        self.unsure = first.threshold(0.99) if settings.unsure is None else settings.unsure

    def __call__(self, glyphs: Sequence[Glyph]) -> list[Reading]:
        """A reading a glyph. Raises InputError for anything that is not a Glyph."""
        if not len(glyphs):
            return []
        log_probabilities = self.log_probabilities(glyphs)
        if self.settings.context:
            log_probabilities = context.share_out(log_probabilities, glyphs)
        blank = [not glyph.bits.any() for glyph in glyphs]
        return readings(log_probabilities, self.settings.topk, self.least, blank)

    def log_probabilities(self, glyphs: Sequence[Glyph]) -> np.ndarray:
        """Glyphs -> float32 [n,classes] at this predictor's temperature."""
        return torch.log_softmax(torch.from_numpy(self.scores(glyphs)) / self.temperature, 1).numpy()

    def scores(self, glyphs: Sequence[Glyph]) -> np.ndarray:
        """Glyphs -> float32 [n,classes], before this predictor's temperature: what calibration is fitted to."""
        _check(glyphs)
        chunks = (glyphs[start : start + CHUNK] for start in range(0, len(glyphs), CHUNK))
        return np.concatenate([self._chunk(chunk) for chunk in chunks])

    def _chunk(self, glyphs: Sequence[Glyph]) -> np.ndarray:
        if len(self.members) == 1:
            return self.members[0].scores(glyphs).numpy()
        if self.settings.combine == "cascade":
            return self._cascade(glyphs)
        return torch.stack([_own(member, glyphs) for member in self.members]).mean(0).numpy()

    def _cascade(self, glyphs: Sequence[Glyph]) -> np.ndarray:
        """The first member's answer; the last one's where the first is less sure than ``unsure``."""
        answers = _own(self.members[0], glyphs).numpy()
        hard = np.flatnonzero(merged(np.exp(answers)).max(1) < self.unsure)
        if len(hard):
            answers[hard] = _own(self.members[-1], [glyphs[int(i)] for i in hard]).numpy()
        return answers


def _own(member: Member, glyphs: Sequence[Glyph]) -> torch.Tensor:
    """Log-probabilities [n,classes] at the member's own temperature, so that members are comparable."""
    return torch.log_softmax(member.scores(glyphs) / member.calibration.temperature, 1)


def _check(glyphs: Sequence[Glyph]) -> None:
    for place, glyph in enumerate(glyphs):
        if not isinstance(glyph, Glyph):
            came = f"Input {place} is {type(glyph).__name__}"
            raise InputError(came, "glyphs reads Glyph values", "weighin.families.glyphs.images.from_array makes one")
        if glyph.bits.shape != (SIDE, SIDE // 8) or glyph.bits.dtype != np.uint8:
            came = f"Input {place} has bits {glyph.bits.dtype} {glyph.bits.shape}"
            raise InputError(came, f"They are uint8 ({SIDE}, {SIDE // 8})", "Glyph.of packs a raster")


def merged(probabilities: np.ndarray) -> np.ndarray:
    """[n,classes] -> [n,merged classes]: sums over labels that no eye can tell apart."""
    given = torch.from_numpy(probabilities)
    return torch.zeros(len(given), len(MEMBERS), dtype=given.dtype).index_add_(1, _GROUP, given).numpy()


def readings(log_probabilities: np.ndarray, topk: int, least: float, blank: Sequence[bool]) -> list[Reading]:
    """[n,classes] -> readings; abstains below the confidence ``least`` and where a raster is ``blank``."""
    probabilities = np.exp(log_probabilities)
    labels = _best(probabilities, topk)
    groups = _best(merged(probabilities), topk)
    rows = zip(*labels, *groups, blank)
    return [
        Reading(tuple(map(LABELS.__getitem__, which)), tuple(how), tuple(classes), tuple(sure), empty or sure[0] < least)
        for which, how, classes, sure, empty in rows
    ]


def _best(probabilities: np.ndarray, topk: int) -> tuple[list[list[int]], list[list[float]]]:
    values, places = torch.topk(torch.from_numpy(probabilities), min(topk, probabilities.shape[1]), dim=1)
    return places.tolist(), values.tolist()


def make(parts: Mapping[str, Bound], variant: Glyphic, folder: Path, members: Mapping[str, Glyphic]) -> GlyphPredictor:
    """The predictor of a variant; ``members`` are the variants that a composite is made of, by name."""
    own = calibration.load(folder)
    if not variant.of:
        return GlyphPredictor([Member(parts, variant.model, folder, own)], variant.predict, own)
    found = []
    for name in variant.of:
        below = {key.removeprefix(f"{name}/"): part for key, part in parts.items() if key.startswith(f"{name}/")}
        if "net" not in below:
            raise ConfigError(f"{variant.name} is made of {name}, and its part net did not come", f"Parts: {', '.join(parts)}")
        found.append(Member(below, members[name].model, folder / name, calibration.load(folder / name)))
    return GlyphPredictor(found, variant.predict, own)
