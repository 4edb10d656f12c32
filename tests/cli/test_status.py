"""`slipway status`: where models stand, and what the judge said of one of them; no server runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.adapters.local import envoy_config
from slipway.adapters.local.rollouts import LocalRollouts
from slipway.cli.exit_codes import ExitCode
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.statistics.counts import CountEvidence
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.verdict import Outcome, Verdict
from tests.cli.conftest import Run

SLOW = "canary is slow 3.10x as often as stable (1.6 to 6.2)"
VERDICTS = (
    Verdict(
        check=Check.ERRORS,
        outcome=Outcome.INCONCLUSIVE,
        reason="not enough evidence yet either way; errors: 3 of 200 against 9 of 1,800",
        numbers={"ratio": 2.9, "ratio_low": 0.4, "evidence_against": 1.7, "alpha": 0.0075},
    ),
    Verdict(check=Check.LATENCY, outcome=Outcome.FAIL, reason=SLOW, numbers={"ratio": 3.1}),
    Verdict(check=Check.LABELS, outcome=Outcome.NO_DATA, reason="no label arrived yet", blocking=False),
)


@pytest.fixture
def digits(tmp_path: Path) -> RolloutStatus:
    """Keep a rollout under way for the model `digits`, and one without verdicts for `begun`."""
    rollouts = LocalRollouts(tmp_path / ".slipway" / "target")
    counted = CountEvidence(canary=Counters(requests=200, errors=3), stable=Counters(requests=1800, errors=9))
    status = RolloutStatus(
        model="digits",
        version=2,
        release_id="digits-v2-a1",
        phase=Phase.SHIFTING,
        weight_percent=10,
        started_at=0.0,
        entered_at=0.0,
        heartbeat_at=0.0,
        reason="not enough evidence yet either way",
        evidence=Evidence(rates={Check.ERRORS: counted}),
        evidence_against=17.0,
        verdicts=VERDICTS,
    )
    begun = replace(status, model="begun", release_id="begun-v2-a1", phase=Phase.PENDING, verdicts=(), reason="gates")
    for one in (status, begun):
        rollouts.save(one, rollouts.acquire(one.model, one.release_id, 60))
    return status


@pytest.mark.usefixtures("digits")
def test_a_models_status_shows_every_verdict(slipway: Run) -> None:
    """Below the table: one line per metric, with its outcome and its sentence."""
    answer = slipway("status", "digits")

    lines = answer.stdout.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("judged"))
    shown = [line.split("  ")[0] for line in lines[header + 1 :]]
    assert answer.returncode == ExitCode.OK
    assert shown == ["error rate", "latency", "wrong answers"]
    assert lines[header + 2].split() == ["latency", "FAIL", *SLOW.split()]
    assert "NO DATA" in lines[header + 3]


@pytest.mark.usefixtures("digits")
def test_the_table_of_all_models_stays_short(slipway: Run) -> None:
    """Verdicts are for whoever asks about one model."""
    answer = slipway("status")

    assert "digits  " in answer.stdout
    assert "judged" not in answer.stdout
    assert SLOW not in answer.stdout


@pytest.mark.usefixtures("digits")
def test_a_model_that_nothing_was_judged_of_shows_no_empty_table(slipway: Run) -> None:
    """Its gates are at work."""
    answer = slipway("status", "begun")

    assert answer.stdout.rstrip().endswith("gates")


def test_verdicts_are_json_for_scripts(slipway: Run, digits: RolloutStatus) -> None:
    """With the numbers behind each sentence; models without any have an empty list."""
    answer = slipway("status", "--json")

    verdicts = {one["model"]: one["verdicts"] for one in json.loads(answer.stdout)["models"]}
    assert verdicts["begun"] == []
    assert [one["outcome"] for one in verdicts["digits"]] == ["INCONCLUSIVE", "FAIL", "NO_DATA"]
    assert verdicts["digits"][0]["numbers"] == digits.verdicts[0].numbers
    assert verdicts["digits"][2]["blocking"] is False


@pytest.mark.usefixtures("digits")
def test_a_models_status_says_where_it_is_asked(slipway: Run, tmp_path: Path) -> None:
    """Over HTTP by its path, over gRPC by its name beside the request: one port for both."""
    routes = tmp_path / ".slipway" / "target" / "envoy" / "routes.json"
    routes.parent.mkdir(parents=True)
    routes.write_text(json.dumps(envoy_config.build_route_document({"digits": Traffic(stable="digits-v1")})))

    answer = slipway("status", "digits")
    said = json.loads(slipway("status", "digits", "--json").stdout)["models"][0]["asked_at"]

    assert said["HTTP"].startswith("http://127.0.0.1:")
    assert said["HTTP"].endswith("/digits/")
    assert said["gRPC"].endswith(", with the metadata x-slipway-model: digits")
    assert said["HTTP"].removesuffix("/digits/").removeprefix("http://") in said["gRPC"]
    assert all(where in answer.stdout for where in said.values())
