"""What every layer's tests share: handwritten digits as rows, and a real MLflow model of them."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
os.environ["DO_NOT_TRACK"] = "1"

LABEL = "digit"


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
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing = "needs the program chromium (Debian: apt install chromium chromium-driver)"
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_BROWSER") else pytest.skip)(missing)
    return program
