"""Every form of a status and of a record that this repository has ever written is read still.

The files under tests/fixtures were written by the commits that they are named for, with a value in every field.
"""

import json
from pathlib import Path

import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.status import HoldReason, Phase
from slipway.domain.stored.formats import ENTRY, RECORD, STATUS
from slipway.errors import FormatTooNew
from tests.domain.looks import SPEC, seen

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
STATUSES = [
    *sorted((FIXTURES / "status-format-1").glob("*.json")),
    *sorted((FIXTURES / "status-format-2").glob("*.json")),
]
RECORDS = sorted((FIXTURES / "release-record-format-1").glob("*.json"))


def named(path: Path) -> str:
    """Return a fixture's name."""
    return path.stem


@pytest.mark.parametrize("path", STATUSES, ids=named)
def test_a_status_of_every_version_is_read_and_goes_on(path: Path) -> None:
    """A rollout under way when Slipway is updated is driven by the new code."""
    document = json.loads(path.read_text())

    status = STATUS.load(document, path.name)

    assert (status.model, status.version, status.phase) == ("m", 2, Phase.SHIFTING)
    assert STATUS.load(json.loads(json.dumps(STATUS.dump(status))), path.name) == status
    if "rates" in document["evidence"]:
        assert status.evidence.rate(Check.ERRORS).canary.requests == 20
    assert advance(SPEC, status, seen(), 1e9).status.phase in Phase


def test_a_revision_without_a_platform_has_kubernetes_keys() -> None:
    """Before format 3 a status did not say whose keys `serving` has; its values stay."""
    document = json.loads(STATUSES[-1].read_text())
    assert "platform" not in document["canary"]["serving"]

    status = STATUS.load(document, "a status")

    kept = {"platform": "kubernetes", **document["canary"]["serving"]}
    assert STATUS.dump(status)["canary"]["serving"] == kept
    assert STATUS.dump(status)["format"] == 3


@pytest.mark.parametrize("path", RECORDS, ids=named)
def test_a_record_of_every_version_is_read(path: Path) -> None:
    """History and reports go back to the first release."""
    record = RECORD.load(json.loads(path.read_text()), path.name)

    assert (record.model, record.version) == ("m", 2)
    assert all(verdict.check == Check.ERRORS for verdict in record.judged)


def test_there_is_a_fixture_of_each() -> None:
    """An empty folder would test nothing."""
    assert (len(STATUSES), len(RECORDS)) == (23, 4)


@pytest.mark.parametrize(
    ("reason", "hold"),
    [
        ("both versions fail together (stable on 34 %): the weights stay until it is over", HoldReason.BOTH_FAIL),
        ("stable fails on 40 % (usual 0.2 %): the weights stay", HoldReason.STABLE_FAILS),
        ("the router sent 30 % of 1,000 requests to the canary: the weights stay", HoldReason.WRONG_ROUTE),
        ("requests can't be counted now: the weights stay until they can", HoldReason.NOT_COUNTED),
        ("live values of 'age' are not as in the validation rows", HoldReason.INPUTS_DRIFTED),
        ("m-v1 is unready: the weights stay until it is ready", HoldReason.STABLE_NOT_READY),
        ("not enough evidence yet either way", None),
    ],
)
def test_what_held_a_look_of_format_1_is_told_by_its_sentence(reason: str, hold: HoldReason | None) -> None:
    """There was nothing else to tell it by; in other phases nothing was held."""
    document = json.loads(RECORDS[-1].read_text())
    look = document["timeline"][0] | {"reason": reason}
    document["timeline"] = [look | {"phase": phase} for phase in ("shifting", "held")]

    record = RECORD.load(document, "a record")

    assert [moment.hold for moment in record.timeline] == [hold, None]


def test_verdicts_after_promotion_keep_their_metric() -> None:
    """Format 1 put words before the metric's name."""
    document = json.loads(RECORDS[-1].read_text())
    document["judged"] = [document["judged"][0] | {"check": f"{words}latency, any quantile"} for words in ("", AFTER)]

    judged = RECORD.load(document, "a record").judged

    assert [one.check for one in judged] == ["latency_any_quantile", "after_promotion.latency_any_quantile"]
    assert [one.title for one in judged] == ["latency, any quantile", "after promotion: latency, any quantile"]


AFTER = "after promotion: "


def test_a_newer_status_is_refused_and_a_line_of_the_history_too() -> None:
    """Before anything is done with it."""
    document = STATUS.dump(STATUS.load(json.loads(STATUSES[-1].read_text()), "x"))

    for kept in (STATUS, RECORD, ENTRY):
        with pytest.raises(FormatTooNew, match=f"x: a {kept.name} of format 99"):
            kept.load(document | {"format": 99}, "x")
