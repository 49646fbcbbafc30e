"""From lines to readings: a network gives scores of frames, a decoder makes text of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from weighin.core.config import Variant
from weighin.core.errors import RunError
from weighin.core.family import Bound
from weighin.core.files import write_json
from weighin.families.ocr import inputs
from weighin.families.ocr.alphabet import UNREADABLE, Alphabet
from weighin.families.ocr.decode import Decoder
from weighin.families.ocr.line import Hypothesis, Line, Reading, Scores, Word, checked
from weighin.families.ocr.model import FRAME, OcrModel
from weighin.families.ocr.use import Use

Recogniser = Variant[OcrModel, Use]
COLUMNS = 16_384  # of pixels, that one call of the net gets at most, unless one line is wider
CHARACTERS = "alphabet.json"  # beside the weights: what their classes mean


class LinePredictor:
    """``list[Line] -> list[Reading]``."""

    def __init__(self, net: Bound, model: OcrModel, decoder: Decoder) -> None:
        self.net, self.model, self.decoder = net, model, decoder

    def __call__(self, lines: Sequence[Line]) -> list[Reading]:
        """A reading a line. Raises InputError for anything that is not a Line."""
        given = checked(lines)
        found = []
        for line, scores in zip(given, self.scores(given), strict=True):
            hypotheses = self.decoder(scores)
            found.append(reading_of(hypotheses, line, len(scores)))
        return found

    def scores(self, lines: Sequence[Line]) -> list[Scores]:
        """Log-probabilities of every line, float32 [frames,classes]; frames beyond the line's own width are cut off."""
        images = [inputs.seen(line.pixels, self.model.height) for line in checked(lines)]
        found: list[Scores] = [np.zeros((0, 0), np.float32)] * len(images)
        for places in inputs.buckets(images, COLUMNS):
            pixels = torch.from_numpy(inputs.stacked([images[place] for place in places]))  # [b,height,W]
            scores = torch.log_softmax(self.net(pixels)[0].float(), 2).numpy()  # [b,W/2,classes]
            for place, row in zip(places, scores, strict=True):
                found[place] = row[: frames_of(images[place].shape[1])]
        return found


def frames_of(width: int) -> int:
    """Frames of a line so many pixels wide at the model's height."""
    return -(-width // FRAME)


def reading_of(hypotheses: Sequence[Hypothesis], line: Line, frames: int) -> Reading:
    """The best hypothesis with its words, the rest as alternatives."""
    best = hypotheses[0]
    words = words_of(best, line.shape[1] / max(1, frames))
    confidence = float(np.prod([word.confidence for word in words])) if words else float(not best.text)
    alternatives = tuple((found.text, found.score) for found in hypotheses) if len(hypotheses) > 1 else ()
    return Reading(" ".join(word.text for word in words), confidence, words, alternatives, line.source)


def words_of(found: Hypothesis, pixels_a_frame: float) -> tuple[Word, ...]:
    """Words between spaces; a word is as sure as the product of its characters' peaks, one of another script not at all."""
    groups: list[list[int]] = [[]]
    for place, letter in enumerate(found.letters):
        if letter.character == " ":
            groups.append([])
        else:
            groups[-1].append(place)
    words = []
    for group in filter(None, groups):
        letters = [found.letters[place] for place in group]
        text = "".join(letter.character for letter in letters)
        sure = 0.0 if UNREADABLE in text else float(np.prod([letter.probability for letter in letters]))
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


def make(parts: Mapping[str, Bound], variant: Recogniser, folder: Path) -> LinePredictor:
    """The predictor of a variant."""
    alphabet = variant.model.letters
    check_alphabet(alphabet, folder)
    return LinePredictor(parts["net"], variant.model, Decoder(alphabet, variant.predict))
