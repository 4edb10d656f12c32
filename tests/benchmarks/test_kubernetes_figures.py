"""The arithmetic of the Kubernetes benchmark, on rows by hand."""

import doctest
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kubernetes.figures import figures, pulled_bytes
from benchmarks.kubernetes.page import page

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "kubernetes" / "results.json"
ASKED = ("requests_lost", "rollback_p99_ratio", "second_package_push_seconds", "bad_to_zero_weight_seconds")
COUNTED = ("api_calls_per_release", "reconcile_500_seconds", "reconcile_idle_api_calls")


def rollout(kind: str, during: float = 20.0, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a row's own values
    """Return a row of one rollout."""
    p99 = {f"p99_{when}_milliseconds": at for when, at in (("before", 10.0), ("during", during), ("after", 10.0))}
    calls = {"get configmaps": 3, "list pods": 2}
    row = {"kind": kind, "seconds": 5.0, "api_calls": calls, "sent": 100, "lost": 0, **p99}
    bad = {"bad_to_zero_weight_seconds": 2.0, "bad_answers": 7, "bad_answers_clients_saw": 0}
    return row | (bad if kind == "rollback" else {}) | more


def survey(models: int, due: int = 0, lists: int = 2) -> dict[str, Any]:
    """Return a row of one run of `reconcile`."""
    calls = {"list configmaps": lists - 1, "list leases": 1} | ({"get configmaps": 2 * due} if due else {})
    return {
        "models": models,
        "due": due,
        "seconds": models / 100,
        "api_calls": calls,
        "mlflow_calls": 3 + due,
        "parts": {"specs": 0.5},
    }


def test_each_rollback_is_compared_with_the_time_before_itself() -> None:
    """A ratio is of two p99 of one round: rounds on a busy machine do not make quiet ones look bad."""
    rows = [rollout("first"), rollout("promotion"), *(rollout("rollback", during) for during in (10.0, 15.0, 40.0))]

    found = figures({"rollouts": rows})

    assert found["rollback_p99_ratio"] == {"value": 1.5, "interval": [1.0, 4.0], "unit": "x"}
    assert found["bad_to_zero_weight_seconds"]["value"] == 2.0
    assert found["api_calls_per_release"] == {"value": 5, "interval": [5, 5], "unit": "calls"}


def test_what_clients_saw_is_added_up_over_all_rounds() -> None:
    """One failure that the stable version did not take is in the figure."""
    rows = [
        rollout("first"),
        rollout("promotion"),
        *(rollout("rollback", bad_answers_clients_saw=saw) for saw in (0, 1)),
    ]

    assert figures({"rollouts": rows})["client_visible_failures"] == {"value": 1, "interval": [0, 1], "unit": "answers"}


def test_requests_are_added_up_over_rollouts_and_releases() -> None:
    """One lost request anywhere is in the figure."""
    rollouts = [rollout("first"), rollout("promotion", lost=1), rollout("rollback")]
    release = {"version": 1, "lead_time_seconds": 9.0, "evidence_seconds": 0.0, "stages": {}, "sent": 50, "lost": 2}

    found = figures({"rollouts": rollouts, "release": [release, release | {"version": 2}]})

    assert found["requests_lost"]["value"] == 5
    assert found["requests_sent"]["value"] == 400


def test_calls_that_grow_with_the_models_are_seen() -> None:
    """0 when a fleet ten times as large asks as often; what each model adds where it asks more."""
    flat = figures({"reconcile": [survey(50), survey(500), survey(500, due=10)]})
    growing = figures({"reconcile": [survey(50, lists=52), survey(500, lists=502)]})

    assert flat["reconcile_api_calls_per_model_more"]["value"] == 0
    assert flat["reconcile_api_calls_per_due_model"]["value"] == 2
    assert flat["reconcile_idle_api_calls"]["value"] == 2
    assert flat["reconcile_500_seconds"]["value"] == 5.0
    assert growing["reconcile_api_calls_per_model_more"]["value"] == 1


def test_a_node_pulls_only_the_layers_it_does_not_have() -> None:
    """The second version's pull is its own layer."""
    manifest = {"layers": [{"digest": "sha256:base", "size": 70}, {"digest": "sha256:model", "size": 3}]}

    assert pulled_bytes(manifest, []) == 73
    assert pulled_bytes(manifest, ["sha256:base"]) == 3


def test_a_part_that_was_not_measured_is_left_out() -> None:
    """Figures and page say nothing of it, instead of something empty."""
    found = figures({"rollouts": [rollout("first"), rollout("promotion"), rollout("rollback")], "push": []})
    document = {
        "figures": found,
        "machine": {"cores": 2, "cpu": "X", "memory_gibibytes": 1.0},
        "versions": {"kubernetes": "v1.35.4"},
        "contended": False,
        "date": "2026-11-21",
        "command": "make bench-kubernetes",
        "load_average_before": {},
        "rows": {},
    }

    assert not any(name.startswith(("reconcile", "second_", "stage_")) for name in found)
    assert "## Rollouts" in page(document)
    assert "## Lead time" not in page(document)


@pytest.mark.parametrize("name", ["figures", "page", "run"])
def test_examples_say_what_happens(name: str) -> None:
    """Every example gives what stands under it."""
    tried = doctest.testmod(import_module(f"benchmarks.kubernetes.{name}"))

    assert tried.attempted
    assert not tried.failed


@pytest.mark.parametrize("name", [*ASKED, *COUNTED])
def test_the_published_results_follow_from_their_rows(name: str) -> None:
    """Nobody edited a figure by hand, and every one that is asked for is there."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert document["figures"][name] == figures(document["rows"])[name]
