"""Prefect's own page in a real browser: start `release` from its form, and see it finish."""

from collections.abc import Callable

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as ec
from selenium.webdriver.support.wait import WebDriverWait

from tests.end_to_end.conftest import Stack

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the whole stack


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
