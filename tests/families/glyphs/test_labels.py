"""The 1,197 labels and the classes that no eye can tell apart."""

import unicodedata
from collections import Counter

import pytest

from weighin.families.glyphs.labels import (
    CLASS_OF,
    CLASS_OF_CODE,
    CODES,
    FORMS,
    GROUPS,
    LABELS,
    MEMBERS,
    UNDRAWN,
    base_of,
    code_of,
    form_of,
    members,
    script_of,
)
from weighin.families.glyphs.lookalikes import LOOKALIKES


def test_there_are_1197_and_with_the_undrawn_1216():
    assert len(LABELS) == len(set(LABELS)) == 1197
    assert len(LABELS) + len(UNDRAWN) == 1216
    assert not UNDRAWN & set(CODES)
    assert list(CODES) == sorted(CODES)


def test_the_rule_counts_whole_blocks():
    def assigned(low: int, high: int) -> int:
        return sum(low <= code <= high for code in (*CODES, *UNDRAWN))

    blocks = [assigned(0x21, 0x7E), assigned(0xA1, 0xFF), assigned(0x600, 0x6FF), assigned(0xFB50, 0xFDFF)]
    assert [*blocks, assigned(0xFE70, 0xFEFF)] == [94, 94, 256, 631, 141]


@pytest.mark.parametrize(
    ("label", "text", "script"),
    [
        ("1575_isol", "\u0627", "arabic"),
        ("65165_isol", "\u0627", "arabic"),
        ("65169_init", "\u0628", "arabic"),
        ("65170_medi", "\u0628", "arabic"),
        ("65168_final", "\u0628", "arabic"),
        ("65275_liga", "\u0644\u0627", "arabic"),
        ("1632_digit", "\u0660", "arabic"),
        ("1614_diacritic", "\u064e", "arabic"),
        ("1548_punctuation", "\u060c", "arabic"),
        ("65_latin", "A", "latin"),
        ("48_latin_digit", "0", "latin"),
        ("43_symbol", "+", "latin"),
        ("33_punctuation", "!", "latin"),
    ],
)
def test_labels_are_written_as_the_original_writes_them(label, text, script):
    assert label in CLASS_OF
    assert (base_of(label), script_of(label)) == (text, script)
    assert CLASS_OF_CODE[code_of(label)] == CLASS_OF[label]


def test_forms():
    counts = Counter(map(form_of, LABELS))
    assert set(counts) == set(FORMS)
    assert counts["liga"] == 466  # as the sheet counts them


def test_groups_are_a_partition():
    assert sorted(label for group in MEMBERS for label in group) == sorted(LABELS)
    for group, labels in enumerate(MEMBERS):
        assert {GROUPS[CLASS_OF[label]] for label in labels} == {group}
        assert all(members(label) == labels for label in labels)
    assert len(MEMBERS) == max(GROUPS) + 1 == 1085


def test_same_character_and_form_by_definition_are_78_pairs_and_in_one_group():
    keys: dict[tuple[str, str], list[int]] = {}
    for code in CODES:
        parts = unicodedata.decomposition(chr(code)).split()
        if parts[:1] in (["<isolated>"], ["<final>"], ["<initial>"], ["<medial>"]):
            key = (" ".join(parts[1:]), parts[0])
        else:
            key = (f"{code:04X}", "<isolated>")
        keys.setdefault(key, []).append(code)
    same = [codes for codes in keys.values() if len(codes) > 1]
    assert sum(len(codes) - 1 for codes in same) == 78
    assert all(len({GROUPS[CLASS_OF_CODE[code]] for code in codes}) == 1 for codes in same)


@pytest.mark.parametrize(
    ("one", "other"), [(0x661, 0x6F1), (0x649, 0x6CC), (0x64B, 0xFE70), (0xFC03, 0xFBF9), (0xFEF3, 0xFBFE)]
)
def test_these_are_one_class(one, other):
    assert GROUPS[CLASS_OF_CODE[one]] == GROUPS[CLASS_OF_CODE[other]]


@pytest.mark.parametrize(
    ("one", "other"), [(0x664, 0x6F4), (0x628, 0x62A), (0x643, 0x6A9), (0x30, 0x4F), (0xFE91, 0xFE92), (0xFE70, 0xFE71)]
)
def test_these_are_not(one, other):
    assert GROUPS[CLASS_OF_CODE[one]] != GROUPS[CLASS_OF_CODE[other]]


def test_lookalikes_are_labels_and_say_something_new():
    assert all(one in CLASS_OF_CODE and other in CLASS_OF_CODE and one != other for one, other in LOOKALIKES)
    assert len(set(LOOKALIKES)) == len(LOOKALIKES)
