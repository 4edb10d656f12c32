"""What every layer's tests share: handwritten digits as rows, and a real MLflow model of them."""

import atexit
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, settings
from selenium import webdriver
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.groups import STORIES, STORY_TIERS, GroupScheduling, find_group, rank_group
from tests.tiers import TESTS, find_tier

if "SLIPWAY_HOME" not in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
    # never the checkout's own; each process of pytest has another one, and does not inherit the first one's
    os.environ["SLIPWAY_HOME"] = mkdtemp(prefix="slipway-tests-")
    atexit.register(shutil.rmtree, os.environ["SLIPWAY_HOME"], ignore_errors=True)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
os.environ["DO_NOT_TRACK"] = "1"

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # no example is a failure because the machine has other work

LABEL = "digit"
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test with its tier, so that a tier can be chosen: `pytest -m unit`; put the longest groups first."""
    for item in items:
        tier = find_tier(item.path, getattr(item, "fixturenames", ()))
        if tier in STORY_TIERS and _group(item) != STORIES:
            raise pytest.UsageError(f"{item.nodeid} needs a {tier}: add its file to STORY_PATHS in tests/groups.py")
        item.add_marker(tier)
    if config.getoption("loadgroup", default=False):
        items.sort(key=lambda item: rank_group(_group(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Give whole groups to processes, in the order of the collection; other values of `--dist` are pytest-xdist's."""
    if config.getoption("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def _group(item: pytest.Item) -> str:
    return find_group(PurePosixPath(item.path.relative_to(TESTS).as_posix()))


@pytest.fixture(scope="session")
def digits_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CSV of 300 handwritten digits: columns pixel_0 .. pixel_63 (float) and `digit` (the truth)."""
    from sklearn.datasets import load_digits

    path = tmp_path_factory.mktemp("rows") / "digits.csv"
    frame = load_digits(as_frame=True).frame.tail(300)
    frame.columns = [*(f"pixel_{i}" for i in range(64)), LABEL]
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a saved MLflow model folder: scaled logistic regression on digits, with signature and input example."""
    import mlflow
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = load_digits(as_frame=True).frame.head(1200)
    frame.columns = [*(f"pixel_{i}" for i in range(64)), LABEL]
    pixels = frame.drop(columns=LABEL)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(pixels, frame[LABEL])
    path = tmp_path_factory.mktemp("model") / "digits"
    signature = mlflow.models.infer_signature(pixels, model.predict(pixels))
    pins = [f"{name}=={version(name)}" for name in ("scikit-learn", "skops")]
    # requirements said outright: MLflow would find them out by loading the model in another process
    mlflow.sklearn.save_model(model, path, signature=signature, input_example=pixels.head(3), pip_requirements=pins)
    return path


@pytest.fixture
def chromium() -> str:
    """Return a Chromium program; without one the test is skipped with a sentence, and fails where one is required."""
    return _program("chromium") if shutil.which("chromium") else _program("google-chrome")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Return a headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(_program("chromedriver")))
    yield chrome
    chrome.quit()


def _program(name: str) -> str:
    """Return a program of a browser; without it the test is skipped, or fails where one is required."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_BROWSER") else pytest.skip)(MISSING)
    return found
