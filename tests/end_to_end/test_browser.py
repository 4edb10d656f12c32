"""Prefect's own page in a real browser: start `release` from its form, and see it finish."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as ec
from selenium.webdriver.support.wait import WebDriverWait

from tests.end_to_end.conftest import Stack

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the whole stack
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1300",
)
MISSING = "needs the programs chromium and chromedriver (Debian: apt install chromium chromium-driver)"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Return a headless Chromium with a profile of its own; without one the test is skipped with a sentence."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("SLIPWAY_REQUIRE_BROWSER"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def test_a_release_is_started_from_its_form(
    stack: Stack, register: Callable[[str, int], int], browser: webdriver.Chrome
) -> None:
    """The form has a field for each parameter; the run's page shows that the version was promoted."""
    stack.spec("clicked")
    register("clicked", 1)
    pages = stack.prefect.removesuffix("/api")
    deployment = httpx.get(f"{stack.prefect}/deployments/name/release/release", timeout=30).json()["id"]

    browser.get(f"{pages}/deployments/deployment/{deployment}/run")
    _field(browser, "model").send_keys("clicked")
    labels = [label.text for label in browser.find_elements(By.CSS_SELECTOR, ".p-label__text, label")]
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    stack.until("the release", lambda: stack.state("clicked", 1) == "promoted")
    run = _run(stack, "clicked")
    browser.get(f"{pages}/runs/flow-run/{run}")

    assert any("version" in label for label in labels)
    assert WebDriverWait(browser, 60).until(ec.text_to_be_present_in_element((By.TAG_NAME, "body"), "Promoted"))
    assert "prefect ui" in stack.slipway("report", "clicked", "--json") or stack.status("clicked")["phase"] == "baking"


def _field(browser: webdriver.Chrome, name: str) -> WebElement:
    """Return the text field under a parameter's label."""
    place = (By.XPATH, f"//*[normalize-space(text())='{name}']/following::textarea[1]")
    return WebDriverWait(browser, 90).until(ec.element_to_be_clickable(place))


def _run(stack: Stack, model: str) -> str:
    """Return the id of the release's flow run."""
    asked = {"flow_runs": {"name": {"like_": f"release {model}"}}}
    runs = httpx.post(f"{stack.prefect}/flow_runs/filter", json=asked, timeout=30).raise_for_status().json()
    assert len(runs) == 1
    return str(runs[0]["id"])
