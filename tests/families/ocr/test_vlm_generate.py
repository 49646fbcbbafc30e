"""The loop over tokens, on a decoder whose every probability is written down here."""

import itertools
import math

import pytest
import torch
from pydantic import ValidationError

from weighin.families.ocr.generate import Answer, answers
from weighin.families.ocr.vlm_use import Generation

STOP = 0
TABLE = {  # the text so far -> probabilities of the end, a, b
    "": (0.02, 0.58, 0.4),
    "a": (0.1, 0.45, 0.45),
    "b": (0.95, 0.03, 0.02),
}
OTHERWISE = (0.5, 0.3, 0.2)


class Toy:
    """A decoder with a cache: the texts of its beams."""

    def __init__(self):
        self.texts, self.calls = [""], 0

    def logits(self):
        return torch.log(torch.tensor([TABLE.get(text, OTHERWISE) for text in self.texts]) + 1e-12)

    def step(self, tokens, picks):
        self.texts = [self.texts[pick] + "?ab"[token] for token, pick in zip(tokens.tolist(), picks.tolist())]
        self.calls += 1
        return self.logits()


def run(seed=0, **dials):
    toy = Toy()
    return answers(toy.logits(), toy.step, frozenset({STOP}), Generation(**{"most": 4} | dials), seed), toy


def probability(tokens, over=True):
    text, product = "", 1.0
    for token in tokens:
        product *= TABLE.get(text, OTHERWISE)[token]
        text += "?ab"[token]
    return product * (TABLE.get(text, OTHERWISE)[STOP] if over else 1.0)


def test_greedy_takes_the_likeliest_token_each_time():
    (best,), toy = run()
    assert best.tokens[0] == 1 and best.log_end is not None
    assert toy.calls == len(best.tokens), "no step behind the end"


def test_beams_find_the_answer_that_greedy_misses():
    found, _ = run(beams=3, length_penalty=0.0)
    everything = [tokens for n in range(4) for tokens in itertools.product((1, 2), repeat=n)]
    assert found[0].tokens == max(everything, key=probability) == (2,)
    assert math.isclose(math.exp(found[0].score(0.0)), probability((2,)), rel_tol=1e-5)
    assert run()[0][0].tokens != found[0].tokens


def test_scores_fall_and_are_those_of_the_answers():
    found, _ = run(beams=4, length_penalty=0.5)
    scores = [answer.score(0.5) for answer in found]
    assert scores == sorted(scores, reverse=True) and len({answer.tokens for answer in found}) == len(found) > 1
    for answer in found:
        assert math.isclose(math.exp(sum(answer.logs) + answer.log_end), probability(answer.tokens), rel_tol=1e-5)


def test_tokens_run_out():
    (best,), toy = run(most=1)
    assert best == Answer((1,), best.logs, None) and toy.calls <= 1


def test_draws_follow_the_probabilities_and_the_seed():
    drawn = [run(seed, temperature=1.0)[0][0].tokens for seed in range(400)]
    share = sum(tokens == (2,) for tokens in drawn) / len(drawn)
    assert abs(share - probability((2,))) < 4 * math.sqrt(0.25 / len(drawn))
    assert drawn == [run(seed, temperature=1.0)[0][0].tokens for seed in range(400)]


def test_a_cold_draw_is_greedy_and_keeps_the_models_own_probabilities():
    (cold,), _ = run(temperature=0.01)
    (greedy,), _ = run()
    assert cold.tokens[0] == greedy.tokens[0] and math.isclose(cold.logs[0], greedy.logs[0], rel_tol=1e-6)


def test_drawn_beams_are_refused():
    with pytest.raises(ValidationError, match="set beams to 1 or temperature to 0"):
        Generation(beams=2, temperature=1.0)
