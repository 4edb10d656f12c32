"""Rollouts as they go in production, each with models of its own, so that all of them can be driven at once."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.end_to_end.cluster.load import Load
from tests.end_to_end.cluster.place import Place, a_place

KILLED_IN = (Phase.STARTING, Phase.SHIFTING, Phase.PROMOTING, Phase.ROLLING_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one model's rollouts, under load."""

    reports: Mapping[int, dict[str, Any]]
    """Drivers' reports, by version."""
    load: Load
    status: RolloutStatus
    """After the last one."""
    traffic: Traffic

    def end(self, version: int) -> tuple[str, str]:
        """Return a version's last phase, and why."""
        (end,) = self.reports[version]["ends"]
        return end.get("phase", end.get("error")), end["said"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """Versions that are good, fail, refuse what their clients send, and can't start."""

    story: Told
    """2 is good, 3 fails on some inputs."""
    refusing: Told
    """2 wants a column that no client sends."""
    broken: Told
    """2 ends at once, 3 needs more memory than it may have."""


def releases(place: Place) -> Releases:
    """Release good and bad versions one after another, three models at once."""
    with ThreadPoolExecutor() as pool:
        story = pool.submit(_one_by_one, place, "story", {2: "good", 3: "fails"})
        broken = pool.submit(_one_by_one, place, "broken", {2: "exits", 3: "hungry"})
        refusing = pool.submit(_one_by_one, place, "refusing", {2: "refuses"})
        return Releases(story=story.result(), refusing=refusing.result(), broken=broken.result())


def _one_by_one(place: Place, model: str, made: Mapping[int, str]) -> Told:
    with place.load(model) as load:
        reports = {version: place.release(model, version, how).finish() for version, how in made.items()}
    return Told(reports=reports, load=load, status=place.status(model), traffic=place.traffic(model))


def killed(place: Place) -> dict[Phase, Told]:
    """Kill the driver in each phase, and let another go on."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(KILLED_IN, pool.map(partial(_killed_in, place), KILLED_IN), strict=True))


def _killed_in(place: Place, phase: Phase) -> Told:
    model = phase.value
    made = "fails" if phase is Phase.ROLLING_BACK else "good"
    with place.load(model, 15) as load:
        first = place.release(model, 2, made)
        place.until_in(model, 2, phase)
        first.kill()
        assert not first.report.exists(), f"{model} was over before it was killed"
        report = place.release(model, 2, made).finish()
    return Told(reports={2: report}, load=load, status=place.status(model), traffic=place.traffic(model))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What people do to objects while a rollout is under way."""

    edited: Told
    annotations: Mapping[str, str]
    """Of the edited route, after the rollout."""
    deleted: Told


def hands(place: Place) -> Hands:
    """Edit one model's route, delete another one's canary, both at 50 %."""
    with ThreadPoolExecutor() as pool:
        edited, deleted = pool.submit(_edited, place), pool.submit(_deleted, place)
        route = edited.result(), place.api.get("HTTPRoute", "edited") or {}
        return Hands(edited=route[0], annotations=route[1]["metadata"]["annotations"], deleted=deleted.result())


def _edited(place: Place) -> Told:
    weights = [
        {"op": "replace", "path": f"/spec/rules/0/backendRefs/{number}/weight", "value": weight}
        for number, weight in enumerate((90, 10))
    ]
    with place.load("edited") as load:
        driver = place.release("edited", 2)
        _until_half(place, "edited")
        place.kubectl("annotate", "httproute", "edited", "example.com/owner=team-a")
        place.kubectl("patch", "httproute", "edited", "--type=json", "-p", str(weights).replace("'", '"'))
        place.until("the edit is told", lambda: _says(place.status("edited"), "edited by"))
        _until_half(place, "edited")
        report = driver.finish()
    return Told(reports={2: report}, load=load, status=place.status("edited"), traffic=place.traffic("edited"))


def _deleted(place: Place) -> Told:
    with place.load("deleted") as load:
        driver = place.release("deleted", 2)
        _until_half(place, "deleted")
        place.kubectl("delete", "deployment", "deleted-v2", "--wait=false")
        report = driver.finish()
    return Told(reports={2: report}, load=load, status=place.status("deleted"), traffic=place.traffic("deleted"))


def _until_half(place: Place, model: str) -> None:
    half = {f"{model}-v1": 50, f"{model}-v2": 50}
    place.until(f"{model} at 50 %", lambda: place.traffic(model).weights == half)


def _says(status: RolloutStatus, words: str) -> bool:
    return any(words in moment.reason for moment in status.timeline)


def twice(place: Place) -> Told:
    """Release two versions of one model at once."""
    with place.load("twice") as load:
        older = place.release("twice", 2)
        place.until_in("twice", 2, Phase.SHIFTING)
        newer = place.release("twice", 3)
        reports = {2: older.finish(), 3: newer.finish()}
    return Told(reports=reports, load=load, status=place.status("twice"), traffic=place.traffic("twice"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What the cluster does not let happen."""

    told: Told
    """2 is over a quota, 3 against a policy."""
    left: Mapping[int, list[str]]
    """What is there of each, after its rollout."""
    nowhere: dict[str, str]
    """What came of a release into a namespace that is not there."""
    uninstalled: list[str]
    """What is there of the model after `slipway target uninstall`."""


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {namespace}}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}}]
  validations: [{{expression: "!object.metadata.name.endsWith('-v3')", message: "the third version is not wanted"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {namespace}}}
spec:
  policyName: {namespace}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}
"""


def refusals(place: Place) -> Refusals:
    """Release over a quota, against a policy, and into nowhere; then take the model away: in a place of its own."""
    folder = place.folder / "refusals"
    folder.mkdir()
    with a_place(place.cluster, place.images, folder) as own:
        return _refused(own)


def _refused(place: Place) -> Refusals:
    place.spec("refused")
    assert place.release("refused", 1).end()["phase"] == Phase.SUCCEEDED
    reports, left = {}, {}
    with place.load("refused", 10) as load:
        place.kubectl("create", "quota", "few", "--hard=pods=1")
        reports[2] = place.release("refused", 2).finish()
        left[2] = place.left_of("slipway.dev/revision=refused-v2")
        place.kubectl("delete", "quota", "few")
        with_policy = POLICY.format(namespace=place.namespace)
        place.kubectl("apply", "-f", "-", given=with_policy)
        try:
            place.until("the policy is in force", lambda: not _allowed(place, "probe-v3"))
            reports[3] = place.release("refused", 3).finish()
        finally:
            place.kubectl("delete", "-f", "-", given=with_policy)
        left[3] = place.left_of("slipway.dev/revision=refused-v3")
    told = Told(reports=reports, load=load, status=place.status("refused"), traffic=place.traffic("refused"))
    return Refusals(told=told, left=left, nowhere=_nowhere(place), uninstalled=_uninstalled(place))


def _allowed(place: Place, name: str) -> bool:
    words = ["-n", place.namespace, "create", "deployment", name, "--image=none", "--dry-run=server"]
    return not subprocess.run(["kubectl", *words], capture_output=True, timeout=60, check=False).returncode  # noqa: S607 - on PATH, as users have it


def _nowhere(place: Place) -> dict[str, str]:
    elsewhere = {"SLIPWAY_KUBE_NAMESPACE": f"{place.namespace}-not-there"}
    return place.release("refused", 4, environment=elsewhere).end()


def _uninstalled(place: Place) -> list[str]:
    program = Path(sys.executable).with_name("slipway")
    done = subprocess.run(
        [str(program), "target", "uninstall", "refused", "--yes"],
        env=place.environment(place.models("refused")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine = "slipway.dev/model=refused"
    place.until("its pods are gone", lambda: not place.left_of(mine), seconds=30)
    return place.left_of(mine)
