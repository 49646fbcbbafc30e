"""Alphabets: the canonical form is the sheet's, and classes mean what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighin.core.errors import ConfigError
from weighin.families.ocr.alphabet import ALPHABETS, ODIA, UNREADABLE, alphabet, canonical

ANY = st.text(st.sampled_from([*ODIA.characters, "\u200c", "\u200d", "\u0b64", "\u0b65", " ", "\t", "\u00a0", "\u0b5c", "क"]))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ଡ\u0b3c", "\u0b21\u0b3c"),
        ("\u0b5c", "\u0b21\u0b3c"),  # NFC takes the letter with a dot apart
        ("କ\u0b47\u0b3e", "କ\u0b4b"),
        ("ହଠାତ୍\u200cକୁ", "ହଠାତ୍କୁ"),
        ("କ\u0b47\u200d\u0b3e", "କ\u0b4b"),  # what a joiner kept apart is composed
        ("ଶେଷ\u0b64", "ଶେଷ\u0964"),
        ("ଶେଷ \u0b65", "ଶେଷ \u0965"),
        ("ବାକ\u0b4d\u0b2f", "ବାକ\u0b4d\u0b5f"),
        ("  ଦୁଇ \t ଶବ୍ଦ\u00a0 ", "ଦୁଇ ଶବ୍ଦ"),
    ],
)
def test_canonical_form(given, wanted):
    assert canonical(given) == wanted


def test_spaces_and_dandas_count():
    assert canonical("କ ଖ।") != canonical("କଖ") and len(canonical("କ ଖ।")) == 4


@given(ANY)
def test_twice_is_once(text):
    for known in ALPHABETS.values():
        assert known.canonical(known.canonical(text)) == known.canonical(text)


@given(ANY)
def test_encoded_and_decoded_is_the_same(text):
    wanted = ODIA.canonical(text)
    assert ODIA.decode(ODIA.encode(wanted)) == ODIA.readable(wanted)
    assert 0 not in ODIA.encode(wanted)


def test_a_word_of_another_script_is_one_sign():
    assert ODIA.readable("ଏକ हिन्दी ଶବ୍ଦ") == f"ଏକ {UNREADABLE} ଶବ୍ଦ"
    assert ODIA.foreign("ଏକ हि") == set("हि")


@pytest.mark.parametrize("name", ALPHABETS)
def test_every_character_is_canonical_and_has_one_class(name):
    known = alphabet(name)
    assert len(set(known.characters)) == len(known.characters) == known.classes - 1
    assert all(known.canonical(c) in (c, "") for c in known.characters)
    assert set(known.index.values()) == set(range(1, known.classes))


def test_syllables_are_whole_clusters():
    assert ODIA.syllables("ସ୍ତ୍ରୀ ପଡ଼ିଲା।") == ["ସ୍ତ୍ରୀ", " ", "ପ", "ଡ଼ି", "ଲା", "।"]
    assert "".join(ODIA.syllables("କଣ୍ଟା, 12")) == "କଣ୍ଟା, 12"


def test_an_unknown_alphabet_is_told():
    with pytest.raises(ConfigError, match="Did you mean 'odia'"):
        alphabet("odya")
