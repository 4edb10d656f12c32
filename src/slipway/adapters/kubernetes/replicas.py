"""Traffic split by replica counts, if there is no Gateway: one Service, and the number of pods behind it.

The Service named like the model selects the stable revision's pods, the canary's, or both. With both, the counts are
fixed through the autoscalers' bounds (fewest = most), so nothing scales by load until one revision is alone again.
Added replicas are ready before others are removed: from one share to the next capacity never falls.
"""

import time
from collections.abc import Mapping

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.managers import editor
from slipway.adapters.kubernetes.manifests import service_ports
from slipway.adapters.kubernetes.names import FIXED, MAXIMUM, MINIMUM, MODEL, REVISION, TRAFFIC, model_labels, of_model
from slipway.adapters.kubernetes.ratio import Counts, counts_for, reachable, why
from slipway.adapters.kubernetes.readiness import ready
from slipway.adapters.kubernetes.routes import read_told, told
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.scaling import ALL
from slipway.errors import NotFound, PermanentError, TargetUnavailable
from slipway.ports.router import Abilities

READY_SECONDS = 90.0
"""Seconds that a change of shares waits for replicas: an autoscaler acts every 15 s, then a pod has to start."""
LOOK_SECONDS = 0.25
SETTLE_SECONDS = 1.0
"""Seconds until every node knows a Service's new endpoints."""

AUTOSCALER = "HorizontalPodAutoscaler"


class ReplicaRouter:
    """Splits requests by the counts of replicas behind one Service."""

    def __init__(self, cluster: Cluster) -> None:
        """Make no call yet."""
        self._cluster = cluster

    def abilities(self, replicas: int) -> Abilities:
        """Return the shares that are possible with this many replicas of each revision; there are no copies."""
        return Abilities(copies=False, weights=reachable(replicas), why=why(replicas))

    def route(self, model: str, traffic: Traffic) -> None:
        """Select pods, and fix their counts if both revisions serve."""
        self._refuse_what_cannot_be(model, traffic)
        if 0 < traffic.canary_percent < ALL and traffic.canary:
            self._share(model, traffic, traffic.canary)
        else:
            self._leave_alone(model, traffic)

    def traffic(self, model: str) -> Traffic | None:
        """Return the shares that follow from the Service's selector and the fixed counts."""
        live = self._cluster.get("Service", model)
        chosen = (live or {}).get("spec", {}).get("selector") or {}
        if live is None or MODEL not in chosen:
            return None
        by, before = editor(live, "spec", "selector"), read_told(live["metadata"].get("annotations"))
        if REVISION in chosen:
            return _alone(chosen[REVISION], before, by)
        if before is None or before.canary is None:
            return None  # the selector was edited to all pods, so the stable ones are not known
        return self._both(model, before, by)

    def _both(self, model: str, before: Traffic, by: str | None) -> Traffic:
        scalers = self._autoscalers(model)
        counts = Counts(stable=_fixed(scalers, before.stable), canary=_fixed(scalers, before.canary or ""))
        if not counts.total:
            return before  # both revisions are gone: no pod gets requests
        by = by or next(filter(None, (editor(one, "spec", "minReplicas") for one in scalers.values())), None)
        return Traffic(stable=before.stable, canary=before.canary, canary_percent=counts.percent, edited_by=by)

    def _share(self, model: str, traffic: Traffic, canary: str) -> None:
        scalers, now = self._autoscalers(model), self._ready(model, traffic.stable, canary)
        maximum = min(int(_noted(_of(scalers, name), MAXIMUM)) for name in (traffic.stable, canary))
        wanted = counts_for(traffic.canary_percent, maximum, least=self._serving(model, now))
        self._fix(traffic.stable, max(wanted.stable, min(now[traffic.stable], maximum)))
        self._fix(canary, max(wanted.canary, min(now[canary], maximum)))
        self._expect(model, {traffic.stable: wanted.stable, canary: wanted.canary})
        self._choose(model, {MODEL: model}, traffic)
        self._fix(traffic.stable, wanted.stable)
        self._fix(canary, wanted.canary)
        self._expect(model, {traffic.stable: wanted.stable, canary: wanted.canary}, exactly=True)

    def _leave_alone(self, model: str, traffic: Traffic) -> None:
        name = traffic.canary if traffic.canary_percent and traffic.canary else traffic.stable
        scalers = self._autoscalers(model)
        if FIXED in (_of(scalers, name)["metadata"].get("annotations") or {}):
            self._carry_all(model, name, scalers)
        self._choose(model, {MODEL: model, REVISION: name}, traffic)
        for other, scaler in self._autoscalers(model).items():
            if FIXED in (scaler["metadata"].get("annotations") or {}):
                self._free(scaler, floor=scaler["spec"]["minReplicas"] if other == name else None)

    def _carry_all(self, model: str, name: str, scalers: Mapping[str, Manifest]) -> None:
        """Give the revision that is to serve alone the replicas that both have; continue with fewer after the bound.

        A longer wait would keep the other one serving, which may be the bad one.
        """
        fixed = [other for other in scalers if FIXED in (scalers[other]["metadata"].get("annotations") or {})]
        together = sum(self._ready(model, *fixed).values())
        count = min(max(together, 1), int(_noted(scalers[name], MAXIMUM)))
        self._fix(name, count)
        try:
            self._expect(model, {name: count})
        except TargetUnavailable:
            if not self._ready(model, name)[name]:
                raise

    def _serving(self, model: str, now: Mapping[str, int]) -> int:
        """Return how many replicas serve together now."""
        before = self.traffic(model)
        return max(2, sum(now.get(name, 0) for name, percent in (before.weights if before else {}).items() if percent))

    def _choose(self, model: str, selector: dict[str, str], traffic: Traffic) -> None:
        metadata = {"name": model, "labels": model_labels(model), "annotations": {TRAFFIC: told(traffic)}}
        spec = {"type": "ClusterIP", "selector": selector, "ports": service_ports()}
        self._cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        time.sleep(SETTLE_SECONDS)

    def _fix(self, name: str, count: int) -> None:
        bounds = {"minReplicas": count, "maxReplicas": count}
        self._cluster.patch(AUTOSCALER, name, {"metadata": {"annotations": {FIXED: str(count)}}, "spec": bounds})

    def _free(self, scaler: Manifest, floor: int | None) -> None:
        """Restore an autoscaler's range; a revision that serves keeps its floor."""
        least = floor or int(_noted(scaler, MINIMUM))
        bounds = {"minReplicas": least, "maxReplicas": max(least, int(_noted(scaler, MAXIMUM)))}
        fields = {"metadata": {"annotations": {FIXED: None}}, "spec": bounds}
        self._cluster.patch(AUTOSCALER, scaler["metadata"]["name"], fields)

    def _expect(self, model: str, counts: Mapping[str, int], *, exactly: bool = False) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not _fits(seen := self._ready(model, *counts), counts, exactly=exactly):
            if time.monotonic() > ends:
                said = ", ".join(f"{name} has {seen[name]} of {count}" for name, count in counts.items())
                raise TargetUnavailable(
                    f"route of {model}",
                    seen=f"replicas are missing after {READY_SECONDS:g} s: {said} ready",
                    expected="as many as the shares take",
                    do=f"nothing yet: it is tried again; `kubectl describe deployment -l {MODEL}={model}` says why",
                )
            time.sleep(LOOK_SECONDS)

    def _ready(self, model: str, *names: str) -> dict[str, int]:
        pods = self._cluster.list("Pod", of_model(model))
        return {name: ready(pods, name) for name in names}

    def _autoscalers(self, model: str) -> dict[str, Manifest]:
        return {one["metadata"]["name"]: one for one in self._cluster.list(AUTOSCALER, of_model(model))}

    def _refuse_what_cannot_be(self, model: str, traffic: Traffic) -> None:
        if traffic.shadow:
            raise PermanentError(
                f"route of {model}",
                seen="without a Gateway requests can't be copied",
                expected="a Gateway whose class copies requests",
                do="release without `shadow`",
            )
        live = self._cluster.get("Service", model)
        if live is not None and REVISION in (live["metadata"].get("labels") or {}):
            raise PermanentError(
                f"Service {model}",
                seen=f"it is a revision's of model {live['metadata']['labels'][MODEL]}",
                expected="a name of its own for the model's Service",
                do="rename one of the two models, or serve it in another namespace",
            )
        others = set(self._autoscalers(model)) - {traffic.stable, traffic.canary}
        if traffic.canary_percent and others:
            raise PermanentError(
                f"route of {model}",
                seen=f"{', '.join(sorted(others))} would get requests too: the Service chooses all pods of the model",
                expected="two revisions",
                do="stop the others first",
            )


def _alone(name: str, before: Traffic | None, by: str | None) -> Traffic:
    if before is not None and name == before.stable:
        return Traffic(stable=name, canary=before.canary, edited_by=by)
    if before is not None and name == before.canary:
        return Traffic(stable=before.stable, canary=name, canary_percent=ALL, edited_by=by)
    return Traffic(stable=name, edited_by=by)


def _fits(seen: Mapping[str, int], counts: Mapping[str, int], *, exactly: bool) -> bool:
    return all(seen[name] == count if exactly else seen[name] >= count for name, count in counts.items())


def _fixed(scalers: Mapping[str, Manifest], name: str) -> int:
    """Return a revision's count; 0 if it was deleted."""
    return int(scalers[name]["spec"]["minReplicas"]) if name in scalers else 0


def _of(scalers: Mapping[str, Manifest], name: str) -> Manifest:
    if name not in scalers:
        raise NotFound(
            f"autoscaler of {name}",
            seen="it is not there",
            expected="one per revision",
            do="start the revision again",
        )
    return scalers[name]


def _noted(scaler: Manifest, key: str) -> str:
    fallback = scaler["spec"]["minReplicas" if key == MINIMUM else "maxReplicas"]
    return str((scaler["metadata"].get("annotations") or {}).get(key, fallback))
