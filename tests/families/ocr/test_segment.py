"""Lines of pages with a known layout: all are found, in order, whole, and without their neighbours."""

import numpy as np
import pytest
from made_pages import Look, Page, installed, page
from page_scores import score

from weighin.families.ocr import deskew, layout
from weighin.families.ocr.segment import segment, sheet

fonts = pytest.mark.skipif(not installed(), reason="no Odia font is installed")
LOOKS = {
    "plain": Look(),
    "tight": Look(leading=1.25),
    "columns, rules, skew": Look(columns=2, rules=True, skew=3),
    "skew": Look(skew=-8.5),
    "specks": Look(specks=1500, columns=2),
    "photo": Look(photo=True, skew=1.5),
    "curve": Look(curve=10),
}


@fonts
@pytest.mark.parametrize("name", LOOKS)
def test_lines_are_found_in_order_whole_and_alone(name):
    made = page(LOOKS[name], 1)
    seen = score(made, sheet(made.pixels), straight=name != "curve")
    assert seen.found >= 0.98 * seen.lines and seen.misplaced == 0 and seen.extra <= 1
    assert abs(seen.angle - LOOKS[name].skew) < 0.3
    assert seen.own > 0.98 and seen.foreign < 0.01


@fonts
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_pages_upside_down_and_on_their_side_are_turned(turns):
    made = page(Look(columns=2, skew=1), 2)
    turned = Page(*(np.ascontiguousarray(np.rot90(v, turns)) for v in (made.pixels, made.owner)), made.texts)
    seen = score(turned, sheet(turned.pixels))
    assert seen.found >= 0.98 * seen.lines and seen.misplaced == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 3), (40, 40), (700, 500)])
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_pages_without_writing_have_no_lines(shape, shade):
    assert segment(np.full(shape, shade, np.uint8)) == []


def test_noise_is_no_writing():
    rng = np.random.default_rng(0)
    grain = rng.normal(230, 8, (900, 700)).clip(0, 255).astype(np.uint8)
    assert segment(grain) == []
    dirty = np.full((900, 700), 250, np.uint8)
    dirty[rng.integers(0, 900, 200), rng.integers(0, 700, 200)] = 0
    assert segment(dirty) == []


@pytest.mark.parametrize("seed", range(4))
def test_any_pixels_give_lines_inside_the_page(seed):
    """Random blocks: nothing fails, every line is a part of the page with ink in it."""
    rng = np.random.default_rng(seed)
    grey = np.full((int(rng.integers(5, 500)), int(rng.integers(5, 500))), 255, np.uint8)
    for _ in range(60):
        y, x = rng.integers(0, grey.shape[0]), rng.integers(0, grey.shape[1])
        grey[y : y + rng.integers(1, 30), x : x + rng.integers(1, 40)] = rng.integers(0, 120)
    found = sheet(grey)
    for line in found.lines:
        x0, y0, x1, y1 = line.box
        assert 0 <= x0 < x1 <= found.level[1] + 1 and 0 <= y0 < y1 <= found.level[0] + 1
        assert line.pixels.dtype == np.uint8 and line.pixels.size and line.pixels.min() < 200


def test_uneven_light_is_divided_out():
    x = np.arange(600)[None, :]
    light = 0.4 + 0.6 * x / 600  # one row: it grows to the right
    page_ = np.full((400, 600), 240.0)
    page_[100:110, ::7] = 60
    flat = deskew.flattened((page_ * light).astype(np.uint8))
    paper = np.ones_like(flat, bool)
    paper[97:113] = False
    assert flat[paper].min() > 225 and flat[100:110, ::7].max() < 110


@pytest.mark.parametrize("angle", [-9.7, -2.0, 0.0, 1.0, 6.3])
def test_the_angle_of_ruled_ink_is_found(angle):
    ink = np.zeros((800, 800), np.uint8)
    for row in range(150, 650, 40):
        ink[row : row + 8, 100:700] = np.random.default_rng(row).integers(0, 2, 600).astype(np.uint8)
    turned = deskew.levelled(255 - ink * 255, -angle) < 128
    assert deskew.angle_of(turned) == pytest.approx(angle, abs=0.15)


def test_points_go_back_to_where_they_came_from():
    grey = np.full((300, 500), 255, np.uint8)
    grey[80:84, 400:404] = 0
    for angle in (0.0, 4.0, -9.0):
        level = deskew.levelled(grey, angle)
        ys, xs = np.nonzero(level < 128)
        back = deskew.onto_page(np.array([(xs.mean() + 0.5, ys.mean() + 0.5)]), angle, level.shape, grey.shape)[0]
        assert back == pytest.approx((402, 82), abs=1.0)


def boxes(*rows):
    return [tuple(map(float, row)) for row in rows]


def test_columns_are_read_one_after_the_other():
    left = [(0, 100 + 20 * n, 200, 115 + 20 * n) for n in range(5)]
    right = [(230, 107 + 20 * n, 430, 122 + 20 * n) for n in range(5)]
    heading, foot = (50, 20, 380, 60), (100, 300, 330, 320)
    found = layout.reading_order(boxes(*right, foot, heading, *left))
    assert found == [6, *range(7, 12), *range(5), 5]


def test_a_heading_between_columns_parts_them():
    rows = boxes((0, 0, 90, 10), (110, 0, 200, 10), (0, 30, 200, 50), (0, 60, 90, 70), (110, 60, 200, 70), (0, 80, 90, 90))
    assert layout.reading_order(rows) == [0, 1, 2, 3, 5, 4]


def test_every_line_is_read_once():
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 17):
        corners = rng.uniform(0, 100, (count, 2))
        found = layout.reading_order([(x, y, x + 20, y + 5) for x, y in corners])
        assert sorted(found) == list(range(count))


def test_paragraphs_end_at_indents_gaps_sizes_and_columns():
    rows = boxes(
        (0, 0, 100, 20),
        (0, 40, 100, 50),
        (0, 55, 100, 65),
        (10, 70, 100, 80),
        (0, 85, 60, 95),
        (0, 130, 100, 140),
        (200, 0, 300, 10),
    )
    assert layout.paragraphs(rows, [20, 10, 10, 10, 10, 10, 10]) == [0, 1, 1, 2, 2, 3, 4]
    assert layout.paragraphs([], []) == []


def test_rules_are_taken_out_and_letters_left():
    ink = np.zeros((200, 600), bool)
    ink[50:52, 20:580] = ink[10:190, 300:302] = True
    ink[100:115, 100:110] = True
    found = layout.rules(ink, 12.0)
    assert found[50:52, 30:570].all() and found[20:180, 300:302].all() and not found[100:115, 100:110].any()
