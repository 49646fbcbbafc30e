"""Files of pages: what is one line stays one, pages come one at a time, bad files are refused with a reason."""

import io
import warnings

import numpy as np
import pytest
from made_pages import Look, installed, page
from PIL import Image

from weighin.core.errors import InputError
from weighin.families.ocr import page as pages
from weighin.families.ocr import pdf

pypdfium2 = pytest.importorskip("pypdfium2")
fonts = pytest.mark.skipif(not installed(), reason="no Odia font is installed")
SMALL = Look(width=620, height=500, size=26, heading=False)


@pytest.fixture(scope="module")
def made():
    return page(SMALL, 0)


def as_pdf(path, pictures, dpi=150):
    first, *rest = [Image.fromarray(p) for p in pictures]
    first.save(path, "PDF", resolution=dpi, save_all=True, append_images=rest)
    return path


@fonts
def test_an_image_of_a_page_is_its_lines(made, tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(made.pixels).save(path, dpi=(300, 300))
    found = pages.expand(path)
    assert found is not None and len(found) == 1
    assert [name for name, _ in found[0]] == [f"page 1 line {n + 1}" for n in range(len(made.texts))]
    for order, (_, line) in enumerate(found[0]):
        place = line.source
        assert (place.path, place.page, place.order, place.page_size) == (path, 1, order, (620, 500))
        assert place.dpi == pytest.approx(300, abs=1)
        ys, xs = np.nonzero(made.owner == order + 1)
        x0, y0, x1, y1 = place.box
        assert x0 <= xs.min() and y0 <= ys.min() and x1 >= xs.max() and y1 >= ys.max()


@fonts
def test_a_line_stays_one_line(made, tmp_path):
    ys, xs = np.nonzero(made.owner == 2)
    line = made.pixels[ys.min() - 4 : ys.max() + 4, xs.min() - 4 : xs.max() + 4]
    for name, cut in (("long", line), ("word", line[:, :120]), ("odd", np.pad(line[:, :150], 10, constant_values=255))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(cut).save(path)
        assert pages.expand(path) is None, name


@fonts
@pytest.mark.parametrize("suffix", [".tif", ".pdf"])
def test_a_file_of_many_pages_is_read_one_by_one(made, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"many{suffix}"
    pictures = [made.pixels, np.full_like(made.pixels, 255), made.pixels[:, ::-1]]
    if suffix == ".pdf":
        as_pdf(path, pictures)
    else:
        first, *rest = [Image.fromarray(p) for p in pictures]
        first.save(path, save_all=True, append_images=rest, compression="tiff_deflate")
    asked, original = [], pages.pixels
    monkeypatch.setattr(pages, "pixels", lambda path, number: asked.append(number) or original(path, number))
    found = pages.expand(path)
    assert len(found) == 3 and asked == []
    assert [name for name, _ in found[0]] == [f"page 1 line {n + 1}" for n in range(len(made.texts))]
    assert asked == [0]
    blank = found[1]
    assert [name for name, _ in blank] == ["page 2 is blank"] and (blank[0][1].pixels == 255).all()
    assert blank[0][1].source.page == 2
    assert all(line.source.page == 3 for _, line in found[2]) and asked == [0, 1, 2]
    if suffix == ".pdf":
        assert found[0][0][1].source.dpi == 300
        assert found[0][0][1].source.page_size == pytest.approx((1240, 1000), abs=2)


def test_a_blank_page_is_no_error(tmp_path):
    Image.new("L", (600, 800), 250).save(tmp_path / "blank.png")
    assert [name for name, _ in pages.expand(tmp_path / "blank.png")[0]] == ["page 1 is blank"]


def test_what_is_no_image_is_left_to_read(tmp_path):
    for name, raw in (("a", b""), ("b", b"\0" * 16), ("c", b"text"), ("d", b"\x89PNG\r\n\x1a\n")):
        (tmp_path / name).write_bytes(raw)
        assert pages.expand(tmp_path / name) is None
    with pytest.raises(InputError, match="cannot be read: No such file"):
        pages.expand(tmp_path / "missing")


def test_a_pdf_with_a_password_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"locked.*password.*Unlock it"):
        pages.expand(locked(tmp_path / "locked.pdf"))


def locked(path):
    """A PDF whose user password is not empty (standard security handler, revision 2)."""
    entries = "/Filter /Standard /V 1 /R 2 /P -44 /O <" + "11" * 32 + "> /U <" + "22" * 32 + ">"
    body = "1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
    body += "2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj\n"
    body += "3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 100]>> endobj\n"
    body += f"4 0 obj <<{entries}>> endobj\n"
    raw = "%PDF-1.4\n" + body
    places = [raw.index(f"{n} 0 obj") for n in range(1, 5)]
    table = "xref\n0 5\n0000000000 65535 f \n" + "".join(f"{at:010d} 00000 n \n" for at in places)
    end = f"trailer <</Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<{'33' * 16}> <{'33' * 16}>]>>\nstartxref\n{len(raw)}\n%%EOF\n"
    path.write_bytes((raw + table + end).encode())
    return path


@pytest.mark.parametrize("raw", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\0" * 500, b"%PDF-1.4\n1 0 obj <<"])
def test_a_damaged_pdf_is_refused(tmp_path, raw):
    (tmp_path / "bad.pdf").write_bytes(raw)
    with pytest.raises(InputError, match=r"damaged PDF.*Fetch or save it again"):
        pages.expand(tmp_path / "bad.pdf")


@fonts
def test_a_truncated_pdf_is_refused_or_read_as_far_as_it_goes(made, tmp_path):
    path = as_pdf(tmp_path / "whole.pdf", [made.pixels] * 3)
    raw = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(raw[: int(share * len(raw))])
        try:
            found = pages.expand(path)
        except InputError as error:
            assert "damaged PDF" in str(error)
        else:
            assert all(name.startswith("page ") for group in found for name, _ in group)


@fonts
def test_a_damaged_page_does_not_take_the_others_with_it(made, tmp_path, monkeypatch):
    path = as_pdf(tmp_path / "three.pdf", [made.pixels] * 3)
    original = pdf.pixels

    def broken(path, number):
        if number == 1:
            raise InputError("It is torn")
        return original(path, number)

    monkeypatch.setattr(pdf, "pixels", broken)
    found = pages.expand(path)
    assert [group[0][0] for group in found] == ["page 1 line 1", "page 2 cannot be read: It is torn.", "page 3 line 1"]


def test_a_huge_page_of_a_pdf_is_drawn_smaller(tmp_path):
    document = pypdfium2.PdfDocument.new()
    document.new_page(14_400, 7_200)
    document.save(tmp_path / "huge.pdf")
    found, dpi = pdf.pixels(tmp_path / "huge.pdf", 0)
    assert found.size <= 1.01 * pdf.MOST_PIXELS and 70 < dpi < 80


def test_pages_are_a_sequence(tmp_path):
    path = as_pdf(tmp_path / "two.pdf", [np.full((200, 300), 255, np.uint8)] * 2)
    found = pages.expand(path)
    assert [group[0][0] for group in found] == ["page 1 is blank", "page 2 is blank"] == [g[0][0] for g in found[0:2]]
    with pytest.raises(IndexError):
        found[2]


@pytest.mark.slow
def test_memory_stays_flat_over_many_pages(tmp_path):
    psutil = pytest.importorskip("psutil")
    path = as_pdf(tmp_path / "long.pdf", [np.full((3508, 2480), 255, np.uint8)] * 12, dpi=300)
    found, seen = pages.expand(path), []
    for group in found:
        assert len(group) == 1
        seen.append(psutil.Process().memory_info().rss / 1e6)
    assert max(seen[3:]) - seen[2] < 60, "MB beyond what the first pages took"


def test_no_warning_for_odd_files(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        buffer = io.BytesIO()
        Image.new("L", (300, 200), 255).save(buffer, "TIFF", dpi=(0, 0))
        (tmp_path / "a.tif").write_bytes(buffer.getvalue())
        assert pages.expand(tmp_path / "a.tif")[0][0][1].source.dpi is None
