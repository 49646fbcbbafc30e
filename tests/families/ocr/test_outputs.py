"""Formats: other programs must be able to read them, copied text must be what was read, a killed run must go on."""

import csv
import html.parser
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from weighin.families.ocr import outputs, transcript
from weighin.families.ocr.deskew import levelled, onto_page
from weighin.families.ocr.line import Place, Reading, Word

pypdfium2 = pytest.importorskip("pypdfium2")
TEXTS = ("ଓଡ଼ିଶା ଏକ ରାଜ୍ୟ ।", 'ଶ୍ରୀଜଗନ୍ନାଥ & <ମନ୍ଦିର> "ପୁରୀ"', "ସୂର୍ଯ୍ୟ ଚନ୍ଦ୍ର ୧୯୫୬")
SIZE = (900, 600)
XHTML, ALTO = "{http://www.w3.org/1999/xhtml}", "{http://www.loc.gov/standards/alto/ns-v4#}"


def reading(text, place, sure=0.95):
    """Words spread over the line by their length."""
    wide = transcript.line_size(place)[0]
    words, start = [], 0
    for number, word in enumerate(text.split(" ")):
        ends = (start * wide / len(text), (start + len(word)) * wide / len(text))
        words.append(Word(word, sure if number else 0.4, ends))
        start += len(word) + 1
    return Reading(text, sure, tuple(words), source=place)


def lines_of(path, page=1, angle=0.0):
    """Three lines of two paragraphs of a page, named as ``expand`` names them."""
    places = [Place(path, page, (100, 50 + 80 * n, 700, 90 + 80 * n), 300, SIZE, n // 2, n, angle) for n in range(3)]
    return [(f"page {page} line {n + 1}", reading(text, place)) for n, (text, place) in enumerate(zip(TEXTS, places))]


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "in" / "a scan.png"
    path.parent.mkdir()
    Image.fromarray(np.full(SIZE[::-1], 240, np.uint8)).save(path)
    return path


@pytest.fixture
def written(scan, tmp_path):
    """Suffix -> file, of one page."""
    found = outputs.save(scan, lines_of(scan), tmp_path / "out")
    assert {path.name.removeprefix("a scan.png.ocr.") for path in found} == {p.name[15:] for p in (tmp_path / "out").iterdir()}
    return {path.name.removeprefix("a scan.png.ocr."): path for path in found}


def test_all_formats_are_written_and_nothing_else(written, tmp_path):
    assert set(written) == {"txt", "json", "tsv", "hocr", "alto.xml", "html", "pdf"}
    assert len(list((tmp_path / "out").iterdir())) == 7


def test_text_has_paragraphs(written):
    assert written["txt"].read_text(encoding="utf-8") == f"{TEXTS[0]}\n{TEXTS[1]}\n\n{TEXTS[2]}\n"


def test_json_is_the_whole_page(written):
    raw = json.loads(written["json"].read_text(encoding="utf-8"))
    assert raw["file"] == "a scan.png" and [line["text"] for line in raw["pages"][0]["lines"]] == list(TEXTS)
    page = transcript.from_json(raw["pages"][0])
    assert json.loads(json.dumps(transcript.as_json(page))) == raw["pages"][0] and page.size == SIZE
    assert page.lines[0].words[0].box == pytest.approx((100, 50, 100 + 600 * TEXTS[0].index(" ") / len(TEXTS[0]), 90), abs=0.1)


def test_tsv_has_the_columns_of_tesseract(written):
    with written["tsv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(rows[0]) == outputs.COLUMNS.split()
    assert [row["level"] for row in rows[:5]] == ["1", "2", "3", "4", "5"]
    words = [row for row in rows if row["level"] == "5"]
    assert [row["text"] for row in words] == [word for text in TEXTS for word in text.split(" ")]
    assert {row["conf"] for row in rows if row["level"] != "5"} == {"-1"} and words[0]["conf"] == "40.00"
    assert (words[0]["left"], words[0]["top"], words[0]["height"]) == ("100", "50", "40")
    assert [(row["block_num"], row["line_num"]) for row in rows if row["level"] == "4"] == [("1", "1"), ("1", "2"), ("2", "1")]


def test_hocr_is_xhtml_with_boxes_and_confidences(written):
    root = ElementTree.parse(written["hocr"]).getroot()
    assert root.tag == f"{XHTML}html" and root.get("lang") == "or"
    classes = [node.get("class") for node in root.iter() if node.get("class")]
    assert [classes.count(name) for name in ("ocr_page", "ocr_par", "ocr_line")] == [1, 2, 3]
    words = [node for node in root.iter() if node.get("class") == "ocrx_word"]
    assert [node.text for node in words] == [word for text in TEXTS for word in text.split(" ")]
    assert all(re.fullmatch(r"bbox \d+ \d+ \d+ \d+; x_wconf \d+", node.get("title")) for node in words)
    page = next(node for node in root.iter() if node.get("class") == "ocr_page")
    assert page.get("title") == 'image "a scan.png"; bbox 0 0 900 600; ppageno 0; scan_res 300 300'
    places = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(places) == len(set(places))


def test_alto_has_the_structure_of_its_schema(written):
    root = ElementTree.parse(written["alto.xml"]).getroot()
    assert root.tag == f"{ALTO}alto" and [child.tag for child in root] == [f"{ALTO}Description", f"{ALTO}Layout"]
    assert [child.tag.removeprefix(ALTO) for child in root[0]] == ["MeasurementUnit", "sourceImageInformation", "Processing"]
    page = root[1][0]
    assert {"ID", "PHYSICAL_IMG_NR", "WIDTH", "HEIGHT"} <= set(page.keys())
    assert [child.tag for child in page] == [f"{ALTO}PrintSpace"]
    parents = {"TextBlock": "PrintSpace", "TextLine": "TextBlock", "String": "TextLine", "SP": "TextLine"}
    for node in root.iter():
        for child in node:
            name = child.tag.removeprefix(ALTO)
            assert name not in parents or node.tag == ALTO + parents[name]
    strings = list(root.iter(f"{ALTO}String"))
    assert [node.get("CONTENT") for node in strings] == [word for text in TEXTS for word in text.split(" ")]
    for node in strings:
        assert {"ID", "HPOS", "VPOS", "WIDTH", "HEIGHT", "WC"} <= set(node.keys()) and 0 <= float(node.get("WC")) <= 1
    ids = [node.get("ID") for node in root.iter() if node.get("ID")]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[A-Za-z_][\w.-]*", name) for name in ids)


class Well(html.parser.HTMLParser):
    """Keeps which tags are open, and what was asked of the network."""

    def __init__(self):
        super().__init__()
        self.open, self.marks, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "image"):
            self.open.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href")]
        self.marks += [dict(attrs).get("class")] * (tag == "mark")

    def handle_startendtag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_for_people_is_whole_in_itself_and_marks_unsure_words(written):
    parser = Well()
    parser.feed(written["html"].read_text(encoding="utf-8"))
    assert parser.open == [] and all(link.startswith("data:image/jpeg;base64,") for link in parser.links)
    assert len(parser.links) == 1 and parser.marks == ["some", "much"] + ["much"] * 3


def copied(path):
    """Text of a PDF as PDFium copies it, words by spaces."""
    document = pypdfium2.PdfDocument(path)
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


def test_text_copied_from_the_pdf_is_what_was_read(written):
    assert copied(written["pdf"]) == [" ".join(TEXTS)]


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="poppler is another reader, not needed")
def test_another_reader_copies_the_same(written):
    done = subprocess.run(
        ["pdftotext", "-raw", str(written["pdf"]), "-"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == " ".join(TEXTS).split()


def test_words_of_the_pdf_lie_where_they_were_read(written):
    document = pypdfium2.PdfDocument(written["pdf"])
    page = document[0]
    assert page.get_size() == pytest.approx((900 * 72 / 300, 600 * 72 / 300), abs=0.5)
    text = page.get_textpage()
    for line, word in ((0, "ଏକ"), (2, "ଚନ୍ଦ୍ର")):
        first, letter = TEXTS[line].index(word), 600 / len(TEXTS[line])
        x0, x1, y0, y1 = 100 + first * letter, 100 + (first + len(word)) * letter, 50 + 80 * line, 90 + 80 * line
        start, count = text.search(word).get_next()
        boxes = np.array([text.get_charbox(n) for n in range(start, start + count)])  # left, bottom, right, top
        assert 144 - boxes[:, 3].max() == pytest.approx(y0 * 0.24, abs=1.5)
        assert 144 - boxes[:, 1].min() == pytest.approx(y1 * 0.24, abs=1.5)
        assert boxes[:, 0].min() == pytest.approx(x0 * 0.24, abs=1.5)
        assert boxes[:, 2].max() == pytest.approx(x1 * 0.24, abs=1.5)
    document.close()


def test_the_layer_is_not_seen(scan, tmp_path):
    """Drawn, the page is the image; without lines the file is the same to the eye."""
    drawn = []
    blank = [("page 1 is blank", Reading("", source=Place(scan, 1, page_size=SIZE, dpi=300)))]
    for name, lines in (("with", lines_of(scan)), ("without", blank)):
        found = outputs.save(scan, lines, tmp_path / name)
        document = pypdfium2.PdfDocument(found[-1])
        drawn.append(document[0].render(scale=1).to_numpy().astype(int))
        document.close()
    assert np.abs(drawn[0] - drawn[1]).max() == 0 and abs(drawn[0].mean() - 240) < 2


def test_a_pdf_keeps_its_pages(tmp_path):
    path = tmp_path / "book.pdf"
    first, second = (Image.fromarray(np.full(SIZE[::-1], shade, np.uint8)) for shade in (250, 200))
    first.save(path, "PDF", resolution=300, save_all=True, append_images=[second])
    assert outputs.save(path, lines_of(path, 1), tmp_path / "out") == []
    found = outputs.save(path, lines_of(path, 2), tmp_path / "out")
    assert copied(found[-1]) == [" ".join(TEXTS)] * 2
    document = pypdfium2.PdfDocument(found[-1])
    assert [round(float(page.render(scale=1).to_numpy().mean())) for page in document] == pytest.approx([250, 200], abs=3)
    document.close()
    assert found[0].read_text(encoding="utf-8").count("\f") == 1
    assert not any(p.is_dir() for p in (tmp_path / "out").iterdir())


def test_killed_after_writing_the_last_page_is_assembled_again(tmp_path):
    path = tmp_path / "book.tif"
    frames = [Image.fromarray(np.full(SIZE[::-1], 250, np.uint8)) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for number in (1, 2, 3):
        found = outputs.save(path, lines_of(path, number), tmp_path / "out")
    whole = {p.name: p.read_bytes() for p in found if p.suffix != ".pdf"}
    again = outputs.save(path, lines_of(path, 3), tmp_path / "out")
    assert {p.name: p.read_bytes() for p in again if p.suffix != ".pdf"} == whole
    assert copied(again[-1]) == [" ".join(TEXTS)] * 3


def test_single_lines_get_no_files(scan, tmp_path):
    assert outputs.save(scan, [("", Reading("ଏକ"))], tmp_path / "out") == []
    assert outputs.save(scan, [("", reading("ଏକ", Place(scan, 1, (0, 0, 10, 10), None, (10, 10))))], tmp_path / "out") == []
    assert outputs.save(scan, [], tmp_path / "out") == [] and not (tmp_path / "out").exists()


def test_a_blank_page_says_so(scan, tmp_path):
    found = outputs.save(scan, [("page 1 is blank", Reading("", source=Place(scan, 1, page_size=SIZE)))], tmp_path)
    by = {p.name.removeprefix("a scan.png.ocr."): p for p in found}
    assert by["txt"].read_text() == "\n" and "page 1 is blank" in by["html"].read_text()
    assert json.loads(by["json"].read_text())["pages"][0]["note"] == "page 1 is blank"
    for suffix in ("hocr", "alto.xml"):
        ElementTree.parse(by[suffix])


def test_words_of_a_leaning_page_stand_on_its_lines(scan):
    """Corners of words agree with where the same pixels were before the page was turned level."""
    for angle in (-7.0, 0.0, 3.0, 178.0, -92.0):
        shape = levelled(np.full(SIZE[::-1], 255, np.uint8), angle).shape
        flat = np.array([(250, 300), (650, 300), (650, 340), (250, 340)], dtype=float)
        corners = onto_page(flat, angle, shape, SIZE[::-1])
        low, high = corners.min(0), corners.max(0)
        place = Place(scan, 1, (low[0], low[1], high[0], high[1]), None, SIZE, 0, 0, -angle)
        assert transcript.line_size(place) == pytest.approx((400, 40), abs=0.01)
        word = Reading("ଏକ", words=(Word("ଏକ", 1.0, (100, 200)),), source=place)
        found = transcript.page_of([("page 1 line 1", word)]).lines[0].words[0].corners
        part = np.array([(350, 300), (450, 300), (450, 340), (350, 340)], dtype=float)
        assert found == pytest.approx(onto_page(part, angle, shape, SIZE[::-1]).ravel(), abs=0.2)


def test_odd_characters_break_no_format(scan, tmp_path):
    place = lines_of(scan)[0][1].source
    odd = "a\x00b\x0bc\ud800d\ufffe ]]> & \"'< \u2028 \ufffd"
    found = outputs.save(scan, [("page 1 line 1", reading(odd, place))], tmp_path)
    for path in found:
        if path.suffix in (".hocr", ".xml"):
            ElementTree.parse(path)
    raw = json.loads(found[1].read_text(encoding="utf-8", errors="replace"))
    assert raw["pages"][0]["lines"][0]["text"] == odd.replace("\ud800", "?")
    assert copied(found[-1])[0].startswith("abc")


def test_readers_without_words_get_them_from_the_text(scan):
    place = lines_of(scan)[0][1].source
    page = transcript.page_of([("page 1 line 1", Reading(TEXTS[0], 0.7, source=place))])
    assert [word.text for word in page.lines[0].words] == TEXTS[0].split()
    assert page.lines[0].words[-1].box[2] == pytest.approx(700, abs=0.2)
    assert replace(page.lines[0].words[0], confidence=0.7) == page.lines[0].words[0]


@pytest.mark.parametrize(("text", "language"), [("ଓଡ଼ିଶା", "or"), ("भारत", "hi"), ("abc 12", "und"), ("", "und")])
def test_the_language_is_that_of_the_letters(text, language):
    assert outputs.language_of(text) == language
