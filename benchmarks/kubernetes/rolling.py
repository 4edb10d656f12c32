"""Rollouts on the cluster under steady load through its gateway: a first one, a promotion, a bad version taken back.

Each rollout is driven by a process of its own, as a release's is, with the real adapters; see
tests/end_to_end/cluster/driver.py. Revisions are a small service, so that the figures are Slipway's and not a model's.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.kubernetes.figures import Row
from slipway.domain.rollout.status import Phase
from tests.cluster import Cluster
from tests.end_to_end.cluster.load import Load, bad_seconds
from tests.end_to_end.cluster.place import Place, a_place, push_images

NAMESPACE = "slipway-bench"
PER_SECOND = 30
QUIET_SECONDS = 10.0
"""Of load alone, before and after a rollout: what p99 is compared with."""
SERVING = {"cpu": 0.05}
MADE = {"first": "good", "promotion": "good", "rollback": "fails"}
ENDS = {"first": Phase.SUCCEEDED, "promotion": Phase.SUCCEEDED, "rollback": Phase.ROLLED_BACK}


def rounds(count: int, cluster: Cluster, folder: Path) -> Iterator[Row]:
    """Play the three rollouts with a model of its own, so many times."""
    images = push_images(cluster.registry, folder)
    with a_place(cluster, images, folder, NAMESPACE) as place:
        for number in range(1, count + 1):
            yield from _round(place, number)


def _round(place: Place, number: int) -> Iterator[Row]:
    model = f"round{number}"
    place.spec(model, serving=SERVING)
    row, _ = _released(place, model, "first")
    yield {"round": number, **row, "sent": 0, "lost": 0}
    with place.load(model, PER_SECOND) as load:
        for kind in ("promotion", "rollback"):
            row, counted = _under_load(place, model, kind, load)
            yield {"round": number, **row, **counted}
    place.kubectl("delete", "deployment,hpa,httproute", "-l", f"slipway.dev/model={model}", "--wait=false")


def _released(place: Place, model: str, kind: str) -> tuple[Row, tuple[float, float]]:
    """Drive one rollout to its end; return what it took, and from when to when."""
    version = 1 + list(MADE).index(kind)
    began = time.time()
    report = place.release(model, version, MADE[kind]).finish()
    ended = time.time()
    (end,) = report["ends"]
    if end.get("phase") != ENDS[kind]:
        raise AssertionError(f"{model}-v{version}: {end}")
    return {"kind": kind, "seconds": report["seconds"], "api_calls": report["calls"]}, (began, ended)


def _under_load(place: Place, model: str, kind: str, load: Load) -> tuple[Row, dict[str, Any]]:
    quiet, sent, lost = time.time(), load.sent, len(load.lost)
    Event().wait(QUIET_SECONDS)
    row, (began, ended) = _released(place, model, kind)
    Event().wait(QUIET_SECONDS)
    counted: dict[str, Any] = {
        "p99_before_milliseconds": load.p99_milliseconds(quiet, began),
        "p99_during_milliseconds": load.p99_milliseconds(began, ended),
        "p99_after_milliseconds": load.p99_milliseconds(ended, time.time()),
        "sent": load.sent - sent,
        "lost": len(load.lost) - lost,
    }
    if kind == "rollback":
        bad = f"{model}-v{1 + list(MADE).index(kind)}"
        wrong = [one for one in load.of(bad) if one.wrong]
        seen = [one for one in wrong if not one.rescued]
        counted |= {
            "bad_to_zero_weight_seconds": bad_seconds(load, bad),
            "bad_answers": len(wrong),
            "bad_answers_clients_saw": len(seen),
        }
    return row, counted
