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


@pytest.fixture
def page(browser, address):
    """The page, opened; it must ask for nothing but itself and complain of nothing, to the end of the test."""
    opened: Any = browser.new_page(viewport={"width": 1280, "height": 900})
    noted: list[str] = []
    opened.on("pageerror", lambda error: noted.append(str(error)))
    opened.on("console", lambda said: noted.append(said.text))
    opened.on("request", lambda request: noted.append(request.url) if not request.url.startswith("data:") else None)
    opened.goto(address)
    assert noted == [address]
    yield opened
    assert noted == [address]
    opened.close()
