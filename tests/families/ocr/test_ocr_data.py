"""Data specs: what is split from what, what is refused, and what a folder of people's own lines must look like."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weighin.core.errors import DataError
from weighin.families.ocr import data, fonts, text
from weighin.families.ocr.alphabet import BENGALI, ODIA
from weighin.families.ocr.data import examples
from weighin.families.ocr.typeset import Typeset, span

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "odia_text"
needs_fonts = pytest.mark.skipif(not fonts.faces(ODIA), reason="no font of the system sets Odia; see benchmarks/fonts.sh")
SENTENCES = [f"ଏହା {n} ନମ୍ବର ବାକ୍ୟ ଅଟେ ।" for n in "୧୨୩୪୫୬୭୮୯"]


@pytest.fixture
def folder(tmp_path):
    """Sentences of thirty documents, and a test of its own."""
    rows = [f"source\tdoc{n}\t{SENTENCES[n % 9]} କଥା {'କଖଗଘ'[n % 4] * (n + 1)}" for n in range(120)]
    (tmp_path / "text.train.tsv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "text.dev.tsv").write_text("\n".join(f"s\td{n}\t{s}" for n, s in enumerate(SENTENCES)), encoding="utf-8")
    (tmp_path / "some.wordlist").write_text("ଆପଣଙ୍କୁ\nABCक\nଭଲ\n", encoding="utf-8")
    return tmp_path


def picture(path, width=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((20, width), 255, np.uint8)
    pixels[5:15, 5:-5:4] = 0
    Image.fromarray(pixels).save(path)


@needs_fonts
def test_made_lines_are_split_by_document_and_by_font():
    found = {split: examples("synthetic", split) for split in ("train", "validation", "test")}
    groups = {split: {e.group for e in found[split]} for split in found}
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]
    designs = {split: {e.x.face.design for e in found[split]} for split in found}
    assert designs["validation"] <= designs["train"] <= designs["test"]
    unseen = {e.x.face.design for e in found["test"] if "unseen" in e.kind.split(", ")}
    assert unseen == designs["test"] - designs["train"]


@needs_fonts
def test_a_test_line_stands_there_clean_and_degraded():
    found = examples("synthetic", "test")
    one, other = found[0], found[1]
    assert one.y == other.y and one.x.face == other.x.face and one.group == other.group
    assert one.kind.startswith("clean, ") and other.kind.startswith("degraded, ")
    assert not np.array_equal(one.x.pixels, other.x.pixels)
    assert np.array_equal(one.x.pixels, examples("synthetic", "test")[0].x.pixels), "the same whenever it is looked at"


@needs_fonts
def test_truth_is_canonical_and_can_be_written():
    for split in ("train", "test"):
        found = examples("synthetic", split)
        for example in (found[i] for i in range(0, len(found), 37)):
            assert example.y == ODIA.canonical(example.y) and not ODIA.foreign(example.y) and example.y


@needs_fonts
def test_sentences_of_a_folder(folder):
    found = {split: examples(f"rendered:{folder}", split) for split in ("train", "validation", "test")}
    assert {e.group for e in found["test"]} == {f"test-s-d{n}" for n in range(9)}
    assert len(found["test"]) == 18 and found["train"][0].x.press.words == ("ଆପଣଙ୍କୁ", "ଭଲ")
    assert len(found["train"]) + len(found["validation"]) // 2 == 120


@needs_fonts
def test_all_fonts_may_be_learned(folder):
    learned = {e.x.face.design for e in examples(f"allfonts:{folder}", "train")}
    assert learned == {face.design for face in fonts.faces(ODIA)}
    assert not any("unseen" in e.kind for e in examples(f"allfonts:{folder}", "test"))


@needs_fonts
def test_the_fingerprint_knows_the_files(folder):
    before = data.fingerprint(f"rendered:{folder}")
    assert before == data.fingerprint(f"rendered:{folder}") != data.fingerprint("synthetic")
    (folder / "more.txt").write_text("ଆଉ ଏକ ବାକ୍ୟ", encoding="utf-8")
    assert data.fingerprint(f"rendered:{folder}") != before


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("rendered", "names no folder"),
        ("rendered:/no/such/place", "no folder"),
        ("synthetic:klingon", "no alphabet 'klingon'"),
        ("lines:/no/such/place", "no folder"),
        ("imagefolder:/no/such/place", "no metadata"),
        ("lines", "knows no data"),
        ("pixels:here", "knows no data"),
    ],
)
def test_data_that_is_not_there_is_told(spec, reason):
    with pytest.raises(DataError, match=reason):
        examples(spec, "train")


def test_text_of_no_known_script_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("중국어 한국어\n", encoding="utf-8")
    with pytest.raises(DataError, match="No sentence of"):
        text.folder_corpus(tmp_path, ODIA, "1")


def test_text_that_is_not_utf8_is_told(tmp_path):
    (tmp_path / "a.txt").write_bytes("ଏହା".encode() + b"\xff\xfe")
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 9\)"):
        text.folder_corpus(tmp_path, ODIA, "1")


def test_made_words_use_the_whole_alphabet():
    rng = np.random.default_rng(0)
    seen = set("".join(text.made_word(ODIA, rng) + text.number(ODIA, rng) for _ in range(6000)))
    assert seen >= set(ODIA.consonants + ODIA.vowels + ODIA.signs + ODIA.finals + ODIA.digits + ODIA.halant)


def test_other_alphabets_have_text_without_a_file():
    corpus = text.system_corpus(BENGALI)
    assert len(corpus.sentences) > 1000 and corpus.words and "CLDR" in corpus.used


def test_a_span_is_whole_words_of_about_the_length():
    rng = np.random.default_rng(0)
    sentence = "ଏକ ଦୁଇ ତିନି ଚାରି ପାଞ୍ଚ ଛଅ ସାତ ଆଠ"
    for letters in (1, 8, 20, 100):
        for _ in range(30):
            found = span(sentence, letters, rng)
            assert found in sentence and set(found.split()) <= set(sentence.split())
            assert len(found) <= max(letters, 5)
    assert span(sentence, 100, rng) in sentence


def test_pairs_of_image_and_truth(tmp_path):
    for book in "abcdefgh":
        for n in range(3):
            picture(tmp_path / book / f"{n}.png")
            (tmp_path / book / f"{n}.gt.txt").write_text("ବାକ୍\u0b4d\u0b2f\u0b64 \n", encoding="utf-8")
    found = [e for split in ("train", "validation", "test") for e in examples(f"lines:{tmp_path}", split)]
    assert len(found) == 24 and {e.y for e in found} == {ODIA.canonical("ବାକ୍\u0b4d\u0b2f\u0b64")}
    assert {e.group for e in found} == set("abcdefgh") and found[0].x.pixels.shape == (20, 60)


def test_an_image_without_truth_is_told(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "a.gt.txt").write_text("କ", encoding="utf-8")
    with pytest.raises(DataError, match=r"1 of 2 images .* b\.png lacks b\.gt\.txt"):
        examples(f"lines:{tmp_path}", "train")


def test_truth_that_is_not_utf8_is_told(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        examples(f"lines:{tmp_path}", "train")


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl"])
def test_a_table_of_images(tmp_path, table):
    rows = [{"file_name": f"{split}/{n}.png", "text": f"ଧାଡ଼ି {n}"} for split in ("train", "test") for n in range(4)]
    for row in rows:
        picture(tmp_path / row["file_name"])
    if table.endswith("csv"):
        lines = ["file_name,text", *(f"{row['file_name']},{row['text']}" for row in rows)]
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / table).write_text("\n".join(lines), encoding="utf-8")
    assert [e.y for e in examples(f"imagefolder:{tmp_path}", "test")] == [ODIA.canonical(f"ଧାଡ଼ି {n}") for n in range(4)]
    assert len(examples(f"imagefolder:{tmp_path}", "train")) == 4


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('{"file_name": "a.png"}', "line 1 lacks file_name or text"),
        ('{"file_name": "nowhere.png", "text": "କ"}', "line 1: there is no"),
        ('{"file_name": "../a.png", "text": "କ"}', "outside the folder"),
        ("[1, 2]", "line 1 is no object"),
        ("nonsense", "line 1 is not JSON"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(tmp_path, rows, reason):
    (tmp_path / "metadata.jsonl").write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        examples(f"imagefolder:{tmp_path}", "train")


def test_a_damaged_picture_is_told_by_its_name(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(b"\x89PNG nothing more")
    (tmp_path / "train" / "a.gt.txt").write_text("କ", encoding="utf-8")
    found = examples(f"lines:{tmp_path}", "train")
    with pytest.raises(DataError, match=r"a\.png"):
        _ = found[0].x.pixels


@needs_fonts
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/odia_text")
def test_the_shared_text_is_split_by_document():
    found = {split: examples(f"rendered:{SHARED}", split) for split in ("train", "test")}
    assert len(found["train"]) > 10_000 and isinstance(found["train"][0].x, Typeset)
    assert not {e.group.removeprefix("test-") for e in found["test"]} & {e.group for e in found["train"]}
