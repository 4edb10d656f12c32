"""Rows in MLflow's forms, and how a server is asked to score them."""

import asyncio
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

Ask = Callable[..., httpx.Response]
ROWS = [[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]]
NAMED = [dict(zip("abc", row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate("abc")}
JSON, CSV = "application/json", "text/csv"


def invoke(send: Ask, body: object, kind: str | None = JSON) -> httpx.Response:
    """Ask a server to score a body."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return send("POST", "/invocations", content=content, headers={} if kind is None else {"content-type": kind})


def real_server(folder: Path) -> Ask:
    """Return MLflow's own server of a saved model, to be asked in this process."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    transport = httpx.ASGITransport(app=scoring_server.init(mlflow.pyfunc.load_model(folder)))

    def send(method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        async def exchange() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://mlflow") as client:
                return await client.request(method, path, **request)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a server of others warns of: here it would fail the request
            return asyncio.run(exchange())

    return send


def saved(folder: Path, *, signature: bool) -> Path:
    """Fit the model that `classifier` converts, and save it."""
    import mlflow.sklearn
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(7).normal(size=(200, 3))
    model = LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(np.int64))
    table = pd.DataFrame(rows, columns=list("abc"))
    said = mlflow.models.infer_signature(table, model.predict(rows)) if signature else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about how it is saved
        mlflow.sklearn.save_model(
            model, folder / "model", signature=said, pip_requirements=["mlflow"], serialization_format="cloudpickle"
        )
    return folder / "model"


def split(**changes: object) -> dict[str, Any]:
    """Return a body in the split form, with some keys changed."""
    return {"dataframe_split": {"columns": ["a", "b", "c"], "data": ROWS, **changes}}
