"""Record and replay: what the parts of a predictor really saw and answered, with no family code.

The tape gives the tracing inputs of an export, the calibration data of int8 and the test of parity. Record
the predictor on one example and on many, so that the tape holds the sizes that weighing will use.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from weighin.core.family import Bound, Part
from weighin.core.runtime import Inputs


class Call(NamedTuple):
    """One call of a part: its inputs and the outputs of the original module, detached copies on the CPU."""

    inputs: Inputs
    outputs: tuple[Tensor, ...]


class Tape:
    """Calls of one part, spread evenly over the whole recording.

    When it is full, every second call is dropped and from then on only every second is recorded, and so on:
    a beam decoder's tape does not end within its first image, and memory stays bounded.
    """

    def __init__(self, most_calls: int, most_bytes: int) -> None:
        self.calls: list[Call] = []
        self.seen = 0
        self._stride, self._most_calls, self._most_bytes = 1, most_calls, most_bytes

    def add(self, inputs: Inputs, outputs: tuple[Tensor, ...]) -> None:
        """Records copies of one call, or skips it."""
        if self.seen % self._stride == 0:
            self.calls.append(Call(_copies(inputs), _copies(outputs)))
            self._thin()
        self.seen += 1

    def _thin(self) -> None:
        while len(self.calls) > 1 and (len(self.calls) > self._most_calls or self.bytes > self._most_bytes):
            self.calls = self.calls[::2]
            self._stride *= 2

    @property
    def bytes(self) -> int:
        """Bytes that the copies hold."""
        return sum(t.nbytes for call in self.calls for t in (*call.inputs, *call.outputs))


class Recorder:
    """Wraps bound parts: ``bound`` goes into the predictor, ``tapes`` fill while it runs.

    At most ``calls`` calls and ``megabytes`` (10^6 bytes) a part are kept.
    """

    def __init__(self, parts: Mapping[str, Bound], calls: int = 256, megabytes: float = 256.0) -> None:
        self.tapes = {name: Tape(calls, int(megabytes * 1e6)) for name in parts}
        self.bound: Mapping[str, Bound] = {name: _recorded(bound, self.tapes[name]) for name, bound in parts.items()}

    def calls(self, name: str) -> list[Call]:
        """The recorded calls of a part; empty when the predictor never used it."""
        return self.tapes[name].calls

    def inputs(self, name: str) -> list[Inputs]:
        """The recorded inputs of a part, for ``Runtime.save``."""
        return [call.inputs for call in self.tapes[name].calls]


def eager(parts: Mapping[str, Part]) -> Mapping[str, Bound]:
    """The modules themselves as bound parts: float32 (or as they are), eval mode, no gradients, any device.

    Inputs and outputs are on the CPU, as for every runtime. Outputs are inference tensors, so a predictor that changes
    one in place must clone it first. The modules stay in eval mode afterwards.
    """
    return {name: _eager(part.module) for name, part in parts.items()}


def _eager(module: nn.Module) -> Bound:
    home = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        if module.training:
            module.eval()
        with torch.inference_mode():
            return tuple(output.cpu() for output in module(*(x.to(home) for x in inputs)))

    return call


def _recorded(bound: Bound, tape: Tape) -> Bound:
    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = bound(*inputs)
        tape.add(inputs, outputs)
        return outputs

    return call


def _copies(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(t.detach().cpu().clone() for t in tensors)
