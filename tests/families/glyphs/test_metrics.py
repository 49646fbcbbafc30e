"""Scores of readings, worked out by hand, and their tallies under resampling."""

import numpy as np
import pytest

from weighin.core.family import Example, Tally
from weighin.families.glyphs import metrics
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF, GROUPS, LABELS
from weighin.families.glyphs.predict import Reading, readings

ALEF, ALEF_ISOLATED = "1575_isol", next(label for label in LABELS if label.startswith(f"{0xFE8D}_"))
A, B = "65_latin", "66_latin"
BLANK = Glyph(np.zeros((128, 16), np.uint8))


def reading(label: str, sure: float = 0.9, abstain: bool = False, others: tuple[str, ...] = ()) -> Reading:
    labels = (label, *others)
    groups = tuple(dict.fromkeys(GROUPS[CLASS_OF[label]] for label in labels))
    rest = tuple((1 - sure) / 10 for _ in labels[1:])
    return Reading(labels, (sure, *rest), groups, (sure, *rest)[: len(groups)], abstain)


def examples(*labels: str) -> list[Example[Glyph, str]]:
    return [Example(str(place), "font", BLANK, label) for place, label in enumerate(labels)]


def values(predicted: list[Reading], truth: list[str]) -> dict[str, float]:
    tallies = metrics.score(predicted, examples(*truth))
    return {s.name: s.transform(_sum(tallies[s.name]), float(tallies[s.name].weight.sum())) for s in metrics.SCORES}


def _sum(tally: Tally) -> np.ndarray:
    return np.atleast_1d(tally.value.sum(0))


def test_a_score_of_every_name_with_an_entry_an_example() -> None:
    tallies = metrics.score([reading(A), reading(B)], examples(A, A))
    assert set(tallies) == {score.name for score in metrics.SCORES}
    assert metrics.SCORES[0].name == "top1" and metrics.SCORES[0].binary
    assert all(len(t.value) == len(t.weight) == 2 for t in tallies.values())


def test_strict_and_merged_differ_only_between_lookalikes() -> None:
    found = values([reading(ALEF), reading(A), reading(B)], [ALEF_ISOLATED, A, A])
    assert found["top1"] == pytest.approx(1 / 3)
    assert found["top1_merged"] == pytest.approx(2 / 3)


def test_top5_looks_further() -> None:
    found = values([reading(B, others=(A,)), reading(B, others=("67_latin",))], [A, A])
    assert (found["top1"], found["top5"], found["top5_merged"]) == (0, 0.5, 0.5)


def test_macro_weighs_labels_alike() -> None:
    found = values([reading(A)] * 4, [A, A, A, B])
    assert (found["top1"], found["macro"]) == (0.75, 0.5)


def test_ece_is_the_gap_between_confidence_and_hits() -> None:
    assert values([reading(A, 0.8)] * 10, [A] * 8 + [B] * 2)["ece"] == pytest.approx(0, abs=1e-12)
    assert values([reading(A, 0.9)] * 10, [B] * 10)["ece"] == pytest.approx(0.9)
    half = [reading(A, 0.95)] * 5 + [reading(A, 0.55)] * 5
    assert values(half, [A] * 5 + [B] * 5)["ece"] == pytest.approx(0.5 * 0.05 + 0.5 * 0.55)


def test_coverage_stops_where_precision_falls() -> None:
    sure = [reading(A, 0.999)] * 200
    unsure = [reading(A, 0.6)] * 100
    assert values(sure + unsure, [A] * 200 + [B] * 100)["coverage_at_99"] == pytest.approx(2 / 3)
    assert values(sure, [A] * 200)["coverage_at_99"] == 1
    assert values(sure, [B] * 200)["coverage_at_99"] == 0


def test_precision_is_over_answered_glyphs() -> None:
    found = values([reading(A), reading(A, abstain=True), reading(A)], [A, B, B])
    assert (found["answered"], found["precision"]) == (pytest.approx(2 / 3), 0.5)


def test_tallies_of_halves_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, len(LABELS)))
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    predicted = readings(logits, 5, 0.0, [False] * 60)
    truth = [predicted[i].labels[i % 5] for i in range(60)]
    whole = metrics.score(predicted, examples(*truth))
    for name in ("ece", "coverage_at_99", "top5"):
        parts = [metrics.score(predicted[i::2], examples(*truth[i::2]))[name] for i in (0, 1)]
        np.testing.assert_allclose(_sum(whole[name]), _sum(parts[0]) + _sum(parts[1]))
