"""Parity: does an export answer as the original did, on the very inputs it was recorded with?"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from weighin.core.family import Bound, Part
from weighin.core.recording import Call

WORST = sys.float_info.max  # stands for infinity, which JSON does not know
ABSURD = 0.5  # a reduced precision that errs by more than half of the largest output computes something else


@dataclass(frozen=True)
class Parity:
    """How far an export is from the original, at worst over all outputs.

    ``max_rel`` is the largest error of a float output as a share of that output's largest value, or the share of
    entries of an integer output that differ. ``n`` counts replayed calls. ``reason`` says why it did not pass.
    """

    max_abs: float
    max_rel: float
    n: int
    passed: bool
    reason: str = ""


def parity(part: Part, bound: Bound, calls: Sequence[Call], exact: bool = True) -> Parity:
    """Replays ``calls`` on ``bound`` and compares with the recorded outputs.

    Exact: float outputs within ``part.tolerance``, integer outputs equal. Otherwise (bf16, int8) the figures are
    only recorded, and refused when not finite where the original is, or absurd. No call at all never passes.
    """
    worst = {name: [0.0, 0.0, 0.0] for name in part.outputs}  # error, largest value, share of entries that differ
    for call in calls:
        answers = bound(*call.inputs)
        wrong = _wrong_form(part, answers, call.outputs)
        if wrong:
            return Parity(WORST, WORST, len(calls), False, wrong)
        for name, answer, truth in zip(part.outputs, answers, call.outputs):
            worst[name] = [max(a, b) for a, b in zip(worst[name], _errors(answer, truth))]
    return _judge(part, worst, len(calls), exact)


def _judge(part: Part, worst: dict[str, list[float]], n: int, exact: bool) -> Parity:
    shares = {name: _relative(*figures) for name, figures in worst.items()}
    name = max(shares, key=lambda key: shares[key])
    max_abs = max(error for error, _, _ in worst.values())
    allowed = part.tolerance if exact else ABSURD
    if n == 0:
        return Parity(max_abs, shares[name], 0, False, "the part was never called, so nothing was compared")
    if shares[name] > allowed:
        reason = f"output {name!r} is off by {shares[name]:.3g} of its largest value; allowed is {allowed:g}"
        return Parity(max_abs, shares[name], n, False, reason)
    return Parity(max_abs, shares[name], n, True)


def _relative(error: float, largest: float, differing: float) -> float:
    if differing:
        return differing
    if error in (0.0, WORST):
        return error
    return min(error / largest, WORST) if largest else WORST


def _errors(answer: Tensor, truth: Tensor) -> tuple[float, float, float]:
    """Largest error, largest value, share of differing entries (integers only). NaN against a number is infinite."""
    if truth.numel() == 0:
        return 0.0, 0.0, 0.0
    if not truth.dtype.is_floating_point:
        apart = (answer.to(torch.int64) - truth.to(torch.int64)).abs()
        return float(apart.max()), 0.0, float((apart != 0).double().mean())
    answer, truth = answer.double(), truth.double()
    same = (answer == truth) | (answer.isnan() & truth.isnan())  # equal infinities (masked scores) are no error
    error = torch.where(same, 0.0, (answer - truth).abs()).nan_to_num(nan=WORST, posinf=WORST)
    largest = torch.where(truth.isfinite(), truth.abs(), 0.0)
    return float(error.max()), float(largest.max()), 0.0


def _wrong_form(part: Part, answers: tuple[Tensor, ...], truths: tuple[Tensor, ...]) -> str:
    if len(answers) != len(truths):
        return f"it returns {len(answers)} outputs, the original {len(truths)}"
    for name, answer, truth in zip(part.outputs, answers, truths):
        if answer.shape != truth.shape:
            return f"output {name!r} has shape {list(answer.shape)}, the original {list(truth.shape)}"
        if answer.dtype.is_floating_point != truth.dtype.is_floating_point:
            return f"output {name!r} is {answer.dtype}, the original {truth.dtype}"
    return ""
