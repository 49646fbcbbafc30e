"""Who is in which split: by molecule, by file, by temperature, by time."""

import numpy as np
import pytest
from ase.build import molecule as built
from hypothesis import given
from hypothesis import strategies as st

from weighin.core.errors import DataError
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.spec import KINDS, OPTIONS, parse
from weighin.families.forcefields.splits import TEST, TRAIN, UNUSED, VALIDATION, by_group, divide, matches
from weighin.families.forcefields.store import Frame, pack

WATER = built("H2O")


def frames(*parts):
    """Frames of (group, tag, how many)."""
    labels = Labels(0.0, np.zeros((3, 3)))
    return pack([Frame(WATER, labels, group, group, tag) for group, tag, n in parts for _ in range(n)])


def split(found, spec):
    places, groups = divide(found, parse(spec))
    together = {value: {groups[at] for at in np.flatnonzero(places == value)} for value in (TRAIN, VALIDATION, TEST)}
    assert not together[TRAIN] & together[TEST] and not together[TRAIN] & together[VALIDATION]
    assert not together[VALIDATION] & together[TEST]
    return places, groups, together


@given(st.sets(st.text(min_size=1), min_size=9, max_size=60), st.text(min_size=1))
def test_a_longer_list_moves_only_those_taken_to_fill_up(names, more):
    order = sorted(names)
    one = dict(zip(order, by_group(order), strict=True))
    assert sum(v == TEST for v in one.values()) >= min(5, len(names) // 4)
    assert sum(v == VALIDATION for v in one.values()) >= min(3, len(names) // 6) and TRAIN in one.values()
    longer = sorted({*names, more})
    other = dict(zip(longer, by_group(longer), strict=True))
    assert sum(one[name] != other[name] for name in names) <= 4


def test_a_molecule_of_a_long_list_keeps_its_split():
    names = [f"molecule {n}" for n in range(400)]
    whole = dict(zip(names, by_group(names), strict=True))
    part = dict(zip(names[:300], by_group(names[:300]), strict=True))
    assert all(whole[name] == part[name] for name in part)
    shares = [np.mean([v == value for v in whole.values()]) for value in (TEST, VALIDATION)]
    assert np.allclose(shares, (0.15, 0.08), atol=0.04)


def test_many_molecules_are_split_by_molecule():
    found = frames(*[(f"m{n}", "300K", 4) for n in range(20)])
    places, groups, together = split(found, "gfn2")
    assert set(places) == {TRAIN, VALIDATION, TEST} and sum(map(len, together.values())) == 20
    assert groups[0] == "m0"


def test_temperatures_select_within_molecules():
    found = frames(*[(f"m{n}", f"{t}K", 3) for n in range(20) for t in (300, 600, 1000)])
    places, _, _ = split(found, "labelled:x@train=300K@test=600K,1000K")
    tags = np.array(found.tags)[found.tag]
    assert set(tags[(places == TRAIN) | (places == VALIDATION)]) == {"300K"} and set(tags[places == TEST]) == {"600K", "1000K"}
    whole, _ = divide(found, parse("labelled:x"))
    assert (places[places != UNUSED] == whole[places != UNUSED]).all(), "molecules stay where they are"


def test_one_molecule_is_split_by_blocks_of_time():
    places, groups, _ = split(frames(("water", "run", 400)), "extxyz:x")
    assert set(places) == {TRAIN, VALIDATION, TEST} and (places == TRAIN).mean() > 0.5
    assert [groups[0], groups[9], groups[10]] == ["water run 0", "water run 0", "water run 1"]


def test_files_that_say_train_and_test_are_believed():
    found = frames(("water", "my_train", 100), ("water", "my_test", 30), ("water", "other", 5))
    places, _, _ = split(found, "extxyz:x")
    tags = np.array(found.tags)[found.tag]
    assert (places[tags == "my_test"] == TEST).all() and (places[tags == "other"] == UNUSED).all()
    assert set(places[tags == "my_train"]) == {TRAIN, VALIDATION}


def test_train_on_one_temperature_and_test_on_another():
    found = frames(*[("acac", name, 60) for name in ("train_300K", "train_600K", "test_MD_300K", "test_MD_600K")])
    places, _, _ = split(found, "extxyz:x@train=300K@test=600K")
    tags = np.array(found.tags)[found.tag]
    assert set(tags[places == TEST]) == {"test_MD_600K"}
    assert set(tags[(places == TRAIN) | (places == VALIDATION)]) == {"train_300K"}


def test_molecules_of_test_files_that_training_never_saw_stay_whole():
    found = frames(*[(f"a{n}", "train", 5) for n in range(12)], *[(f"b{n}", "test", 5) for n in range(4)])
    _, groups, together = split(found, "extxyz:x")
    assert together[TEST] == {"b0", "b1", "b2", "b3"} and groups[0] == "a0"


def test_one_molecule_that_is_most_of_the_data_is_cut_in_blocks():
    found = frames(("big", "run", 900), *[(f"m{n}", "run", 1) for n in range(10)])
    places, _, _ = split(found, "extxyz:x")
    assert (places == TRAIN).mean() > 0.5


def test_random_draws_are_blocks_of_one():
    found = frames(("e", "rmd17_e_train_01", 1000), ("e", "rmd17_e_test_01", 500))
    places, _, together = split(found, "rmd17:x/e")
    assert len(together[TEST]) == 500 and 930 <= (places == TRAIN).sum() <= 970


def test_what_cannot_be_divided_is_told():
    with pytest.raises(DataError, match="cannot be divided"):
        divide(frames(("water", "run", 5)), parse("extxyz:x"))
    with pytest.raises(DataError, match=r"@test=900K of .* names nothing. There are: train, test"):
        divide(frames(("w", "train", 50), ("w", "test", 50)), parse("extxyz:x@test=900K"))


def test_patterns_are_names_parts_or_wildcards():
    assert matches("test_MD_600K", "600K") and matches("a", "b,a") and matches("Si_train", "Si*") and not matches("a", "b,")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gfn", r"no data 'gfn'.*Did you mean 'gfn2'"),
        ("no-such-data-at-all:/no/such/place", "has no data"),
        ("extxyz", "not complete"),
        ("synthetic:x", "takes no place"),
        ("gfn2@trian=300K", r"no option @trian.*Did you mean 'train'"),
        ("rmd17:x/y@units=eV", r"no option @units"),
    ],
)
def test_wrong_specs_are_told(spec, words):
    with pytest.raises(DataError, match=words):
        parse(spec)


def test_specs_are_taken_apart():
    found = parse("extxyz:/a@b/c.xyz@units=kcal/mol@test=600K")
    assert (found.kind, found.where, dict(found.options)) == ("extxyz", "/a@b/c.xyz", {"units": "kcal/mol", "test": "600K"})
    assert parse("gfn2@frames=7").number("frames", 3) == 7 and parse("gfn2").number("frames", 3) == 3
    for wrong in ("0", "-1", "many"):
        with pytest.raises(DataError, match="no positive number"):
            parse(f"gfn2@frames={wrong}").number("frames", 3)
    assert set(OPTIONS) == set(KINDS)
