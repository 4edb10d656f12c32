"""Servers: the registry, the orchestrator, the webhook, and what models serve on."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from slipway.doctor.values import masked, variable
from slipway.domain.finding import Finding, Health
from slipway.errors import RegistryUnavailable, SlipwayError
from slipway.settings import Settings

TIMEOUT_SECONDS = 3.0
"""How long one part may take to answer."""
FLOWS = ("release", "rollback", "reconcile", "watch")
"""Deployments that Prefect must know, each `NAME/NAME`."""
START = "`slipway up` starts it"


def mlflow(here: Settings) -> Iterator[Finding]:
    """Ask the registry."""
    answer = _get(f"{here.mlflow.rstrip('/')}/health")
    match answer:
        case httpx.Response(status_code=200):
            yield Finding(part="MLflow", health=Health.OK, seen=f"answers at {masked(here.mlflow)}")
        case httpx.Response(status_code=403):
            do = "name this host in the server's --allowed-hosts, with and without port"
            yield Finding(part="MLflow", health=Health.PROBLEM, seen="refuses us with 403", do=do)
        case _:
            yield _silent("MLflow", here.mlflow, answer, "SLIPWAY_MLFLOW_URI" if here.mlflow_uri else "")


def prefect(here: Settings) -> Iterator[Finding]:
    """Ask the orchestrator, and for the deployments of prefect.yaml."""
    answer = _get(f"{here.prefect.rstrip('/')}/health")
    if not (isinstance(answer, httpx.Response) and answer.is_success):
        yield _silent("Prefect", here.prefect, answer, "SLIPWAY_PREFECT_API" if here.prefect_api else "")
        return
    yield Finding(part="Prefect", health=Health.OK, seen=f"answers at {masked(here.prefect)}")
    missing = [name for name in FLOWS if not _deployed(here, name)]
    seen = f"no {', '.join(missing)}" if missing else f"{', '.join(FLOWS)}"
    do = "`slipway up` deploys them; on a server of yours: `prefect deploy --all`" if missing else ""
    yield Finding(part="deployments", health=Health.PROBLEM if missing else Health.OK, seen=seen, do=do)


def _deployed(here: Settings, name: str) -> bool:
    answer = _get(f"{here.prefect.rstrip('/')}/deployments/name/{name}/{name}")
    return isinstance(answer, httpx.Response) and answer.is_success


def webhook(_here: Settings) -> Iterator[Finding]:
    """Ask whether MLflow tells us of new versions."""
    from slipway import wiring

    do = "`slipway webhook register`; until then the schedule finds new versions, later"
    try:
        found = wiring.webhooks(TIMEOUT_SECONDS).find("slipway")
    except RegistryUnavailable:
        yield Finding(part="webhook", health=Health.WARNING, seen="unknown: MLflow does not answer", do="see MLflow")
    except SlipwayError as error:
        yield Finding(part="webhook", health=Health.PROBLEM, seen=error.seen, do=error.do)
    else:
        seen = f"registered as {found}" if found else "not registered in MLflow"
        health = Health.OK if found else Health.WARNING
        yield Finding(part="webhook", health=health, seen=seen, do="" if found else do)


def receiver(here: Settings) -> Iterator[Finding]:
    """Look for who listens for MLflow's events."""
    yield _door(here, "webhook receiver", here.webhook_port)


def cluster(here: Settings) -> Iterator[Finding]:
    """Look at the cluster that models serve in, its evidence, and where images go."""
    from slipway.platforms import kubernetes

    try:
        yield from kubernetes.stock()
    except SlipwayError as error:
        yield Finding(part="cluster", health=Health.PROBLEM, seen=error.seen, do=error.do)
    yield _answering("Prometheus", here.prometheus, "/-/ready", "SLIPWAY_PROMETHEUS")
    scheme = "http" if here.registry_insecure else "https"
    registry = f"{scheme}://{here.registry.partition('/')[0]}" if here.registry else ""
    yield _answering("image registry", registry, "/v2/", "SLIPWAY_REGISTRY")


def _answering(part: str, address: str, path: str, variable: str) -> Finding:
    """Say whether a server of the user's own answers at all; a registry may ask for a login first."""
    if not address:
        return Finding(part=part, health=Health.PROBLEM, seen="no address", do=f"set {variable}")
    answer = _get(address.rstrip("/") + path)
    if isinstance(answer, httpx.Response) and answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        return Finding(part=part, health=Health.OK, seen=f"answers at {masked(address)}")
    said = answer if isinstance(answer, str) else str(answer.status_code)
    seen = f"no answer at {masked(address)}: {said}"
    return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"start it, or correct {variable}")


def _door(here: Settings, part: str, port: int, speaks: str = "") -> Finding:
    if _listening(here.host, port):
        more = f" ({speaks})" if speaks else ""
        return Finding(part=part, health=Health.OK, seen=f"listens on {here.host}:{port}{more}")
    return Finding(part=part, health=Health.WARNING, seen=f"nobody listens on port {port}", do=START)


def envoy(here: Settings) -> Iterator[Finding]:
    """Look at the router of this machine."""
    yield _door(here, "front door", here.front_door_port, "HTTP and gRPC")
    yield Finding(part="rescue", health=Health.OK, seen="what a new version can't answer the version before it does")
    admin = _get(f"http://{here.host}:{here.envoy_admin_port}/ready")
    if isinstance(admin, httpx.Response) and admin.text.strip() == "LIVE":
        yield Finding(part="Envoy's counters", health=Health.OK, seen="live")
    elif isinstance(admin, httpx.Response):
        yield _taken("Envoy's counters", here.envoy_admin_port, "SLIPWAY_ENVOY_ADMIN_PORT")
    else:
        yield Finding(part="Envoy's counters", health=Health.WARNING, seen="no answer", do=START)


def _silent(part: str, address: str, answer: httpx.Response | str, override: str) -> Finding:
    """Say what a part that should answer did instead; our own, not started yet, is no problem."""
    if isinstance(answer, httpx.Response):
        url = urlsplit(address)
        return _taken(part, url.port or 0, override or variable(f"{part.lower()}_port"), answer.status_code)
    seen = f"no answer at {masked(address)}: {answer}"
    if override:
        return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"start it, or correct {override}")
    return Finding(part=part, health=Health.WARNING, seen=seen, do=START)


def _taken(part: str, port: int, override: str, status: int | None = None) -> Finding:
    said = f" ({status})" if status else ""
    seen = f"something else answers on port {port}{said}"
    return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"stop it, or set {override} to a free port")


def _listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def _get(address: str) -> httpx.Response | str:
    """Return the answer, or in words why there is none."""
    try:
        return httpx.get(address, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return "connection refused" if isinstance(error, httpx.ConnectError) else type(error).__name__
