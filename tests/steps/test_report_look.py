"""The page as people meet it: by mouse, keyboard or screen reader, on a phone, in the dark, on paper, without a script."""

import re
from itertools import pairwise

import pytest
from made_report import made_report

from weighin.steps import report as document

pytest_plugins = ("report_browser",)
pytestmark = pytest.mark.timeout(400)


def test_sorting_keeps_what_is_missing_last(page):
    for _ in range(2):
        page.get_by_role("button", name="Sort by Latency p50").click()
        cells = page.eval_on_selector_all(
            "table.main tbody tr",
            "(rows) => rows.map((r) => r.querySelector('td[data-name=latency_p50_ms]')?.dataset.v || null)",
        )
        known = [float(cell) for cell in cells if cell is not None]
        assert cells[: len(known)] == [c for c in cells if c is not None] and len(known) == 13 and len(cells) == 16
        way = page.get_attribute("th[data-name=latency_p50_ms]", "aria-sort")
        assert known == sorted(known, reverse=way == "descending")
    assert way == "descending"


def test_axes_can_be_chosen(page):
    for x in ("latency_p90_ms", "cpu_ms_per_item", "size_mb", "peak_memory_mb", "throughput_per_s"):
        page.select_option("#x", x)
        marks = page.locator("#plot .mark")
        assert marks.count() == (13 if x == "size_mb" else 12)
        shares = page.eval_on_selector_all(
            "#plot .shape", "(all) => [...new Set(all.map((m) => m.style.getPropertyValue('--share')))]"
        )
        assert shares == ["1"]  # shares of draws belong to the axes they were drawn for
        assert not re.search("NaN|undefined|Infinity", page.inner_html("#plot"))
    page.select_option("#x", "latency_p50_ms")
    assert (
        len(
            page.eval_on_selector_all(
                "#plot .shape", "(all) => [...new Set(all.map((m) => m.style.getPropertyValue('--share')))]"
            )
        )
        > 5
    )


def test_marks_say_their_figures_by_keyboard(page):
    page.locator("#plot .mark").first.focus()
    assert "Latency p50" in page.inner_text("#says") and "top1" in page.inner_text("#says")


def test_nothing_fits_names_the_nearest(page):
    page.click("#profiles >> text=no limits")
    page.fill("#at-top1", "0.99")
    assert page.inner_text("#answer") == "Nothing fits these limits."
    assert re.search(r"Nearest is full @ \S+; it would fit with top1>=0\.92\d\.", page.inner_text("#why"))


@pytest.mark.parametrize("width", [320, 820])
def test_no_sideways_scrolling(visit, address, width):
    page = visit(address, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def contrast(one: str, two: str) -> float:
    """Contrast of two colours ``rgb(r, g, b)`` after WCAG 2.2."""

    def light(color: str) -> float:
        parts = [int(x) / 255 for x in re.findall(r"\d+", color)[:3]]
        r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(one), light(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, address, scheme):
    page = visit(address, color_scheme=scheme)
    color = "(e, p) => { const seen = getComputedStyle(e)[p]; return seen; }"
    backs = [
        page.eval_on_selector("html", color, "backgroundColor"),
        page.eval_on_selector("tr.choice", color, "backgroundColor"),
    ]
    for selector in (
        "h1",
        ".meta",
        "nav a",
        "td.none",
        "tr.out .stands",
        "tr.choice .stands",
        ".i",
        "summary",
        ".lede",
        "thead th",
    ):
        ink = page.eval_on_selector(selector, color, "color")
        assert all(contrast(ink, back) >= 4.5 for back in backs), (selector, ink, backs)


def test_structure_is_accessible(page):
    levels = [int(tag[1]) for tag in page.eval_on_selector_all("h1, h2, h3", "(all) => all.map((h) => h.tagName)")]
    assert levels.count(1) == 1 and levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert page.eval_on_selector_all("table", "(all) => all.every((t) => t.caption && t.caption.textContent.trim())")
    assert page.eval_on_selector_all("thead th, tbody th", "(all) => all.every((t) => t.scope)")
    unnamed = "(all) => all.filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map((e) => e.outerHTML)"
    assert page.eval_on_selector_all("input, select, button", unnamed) == []
    ids = page.eval_on_selector_all("[id]", "(all) => all.map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert page.get_attribute("#answer", "aria-live") == "polite"
    assert page.eval_on_selector_all(
        ".box", "(all) => all.every((b) => b.tabIndex === 0 && document.getElementById(b.getAttribute('aria-labelledby')))"
    )


def test_complete_without_a_script(visit, address, report):
    page = visit(address, java_script_enabled=False)
    rows = page.locator("table.main tbody tr")
    assert rows.count() == len(report.candidates)
    chosen = report.details["pick"]["choice"]
    assert page.inner_text("h1") == f"Ship {chosen['variant']} @ {chosen['runtime']}"
    assert "is over 2" in page.inner_text("table.main") and page.inner_text(".verdict") == report.details["pick"]["sentence"]


def test_print_opens_what_is_folded(page, tmp_path):
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.eval_on_selector_all("main details:not(.bulk)", "(all) => all.length > 4 && all.every((d) => d.open)")
    assert not page.is_visible("#limits") and not page.is_visible(".command") and page.is_visible("#answer")
    path = tmp_path / "report.pdf"
    page.pdf(path=str(path), prefer_css_page_size=True)
    assert path.read_bytes().startswith(b"%PDF")
    page.emulate_media(media="screen")


def test_a_page_with_nothing_to_choose_still_opens(visit, tmp_path):
    bare = made_report().model_copy(update={"candidates": [], "pairs": [], "front": {}, "details": {}})
    page = visit(document.write(bare, tmp_path)["html"].as_uri())
    assert page.evaluate("document.body.className") == "script" and not page.is_visible("#choose")
