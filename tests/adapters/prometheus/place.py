"""A namespace of the real cluster with models in it: deployments, services, a Gateway, and a route per model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from slipway.adapters.prometheus.metrics import PrometheusMetrics
from tests.adapters.prometheus.own import until
from tests.cluster import Cluster

Manifest = dict[str, Any]
PORT = 3000
GATEWAY = "gateway.networking.k8s.io/v1"
REWRITE = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the tests' models serve."""

    cluster: Cluster
    namespace: str

    def metrics(self, preset: str) -> PrometheusMetrics:
        """Return metrics as another process would make them."""
        return PrometheusMetrics(
            self.cluster.prometheus,
            self.namespace,
            preset,
            known=self.revisions,
            pages=self.pages,
            queries=lambda _: None,
        )

    def make(self, *manifests: list[Manifest]) -> None:
        """Apply all of them at once."""
        items = [one for each in manifests for one in each]
        self.cluster.kubectl("apply", "--server-side", "-f", "-", given="\n---\n".join(map(json.dumps, items)))

    def shared(self) -> list[Manifest]:
        """Return what all models need."""
        script = Path(__file__).with_name("service.py").read_text()
        spec = {"gatewayClassName": "traefik", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
        return [
            self._manifest("v1", "ConfigMap", "service", data={"service.py": script}),
            self._manifest(GATEWAY, "Gateway", "main", spec=spec),
        ]

    def serving(self, revision: str, *, replicas: int = 1, port: int = PORT) -> list[Manifest]:
        """Return a revision that serves; requests go to this port of its pods."""
        labels = {"model": revision.rpartition("-")[0], "revision": revision}
        container = {
            "name": "model",
            "image": f"{self.cluster.registry}/library/python:3.11-slim",
            "command": ["python", "/service/service.py", revision],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "service", "mountPath": "/service"}],
        }
        volumes = [{"name": "service", "configMap": {"name": "service"}}]
        pod = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
        template = {"metadata": {"labels": labels, "annotations": SCRAPED}, "spec": pod}
        deployed = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        ports = [{"name": "http", "port": PORT, "targetPort": port}]
        return [
            self._manifest("apps/v1", "Deployment", revision, spec=deployed, labels=labels),
            self._manifest("v1", "Service", revision, spec={"selector": labels, "ports": ports}),
        ]

    def routed(self, model: str, **weights: int) -> list[Manifest]:
        """Return the model's route, its requests shared so (`v1=90`).

        Behind it comes a second route, to no revision: once that answers, the first is in force and counted nothing.
        """
        backends = [{"name": f"{model}-{name}", "port": PORT, "weight": weight} for name, weight in weights.items()]
        redirect = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 302, "hostname": "told.example"}}
        return [
            self._route(model, f"/{self.namespace}/{model}/", filters=[REWRITE], backendRefs=backends),
            self._route(f"told-{model}", f"/{self.namespace}/told-{model}", filters=[redirect]),
        ]

    def told(self, *models: str) -> None:
        """Return when the gateway knows their routes."""
        for model in models:
            url = f"{self.cluster.gateway}/{self.namespace}/told-{model}"
            until(lambda url=url: httpx.get(url).status_code == httpx.codes.FOUND, f"the route of {model} is told")

    def ready(self, *revisions: str) -> None:
        """Return when they are."""
        deployments = [f"deployment/{name}" for name in revisions]
        words = ("wait", "--for=condition=Available", "--timeout=90s", *deployments)
        self.cluster.kubectl("-n", self.namespace, *words)

    def ask(self, model: str, *bodies: str) -> list[int]:
        """Ask through the gateway; return the statuses."""
        with httpx.Client(base_url=self.cluster.gateway) as client:
            return [client.post(f"/{self.namespace}/{model}/x", content=body).status_code for body in bodies]

    def scraped(self, model: str) -> None:
        """Return when Prometheus has read the gateway and the model's pods after now."""
        now = self._value("time()")
        pods = f'slipway_requests_total{{namespace="{self.namespace}",model="{model}",code="200"}}'
        for asked in (f"min(timestamp({pods}))", "min(timestamp(traefik_config_reloads_total))"):
            until(lambda asked=asked: self._value(asked) > now, f"{model} is scraped")

    def pods(self, revision: str) -> list[str]:
        """Return the names of the ready pods."""
        selector = f"--selector=revision={revision}"
        found = json.loads(self.cluster.kubectl("-n", self.namespace, "get", "pods", selector, "-o", "json"))["items"]
        conditions = {one["metadata"]["name"]: one["status"].get("conditions", []) for one in found}
        return [name for name, told in conditions.items() if {"Ready": "True"}.items() <= _by_type(told).items()]

    def revisions(self, model: str) -> set[str]:
        """Return what the cluster has of a model."""
        words = ("get", "deployments", f"--selector=model={model}", "-o", "name")
        return {name.rpartition("/")[2] for name in self.cluster.kubectl("-n", self.namespace, *words).split()}

    def pages(self, _model: str, revision: str, path: str) -> list[object]:
        """Return a page of each ready pod."""
        return [json.loads(self.cluster.kubectl("get", "--raw", self._proxy(pod, path))) for pod in self.pods(revision)]

    def say(self, revision: str, said: object) -> None:
        """Let the revision's pods say so of themselves."""
        for pod in self.pods(revision):
            self.cluster.kubectl("get", "--raw", self._proxy(pod, f"/slipway/say?said={quote(json.dumps(said))}"))

    def scale(self, revision: str, replicas: int) -> None:
        """Let it have so many pods; return when it has, and no more are scraped."""
        words = ("scale", f"deployment/{revision}", f"--replicas={replicas}")
        self.cluster.kubectl("-n", self.namespace, *words)
        pods = f'count(slipway_requests_total{{namespace="{self.namespace}",revision="{revision}",code="200"}})'
        until(
            lambda: len(self.pods(revision)) == replicas and self._value(pods) == replicas, "it is scaled", seconds=40
        )

    def _value(self, promql: str) -> float:
        found = httpx.get(f"{self.cluster.prometheus}/api/v1/query", params={"query": promql}).json()["data"]
        if found["resultType"] == "scalar":
            return float(found["result"][1])
        return max((float(one["value"][1]) for one in found["result"]), default=0.0)

    def _proxy(self, pod: str, path: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{PORT}/proxy{path}"

    def _route(self, name: str, prefix: str, **rule: Any) -> Manifest:  # noqa: ANN401 - a rule's own keys
        match = {"path": {"type": "PathPrefix", "value": prefix}}
        spec = {"parentRefs": [{"name": "main"}], "rules": [{"matches": [match], **rule}]}
        return self._manifest(GATEWAY, "HTTPRoute", name, spec=spec)

    def _manifest(self, version: str, kind: str, name: str, **rest: Any) -> Manifest:  # noqa: ANN401 - its own keys
        metadata = {"name": name, "namespace": self.namespace, "labels": rest.pop("labels", {})}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _by_type(conditions: list[dict[str, str]]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in conditions}
