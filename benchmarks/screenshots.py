"""Pictures of a real report's page, section by section, for docs/report.md: light, dark, on a phone, in print.

python benchmarks/screenshots.py [--report docs/evidence/glyphs/report] [--out docs/pictures]
"""

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from weighin.core.files import write_bytes

SECTIONS = ("choose", "table", "quality", "runtimes", "training", "guide", "evidence")
WIDE = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}
TALLEST = 1100  # px; what is longer is cut, the page has the rest
COLOURS = 64
LARGEST = 200_000  # bytes a picture


def kept(raw: bytes, path: Path) -> None:
    """Writes a picture with as many colours as keep it small."""
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    for colours in (COLOURS, 32, 16):
        out = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() < LARGEST:
            break
    write_bytes(path, out.getvalue())
    print(f"{path}: {picture.width} x {picture.height}, {out.tell() / 1e3:.0f} kB")


def shot(page: Any, selector: str | None = None) -> bytes:
    """The first screen, or one element from its top on."""
    if selector is None:
        return page.screenshot()
    box = page.locator(selector).bounding_box()
    page.set_viewport_size({"width": page.viewport_size["width"], "height": int(min(box["height"], TALLEST)) + 16})
    page.evaluate("(selector) => document.querySelector(selector).scrollIntoView({behavior: 'instant'})", selector)
    page.wait_for_function("(selector) => document.querySelector(selector).getBoundingClientRect().top < 40", arg=selector)
    return page.screenshot()


def pictures(browser: Any, address: str, out: Path) -> None:
    """All of them."""
    page = browser.new_page(viewport=WIDE)
    page.goto(address)
    kept(shot(page), out / "report-verdict.png")
    for section in SECTIONS:
        page.set_viewport_size(WIDE)
        kept(shot(page, f"#{section}"), out / f"report-{section}.png")
    dark = browser.new_page(viewport=WIDE, color_scheme="dark")
    dark.goto(address)
    kept(shot(dark, "#choose"), out / "report-dark.png")
    phone = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True)
    phone.goto(address)
    kept(shot(phone), out / "report-phone.png")
    paper = browser.new_page(viewport={"width": 794, "height": 1123})  # A4 at 96 dpi
    paper.goto(address)
    paper.emulate_media(media="print")
    paper.evaluate("dispatchEvent(new Event('resize'))")
    kept(shot(paper), out / "report-print.png")


def main() -> None:
    """Opens the report in a headless Chromium and writes the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=Path("docs/evidence/glyphs/report"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    asked = parser.parse_args()
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("No chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        pictures(browser, (asked.report / "report.html").resolve().as_uri(), asked.out)
        browser.close()


if __name__ == "__main__":
    main()
