"""The character language model: distributions, perplexity, files."""

import logging
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weighin.core.errors import ConfigError, DataError, RunError
from weighin.core.run import load_tensors, save_tensors
from weighin.families.ocr import arpa, kneser_ney, ngram
from weighin.families.ocr.alphabet import ODIA

TEXTS = ["ଓଡ଼ିଆ ଭାଷା", "ଓଡ଼ିଶା ଏକ ରାଜ୍ୟ ।", "ଭାଷା ଓ ସାହିତ୍ୟ", "ଏହା ଏକ ପରୀକ୍ଷା ।", "ଓଡ଼ିଆ ଏକ ଭାଷା ।"] * 3
LETTERS = "abc "


def sums_to_one(model, contexts):
    return all(np.exp(model.distribution(c).astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5) for c in contexts)


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.text("abc d", min_size=1, max_size=30), min_size=1, max_size=12),
    order=st.integers(1, 6),
    cut=st.integers(1, 3),
    marks=st.booleans(),
)
def test_every_distribution_sums_to_one(texts, order, cut, marks):
    characters = "abc" if marks else LETTERS
    if not any(set(text) & set(characters) for text in texts):
        with pytest.raises(DataError):
            kneser_ney.train(texts, characters, order)
        return
    model = kneser_ney.train(texts, characters, order, (1, 1, cut, cut, cut, cut))
    seen = [*model.contexts.tolist(), model.begin, model.follow(model.begin, 1), model.follow(1, 2)]
    assert sums_to_one(model, seen)
    assert all(math.isfinite(model.score(text)) for text in [*texts, "", "abcabcabc"])


def test_what_was_seen_is_likelier_than_what_was_not():
    model = kneser_ney.train(TEXTS, ODIA.characters)
    assert model.score("ଓଡ଼ିଆ ଭାଷା") > model.score("ଓଡ଼ିଆ ଭାଷି") > model.score("ଷଭା ଆଡ଼ିଓ")
    assert model.perplexity(TEXTS) < model.perplexity(["ଷଭା ଆଡ଼ିଓ"]) < len(ODIA.characters) ** 2


def test_a_longer_memory_predicts_better():
    perplexities = [kneser_ney.train(TEXTS, ODIA.characters, order).perplexity(TEXTS) for order in (1, 2, 4)]
    assert perplexities == sorted(perplexities, reverse=True)


def test_foreign_characters_break_a_text_and_are_never_predicted():
    model = kneser_ney.train(["abxcab", "ab"], "abc", 3)
    once = kneser_ney.train(["abcab", "ab"], "abc", 3)
    b, c = model.index["b"], model.index["c"]
    assert model.distribution(b)[c] < once.distribution(b)[c], "c never followed b"
    assert model.score("aXb") == model.score("ab"), "and is passed over when a text is scored"


def test_rare_ngrams_are_left_out():
    whole = kneser_ney.train([*TEXTS, "ଅପୂର୍ବ"], ODIA.characters, 6, (1,) * 6)
    small = kneser_ney.train([*TEXTS, "ଅପୂର୍ବ"], ODIA.characters, 6, (1, 1, 2, 2, 2, 2))
    assert len(small.symbols) < len(whole.symbols) and sums_to_one(small, small.contexts.tolist())


@pytest.mark.parametrize("order", [0, 7])
def test_an_order_that_is_not_there_is_refused(order):
    with pytest.raises(ConfigError, match="1 to 6"):
        kneser_ney.train(TEXTS, ODIA.characters, order)


def test_no_text_is_refused():
    with pytest.raises(DataError, match="no text"):
        kneser_ney.train(["xyz"], "abc")
    with pytest.raises(DataError, match="no text"):
        kneser_ney.train(TEXTS, ODIA.characters).perplexity([])


def test_memory_of_distributions_is_bounded(monkeypatch):
    monkeypatch.setattr(ngram, "KEPT", 4)
    model = kneser_ney.train(TEXTS, ODIA.characters)
    before = [model.score(text) for text in TEXTS]
    assert [model.score(text) for text in TEXTS] == before and len(model._known) < 20


def test_written_and_read_it_says_the_same(tmp_path):
    model = kneser_ney.train(TEXTS, ODIA.characters)
    ngram.save(model, tmp_path / ngram.FILE)
    again = ngram.load(tmp_path / ngram.FILE)
    assert [again.score(t) for t in TEXTS] == [model.score(t) for t in TEXTS] and again.fits(ODIA.characters) is again
    with pytest.raises(ConfigError, match="alphabet of 3"):
        again.fits("abc")


def test_a_missing_or_damaged_file_is_told(tmp_path):
    path = tmp_path / ngram.FILE
    with pytest.raises(RunError, match="missing"):
        ngram.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(RunError, match="safetensors"):
        ngram.load(path)
    save_tensors(path, {"weight": torch.zeros(2)})
    with pytest.raises(RunError, match="not a language model"):
        ngram.load(path)
    ngram.save(kneser_ney.train(TEXTS, ODIA.characters), path)
    save_tensors(path, load_tensors(path) | {"starts": torch.zeros(3, dtype=torch.int64)})
    with pytest.raises(RunError, match="do not fit together"):
        ngram.load(path)


@pytest.mark.parametrize(("texts", "characters"), [(TEXTS, ODIA.characters), (["abab", "ba", "cab"] * 2, "abc")])
def test_arpa_out_and_in_is_the_same_model(tmp_path, texts, characters):
    model = kneser_ney.train(texts, characters, 4)
    arpa.save(model, tmp_path / "own.arpa")
    again = arpa.load(tmp_path / "own.arpa", characters)
    assert (again.begin, again.end, again.order) == (model.begin, model.end, model.order)
    for text in [*texts, "", characters[3:1:-1]]:
        assert again.score(text) == pytest.approx(model.score(text), abs=1e-4)
    assert sums_to_one(again, again.contexts.tolist())


HAND = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-0.69897\ta\t-0.30103
-0.69897\tb\t-0.30103
-0.69897\t|
-99\t<s>\t-0.30103
-0.69897\t</s>
-0.69897\tz

\\2-grams:
-0.30103\t<s> a
-0.30103\ta b
-0.30103\tb </s>

\\end\\
"""


def test_an_arpa_file_by_hand_gives_the_figures_that_it_says(tmp_path, caplog):
    path = tmp_path / "hand.arpa"
    path.write_text(HAND, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        model = arpa.load(path, "ab ")
    assert "1 of 9 n-grams" in caplog.text, "z is no character of ours"
    assert model.score("ab") == pytest.approx(3 * math.log(0.5), abs=1e-4)
    assert model.score("b") == pytest.approx(math.log(0.5 * 0.2) + math.log(0.5), abs=1e-4), "<s> b is not there: back-off"
    assert model.score("a ") == pytest.approx(math.log(0.5) + math.log(0.5 * 0.2) + math.log(0.2), abs=1e-4), "| is the space"


def test_characters_that_an_arpa_file_has_not_are_rare(tmp_path):
    path = tmp_path / "hand.arpa"
    path.write_text(HAND.replace("\tz\n", "\tc\n"), encoding="utf-8")
    model = arpa.load(path, "ab cd")
    d, c = model.index["d"], model.index["c"]
    assert model.distribution(0)[d] == pytest.approx(model.distribution(0)[c] - 2 * math.log(10), abs=1e-4)


def test_separated_by_spaces_alone_it_is_read_too(tmp_path):
    path = tmp_path / "spaces.arpa"
    path.write_text(HAND.replace("\t", " "), encoding="utf-8")
    assert arpa.load(path, "ab ").score("ab") == pytest.approx(3 * math.log(0.5), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no n-grams"),
        ("hello\nworld\n", "no n-grams"),
        (HAND.replace("-0.69897\tb", "often\tb"), "arpa:7"),
        (HAND.replace("-0.69897\tb", "nan\tb"), "arpa:7"),
        (HAND.replace("\ta b\n", "\ta b b\n"), "2 tokens"),
        ("\\data\\\n\\1-grams:\n-1\tthe\n-1\tword\n-1\ta\n\\end\\\n", "model of words"),
        (HAND.replace("\ta", "\tx").replace("\tb", "\ty"), "no character of this alphabet"),
        (HAND.replace("\\2-grams:", "\\7-grams:").replace("\ta b\n", "\ta a a a a a b\n"), "tokens"),
        ("\\data\\\n\\1-grams:\n-1\ta\n\\7-grams:\n-1\ta a a a a a a\n\\end\\\n", "order 7"),
    ],
)
def test_a_file_that_is_no_arpa_of_characters_is_refused(tmp_path, text, told):
    path = tmp_path / "bad.arpa"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        arpa.load(path, "ab ")


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(DataError, match="No language model"):
        arpa.load(tmp_path / "none.arpa", "ab ")
    (tmp_path / "raw.arpa").write_bytes(b"\\data\\\n\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        arpa.load(tmp_path / "raw.arpa", "ab ")
