"""Releases from MLflow to a real cluster: gates, image, rollout behind a Gateway, under steady load."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from slipway.artifacts import model_environment
from tests.cluster import Cluster, cluster_or_skip
from tests.end_to_end.churn import CLIENTS, asked, register, write_rows, write_spec
from tests.end_to_end.conftest import QUICK, Stack, registering, running, sending
from tests.environments import IN_TEMPORARY_FOLDER, SECRETS, check_noted, write_down
from tests.models import write_coded_model

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: models}
spec:
  gatewayClassName: %s
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Same}}}]
"""
SERVING = {"cpu": 0.1, "memory_mebibytes": 512}
MODEL = "digits-on-cluster"
CHURN = "churn-on-cluster"
NOTING = "noting-on-cluster"
BASE_IMAGE = "library/python:3.11-slim"
OF_IMAGES = {"BENTOML_CONTAINERIZED", "PYTHONDONTWRITEBYTECODE"}
"""Variables that images of packages have besides those of their base image."""
OBJECTS = "deployments,services,hpa,pdb,networkpolicies,httproutes,grpcroutes,configmaps,leases,pods"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """Return the configured cluster."""
    return cluster_or_skip()


def base_image(cluster: Cluster) -> str:
    """Return the image that images of packages begin with."""
    return os.environ.get("CLUSTER_BASE_IMAGE", f"{cluster.registry}/{BASE_IMAGE}")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """Return a namespace with a Gateway of its own."""
    with cluster.namespace("slipway-story") as name:
        gateway_class = os.environ.get("CLUSTER_GATEWAY_CLASS", "traefik")
        cluster.kubectl("apply", "-n", name, "-f", "-", given=GATEWAY % gateway_class)
        yield name


@pytest.fixture(scope="module")
def stack(cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a running stack whose models serve on the cluster."""
    settings = {
        "TARGET": "kubernetes",
        "KUBE_NAMESPACE": namespace,
        "KUBE_GATEWAY": f"{namespace}/models",
        "PROMETHEUS": cluster.prometheus,
        "REGISTRY": f"{cluster.registry}/slipway-tests",
        "REGISTRY_INSECURE": "true",
        "BASE_IMAGE": base_image(cluster),
    }
    more = {f"SLIPWAY_{name}": value for name, value in settings.items()}
    more |= {name: SECRETS[name] for name in ("AWS_SECRET_ACCESS_KEY", "MY_TOKEN")}
    with running(tmp_path_factory, more, front_door=cluster.gateway) as stack:
        yield stack


def story(stack: Stack, model: str) -> dict[str, Any]:
    """Return what the command line says of a model."""
    models = json.loads(stack.slipway("status", model, "--json"))["models"]
    return dict(models[0])


@pytest.mark.timeout(420)
def test_versions_travel_from_mlflow_into_a_cluster_s_traffic(cluster: Cluster, namespace: str, stack: Stack) -> None:
    """The first gets all requests, a better one is promoted, one that can't start gets none; none is lost."""
    register, sends = registering(stack), sending(stack)
    stack.spec(MODEL, serving=SERVING, ready_timeout_seconds=90)
    register(MODEL, 1)
    stack.slipway("release", MODEL)

    with sends(MODEL) as sent:
        register(MODEL, 2)
        stack.slipway("release", MODEL)
        promoted = story(stack, MODEL)
        stack.spec(MODEL, serving=SERVING | {"node_selector": {"slipway.dev/none": "here"}}, ready_timeout_seconds=15)
        register(MODEL, 2)
        stack.slipway("release", MODEL, code=3)
        after = story(stack, MODEL)

    assert sent.lost == []
    assert sent.sent == sent.right + sum(sent.failed.values())
    assert f"{MODEL}-v3" not in sent.failed
    assert promoted["champion"] == after["champion"] == 2
    assert after["phase"] == "rolled-back"
    assert "didn't match Pod's node affinity/selector" in after["reason"]
    events = cluster.kubectl("get", "events", "-n", namespace, "-o", "jsonpath={.items[*].reason}").split()
    assert {"Promoting", "RollingBack"} <= set(events)
    stack.slipway("target", "uninstall", MODEL, "--yes")
    left = cluster.kubectl("get", OBJECTS, "-n", namespace, "-l", f"slipway.dev/model={MODEL}", "-o", "name")
    assert [one for one in left.split() if not one.startswith("pod/")] == []  # pods end what they have


@pytest.fixture(scope="module")
def churn_rows(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return validation rows that have a column more than clients send, while a version without it serves."""
    rows = write_rows(tmp_path_factory.mktemp("rows") / "churn.csv")
    write_spec(stack, CHURN, rows, serving=SERVING)
    register(stack, CHURN, rows, CLIENTS)
    stack.slipway("release", CHURN)
    yield rows
    stack.slipway("target", "uninstall", CHURN, "--yes")


@pytest.mark.timeout(300)
def test_a_version_that_clients_can_not_ask_never_comes_to_the_cluster(stack: Stack, churn_rows: Path) -> None:
    """It wants a column that they do not send: stopped by its contract, before there is an image."""
    register(stack, CHURN, churn_rows, [*CLIENTS, "tenure"])

    said = " ".join(stack.slipway("release", CHURN, code=3).split())

    assert f"clients of {CHURN}-v1 break: column 'tenure' is new" in said


@pytest.mark.timeout(420)
def test_where_the_spec_allows_it_nobody_is_refused_over_either_protocol(stack: Stack, churn_rows: Path) -> None:
    """It gets half of the requests, its own pods hand on what they refuse, and it is rolled back."""
    write_spec(stack, CHURN, churn_rows, serving=SERVING, contract="allow", rollout=QUICK | {"shadow": None})
    with asked(stack, CHURN) as sent:
        register(stack, CHURN, churn_rows, [*CLIENTS, "tenure"])
        stack.slipway("release", CHURN, code=3)

    told = story(stack, CHURN)
    assert told["phase"] == "rolled-back"
    assert "refuse" in told["reason"]
    assert (sent.failed, sent.right) == ({}, sent.sent)


@pytest.mark.timeout(420)
def test_a_models_code_finds_no_secret_in_its_pod(
    cluster: Cluster, namespace: str, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slipway itself was started with secrets: its pod has what the manifest, the image and Kubernetes set."""
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(["calls,left", *(f"{number - 100}.5,{int(number >= 100)}" for number in range(200))]))
    write_spec(stack, NOTING, rows, serving=SERVING, allow_pickle=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # MLflow lets it predict here, as it is logged
    _register_noting(stack, tmp_path)
    stack.slipway("release", NOTING)

    answer = httpx.post(
        f"{stack.front_door}/{NOTING}/v2/models/{NOTING}/infer",
        json={"inputs": [{"name": "calls", "shape": [1, 1], "datatype": "FP64", "data": [1.5]}]},
        timeout=30,
    )

    assert answer.json()["outputs"][0]["data"] == [1]
    pods = cluster.kubectl("get", "pods", "-n", namespace, "-l", f"slipway.dev/model={NOTING}", "-o", "name").split()
    notes = [
        note
        for pod in pods
        if (note := cluster.kubectl("exec", "-n", namespace, pod, "--", "sh", "-c", "cat /tmp/note || true"))
    ]
    assert notes
    allowed = {*model_environment.SERVICE_NAMES, *model_environment.SERVICE_SET, *OF_IMAGES}
    allowed |= _plain_variables(cluster, namespace)
    for note in notes:
        check_noted(note, allowed)
    stack.slipway("target", "uninstall", NOTING, "--yes")


def _plain_variables(cluster: Cluster, namespace: str) -> set[str]:
    """Return the variables that the base image and Kubernetes set in any pod."""
    image, alone = base_image(cluster), '{"spec": {"enableServiceLinks": false}}'
    words = ("run", "plain", "-n", namespace, f"--image={image}", "--restart=Never", f"--overrides={alone}")
    cluster.kubectl(*words, "--command", "--", "env")
    cluster.kubectl("wait", "pod/plain", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=110s")
    lines = cluster.kubectl("logs", "plain", "-n", namespace).splitlines()
    return {line.partition("=")[0] for line in lines}


def _register_noting(stack: Stack, folder: Path) -> None:
    """Register a model with code of its own that writes its environment down when it predicts."""
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature

    body = f"{write_down(IN_TEMPORARY_FOLDER)}\nreturn (rows['calls'] > 0).astype(int)"
    model, example = write_coded_model(folder / "model", body), pd.DataFrame({"calls": [1.5, -1.5]})
    mlflow.set_tracking_uri(stack.mlflow)
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name=NOTING,
            registered_model_name=NOTING,
            loader_module="behaviour",
            code_paths=[str(model / "code" / "behaviour.py")],
            signature=infer_signature(example, np.array([1, 0])),
            input_example=example,
            pip_requirements=["numpy", "pandas"],
        )
