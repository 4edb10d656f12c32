"""The same package under `bentoml serve`: BentoML's server, our protocols in front of its middleware."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from slipway.adapters.bento.process import stop_group
from tests.services.inference.serving import Served, free_port, until

ROOT = Path(__file__).parents[3]
ROW = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}


def test_bentoml_serves_what_we_serve(classifier: Path, tmp_path: Path) -> None:
    """The protocols, BentoML's own pages, and one metrics page of both; BentoML's middleware sees no inference."""
    shutil.copytree(ROOT / "services" / "inference", tmp_path / "services" / "inference")
    (tmp_path / "services" / "__init__.py").touch()
    shutil.copytree(ROOT / "src" / "slipway_interface", tmp_path / "slipway_interface")
    shutil.copytree(classifier, tmp_path / "model")
    port, log = free_port(), tmp_path / "log"
    command = [*(sys.executable, "-m", "bentoml", "serve", "services.inference.service:Inference")]
    command += ["--working-dir", str(tmp_path), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | {"BENTOML_HOME": str(tmp_path / "home")},
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Served(process=process, port=port, log=log)
    try:
        with service.client:
            until(lambda: service.ready() or process.poll() is not None)
            answer = service.client.post("/v2/models/toy/infer", json={"inputs": [ROW]})
            invoked = service.client.post("/invocations", json={"inputs": [[0.5, -1.0, 2.0]]})
            described = httpx.get(f"http://127.0.0.1:{port}/docs.json", timeout=10)
            families = {one.name: one for one in text_string_to_metric_families(service.client.get("/metrics").text)}
    finally:
        stop_group(process, 30)

    assert answer.json()["outputs"][0]["data"] == invoked.json()["predictions"] == [1], log.read_text()
    assert answer.headers["x-slipway-revision"] == "toy-v3"
    assert described.json()["info"]["title"] == "inference"
    assert sum(sample.value for sample in families["slipway_requests"].samples) == 2
    paths = {sample.labels.get("endpoint") for sample in families["bentoml_service_request"].samples}
    assert not any(path and "infer" in path for path in paths)
