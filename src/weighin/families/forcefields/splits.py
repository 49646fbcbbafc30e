"""Which split a structure is in: by molecule, by the files it came in, by temperature, or by blocks of time."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatch

import numpy as np

from weighin.core.errors import DataError
from weighin.families.forcefields.spec import Spec
from weighin.families.forcefields.store import Frames

SPLITS = ("train", "validation", "test")
UNUSED, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
SALT = "forcefields-1"
TEST_SHARE, VALIDATION_SHARE = 0.15, 0.08
LEAST_TEST, LEAST_VALIDATION = 5, 3  # groups, without which an interval is too wide to say anything
FEWEST = 9  # groups, below which blocks of frames are divided instead
BLOCKS = 40  # of consecutive frames, at most, in what one file holds of one molecule


def divide(frames: Frames, spec: Spec) -> tuple[np.ndarray, list[str]]:
    """The split of every frame [F] (-1: unused) and the name of its group; splits share no group.

    Files that name themselves train and test, or the options @train and @test, come first; then molecules by a hash
    of their name (a longer list moves none); where there are fewer than nine, blocks of consecutive frames.
    Raises DataError where nothing can be divided.
    """
    role = _roles(frames.tags, spec)[frames.tag]
    own = np.array(frames.groups, dtype=object)[frames.group]
    molecules = by_group(frames.groups)[frames.group] if len(frames.groups) >= FEWEST else None
    selected = "train" in spec.options or "test" in spec.options
    if molecules is not None and (selected or not (role == TEST).any()) and spec.kind in ("gfn2", "labelled"):
        return np.where((role == UNUSED) | ((molecules == TEST) == (role == TRAIN)) & selected, UNUSED, molecules), list(own)
    blocks = _blocks(frames, own)
    if not (role == TEST).any():
        if molecules is not None:
            return np.where(role == UNUSED, UNUSED, molecules), list(own)
        return _in_blocks(blocks, role, test=True), list(blocks)
    return _test_apart(role, own, blocks)


def by_group(groups: Sequence[str]) -> np.ndarray:
    """The split of every group [n]: test 15 % and at least five, validation 8 % and at least three. Raises DataError."""
    if len(groups) < FEWEST:
        raise DataError(f"{len(groups)} molecules or blocks of frames cannot be divided", f"At least {FEWEST}", "Use more data")
    share = np.array([share_of(group) for group in groups])
    test = max(LEAST_TEST, int((share < TEST_SHARE).sum()))
    validation = max(LEAST_VALIDATION, int((share < TEST_SHARE + VALIDATION_SHARE).sum()) - test)
    split = np.full(len(groups), TRAIN)
    order = np.argsort(share)
    split[order[:test]] = TEST
    split[order[test : test + validation]] = VALIDATION
    return split


def share_of(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(f"{SALT}:{name}".encode()).digest()[:8], "big") / 2**64


def matches(name: str, patterns: str) -> bool:
    """Whether a name is, holds, or fits (with * and ?) one of the patterns between commas."""
    return any(name == p or p in name or fnmatch(name, p) for p in patterns.split(",") if p)


def _roles(tags: Sequence[str], spec: Spec) -> np.ndarray:
    """What each tag is for: TEST, UNUSED, or TRAIN, which stands for everything that is not test."""
    chosen = {side: _chosen(tags, spec, side) for side in ("train", "test")}
    role = np.full(len(tags), UNUSED if chosen["train"] is not None else TRAIN)
    for side, value in (("train", TRAIN), ("test", TEST)):
        for at in chosen[side] or ():
            role[at] = value
    if "test" in spec.options:  # another test file is neither
        role[[at for at, tag in enumerate(tags) if "test" in tag.lower() and role[at] == TRAIN]] = UNUSED
    return role


def _chosen(tags: Sequence[str], spec: Spec, side: str) -> list[int] | None:
    """Places of the tags that are this side: those of the option, else those with the word in their name."""
    pattern, word = spec.options.get(side, ""), {"train": "train", "test": "test"}[side]
    named = [at for at, tag in enumerate(tags) if word in tag.lower()]
    if not pattern:
        return named or None
    exact = [at for at, tag in enumerate(tags) if tag in pattern.split(",")]
    found = exact or [at for at, tag in enumerate(tags) if matches(tag, pattern)]
    if not found:
        raise DataError(f"@{side}={pattern} of {spec.text} names nothing", f"There are: {', '.join(tags)}")
    return [at for at in found if at in named] or found


def _blocks(frames: Frames, own: np.ndarray) -> np.ndarray:
    """The name of every frame's block [F]: consecutive frames of one molecule in one file stay together."""
    named = np.empty(len(frames), dtype=object)
    keys = np.stack((frames.group, frames.tag))
    for group, tag in np.unique(keys, axis=1).T:
        at = np.flatnonzero((frames.group == group) & (frames.tag == tag))
        for number, place in enumerate(at):
            named[place] = f"{own[place]} {frames.tags[tag]} {number * min(BLOCKS, len(at)) // len(at)}"
    return named


def _in_blocks(blocks: np.ndarray, role: np.ndarray, test: bool) -> np.ndarray:
    """Splits frames of role TRAIN by their blocks; without ``test`` what would be test is training."""
    split = np.full(len(blocks), UNUSED)
    used = role == TRAIN
    names = list(dict.fromkeys(blocks[used]))
    place = dict(zip(names, by_group(names), strict=True))
    split[used] = [place[name] if test or place[name] != TEST else TRAIN for name in blocks[used]]
    return split


def _test_apart(role: np.ndarray, own: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Test frames are given; validation is taken from the others. Blocks are the groups where molecules stand on both sides."""
    molecules = set(own[role == TRAIN])
    apart = (
        not molecules & set(own[role == TEST]) and len(molecules) >= FEWEST and len(set(own[role == TEST])) >= LEAST_VALIDATION
    )
    names = own if apart else blocks
    split = _in_blocks(names, role, test=False)
    split[role == TEST] = TEST
    return split, list(names)
