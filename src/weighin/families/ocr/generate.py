"""Answers of a decoder, token by token: greedy, beam search, sampling. No model in here, only its log-probabilities."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from weighin.families.ocr.vlm_use import Generation

Step = Callable[[Tensor, Tensor], Tensor]  # last tokens [B], the beams they go on from [B] -> logits [B, V]


@dataclass(frozen=True, slots=True)
class Answer:
    """Tokens without the one that ends them, and the log-probability of each; ``log_end`` is that of the end."""

    tokens: tuple[int, ...] = ()
    logs: tuple[float, ...] = ()
    log_end: float | None = None  # None: the answer was not over when tokens ran out

    def score(self, penalty: float) -> float:
        """Log-probability over length to the power of ``penalty`` (Wu et al. 2016 without the constant)."""
        total = sum(self.logs) + (self.log_end or 0.0)
        return total / (len(self.logs) + (self.log_end is not None) or 1) ** penalty


@dataclass
class Beams:
    """Answers that go on, and those that are over."""

    live: list[Answer]
    done: list[Answer] = field(default_factory=list)


def answers(first: Tensor, step: Step, stops: frozenset[int], dials: Generation, seed: int) -> list[Answer]:
    """Answers, best first; ``first`` [1, V] are the logits behind the question, ``seed`` is the line's own."""
    if dials.temperature:
        return [_drawn(first, step, stops, dials, torch.Generator().manual_seed(seed))]
    beams, logits = Beams([Answer()]), first
    for _ in range(dials.most):
        picks = _advance(beams, torch.log_softmax(logits.double(), -1), stops, dials)
        if not beams.live or len(beams.done) >= dials.beams:
            break
        logits = step(torch.tensor([answer.tokens[-1] for answer in beams.live]), torch.tensor(picks))
    found = beams.done or beams.live
    return sorted(found, key=lambda answer: -answer.score(dials.length_penalty))[: dials.beams]


def _advance(beams: Beams, logs: Tensor, stops: frozenset[int], dials: Generation) -> list[int]:
    """One token more for the best continuations; returns which beam each live one goes on from."""
    totals = torch.tensor([sum(answer.logs) for answer in beams.live], dtype=logs.dtype)[:, None] + logs  # [B, V]
    wanted = min(dials.beams + len(stops), totals.numel()) if dials.beams == 1 else min(2 * dials.beams, totals.numel())
    live, picks = [], []
    for place in totals.flatten().topk(wanted).indices.tolist():
        beam, token = divmod(place, logs.shape[1])
        answer, log = beams.live[beam], float(logs[beam, token])
        if token in stops:
            beams.done.append(Answer(answer.tokens, answer.logs, log))
        else:
            live.append(Answer((*answer.tokens, token), (*answer.logs, log)))
            picks.append(beam)
        if len(live) == dials.beams or len(beams.done) >= dials.beams:
            break
    beams.live = live
    return picks


def _drawn(first: Tensor, step: Step, stops: frozenset[int], dials: Generation, generator: torch.Generator) -> Answer:
    """Every token drawn from the softmax at the temperature; the log-probabilities are the model's own, at temperature 1."""
    answer, logits, same = Answer(), first, torch.tensor([0])
    for _ in range(dials.most):
        token = int(torch.multinomial(torch.softmax(logits[0].double() / dials.temperature, -1), 1, generator=generator))
        log = float(torch.log_softmax(logits[0].double(), -1)[token])
        if token in stops:
            return Answer(answer.tokens, answer.logs, log)
        answer = Answer((*answer.tokens, token), (*answer.logs, log))
        logits = step(torch.tensor([token]), same)
    return answer
