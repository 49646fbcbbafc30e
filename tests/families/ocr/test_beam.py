"""Prefix beam search: exact where nothing is pruned, and the same as greedy reading where nothing is in doubt."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighin.families.ocr import beam, kneser_ney
from weighin.families.ocr.alignment import align, log_likelihood
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.beam import Fusion, Pruning, search
from weighin.families.ocr.decode import greedy

EXACT = Pruning(width=100_000, least=0.0, certain=1.1, share=0.0)


def random_scores(frames, classes, seed, peak=1.0):
    logits = np.random.default_rng(seed).normal(0, peak, (frames, classes))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def collapsed(path):
    return tuple(label for label, _ in itertools.groupby(path) if label)


def by_force(scores):
    """Text -> log-probability, summed over every alignment there is."""
    frames, classes = scores.shape
    found = {}
    for path in itertools.product(range(classes), repeat=frames):
        text = collapsed(path)
        found[text] = found.get(text, 0.0) + math.exp(sum(float(scores[t, k]) for t, k in enumerate(path)))
    return {text: math.log(mass) for text, mass in found.items()}


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 5), classes=st.integers(2, 4), seed=st.integers(0, 10_000))
def test_unpruned_it_is_the_sum_over_all_alignments(frames, classes, seed):
    scores = random_scores(frames, classes, seed)
    exact = by_force(scores)
    found = {tuple(labels): score for labels, score in search(scores, EXACT)}
    assert found.keys() == exact.keys()
    assert all(found[text] == pytest.approx(exact[text], abs=1e-4) for text in exact)


@settings(deadline=None, max_examples=20)
@given(frames=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_unpruned_with_a_language_model_it_is_the_best_of_all_texts(frames, seed):
    scores = random_scores(frames, 4, seed)
    model, weight, bonus = kneser_ney.train(["ab", "ba c", "abc"], "abc", order=3), 0.7, 0.4
    exact = {}
    for text, score in by_force(scores).items():
        exact[text] = score + weight * model.score("".join("abc"[k - 1] for k in text)) + bonus * len(text)
    found = search(scores, EXACT, Fusion(model, weight, bonus))
    assert found[0][1] == pytest.approx(max(exact.values()), abs=1e-4)
    assert all(score == pytest.approx(exact[tuple(labels)], abs=1e-4) for labels, score in found)


@settings(deadline=None, max_examples=30)
@given(path=st.lists(st.integers(0, ODIA.classes - 1), max_size=60), width=st.integers(1, 8))
def test_where_nothing_is_in_doubt_it_reads_as_greedy_does(path, width):
    scores = np.full((len(path), ODIA.classes), math.log(1e-6), np.float32)
    scores[np.arange(len(path)), path] = math.log1p(-1e-6 * (ODIA.classes - 1))
    found = search(scores, Pruning(width=width))
    assert found[0][0] == list(collapsed(path))
    assert ODIA.decode(found[0][0]) == greedy(scores, ODIA).text


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), frames=st.integers(2, 40))
def test_default_pruning_costs_next_to_nothing(seed, frames):
    scores = random_scores(frames, 12, seed, peak=4.0)
    whole, pruned = search(scores, Pruning(10, 0.0, 1.1, 0.0)), search(scores, Pruning(10))
    assert log_likelihood(scores, pruned[0][0]) >= log_likelihood(scores, whole[0][0]) - 0.05


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 5))
def test_likelihood_of_a_text_is_the_sum_over_its_alignments(seed, frames):
    scores = random_scores(frames, 3, seed)
    for text, mass in by_force(scores).items():
        assert log_likelihood(scores, list(text)) == pytest.approx(mass, abs=1e-4)


def test_a_text_longer_than_its_frames_is_impossible():
    scores = random_scores(3, 3, 0)
    assert log_likelihood(scores, [1, 1, 1]) == -math.inf
    assert align(scores, [1, 1]) is not None and align(scores, [1, 1, 1]) is None


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 30))
def test_frames_of_the_best_path_are_those_of_greedy_reading(seed, frames):
    scores = random_scores(frames, 6, seed, peak=3.0)
    best = greedy(scores, ODIA)
    found = align(scores, [ODIA.index[letter.character] for letter in best.letters])
    assert found is not None
    total = sum(float(scores[t, k]) for t, k in enumerate(found))
    assert total == pytest.approx(best.score, rel=1e-5) and list(collapsed(found)) == [
        ODIA.index[letter.character] for letter in best.letters
    ]


def test_ties_are_decided_the_same_way_every_time():
    scores = np.full((4, 5), math.log(0.2), np.float32)
    first = search(scores, Pruning(width=6))
    assert all(search(scores, Pruning(width=6)) == first for _ in range(3))


def test_a_line_without_frames_is_the_empty_text():
    assert search(np.zeros((0, 5), np.float32), Pruning()) == [([], 0.0)]


def test_memory_of_factors_is_bounded(monkeypatch):
    monkeypatch.setattr(beam, "KEPT", 3)
    fusion = Fusion(kneser_ney.train(["abcabcaabbcc"], "abc", order=3), 0.5, 0.0)
    before = [list(fusion.factors(context)) for context in range(1, 4)]
    for context in range(1, 4):
        fusion.factors(context << 12 | 1)
    assert [fusion.factors(context) for context in range(1, 4)] == before and len(fusion._known) <= 5
