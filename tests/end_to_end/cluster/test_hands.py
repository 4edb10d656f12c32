"""What people and the cluster's own rules do to a rollout: it is told, and mended or taken back."""

from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase
from tests.end_to_end.cluster.stories import Hands, Refusals


def test_an_edited_route_is_told_and_put_back(hands: Hands) -> None:
    """The weights are ours again, the rollout goes on; the timeline says who it was."""
    remarks = [moment.reason for moment in hands.edited.status.timeline if "edited by" in moment.reason]

    assert "the route was edited by kubectl-patch: edited-v1 90 %, edited-v2 10 %" in remarks[0]
    assert hands.edited.end(2)[0] == Phase.SUCCEEDED
    assert hands.edited.load.lost == []


def test_what_others_wrote_on_a_route_stays(hands: Hands) -> None:
    """An annotation of somebody else survives every later change of shares."""
    assert hands.annotations["example.com/owner"] == "team-a"
    assert hands.edited.traffic == Traffic(stable="edited-v2")


def test_a_canary_that_somebody_deleted_is_rolled_back(hands: Hands, figures: dict[str, object]) -> None:
    """Nobody is left at half the traffic: the stable revision gets it all, with that reason."""
    figures["lost_when_the_canary_was_deleted"] = len(hands.deleted.load.lost)

    assert hands.deleted.end(2) == (Phase.ROLLED_BACK, "deleted-v2 is gone: someone or something deleted it")
    assert hands.deleted.traffic == Traffic(stable="deleted-v1")


def test_a_release_over_a_quota_is_rolled_back_with_the_servers_words(refusals: Refusals) -> None:
    """Its pod is never made, and nothing of it stays."""
    phase, said = refusals.told.end(2)

    assert phase == Phase.ROLLED_BACK
    assert "the cluster refuses its pods" in said
    assert "exceeded quota: few" in said
    assert refusals.left[2] == []


def test_a_release_against_a_policy_is_rolled_back_with_the_servers_words(refusals: Refusals) -> None:
    """Its Deployment is refused at once, and nothing of it stays."""
    phase, said = refusals.told.end(3)

    assert phase == Phase.ROLLED_BACK
    assert "the third version is not wanted" in said
    assert refusals.left[3] == []


def test_what_is_refused_costs_no_request(refusals: Refusals) -> None:
    """The version that serves answers all of them."""
    assert set(refusals.told.load.right) == {"refused-v1"}
    assert not refusals.told.load.failed
    assert refusals.told.load.lost == []


def test_a_release_into_a_namespace_that_is_not_there_is_a_clear_error(refusals: Refusals) -> None:
    """The error names the namespace and what to do."""
    assert refusals.nowhere["error"] in {"NotFound", "PermanentError"}
    assert "-not-there" in refusals.nowhere["said"]


def test_an_uninstalled_model_leaves_nothing(refusals: Refusals) -> None:
    """Nothing in the namespace has the model's label any more."""
    assert refusals.uninstalled == []
