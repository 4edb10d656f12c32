"""The rights that are listed are the ones that are used, and the cluster's inventory says which are missing."""

from dataclasses import replace

import pytest

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.inventory import check_cluster, list_missing_rights
from slipway.adapters.kubernetes.pages import PodPages
from slipway.adapters.kubernetes.recorded import PodRequests
from slipway.adapters.kubernetes.rights import CLUSTER_WIDE, NAMESPACED
from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.finding import Condition
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase
from slipway.errors import PermanentError
from tests.adapters.kubernetes.place import SMALL, Place
from tests.cluster import Cluster
from tests.contract.rollouts import a_status

ASKED_OF_ALL = {("create", "selfsubjectaccessreviews.authorization.k8s.io")}
"""Everybody may ask for their own rights."""


def test_every_right_that_is_listed_is_used_and_no_other(place: Place) -> None:
    """A model's whole life; the account has these rights only, so a missing one fails every test of this folder."""
    place.api.calls.clear()
    target, rollouts = KubernetesTarget(place.api, gateway=f"{place.namespace}/models"), KubernetesRollouts(place.api)
    place.kubectl("create", "poddisruptionbudget", "rights-v1", "--selector=a=b", "--min-available=1")
    with pytest.raises(PermanentError, match="PodDisruptionBudget rights-v1"):
        target.start(place.revision("rights", 1))
    place.kubectl("delete", "poddisruptionbudget", "rights-v1")
    revision = place.running("rights", 1, serving=SMALL.model_copy(update={"capture_share": 1.0}))
    target.set_traffic("rights", Traffic(stable=revision.name))
    target.set_floors("rights", {revision.name: 1})
    PodPages(place.api)("rights", revision.name, "/slipway/summary")
    PodRequests(place.api).read_newest("rights", revision.name)
    lease = rollouts.acquire("rights", "one", 30)
    for phase in (Phase.STARTING, Phase.SHADOW):
        rollouts.save(replace(a_status("rights"), phase=phase, canary=revision), rollouts.renew(lease, 30))
    rollouts.list_under_way(), rollouts.list_in_force()
    rollouts.forget("rights", lease)
    KubernetesTarget(place.api, route="replicas").set_traffic("rights", Traffic(stable=revision.name))
    check_cluster(place.api, target)
    target.remove("rights")

    listed = {asked for rule in (*NAMESPACED, *CLUSTER_WIDE) for asked in rule.asked}

    assert set(place.api.calls) - ASKED_OF_ALL == listed


def test_observing_takes_three_calls_whatever_there_is(place: Place) -> None:
    """Two revisions or none."""
    for version in (1, 2):
        place.target.start(place.revision("counted", version))
    place.api.calls.clear()

    found = place.target.observe("counted")

    assert set(found) == {"counted-v1", "counted-v2"}
    assert place.api.calls.total() == 3


def test_the_inventory_says_what_the_cluster_has(place: Place) -> None:
    """Version, Gateway, signals and rights; what limits a release has its advice."""
    found = {one.part: one for one in check_cluster(place.api, place.target)}

    assert [name for name, one in found.items() if one.health is Condition.PROBLEM] == []
    assert f"{place.namespace}/models (class traefik)" in found["Gateway API"].seen
    assert "can't copy requests (no HTTPRouteRequestMirror)" in found["route"].seen
    assert "shares gRPC out" in found["route"].seen
    assert "a crash or a cut connection is not rescued" in found["rescue"].seen
    assert "scales by requests in flight at 4 per replica" in found["autoscaling"].seen
    assert all(one.do for one in found.values() if one.health is not Condition.OK)


def test_missing_rights_are_named_by_the_inventory_and_by_the_error(place: Place, cluster: Cluster) -> None:
    """The verb, the resource, and what to do; no token anywhere."""
    other = f"{place.namespace}-other"
    cluster.kubectl("create", "namespace", other)
    try:
        elsewhere = Api(place.client, other)

        missing = list_missing_rights(elsewhere)
        rights = next(one for one in check_cluster(elsewhere, KubernetesTarget(elsewhere)) if one.part == "rights")
        with pytest.raises(PermanentError, match=r"no right to get deployments\.apps") as refused:
            KubernetesTarget(elsewhere).start(place.revision("denied", 1))
    finally:
        cluster.kubectl("delete", "namespace", other, "--wait=false")

    assert "patch deployments.apps" in missing
    assert "list gateways.gateway.networking.k8s.io" not in missing
    assert rights.health is Condition.PROBLEM
    assert "slipway's Role" in refused.value.expected
    assert "eyJ" not in str(refused.value)
