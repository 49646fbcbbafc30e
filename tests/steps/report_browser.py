"""A headless Chromium for tests of the report's page; tests skip, and say why, where there is none."""

import shutil
from typing import Any

import pytest
from made_report import made_report, picked

from weighin.core.result import Report
from weighin.steps import report as document


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def report() -> Report:
    return picked(made_report())


@pytest.fixture(scope="session")
def address(report, tmp_path_factory) -> str:
    return document.write(report, tmp_path_factory.mktemp("page"))["html"].as_uri()


PATIENCE_MS = 120_000  # of a machine that does other things too
RESET = """() => {
  for (const folded of document.querySelectorAll('details')) folded.open = false;
  Object.assign(state, {best: data.best, limits: data.limits.map((l) => ({...l})), optimistic: false, imported: false});
  byId('x').value = data.front_axes[1]; byId('y').value = data.primary; byId('imported').checked = false; update();
}"""


@pytest.fixture
def visit(browser):
    """``visit(address, **options)``: a new page, closed when the test ends."""
    pages = []

    def go(address: str, **options: Any) -> Any:
        pages.append(browser.new_page(**options))
        pages[-1].set_default_timeout(PATIENCE_MS)
        pages[-1].goto(address)
        return pages[-1]

    yield go
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def opened(browser, address):
    """The page, opened once, and everything it asked for or complained of."""
    page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    noted: list[str] = []
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("console", lambda said: noted.append(said.text))
    page.on("request", lambda request: noted.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(address)
    yield page, noted
    page.close()


@pytest.fixture
def page(opened, address):
    """The page as it was when it was opened; it must ask for nothing but itself and complain of nothing."""
    page, noted = opened
    page.evaluate(RESET)
    assert noted == [address]
    yield page
    assert noted == [address]
