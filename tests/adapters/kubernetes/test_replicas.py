"""Without a Gateway: shares by replica counts behind one Service, on a real cluster."""

import json
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.rollout.revision import Health, Revision, Traffic
from slipway.domain.spec.serving import ReplicasSpec
from slipway.errors import PermanentError
from tests.adapters.kubernetes.place import SMALL, Load, Place

FOUR = SMALL.model_copy(update={"replicas": ReplicasSpec(minimum=1, maximum=4)})


@pytest.fixture
def target(place: Place) -> KubernetesTarget:
    """Return the shared namespace's target as it would be without a Gateway."""
    return KubernetesTarget(place.api, route="replicas")


@pytest.fixture
def two(place: Place) -> Iterator[tuple[Revision, Revision]]:
    """Begin to start two revisions of a model that may have four replicas each."""
    revisions = place.revision("ratio", 1, serving=FOUR), place.revision("ratio", 2, serving=FOUR)
    for revision in revisions:
        place.target.start(revision)
    yield revisions
    place.target.remove("ratio")


def test_shares_follow_from_replica_counts(
    place: Place, target: KubernetesTarget, two: tuple[Revision, Revision]
) -> None:
    """Alone, a quarter, all, and alone again: no request is lost, and in between one in four is the canary's."""
    one, other = (revision.name for revision in two)
    for revision in two:
        place.expect(revision, lambda state: state.health is Health.READY)
    target.set_traffic("ratio", Traffic(stable=one))
    address = place.kubectl("get", "service", "ratio", "-o", "jsonpath={.spec.clusterIP}")
    with Load(f"http://{address}:3000/x") as load:
        assert load.answered(50)
        assert set(load.answers) == {one}
        quarter = Traffic(stable=one, canary=other, canary_percent=25)
        target.set_traffic("ratio", quarter)
        assert target.read_traffic("ratio") == quarter
        assert _share(address, other) == pytest.approx(0.25, abs=0.08)
        assert {name: state.scale for name, state in target.observe("ratio").items()} == {one: None, other: None}
        target.set_traffic("ratio", Traffic(stable=other, canary=one))
        assert target.read_traffic("ratio") == Traffic(stable=other, canary=one)
        assert _share(address, other) == 1
        target.stop("ratio", one)
        assert load.answered(50)

    assert set(load.answers) == {one, other}
    scale = target.observe("ratio")[other].scale
    assert scale is not None
    assert (scale.floor, scale.maximum) == (4, 4)


def test_hands_on_the_service_are_seen(place: Place, target: KubernetesTarget, two: tuple[Revision, Revision]) -> None:
    """Whoever chose other pods is named, and put right by the next route."""
    one, other = (revision.name for revision in two)
    target.set_traffic("ratio", Traffic(stable=one, canary=other))
    patch = {"spec": {"selector": {"slipway.dev/model": "ratio", "slipway.dev/revision": other}}}
    place.kubectl("patch", "service", "ratio", "-p", json.dumps(patch), "--field-manager=somebody")

    seen = target.read_traffic("ratio")

    assert seen == Traffic(stable=one, canary=other, canary_percent=100)
    assert seen.edited_by == "somebody"
    target.set_traffic("ratio", Traffic(stable=one, canary=other))
    assert target.read_traffic("ratio") == Traffic(stable=one, canary=other)


def test_the_way_is_chosen_by_what_the_cluster_has(place: Place, target: KubernetesTarget) -> None:
    """With a Gateway any weight; without one the reachable ones, as a sentence; copies nowhere here."""
    by_gateway, by_replicas = place.target.get_abilities("any", FOUR), target.get_abilities("any", FOUR)

    assert by_gateway.weights is None
    assert by_replicas.weights == (20, 25, 33, 40, 43, 50, 57, 60, 67, 75, 80, 100)
    assert by_replicas.why.startswith(
        "no Gateway: requests follow replicas, and with at most 4 of each revision 20, 25"
    )
    assert not by_replicas.copies


def test_a_shadow_and_a_third_revision_are_refused(
    place: Place, target: KubernetesTarget, two: tuple[Revision, Revision]
) -> None:
    """Neither can be had behind one Service; nothing is changed."""
    one, other = (revision.name for revision in two)
    place.target.start(place.revision("ratio", 3, serving=FOUR))

    with pytest.raises(PermanentError, match="can't be copied"):
        target.set_traffic("ratio", Traffic(stable=one, shadow=other))
    with pytest.raises(PermanentError, match="ratio-v3 would get requests too"):
        target.set_traffic("ratio", Traffic(stable=one, canary=other, canary_percent=50))

    assert target.read_traffic("ratio") is None


def _share(address: str, name: str) -> float:
    """Ask over connections of their own, as those are shared out; return one revision's part."""
    told: Counter[str] = Counter()
    with httpx.Client(headers={"connection": "close"}) as client:
        for _ in range(400):
            told[client.post(f"http://{address}:3000/x", content="row").json()["revision"]] += 1
    return told[name] / told.total()
