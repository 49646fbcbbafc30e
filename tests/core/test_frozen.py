"""A frozen base: what is saved is what was trained, and it goes onto the same base only."""

import copy

import pytest
import torch
from torch import nn

from weighin.core.errors import RunError
from weighin.core.frozen import BASE, keep_trained
from weighin.core.run import load_state, load_tensors, save_tensors

ONE, OTHER = "ab" * 32, "cd" * 32


class Head(nn.Module):
    def __init__(self, seed, base_hash=ONE):
        super().__init__()
        torch.manual_seed(0)
        self.base = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)).requires_grad_(False)
        torch.manual_seed(seed)
        self.head = nn.Linear(8, 2)
        keep_trained(self, base_hash)

    def forward(self, x):
        return self.head(self.base(x))


def test_the_state_is_what_is_trained_and_the_bases_hash():
    assert set(Head(1).state_dict()) == {"head.weight", "head.bias", BASE}
    assert set(nn.ModuleDict({"in": Head(1)}).state_dict()) == {"in.head.weight", "in.head.bias", f"in.{BASE}"}


def test_it_goes_to_a_file_and_back(tmp_path):
    one, two, x = Head(1).eval(), Head(2).eval(), torch.ones(3, 4)
    assert not torch.equal(one(x), two(x))
    save_tensors(tmp_path / "weights.safetensors", one.state_dict())
    load_state(two, load_tensors(tmp_path / "weights.safetensors"), tmp_path)
    assert torch.equal(one(x), two(x))


def test_another_base_is_refused_by_its_hash(tmp_path):
    before = copy.deepcopy(Head(2, OTHER))
    with pytest.raises(RunError, match=r"base with SHA-256 abababababab, the base that is here has cdcdcdcdcdcd"):
        load_state(before, Head(1).state_dict(), tmp_path)


@pytest.mark.parametrize("name", ["head.bias", BASE, "other"])
def test_it_is_as_strict_as_any_other(tmp_path, name):
    """One name too few, or one too many."""
    state = Head(1).state_dict()
    if state.pop(name, None) is None:
        state[name] = torch.ones(1)
    with pytest.raises(RunError, match="another model"):
        load_state(Head(2), state, tmp_path)


def test_copies_and_frozen_copies_keep_their_state():
    """An average of weights is a deep copy, a teacher is frozen: both are saved and loaded as before."""
    shadow = copy.deepcopy(Head(1)).requires_grad_(False)
    assert set(shadow.state_dict()) == {"head.weight", "head.bias", BASE}
    shadow.load_state_dict(Head(2).state_dict())
    assert torch.equal(shadow.head.weight, Head(2).head.weight)
    with pytest.raises(RuntimeError, match="cdcdcdcdcdcd"):
        shadow.load_state_dict(Head(2, OTHER).state_dict())


def test_the_base_itself_is_not_touched_by_loading():
    model = Head(1)
    before = {name: tensor.clone() for name, tensor in model.base.state_dict().items()}
    model.load_state_dict(Head(2).state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.base.state_dict().items())
