"""From lines to readings: a network gives scores of frames, a decoder makes text of them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from weighin.core.config import Variant
from weighin.core.errors import RunError
from weighin.core.family import Bound
from weighin.core.files import write_json
from weighin.families.ocr import confidence, inputs, reader
from weighin.families.ocr.alphabet import UNREADABLE, Alphabet
from weighin.families.ocr.line import Hypothesis, Line, Reading, Scores, Word, checked
from weighin.families.ocr.model import FRAME, OcrModel
from weighin.families.ocr.reader import Reader
from weighin.families.ocr.use import Use

Recogniser = Variant[OcrModel, Use]
COLUMNS = 16_384  # of pixels, that one call of the net gets at most, unless one line is wider
CHARACTERS = "alphabet.json"  # beside the weights: what their classes mean


@dataclass(frozen=True)
class Member:
    """One network and how it sees a line."""

    net: Bound
    model: OcrModel

    def scores(self, lines: Sequence[Line], scale: float) -> list[Scores]:
        """Log-probabilities of every line, float32 [frames,classes]; frames beyond the line's own width are cut off."""
        images = [_view(line.pixels, self.model.height, scale) for line in lines]
        found: list[Scores] = [np.zeros((0, 0), np.float32)] * len(images)
        for places in inputs.buckets(images, COLUMNS):
            pixels = torch.from_numpy(inputs.stacked([images[place] for place in places]))  # [b,height,W]
            scores = torch.log_softmax(self.net(pixels)[0].float(), 2).numpy()  # [b,W/2,classes]
            for place, row in zip(places, scores, strict=True):
                found[place] = row[: frames_of(images[place].shape[1])]
        return found


def _view(pixels: np.ndarray, height: int, scale: float) -> np.ndarray:
    """What a network sees uint8 [height, w]: the line ``scale`` times as high as that, paper above and below, aspect kept."""
    seen = inputs.seen(pixels, max(1, round(height * scale)))
    above = (height - len(seen)) // 2
    return np.pad(seen, ((above, height - len(seen) - above), (0, 0)), constant_values=255) if scale < 1 else seen


class LinePredictor:
    """``list[Line] -> list[Reading]``."""

    def __init__(self, members: Sequence[Member], reader: Reader) -> None:
        self.members, self.reader = members, reader

    def __call__(self, lines: Sequence[Line]) -> list[Reading]:
        """A reading a line. Raises InputError for anything that is not a Line."""
        seen = zip(lines, self.scores(lines), strict=True)
        return [reading_of(self.reader(tables), line, len(tables[0])) for line, tables in seen]

    def scores(self, lines: Sequence[Line]) -> list[tuple[Scores, ...]]:
        """Log-probabilities [frames,classes] of every line, by each member at each scale."""
        given = checked(lines)
        views = [member.scores(given, scale) for member in self.members for scale in self.reader.dials.scales]
        return list(zip(*views, strict=True))


def frames_of(width: int) -> int:
    """Frames of a line so many pixels wide at the model's height."""
    return -(-width // FRAME)


def reading_of(hypotheses: Sequence[Hypothesis], line: Line, frames: int) -> Reading:
    """The best hypothesis with its words, the rest as alternatives."""
    best = hypotheses[0]
    words = words_of(best, line.shape[1] / max(1, frames))
    sure = math.prod(word.confidence for word in words) if words else float(not best.text)
    alternatives = tuple((found.text, found.score) for found in hypotheses) if len(hypotheses) > 1 else ()
    return Reading(" ".join(word.text for word in words), sure, words, alternatives, line.source)


def words_of(found: Hypothesis, pixels_a_frame: float) -> tuple[Word, ...]:
    """Words between spaces; a word is as sure as its letters together, one of another script not at all."""
    words = []
    for letters in confidence.grouped(found.letters):
        text = "".join(letter.character for letter in letters)
        sure = 0.0 if UNREADABLE in text else confidence.of_word(letters)
        words.append(Word(text, sure, (letters[0].first * pixels_a_frame, (letters[-1].last + 1) * pixels_a_frame)))
    return tuple(words)


def write_alphabet(alphabet: Alphabet, folder: Path) -> None:
    """Keeps what the classes of a run mean beside its weights."""
    write_json(folder / CHARACTERS, {"name": alphabet.name, "characters": alphabet.characters})


def check_alphabet(alphabet: Alphabet, folder: Path) -> None:
    """Raises RunError when a run was trained for other characters: its answers would be nonsense."""
    path = folder / CHARACTERS
    if not path.exists():
        return  # a composite keeps its members' in folders of their own
    kept = json.loads(path.read_text(encoding="utf-8"))
    if kept["characters"] != alphabet.characters:
        came = f"The run in {folder.parent} writes {len(kept['characters'])} characters of {kept['name']}"
        raise RunError(came, f"{alphabet.name} has {len(alphabet.characters)}, not the same ones", "Train it again")


def make(parts: Mapping[str, Bound], variant: Recogniser, folder: Path, members: Mapping[str, Recogniser]) -> LinePredictor:
    """The predictor of a variant; ``members`` are the variants that a composite is made of, by name."""
    alphabet = variant.model.letters
    check_alphabet(alphabet, folder)
    if not variant.of:
        return LinePredictor([Member(parts["net"], variant.model)], reader.make(alphabet, variant.predict, folder))
    found = []
    for name in variant.of:
        check_alphabet(alphabet, folder / name)
        found.append(Member(parts[f"{name}/net"], members[name].model))
    return LinePredictor(found, reader.make(alphabet, variant.predict, folder, folder / variant.of[0]))
