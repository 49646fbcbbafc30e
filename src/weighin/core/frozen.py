"""Models on a frozen base: a run keeps what was trained, and the hash of the base that it stands on.

A base of billions of weights is shared by many runs and is to be had elsewhere; what a run adds to it is small. After
:func:`keep_trained` the state of a module, which the house saves, resumes from and loads, is that small part alone.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

BASE = "base_hash"  # the buffer with the base's SHA-256, uint8 [32]


def keep_trained(module: nn.Module, base_hash: str) -> None:
    """From now on the state of ``module`` is its trainable parameters and ``base_hash`` (64 hexadecimal digits).

    ``load_state_dict`` leaves everything else as it is, and refuses a state that was made on another base. What
    counts as trainable is what requires gradients now; freezing it later (a teacher, an average) changes nothing.
    """
    kept = {name for name, parameter in module.named_parameters() if parameter.requires_grad} | {BASE}
    module.register_buffer(BASE, torch.tensor(list(bytes.fromhex(base_hash)), dtype=torch.uint8))
    module.trained_names = frozenset(kept)  # type: ignore[assignment]
    module.register_state_dict_post_hook(_drop_frozen)
    module.register_load_state_dict_pre_hook(_compare_bases)
    module.register_load_state_dict_post_hook(_expect_no_frozen)


def _drop_frozen(module: Any, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        if name.removeprefix(prefix) not in module.trained_names:
            del state[name]


def _compare_bases(module: Any, state: Mapping[str, Tensor], prefix: str, *others: Any) -> None:
    """``others`` end in the list of messages that ``load_state_dict`` raises."""
    given, own = state.get(prefix + BASE), getattr(module, BASE)
    if given is not None and (given.shape != own.shape or not torch.equal(given.cpu(), own.cpu())):
        came = f"they were trained on a base with SHA-256 {digits(given)}, the base that is here has {digits(own)}"
        others[-1].append(came)


def _expect_no_frozen(module: Any, incompatible: Any) -> None:
    incompatible.missing_keys[:] = [name for name in incompatible.missing_keys if name in module.trained_names]


def digits(base_hash: Tensor) -> str:
    """The first twelve hexadecimal digits of a hash that is kept as bytes, uint8 [n]."""
    return bytes(base_hash.flatten().tolist()).hex()[:12]
