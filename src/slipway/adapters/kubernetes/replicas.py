"""Traffic split by replica counts, if there is no Gateway: one Service, and the number of pods behind it.

The Service named like the model selects the stable revision's pods, the canary's, or both. With both, the counts are
fixed through the autoscalers' bounds (fewest = most), so nothing scales by load until one revision is alone again.
Added replicas are ready before others are removed: from one share to the next capacity never falls.
"""

import time
from collections.abc import Mapping

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.managers import find_editor
from slipway.adapters.kubernetes.manifests import build_service_ports
from slipway.adapters.kubernetes.names import Key, make_model_labels, select_model
from slipway.adapters.kubernetes.ratio import Counts, describe_reachable_shares, find_counts, find_reachable_shares
from slipway.adapters.kubernetes.readiness import count_ready_pods
from slipway.adapters.kubernetes.routes import format_annotation, read_annotation
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

    def get_abilities(self, replicas: int) -> Abilities:
        """Return the shares that are possible with this many replicas of each revision; there are no copies."""
        return Abilities(copies=False, weights=find_reachable_shares(replicas), why=describe_reachable_shares(replicas))

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Select pods, and fix their counts if both revisions serve."""
        self._refuse_what_cannot_be(model, traffic)
        if 0 < traffic.canary_percent < ALL and traffic.canary:
            self._share_requests(model, traffic, traffic.canary)
        else:
            self._leave_alone(model, traffic)

    def read_traffic(self, model: str) -> Traffic | None:
        """Return the shares that follow from the Service's selector and the fixed counts."""
        live = self._cluster.get("Service", model)
        chosen = (live or {}).get("spec", {}).get("selector") or {}
        if live is None or Key.MODEL not in chosen:
            return None
        by, before = find_editor(live, "spec", "selector"), read_annotation(live["metadata"].get("annotations"))
        if Key.REVISION in chosen:
            return _read_single_share(chosen[Key.REVISION], before, by)
        if before is None or before.canary is None:
            return None  # the selector was edited to all pods, so the stable ones are not known
        return self._read_both_shares(model, before, by)

    def _read_both_shares(self, model: str, before: Traffic, by: str | None) -> Traffic:
        scalers = self._list_autoscalers(model)
        counts = Counts(
            stable=_read_fixed_count(scalers, before.stable), canary=_read_fixed_count(scalers, before.canary or "")
        )
        if not counts.total:
            return before  # both revisions are gone: no pod gets requests
        by = by or next(filter(None, (find_editor(one, "spec", "minReplicas") for one in scalers.values())), None)
        return Traffic(stable=before.stable, canary=before.canary, canary_percent=counts.percent, edited_by=by)

    def _share_requests(self, model: str, traffic: Traffic, canary: str) -> None:
        scalers, now = self._list_autoscalers(model), self._count_ready(model, traffic.stable, canary)
        maximum = min(
            int(_read_annotation(_require_autoscaler(scalers, name), Key.MAXIMUM)) for name in (traffic.stable, canary)
        )
        wanted = find_counts(traffic.canary_percent, maximum, least=self._count_serving(model, now))
        self._fix_count(traffic.stable, max(wanted.stable, min(now[traffic.stable], maximum)))
        self._fix_count(canary, max(wanted.canary, min(now[canary], maximum)))
        self._wait_for_ready(model, {traffic.stable: wanted.stable, canary: wanted.canary})
        self._apply_service(model, {Key.MODEL: model}, traffic)
        self._fix_count(traffic.stable, wanted.stable)
        self._fix_count(canary, wanted.canary)
        self._wait_for_ready(model, {traffic.stable: wanted.stable, canary: wanted.canary}, exactly=True)

    def _leave_alone(self, model: str, traffic: Traffic) -> None:
        name = traffic.canary if traffic.canary_percent and traffic.canary else traffic.stable
        scalers = self._list_autoscalers(model)
        if Key.FIXED in (_require_autoscaler(scalers, name)["metadata"].get("annotations") or {}):
            self._carry_all(model, name, scalers)
        self._apply_service(model, {Key.MODEL: model, Key.REVISION: name}, traffic)
        for other, scaler in self._list_autoscalers(model).items():
            if Key.FIXED in (scaler["metadata"].get("annotations") or {}):
                self._restore_range(scaler, floor=scaler["spec"]["minReplicas"] if other == name else None)

    def _carry_all(self, model: str, name: str, scalers: Mapping[str, Manifest]) -> None:
        """Give the revision that is to serve alone the replicas that both have; continue with fewer after the bound.

        A longer wait would keep the other one serving, which may be the bad one.
        """
        fixed = [other for other in scalers if Key.FIXED in (scalers[other]["metadata"].get("annotations") or {})]
        together = sum(self._count_ready(model, *fixed).values())
        count = min(max(together, 1), int(_read_annotation(scalers[name], Key.MAXIMUM)))
        self._fix_count(name, count)
        try:
            self._wait_for_ready(model, {name: count})
        except TargetUnavailable:
            if not self._count_ready(model, name)[name]:
                raise

    def _count_serving(self, model: str, now: Mapping[str, int]) -> int:
        """Return how many replicas serve together now."""
        before = self.read_traffic(model)
        return max(2, sum(now.get(name, 0) for name, percent in (before.weights if before else {}).items() if percent))

    def _apply_service(self, model: str, selector: dict[str, str], traffic: Traffic) -> None:
        metadata = {
            "name": model,
            "labels": make_model_labels(model),
            "annotations": {Key.TRAFFIC: format_annotation(traffic)},
        }
        spec = {"type": "ClusterIP", "selector": selector, "ports": build_service_ports()}
        self._cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        time.sleep(SETTLE_SECONDS)

    def _fix_count(self, name: str, count: int) -> None:
        bounds = {"minReplicas": count, "maxReplicas": count}
        self._cluster.patch(AUTOSCALER, name, {"metadata": {"annotations": {Key.FIXED: str(count)}}, "spec": bounds})

    def _restore_range(self, scaler: Manifest, floor: int | None) -> None:
        """Restore an autoscaler's range; a revision that serves keeps its floor."""
        least = floor or int(_read_annotation(scaler, Key.MINIMUM))
        bounds = {"minReplicas": least, "maxReplicas": max(least, int(_read_annotation(scaler, Key.MAXIMUM)))}
        fields = {"metadata": {"annotations": {Key.FIXED: None}}, "spec": bounds}
        self._cluster.patch(AUTOSCALER, scaler["metadata"]["name"], fields)

    def _wait_for_ready(self, model: str, counts: Mapping[str, int], *, exactly: bool = False) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not _fits_counts(seen := self._count_ready(model, *counts), counts, exactly=exactly):
            if time.monotonic() > ends:
                said = ", ".join(f"{name} has {seen[name]} of {count}" for name, count in counts.items())
                raise TargetUnavailable(
                    f"route of {model}",
                    seen=f"replicas are missing after {READY_SECONDS:g} s: {said} ready",
                    expected="as many as the shares take",
                    do=f"nothing yet: it is tried again; `kubectl describe deployment -l {Key.MODEL}={model}` says why",
                )
            time.sleep(LOOK_SECONDS)

    def _count_ready(self, model: str, *names: str) -> dict[str, int]:
        pods = self._cluster.list("Pod", select_model(model))
        return {name: count_ready_pods(pods, name) for name in names}

    def _list_autoscalers(self, model: str) -> dict[str, Manifest]:
        return {one["metadata"]["name"]: one for one in self._cluster.list(AUTOSCALER, select_model(model))}

    def _refuse_what_cannot_be(self, model: str, traffic: Traffic) -> None:
        if traffic.shadow:
            raise PermanentError(
                f"route of {model}",
                seen="without a Gateway requests can't be copied",
                expected="a Gateway whose class copies requests",
                do="release without `shadow`",
            )
        live = self._cluster.get("Service", model)
        if live is not None and Key.REVISION in (live["metadata"].get("labels") or {}):
            raise PermanentError(
                f"Service {model}",
                seen=f"it is a revision's of model {live['metadata']['labels'][Key.MODEL]}",
                expected="a name of its own for the model's Service",
                do="rename one of the two models, or serve it in another namespace",
            )
        others = set(self._list_autoscalers(model)) - {traffic.stable, traffic.canary}
        if traffic.canary_percent and others:
            raise PermanentError(
                f"route of {model}",
                seen=f"{', '.join(sorted(others))} would get requests too: the Service chooses all pods of the model",
                expected="two revisions",
                do="stop the others first",
            )


def _read_single_share(name: str, before: Traffic | None, by: str | None) -> Traffic:
    if before is not None and name == before.stable:
        return Traffic(stable=name, canary=before.canary, edited_by=by)
    if before is not None and name == before.canary:
        return Traffic(stable=before.stable, canary=name, canary_percent=ALL, edited_by=by)
    return Traffic(stable=name, edited_by=by)


def _fits_counts(seen: Mapping[str, int], counts: Mapping[str, int], *, exactly: bool) -> bool:
    return all(seen[name] == count if exactly else seen[name] >= count for name, count in counts.items())


def _read_fixed_count(scalers: Mapping[str, Manifest], name: str) -> int:
    """Return a revision's count; 0 if it was deleted."""
    return int(scalers[name]["spec"]["minReplicas"]) if name in scalers else 0


def _require_autoscaler(scalers: Mapping[str, Manifest], name: str) -> Manifest:
    if name not in scalers:
        raise NotFound(
            f"autoscaler of {name}",
            seen="it is not there",
            expected="one per revision",
            do="start the revision again",
        )
    return scalers[name]


def _read_annotation(scaler: Manifest, key: str) -> str:
    fallback = scaler["spec"]["minReplicas" if key == Key.MINIMUM else "maxReplicas"]
    return str((scaler["metadata"].get("annotations") or {}).get(key, fallback))
