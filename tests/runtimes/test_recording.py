"""Recording of parts, and parity of what is replayed."""

import json
import re
import sys
from itertools import pairwise

import pytest
import torch
from made_parts import made, one_input, recorded
from torch import nn

from weighin.core.family import Part
from weighin.core.recording import Call, Recorder, Tape, eager
from weighin.steps.parity import parity

PART = one_input(lambda linear, x: (x,))
INTEGERS = one_input(lambda linear, x: (x,), "label")


def calls(*truths: torch.Tensor) -> list[Call]:
    return [Call((t,), (t,)) for t in truths]


def test_the_recorder_passes_on_and_keeps_copies():
    part, draw = made("convolutions")
    recorder = Recorder(eager({"part": part, "unused": part}))
    (pixels,) = draw(3)
    outputs = recorder.bound["part"](pixels)
    pixels.zero_()
    with torch.inference_mode():
        outputs[0].zero_()
    (call,) = recorder.calls("part")
    assert call.inputs[0].abs().sum() > 0 and torch.allclose(call.outputs[0].sum(-1), torch.ones(3))
    assert recorder.calls("unused") == [] and len(recorder.inputs("part")) == 1
    assert not call.inputs[0].is_inference()


def test_eager_is_eval_without_gradients():
    part, draw = made("convolutions")
    part.module.train()
    bound = eager({"part": part})["part"]
    part.module.train()
    (pixels,) = draw(4)
    single = bound(pixels[:1])[0]
    assert torch.allclose(bound(pixels)[0][:1], single, atol=1e-6)  # batch statistics would differ
    assert not single.requires_grad and not part.module.training


def test_a_full_tape_stays_spread_over_everything():
    tape = Tape(most_calls=8, most_bytes=10**9)
    for i in range(1000):
        tape.add((torch.tensor([i]),), ())
    kept = [int(call.inputs[0]) for call in tape.calls]
    assert 4 <= len(kept) <= 8 and kept[0] == 0 and kept[-1] >= 750
    assert len({b - a for a, b in pairwise(kept)}) == 1


def test_a_tape_is_bounded_in_bytes_but_keeps_one_call():
    tape = Tape(most_calls=100, most_bytes=4000)
    for _ in range(20):
        tape.add((torch.zeros(100),), (torch.zeros(100),))
    assert 2 <= len(tape.calls) <= 5 and tape.bytes <= 4000
    big = Tape(most_calls=100, most_bytes=10)
    big.add((torch.zeros(100),), ())
    assert len(big.calls) == 1


def test_parity_is_relative_to_the_largest_value_of_the_output():
    seen = parity(PART, lambda x: (x + 1e-3,), calls(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 20.0]])))
    assert seen.passed and seen.n == 2
    assert seen.max_abs == pytest.approx(1e-3, rel=1e-3) and seen.max_rel == pytest.approx(5e-5, rel=1e-3)
    wrong = parity(PART, lambda x: (x * 1.001,), calls(torch.tensor([[0.0, 20.0]])))
    assert not wrong.passed and "off by 0.001 of its largest value; allowed is 0.0001" in wrong.reason
    assert parity(PART, lambda x: (x * 1.001,), calls(torch.tensor([[20.0]])), exact=False).passed


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("answer", [float("nan"), float("inf"), -float("inf")])
def test_parity_refuses_what_is_not_finite(answer, exact):
    seen = parity(PART, lambda x: (torch.full_like(x, answer),), calls(torch.tensor([[1.0]])), exact)
    assert not seen.passed and seen.max_rel == sys.float_info.max
    json.dumps([seen.max_abs, seen.max_rel], allow_nan=False)


def test_parity_lets_masked_scores_be_infinite():
    truth = torch.tensor([[float("-inf"), 2.0, float("nan")]])
    assert parity(PART, lambda x: (x.clone(),), calls(truth)).passed
    assert not parity(PART, lambda x: (x.clamp(min=-9.0),), calls(truth)).passed


def test_parity_of_zeros():
    assert parity(PART, lambda x: (x,), calls(torch.zeros(2, 3), torch.zeros(0, 3))).passed
    assert not parity(PART, lambda x: (x + 1e-9,), calls(torch.zeros(2, 3))).passed


def test_integers_must_be_equal():
    truth = torch.tensor([1, 2, 3, 4])
    seen = parity(INTEGERS, lambda x: (x + (x == 4),), calls(truth))
    assert not seen.passed and seen.max_rel == 0.25 and seen.max_abs == 1
    assert parity(INTEGERS, lambda x: (x + (x == 4),), calls(truth), exact=False).passed
    assert not parity(INTEGERS, lambda x: (x + 1,), calls(truth), exact=False).passed


def test_reduced_precision_may_err_but_not_absurdly():
    truth = calls(torch.tensor([[1.0, -1.0]]))
    assert parity(PART, lambda x: (x * 0.6,), truth, exact=False).passed
    assert not parity(PART, lambda x: (x * 0.4,), truth, exact=False).passed


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        (lambda x: (x, x), "it returns 2 outputs, the original 1"),
        (lambda x: (x[:1],), r"output 'z' has shape \[1, 2\], the original \[2, 2\]"),
        (lambda x: (x.long(),), r"output 'z' is torch\.int64, the original torch\.float32"),
    ],
)
def test_parity_of_another_form(bound, reason):
    seen = parity(PART, bound, calls(torch.ones(2, 2)))
    assert not seen.passed and re.fullmatch(reason, seen.reason)


def test_no_evidence_never_passes():
    assert not parity(PART, lambda x: (x,), []).passed


def test_a_trained_part_replays_itself():
    class Drops(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return (self.drop(x),)

    part = Part(Drops(), ("x",), ("y",), {"x": {0: "batch"}})
    tape = recorded(part, lambda b: (torch.rand(b, 4),))
    assert parity(part, eager({"part": part})["part"], tape.calls("part")).max_abs == 0
