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
BESIDE_TEST = 0.05  # validation, of training frames that have a test file: 950 and 50 of 1,000, as is usual
LEAST_TRAIN = 0.5  # of the frames; where molecules leave less for training, blocks are divided instead
LABELLED = ("synthetic", "gfn2", "labelled")  # tags are temperatures, not files
DRAWN = ("rmd17",)  # frames are drawn at random from a trajectory: each is a block of its own
LEAST_TEST, LEAST_VALIDATION = 5, 3  # groups, without which an interval is too wide to say anything;
MOST_TEST, MOST_VALIDATION = 4, 6  # but no more than a fourth and a sixth of few groups
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
    molecules = _by_molecule(frames)
    if molecules is not None and spec.kind in LABELLED:
        selected = "train" in spec.options or "test" in spec.options
        other = selected & ((molecules == TEST) == (role == TRAIN))  # a test molecule at a training temperature
        return np.where((role == UNUSED) | other, UNUSED, molecules), list(own)
    blocks = _blocks(frames, own, len(frames) if spec.kind in DRAWN else BLOCKS)
    if (role == TEST).any():
        return _test_apart(role, own, blocks)
    if molecules is not None:
        return np.where(role == UNUSED, UNUSED, molecules), list(own)
    return _divided(blocks, role == TRAIN, TEST_SHARE, VALIDATION_SHARE), list(blocks)


def by_group(groups: Sequence[str], test: float = TEST_SHARE, validation: float = VALIDATION_SHARE) -> np.ndarray:
    """The split of every group [n]: shares of test (0: none) and validation, and enough groups of each for an interval.

    Raises DataError below nine groups.
    """
    if len(groups) < FEWEST:
        raise DataError(f"{len(groups)} molecules or blocks of frames cannot be divided", f"At least {FEWEST}", "Use more data")
    share = np.array([share_of(group) for group in groups])
    tests = max(min(LEAST_TEST, len(groups) // MOST_TEST), int((share < test).sum())) if test else 0
    least = min(LEAST_VALIDATION, len(groups) // MOST_VALIDATION)
    validations = max(least, int((share < test + validation).sum()) - tests)
    split = np.full(len(groups), TRAIN)
    order = np.argsort(share)
    split[order[:tests]] = TEST
    split[order[tests : tests + validations]] = VALIDATION
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


def _by_molecule(frames: Frames) -> np.ndarray | None:
    """The split of every frame by its molecule [F]; None where molecules are too few, or one of them is most of the data."""
    if len(frames.groups) < FEWEST:
        return None
    split = by_group(frames.groups)[frames.group]
    return split if (split == TRAIN).mean() >= LEAST_TRAIN else None


def _blocks(frames: Frames, own: np.ndarray, most: int) -> np.ndarray:
    """The name of every frame's block [F]: consecutive frames of one molecule in one file stay together."""
    named = np.empty(len(frames), dtype=object)
    keys = np.stack((frames.group, frames.tag))
    for group, tag in np.unique(keys, axis=1).T:
        at = np.flatnonzero((frames.group == group) & (frames.tag == tag))
        for number, place in enumerate(at):
            named[place] = f"{own[place]} {frames.tags[tag]} {number * min(most, len(at)) // len(at)}"
    return named


def _divided(names: np.ndarray, used: np.ndarray, test: float, validation: float) -> np.ndarray:
    """The split of every frame by the names of groups [F]; those not used are UNUSED."""
    split = np.full(len(names), UNUSED)
    different = list(dict.fromkeys(names[used]))
    place = dict(zip(different, by_group(different, test, validation), strict=True))
    split[used] = [place[name] for name in names[used]]
    return split


def _test_apart(role: np.ndarray, own: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Test frames are given; validation is taken from the others. Blocks are the groups where molecules stand on both sides."""
    molecules, tested = set(own[role == TRAIN]), set(own[role == TEST])
    apart = not molecules & tested and len(molecules) >= FEWEST and len(tested) >= LEAST_VALIDATION
    names = own if apart else blocks
    split = _divided(names, role == TRAIN, 0.0, BESIDE_TEST)
    split[role == TEST] = TEST
    return split, list(names)
