"""A training in a process of its own that is killed, or told to stop, at a step."""

import os
import subprocess
import sys

SCRIPT = """
import os, signal, torch
torch.set_num_threads(1)
from weighin.core import registry
from weighin.steps import loop
from weighin.steps.train import train

before = loop.Loop.on_train_batch_end
def after(self, *arguments):
    before(self, *arguments)
    if self.step == {step}:
        os.kill(os.getpid(), signal.{signal})
loop.Loop.on_train_batch_end = after
family = registry.family({family!r})
train(family, family.variant("nano").but(**{changes!r}), root={root!r})
"""


def killed(root, step, changes, how="SIGKILL", family="points"):
    """The finished process; ``step`` counts optimizer steps."""
    script = SCRIPT.format(step=step, signal=how, changes=changes, root=str(root), family=family)
    return subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
