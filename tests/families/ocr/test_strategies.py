"""Strategies as variants: data, sharing runs, and a reader that does what its dials say."""

import numpy as np
import pytest
from made_readings import said, spoken
from pydantic import ValidationError

from weighin.core.config import Recipe, Settings, Variant
from weighin.core.errors import ConfigError, DataError, RunError
from weighin.families.ocr import arpa, calibration, dictionary, kneser_ney, ngram, reader, strategies
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.calibration import Fitted
from weighin.families.ocr.decode import decode
from weighin.families.ocr.reader import Reader
from weighin.families.ocr.use import Use

TEXTS = [ODIA.canonical(text) for text in ("ଓଡ଼ିଆ ଭାଷା", "ଭାଷା ଓ ସାହିତ୍ୟ", "ଏହା ଏକ ଭାଷା ।", "ଏକ ଭାଷା")]


class Model(Settings):
    width: int = 3


BASE = Variant[Model, Use](
    name="base", model=Model(), recipe=Recipe(cpu_minutes=8, lr=1e-3, ema=0.99), predict=Use(temperature=None)
)


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    reader.prepare(TEXTS, ODIA, folder)
    return folder


def test_ways_to_use_a_run_share_it_and_are_all_different():
    found = strategies.of(BASE)
    assert all(name == variant.name == f"base-{name.removeprefix('base-')}" for name, variant in found.items())
    assert all((v.model, v.recipe, v.of) == (BASE.model, BASE.recipe, ()) for v in found.values())
    uses = [BASE.predict, *(v.predict for v in found.values())]
    assert len({use.model_dump_json() for use in uses}) == len(uses)


def test_further_checkpoints_begin_with_the_first_and_cost_a_quarter():
    found = strategies.checkpoints(BASE)
    assert set(found) == {"base-2", "base-3", "base-last"}
    assert found["base-2"].recipe.init == "base" and found["base-2"].recipe.cpu_minutes == 2
    assert found["base-2"].recipe.seed != found["base-3"].recipe.seed != BASE.recipe.seed
    assert found["base-last"].recipe == BASE.recipe.model_copy(update={"ema": None})
    assert "base-last" not in strategies.checkpoints(BASE.but(**{"recipe.ema": None}))
    few = strategies.checkpoints(BASE.but(**{"recipe.cpu_minutes": None, "recipe.steps": 2}))
    assert few["base-2"].recipe.steps == 1


def test_composites_are_made_of_those_checkpoints():
    found = strategies.votes(BASE)
    assert {v.predict.combine for v in found.values()} == {"frames", "rover", "medoid", "longest"}
    assert all(v.of == ("base", "base-2", "base-3") for v in found.values())
    assert set(found).isdisjoint({**strategies.of(BASE), **strategies.checkpoints(BASE)})


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "fused"},
        {"decoder": "sample", "language": "rerank"},
        {"scales": ()},
        {"scales": (2.0,)},
        {"width": 0},
        {"combine": "loudest"},
        {"gate": 1.5},
        {"heat": 0.0},
    ],
)
def test_dials_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValidationError):
        Use(**changes)


def test_the_language_model_settles_what_the_frames_leave_open(assets):
    scores = spoken(TEXTS[0], doubts=[(len(TEXTS[0]) - 1, "ି", 0.6)], frames=1)
    plain, fused, ranked = (
        reader.make(ODIA, Use(decoder="beam", language=language), assets)([scores])[0]
        for language in ("off", "fused", "rerank")
    )
    assert plain.text == TEXTS[0][:-1] + "ି" and fused.text == ranked.text == TEXTS[0]
    assert "".join(letter.character for letter in fused.letters) == fused.text
    frames = [(letter.first, letter.last) for letter in fused.letters]
    assert frames == sorted(frames) and frames[-1][1] < len(scores)


def test_weight_zero_changes_nothing(assets):
    scores = spoken(TEXTS[0], doubts=[(2, "ା", 0.6), (5, "କ", 0.45)])
    plain = reader.make(ODIA, Use(decoder="beam"), assets)([scores])
    idle = reader.make(ODIA, Use(decoder="beam", language="fused", weight=0.0, bonus=0.0), assets)([scores])
    assert [h.text for h in idle] == [h.text for h in plain]
    assert [h.score for h in idle] == pytest.approx([h.score for h in plain], abs=1e-6)


def test_a_beam_gives_alternatives_best_first(assets):
    found = decode(spoken("କଖ", doubts=[(1, "ଗ", 0.3)], frames=1), ODIA, Use(decoder="beam"))
    assert [h.text for h in found[:2]] == ["କଖ", "କଗ"] and len({h.text for h in found}) == len(found)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_sampling_is_seeded_by_the_line_and_follows_the_probabilities():
    use = Use(decoder="sample")
    scores = [spoken("କ", sure=0.999, doubts=[(0, "ଖ", p)], frames=1) for p in np.linspace(0.2, 0.4, 400)]
    drawn = [decode(each, ODIA, use)[0].text for each in scores]
    assert drawn == [decode(each, ODIA, use)[0].text for each in scores]
    assert 0.2 < sum("ଖ" in text for text in drawn) / 400 < 0.4
    cold = [decode(each, ODIA, Use(decoder="sample", heat=0.01))[0].text for each in scores]
    assert set(cold) == {"କ"}


def test_a_fitted_temperature_is_used_unless_the_dials_say_one(assets, tmp_path):
    scores = spoken("କଖ", doubts=[(1, "ଗ", 0.3)])
    for name in (ngram.FILE, dictionary.FILE):
        (tmp_path / name).write_bytes((assets / name).read_bytes())
    calibration.save(tmp_path, Fitted(temperature=2.0))
    fitted, given, plain = (
        reader.make(ODIA, use, folder)([scores])[0].letters[1].probability
        for use, folder in ((Use(), tmp_path), (Use(temperature=1.0), tmp_path), (Use(), assets))
    )
    assert fitted < given == plain


def test_fitting_goes_through_the_readers_own_path(assets):
    lines = [[spoken("କଖ ଗଘ", doubts=[(0, "ଚ", 0.1)])]] * 4
    one = reader.make(ODIA, Use(), assets)
    right, wrong = (one.fit(lines, [text] * 4).temperature for text in ("କଖ ଗଘ", "ଚଖ ଗଘ"))
    assert right < 1 < wrong
    assert one.fit([each * 2 for each in lines], ["ଚଖ ଗଘ"] * 4).temperature == pytest.approx(wrong, rel=1e-3)
    assert one.fit(lines, ["କଖ ଗଘ"] * 4) == Fitted(right), "weights are fitted with a model only"
    model = ngram.load(assets / ngram.FILE)
    assert one.fit(lines, ["କଖ ଗଘ"] * 4, model).temperature == right and one.fit([], [], model) == Fitted()


def test_fitted_weights_are_used_unless_the_dials_say_others(assets):
    scores = [spoken(TEXTS[0], doubts=[(len(TEXTS[0]) - 1, "ି", 0.6)], frames=1)]
    model, use = ngram.load(assets / ngram.FILE), Use(decoder="beam", language="fused")
    trusting, wary = Fitted(weight=1.0), Fitted(weight=0.0)
    assert Reader(ODIA, use, model, fitted=trusting)(scores)[0].text == TEXTS[0]
    assert Reader(ODIA, use, model, fitted=wary)(scores)[0].text == TEXTS[0][:-1] + "ି"
    given = use.model_copy(update={"weight": 1.0})
    assert Reader(ODIA, given, model, fitted=wary)(scores)[0].text == TEXTS[0]


@pytest.mark.parametrize(("combine", "text"), [("frames", "କଖ"), ("medoid", "କଖ"), ("majority", "କଖ"), ("rover", "କଖ")])
def test_three_views_of_a_line_outvote_one(combine, text):
    views = [spoken("କଖ"), spoken("କଖ", sure=0.99), spoken("କଖ", doubts=[(1, "ଗ", 0.6)])]
    found = Reader(ODIA, Use(combine=combine))(views)
    assert found[0].text == text and [h.text for h in found] == ([text] if combine == "frames" else [text, "କଗ"])


def test_the_longest_of_several_wins_where_the_dials_say_so():
    found = Reader(ODIA, Use(combine="longest"))([spoken("କଖ"), spoken("କଖ"), spoken("କଖଗ", frames=2)])
    assert found[0].text == "କଖଗ"
    assert max(letter.last for letter in found[0].letters) < len(spoken("କଖ"))


def test_the_dictionary_comes_last(assets):
    use = Use(dictionary="always", combine="medoid")
    found = reader.make(ODIA, use, assets)([spoken("ଭାଷି"), spoken("ଭାଷି"), spoken("କ")])
    assert [h.text for h in found] == ["ଭାଷା", "ଭାଷି", "କ"]


def test_users_files_take_the_place_of_the_runs(assets, tmp_path):
    arpa.save(kneser_ney.train(["କଗ"] * 5, ODIA.characters, 3), tmp_path / "own.arpa")
    (tmp_path / "words.txt").write_text("ଭୂଷା", encoding="utf-8")
    scores = spoken("କଖ", doubts=[(1, "ଗ", 0.4)], frames=1)
    own = Use(decoder="beam", language="fused", model=str(tmp_path / "own.arpa"))
    assert reader.make(ODIA, own, assets)([scores])[0].text == "କଗ"
    listed = Use(dictionary="always", words=str(tmp_path / "words.txt"))
    assert reader.make(ODIA, listed, assets)([spoken("ଭାଷା")])[0].text == "ଭୂଷା"
    with pytest.raises(DataError):
        reader.make(ODIA, Use(dictionary="always", words=str(tmp_path / "none.txt")), assets)


def test_what_a_run_lacks_is_told_only_where_it_is_needed(tmp_path):
    assert reader.make(ODIA, Use(), tmp_path)([spoken("କ")])[0].text == "କ"
    for use in (Use(dictionary="unsure"), Use(decoder="beam", language="fused")):
        with pytest.raises(RunError, match="missing"):
            reader.make(ODIA, use, tmp_path)
    with pytest.raises(ConfigError, match="without a language model"):
        Reader(ODIA, Use(decoder="beam", language="fused"))


def test_a_model_of_another_alphabet_is_refused(tmp_path):
    ngram.save(kneser_ney.train(["abc"], "abc"), tmp_path / ngram.FILE)
    with pytest.raises(ConfigError, match="alphabet"):
        reader.make(ODIA, Use(decoder="beam", language="fused"), tmp_path)


@pytest.mark.parametrize("use", [Use(), Use(decoder="beam"), Use(decoder="sample"), Use(dictionary="always")])
def test_a_line_with_nothing_on_it_is_empty(assets, use):
    for scores in (np.zeros((0, ODIA.classes), np.float32), spoken("")):
        assert [h.text for h in reader.make(ODIA, use, assets)([scores])] == [""]


def test_hypotheses_by_hand_are_what_they_say():
    assert [letter.character for letter in said("କଖ").letters] == ["କ", "ଖ"]
