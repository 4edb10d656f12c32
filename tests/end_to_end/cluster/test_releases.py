"""Rollouts on a real cluster, under load through its gateway: nobody's request is lost, whatever is released."""

from typing import Any

from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase
from tests.end_to_end.cluster.conftest import SPECS
from tests.end_to_end.cluster.load import bad_seconds
from tests.end_to_end.cluster.stories import KILLED_IN, Releases, Told


def test_twenty_models_at_once_get_their_first_release(
    first_releases: dict[str, Any], figures: dict[str, object]
) -> None:
    """Every one of them serves, and one costs a bounded number of calls to the API server."""
    per_model = sum(first_releases["calls"].values()) / len(SPECS)
    figures |= {"twenty_at_once_seconds": first_releases["seconds"], "first_release_api_calls": per_model}

    assert len(SPECS) == 20
    assert [end.get("phase") for end in first_releases["ends"]] == [Phase.SUCCEEDED] * 20
    assert per_model < 600


def test_a_good_version_is_promoted_without_a_lost_request(releases: Releases, figures: dict[str, object]) -> None:
    """It serves all requests afterwards."""
    told = releases.story
    calls = told.reports[2]["calls"]
    looks = calls["list horizontalpodautoscalers.autoscaling"]
    figures |= {"promotion_api_calls": sum(calls.values()), "promotion_api_calls_per_look": sum(calls.values()) / looks}

    assert told.end(2)[0] == Phase.SUCCEEDED, told.end(2)
    assert told.load.right["story-v2"] > 100
    assert told.load.failed["story-v2"] == 0


def test_a_version_that_fails_on_some_inputs_is_rolled_back(releases: Releases, figures: dict[str, object]) -> None:
    """The judge counts its errors, and no client sees one: the version before it answers in its place."""
    told = releases.story
    figures["bad_to_zero_weight_seconds"] = bad_seconds(told.load, "story-v3")
    figures["client_visible_failures"] = sum(told.load.failed.values())

    assert told.end(3)[0] == Phase.ROLLED_BACK
    assert "fails where stable never does" in told.end(3)[1]
    assert told.load.rescued["story-v3"] > 0
    assert told.load.failed == {}
    assert told.traffic == Traffic(stable="story-v2")


def test_a_version_that_refuses_its_clients_rows_is_rolled_back_and_nobody_is_refused(
    releases: Releases, figures: dict[str, object]
) -> None:
    """It wants a column that they don't send, and no gate stopped it: two looks, and no client got a 400."""
    told = releases.refusing
    figures["refused_that_clients_saw"] = sum(told.load.failed.values())
    shifting = [moment for moment in told.status.timeline if moment.phase is Phase.SHIFTING]
    looks = {moment.canary for moment in shifting if moment.canary and moment.canary.requests}  # with news

    assert told.end(2)[0] == Phase.ROLLED_BACK
    assert "refuse" in told.end(2)[1]
    assert len(looks) <= 2, looks
    assert told.load.rescued["refusing-v2"] > 0
    assert (told.load.failed, told.load.lost) == ({}, [])
    assert told.traffic == Traffic(stable="refusing-v1")


def test_versions_that_cannot_start_never_get_a_request(releases: Releases) -> None:
    """One ends at once, one needs too much memory: both are rolled back with the cluster's words."""
    told = releases.broken

    assert [told.end(version)[0] for version in (2, 3)] == [Phase.ROLLED_BACK] * 2
    assert "exited with code 3" in told.end(2)[1]
    assert "last line: the model file is broken" in told.end(2)[1]
    assert "more than its memory limit of 64Mi (OOMKilled)" in told.end(3)[1]
    assert set(told.load.right) == {"broken-v1"}
    assert not told.load.failed


def test_no_request_is_lost_by_any_release(releases: Releases, figures: dict[str, object]) -> None:
    """Promoted, rolled back, or never started: every request was answered by a revision."""
    loads = [releases.story.load, releases.refusing.load, releases.broken.load]
    figures |= {"requests_sent": sum(load.sent for load in loads), "requests_lost": sum(len(one.lost) for one in loads)}

    assert [load.lost for load in loads] == [[], [], []]
    assert [load.sent for load in loads] == [len(load.answers) for load in loads]


def test_a_rollout_whose_driver_was_killed_is_ended_by_another(killed: dict[Phase, Told]) -> None:
    """It ends as if nothing had happened, in whichever phase the driver died, and nobody's request is lost."""
    ends = {phase: told.end(2)[0] for phase, told in killed.items()}
    shares = {phase: told.traffic.weights for phase, told in killed.items()}

    assert ends == dict.fromkeys(KILLED_IN, Phase.SUCCEEDED) | {Phase.ROLLING_BACK: Phase.ROLLED_BACK}
    assert shares == {phase: {f"{phase}-v2": 100} for phase in KILLED_IN} | {
        Phase.ROLLING_BACK: {f"{Phase.ROLLING_BACK}-v1": 100}
    }
    assert {phase: told.load.lost for phase, told in killed.items()} == {phase: [] for phase in KILLED_IN}


def test_a_newer_version_of_a_model_waits_until_the_older_one_made_room(twice: Told) -> None:
    """The older one is asked to, and rolled back; then the newer one is released."""
    assert twice.end(2) == (Phase.ROLLED_BACK, "superseded by version 3, which arrived meanwhile")
    assert twice.end(3)[0] == Phase.SUCCEEDED
    assert twice.traffic == Traffic(stable="twice-v3")
    assert twice.load.lost == []
