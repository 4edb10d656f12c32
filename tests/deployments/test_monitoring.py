"""Dashboard and alert rules, asked of a real Prometheus."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deployments.rendering import CHART, LEAST, Document, one, render

SECONDS = 120.0
"""How long Prometheus may take to start, and a rule to see what it looks for."""
WANTED = {
    **LEAST,
    "namespaces": ["shop"],
    "monitoring": {"prometheusRule": True, "dashboard": True, "serviceMonitor": True},
}
BUCKETS = (0.1, 1.0, 2.0)


class Pods(BaseHTTPRequestHandler):
    """A metrics page of two revisions: `digits-v1` is well; of `digits-v2` every second answer is an error and slow.

    It refuses one of five requests beside that, sheds one of 50, and has half of its errors answered by `digits-v1`.
    """

    def do_GET(self) -> None:
        """Count on with every scrape."""
        self.server.scrapes = scrapes = getattr(self.server, "scrapes", 0) + 1
        lines = []
        for revision, share in (("digits-v1", 0.0), ("digits-v2", 0.5)):
            names = f'namespace="shop",model="digits",revision="{revision}"'
            lines += [
                f'slipway_requests_total{{{names},code="200"}} {scrapes * 100 * (1 - share)}',
                f'slipway_requests_total{{{names},code="500"}} {scrapes * 100 * share}',
                f"slipway_requests_in_flight{{{names}}} 1",
                f'slipway_rescued_total{{{names},code="500"}} {scrapes * 50 * share}',
                f'slipway_helped_total{{{names},code="200"}} {scrapes * 50 * (0.5 - share)}',
            ]
            kinds = {"failed": share, "refused": share * 0.4, "shed": share * 0.04, "not_the_versions": 0.0}
            lines += [
                f'slipway_answers_total{{{names},kind="{kind}"}} {scrapes * 100 * part}'
                for kind, part in (kinds | {"right": 1 - sum(kinds.values())}).items()
            ]
            fast = 100 * (1 - share)
            for edge, below in zip((*BUCKETS, "+Inf"), (fast, fast, 100, 100), strict=True):
                lines.append(f'slipway_request_duration_seconds_bucket{{{names},le="{edge}"}} {scrapes * below}')
        for deployment in ("digits-v1", "digits-v2", "digits-v3"):
            lines.append(f'kube_deployment_status_replicas_available{{namespace="shop",deployment="{deployment}"}} 1')
        lines += rolled_back()
        lines.append(f'kube_job_status_start_time{{namespace="ops",job_name="demo-slipway-flow-a"}} {time.time()}')
        content = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def rolled_back() -> list[str]:
    """Return series of a model whose `search-v2` was there 16 minutes ago and is not any more, with their time."""
    then = int((time.time() - 960) * 1000)
    return [
        f'kube_deployment_created{{namespace="shop",deployment="search-v2"}} 2000 {then}',
        'kube_deployment_created{namespace="shop",deployment="search-v1"} 1000',
        'slipway_requests_in_flight{namespace="shop",model="search",revision="search-v1"} 0',
    ]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Return the chart's documents with everything that Prometheus reads."""
    return render(WANTED)


@pytest.fixture(scope="module")
def prometheus(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real Prometheus with the chart's rules, over a page of two revisions; return its address."""
    program = shutil.which("prometheus")
    if program is None:
        missing = "needs the program prometheus (https://prometheus.io/download)"
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_CLUSTER") else pytest.skip)(missing)
    folder = tmp_path_factory.mktemp("prometheus")
    pods = ThreadingHTTPServer(("127.0.0.1", 0), Pods)
    threading.Thread(target=pods.serve_forever, daemon=True).start()
    port = free_port()
    (folder / "rules.yml").write_text(yaml.safe_dump(one(documents, "PrometheusRule")["spec"]))
    (folder / "prometheus.yml").write_text(configuration(pods.server_port))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command(program, folder, port), stdout=log, stderr=log)
        try:
            yield ready(f"http://127.0.0.1:{port}", process, folder / "log")
        finally:
            process.terminate()
            process.wait(20)
            pods.shutdown()
            pods.server_close()


def command(program: str, folder: Path, port: int) -> list[str]:
    """Return the argument list of a Prometheus that keeps everything in its folder."""
    return [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def configuration(port: int) -> str:
    """Return Prometheus' configuration: one page, read and judged several times a second."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": "pods", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            ],
        }
    )


def ready(address: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until Prometheus answers; return its address."""
    ends = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            if httpx.get(f"{address}/-/ready", timeout=2).status_code == httpx.codes.OK:
                return address
        except httpx.TransportError:
            pass
        threading.Event().wait(0.1)
    pytest.fail(f"prometheus: {log.read_text()}")


def alerts_of(prometheus: str) -> dict[str, list[dict[str, str]]]:
    """Return labels of what is pending or fires, by alert."""
    found: dict[str, list[dict[str, str]]] = {}
    for alert in httpx.get(f"{prometheus}/api/v1/alerts", timeout=5).json()["data"]["alerts"]:
        found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
    return found


def rules_of(prometheus: str) -> list[dict[str, Any]]:
    """Return the rules that Prometheus has loaded, with their health."""
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=5).json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def wait_for(prometheus: str, names: set[str]) -> dict[str, list[dict[str, str]]]:
    """Wait until alerts of these names are seen; return all alerts."""
    ends = time.monotonic() + SECONDS
    while not names <= (seen := alerts_of(prometheus)).keys() and time.monotonic() < ends:
        threading.Event().wait(0.2)
    assert names <= seen.keys(), [rule.get("lastError") for rule in rules_of(prometheus)]
    return seen


def test_prometheus_takes_every_rule(prometheus: str, documents: list[Document]) -> None:
    """All rules load, all evaluate, and none has a placeholder of ours left."""
    text = json.dumps(one(documents, "PrometheusRule"))
    wait_for(prometheus, {"SlipwayErrors"})

    rules = rules_of(prometheus)

    assert len(rules) == text.count('"alert"') == 9
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not re.search(r"[A-Z]+_[A-Z]+|NAMESPACES|WORKER", text)


def test_alerts_name_the_revision_that_fails_and_leave_the_other_alone(prometheus: str) -> None:
    """`digits-v2` fails and is slow, `digits-v3` has no numbers, `search-v2` was taken back; `digits-v1` is well."""
    failing = {"SlipwayErrors", "SlipwayRefused", "SlipwaySlow", "SlipwayEvidenceMissing"}
    names = failing | {"SlipwayRolloutUnfinished", "SlipwayRolledBack", "SlipwayWorkerAway"}

    seen = wait_for(prometheus, names)

    assert [labels["revision"] for labels in seen["SlipwayErrors"]] == ["digits-v2"]
    assert [(labels["revision"], labels["kind"]) for labels in seen["SlipwayRefused"]] == [("digits-v2", "refused")]
    assert [labels["revision"] for labels in seen["SlipwaySlow"]] == ["digits-v2"]
    assert [labels["deployment"] for labels in seen["SlipwayEvidenceMissing"]] == ["digits-v3"]
    assert [labels["model"] for labels in seen["SlipwayRolloutUnfinished"]] == ["digits"]
    assert [labels["model"] for labels in seen["SlipwayRolledBack"]] == ["search"]
    assert seen.keys() == names


def test_every_query_of_the_dashboard_is_understood(prometheus: str) -> None:
    """Prometheus parses and runs each expression, with the dashboard's variables filled in."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    for expression in expressions:
        query = filled(expression)
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=5).json()
        assert answer["status"] == "success", (query, answer.get("error"))

    assert len(expressions) > 10


def test_the_dashboard_shows_what_the_pods_export(prometheus: str) -> None:
    """Its panels of requests have both revisions, and their shares add up to everything."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    wait_for(prometheus, {"SlipwayErrors"})
    shown = {}

    for panel in dashboard["panels"][:7]:
        query = filled(panel["targets"][0]["expr"])
        result = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=5).json()["data"]["result"]
        lines = [(line["metric"], float(line["value"][1])) for line in result]
        shown[panel["title"]] = {tuple(metric[name] for name in sorted(metric)): value for metric, value in lines}

    answers, rescued = shown.pop("Answers by kind"), shown.pop("Rescued answers")
    assert all(values.keys() == {("digits-v1",), ("digits-v2",)} for values in shown.values()), shown
    assert sum(shown["Share of requests"].values()) == pytest.approx(1)
    assert shown["Error rate"] == pytest.approx({("digits-v1",): 0, ("digits-v2",): 0.5})
    assert answers["refused", "digits-v2"] == pytest.approx(0.2)
    assert answers["shed", "digits-v2"] == pytest.approx(0.02)
    assert len(answers) == 2 * 4
    assert (rescued[("digits-v1",)], rescued[("digits-v2",)] > 0) == (0, True)


def filled(expression: str) -> str:
    """Return an expression with the dashboard's variables as Grafana fills them in."""
    return expression.replace("$__rate_interval", "1m").replace("$namespace", "shop").replace("$model", "digits")


def test_the_dashboard_in_the_cluster_is_the_file(documents: list[Document]) -> None:
    """Helm leaves Grafana's own braces alone."""
    found = one(documents, "ConfigMap", "-dashboard")

    assert json.loads(found["data"]["slipway.json"]) == json.loads((CHART / "files" / "dashboard.json").read_text())
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_monitor_finds_the_models_services_in_their_namespaces(documents: list[Document]) -> None:
    """It selects by the labels that every revision's Service has, in the namespaces of models."""
    spec = one(documents, "ServiceMonitor")["spec"]

    assert spec["namespaceSelector"] == {"matchNames": ["shop"]}
    assert spec["selector"]["matchLabels"] == {
        "app.kubernetes.io/managed-by": "slipway",
        "app.kubernetes.io/component": "inference",
    }
