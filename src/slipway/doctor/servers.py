"""Servers that every target needs: the registry, the orchestrator, the webhook."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from slipway.doctor.values import name_variable
from slipway.domain.finding import Condition, Finding
from slipway.errors import RegistryUnavailable, SlipwayError
from slipway.probes import START, TIMEOUT_SECONDS, check_port, fetch_page, mask_secrets, report_taken_port
from slipway.settings import Settings

FLOWS = ("release", "rollback", "reconcile", "watch")
"""Deployments that Prefect must know, each `NAME/NAME`."""


def check_mlflow(here: Settings) -> Iterator[Finding]:
    """Check the registry."""
    answer = fetch_page(f"{here.mlflow.rstrip('/')}/health")
    match answer:
        case httpx.Response(status_code=200):
            yield Finding(part="MLflow", health=Condition.OK, seen=f"answers at {mask_secrets(here.mlflow)}")
        case httpx.Response(status_code=403):
            do = "name this host in the server's --allowed-hosts, with and without port"
            yield Finding(part="MLflow", health=Condition.PROBLEM, seen="refuses us with 403", do=do)
        case _:
            yield _explain_silence("MLflow", here.mlflow, answer, "SLIPWAY_MLFLOW_URI" if here.mlflow_uri else "")


def check_prefect(here: Settings) -> Iterator[Finding]:
    """Check the orchestrator, and the deployments of prefect.yaml."""
    answer = fetch_page(f"{here.prefect.rstrip('/')}/health")
    if not (isinstance(answer, httpx.Response) and answer.is_success):
        yield _explain_silence("Prefect", here.prefect, answer, "SLIPWAY_PREFECT_API" if here.prefect_api else "")
        return
    yield Finding(part="Prefect", health=Condition.OK, seen=f"answers at {mask_secrets(here.prefect)}")
    missing = [name for name in FLOWS if not _is_deployed(here, name)]
    seen = f"no {', '.join(missing)}" if missing else f"{', '.join(FLOWS)}"
    do = "`slipway up` deploys them; on a server of yours: `prefect deploy --all`" if missing else ""
    yield Finding(part="deployments", health=Condition.PROBLEM if missing else Condition.OK, seen=seen, do=do)


def _is_deployed(here: Settings, name: str) -> bool:
    answer = fetch_page(f"{here.prefect.rstrip('/')}/deployments/name/{name}/{name}")
    return isinstance(answer, httpx.Response) and answer.is_success


def check_webhook(_here: Settings) -> Iterator[Finding]:
    """Check whether MLflow notifies us of new versions."""
    from slipway import wiring

    do = "`slipway webhook register`; until then the schedule finds new versions, later"
    try:
        found = wiring.make_webhooks(TIMEOUT_SECONDS).find("slipway")
    except RegistryUnavailable:
        yield Finding(part="webhook", health=Condition.WARNING, seen="unknown: MLflow does not answer", do="see MLflow")
    except SlipwayError as error:
        yield Finding(part="webhook", health=Condition.PROBLEM, seen=error.seen, do=error.do)
    else:
        seen = f"registered as {found}" if found else "not registered in MLflow"
        health = Condition.OK if found else Condition.WARNING
        yield Finding(part="webhook", health=health, seen=seen, do="" if found else do)


def check_receiver(here: Settings) -> Iterator[Finding]:
    """Check whether a receiver listens for MLflow's events."""
    yield check_port("webhook receiver", here.host, here.webhook_port)


def _explain_silence(part: str, address: str, answer: httpx.Response | str, override: str) -> Finding:
    """Describe the failure of a part that should answer; a part of ours that was not started yet is no problem."""
    if isinstance(answer, httpx.Response):
        url = urlsplit(address)
        return report_taken_port(
            part, url.port or 0, override or name_variable(f"{part.lower()}_port"), answer.status_code
        )
    seen = f"no answer at {mask_secrets(address)}: {answer}"
    if override:
        return Finding(part=part, health=Condition.PROBLEM, seen=seen, do=f"start it, or correct {override}")
    return Finding(part=part, health=Condition.WARNING, seen=seen, do=START)
