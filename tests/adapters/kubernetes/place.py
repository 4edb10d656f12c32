"""A namespace of the cluster with a Gateway, and small real services as revisions."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import new_client_from_config_dict

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.rights import CLUSTER_WIDE, NAMESPACED
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.rollout.revision import Health, Package, Revision, RevisionState
from slipway.domain.spec.serving import ServingSpec
from tests.cluster import Cluster

IMAGE = Path(__file__).parent / "image"
SMALL = ServingSpec(cpu=0.01, memory_mebibytes=64, grace_seconds=5)
RBAC = "rbac.authorization.k8s.io/v1"
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: models}
spec:
  gatewayClassName: traefik
  listeners: [{name: web, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: Same}}}]
"""


def push_image(registry: str, folder: Path) -> str:
    """Build the test service's image, push it, and return it by digest."""
    name = f"{registry}/slipway-test-service:latest"
    build = ["buildah", "bud", "-q", "--layers", "--isolation", "chroot", "--network", "host", "--tls-verify=false"]
    _run(*build, "--build-arg", f"BASE={registry}/library/python:3.11-slim", "-t", name, str(IMAGE))
    _run("buildah", "push", "-q", "--tls-verify=false", "--digestfile", str(folder / "digest"), name)
    return f"{name.rpartition(':')[0]}@{(folder / 'digest').read_text().strip()}"


def as_slipway(cluster: Cluster, namespace: str) -> ApiClient:
    """Make an account that may do what the adapter says it does, and return a client that is logged in as it."""
    rules = {"Role": NAMESPACED, "ClusterRole": CLUSTER_WIDE}
    made = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": namespace}}]
    for kind, listed in rules.items():
        role = {"apiVersion": RBAC, "kind": kind, "metadata": {"name": namespace}}
        listed_rules = [
            {"apiGroups": [one.group], "resources": [one.resource], "verbs": list(one.verbs)} for one in listed
        ]
        subject = {"kind": "ServiceAccount", "name": namespace, "namespace": namespace}
        named = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": namespace}
        bound = {**role, "kind": f"{kind}Binding", "subjects": [subject], "roleRef": named}
        made += [{**role, "rules": listed_rules}, bound]
    for manifest in made:
        cluster.kubectl("-n", namespace, "apply", "-f", "-", given=json.dumps(manifest))
    config = yaml.safe_load(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    config["users"][0]["user"] = {"token": cluster.kubectl("-n", namespace, "create", "token", namespace).strip()}
    settings = Configuration()
    settings.retries = False  # as the adapter's own connection has it
    return new_client_from_config_dict(config, persist_config=False, client_configuration=settings)


def forget(cluster: Cluster, namespace: str) -> None:
    """Take away what the account had outside of the namespace."""
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", namespace, "--ignore-not-found")


def until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Look again and again until the condition holds; False when the time is over."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        threading.Event().wait(0.1)
    return True


@dataclass
class Place:
    """A namespace, its target, and ways to make revisions."""

    cluster: Cluster
    namespace: str
    image: str
    way: str = "gateway"
    client: ApiClient = field(init=False)
    api: Api = field(init=False)
    """Connected as an account that has the rights of `rights.py`, and no others."""

    def __post_init__(self) -> None:
        """Connect."""
        self.client = as_slipway(self.cluster, self.namespace)
        self.api = Api(self.client, self.namespace)
        self.target = self.another()

    def another(self) -> KubernetesTarget:
        """Return a second view of the same namespace, as another process would have it."""
        gateway = f"{self.namespace}/models" if self.way == "gateway" else ""
        return KubernetesTarget(self.api, route=self.way, gateway=gateway)

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *words, given=given)

    def revision(self, model: str, version: int, **changes: object) -> Revision:
        """Return a revision of the test service; `digest`, `image` and `serving` may differ."""
        name = f"{model}-v{version}"
        package = Package(
            model=model,
            version=version,
            path=Path("nowhere"),
            digest=str(changes.get("digest", f"sha256:{version}")),
            tag=f"{model}:v{version}",
            runtime="onnx",
            image=str(changes.get("image", self.image)),
        )
        serving = changes.get("serving", SMALL)
        assert isinstance(serving, ServingSpec)
        return Revision(name=name, model=model, version=version, package=package, serving=serving)

    def running(self, model: str, version: int, **changes: object) -> Revision:
        """Start a revision and wait until it is ready."""
        revision = self.revision(model, version, **changes)
        self.target.start(revision)
        self.expect(revision, lambda state: state.health is Health.READY)
        return revision

    def expect(self, revision: Revision, fits: Callable[[RevisionState], bool], seconds: float = 40) -> RevisionState:
        """Wait until a revision's state fits, and return it."""
        seen: list[RevisionState | None] = [None]

        def looks_so() -> bool:
            seen.append(self.target.observe(revision.model).get(revision.name))
            return seen[-1] is not None and fits(seen[-1])

        assert until(looks_so, seconds), seen[-1]
        assert seen[-1] is not None
        return seen[-1]

    def ask(self, model: str, times: int, body: str = "row") -> list[str]:
        """Ask through the gateway, and return who answered; every request must be answered."""
        with httpx.Client(base_url=self.cluster.gateway) as client:
            return [
                client.post(f"/{model}/x", content=body).raise_for_status().json()["revision"] for _ in range(times)
            ]


@contextmanager
def a_place(cluster: Cluster, image: str, way: str = "gateway") -> Iterator[Place]:
    """Make a namespace with its Gateway and its account; all of it is gone afterwards."""
    with cluster.namespace("slipway-target") as namespace:
        try:
            place = Place(cluster=cluster, namespace=namespace, image=image, way=way)
            if way == "gateway":
                place.kubectl("apply", "-f", "-", given=GATEWAY)
            yield place
        finally:
            # whoever drains here drains for nobody
            cluster.kubectl("-n", namespace, "delete", "deployment,pod", "--all", "--force", "--grace-period=0")
            forget(cluster, namespace)


class Load:
    """Steady requests from threads, every answer counted; ask for it with `with`."""

    def __init__(self, url: str, *, threads: int = 4, body: str = "wait 0.01") -> None:
        """Ask nothing yet."""
        self.answers: Counter[str] = Counter()
        self._url, self._body = url, body
        self._over, self._counting = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, after the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def answered(self, more: int) -> bool:
        """Wait until so many more requests were answered."""
        before = self.answers.total()
        return until(lambda: self.answers.total() >= before + more)

    def _ask(self) -> None:
        # a connection each: behind a Service it is connections that are shared out
        with httpx.Client(timeout=20, headers={"connection": "close"}) as client:
            while not self._over.is_set():
                try:
                    answer = client.post(self._url, content=self._body)
                    said = answer.json()["revision"] if answer.status_code == 200 else f"lost: {answer.status_code}"
                except httpx.HTTPError as error:
                    said = f"lost: {type(error).__name__}"
                with self._counting:
                    self.answers[said] += 1


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
