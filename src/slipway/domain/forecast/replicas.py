"""How many replicas each step needs: the arithmetic of `scaling`, for a given load."""

from dataclasses import dataclass

from slipway.domain.rollout.scaling import ALL, IN_FLIGHT, Arm, Load, Scale, needed_replicas
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.spec.serving import KubernetesServingSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReplicas:
    """Replicas that both revisions have before a step's weight is theirs."""

    name: str
    """`shadow`, `step 1` .. or `promotion`."""
    canary: int
    stable: int
    """Replicas that its share needs; the autoscaler removes any surplus slowly."""


def forecast_replicas(spec: ReleaseSpec, at_work: float) -> tuple[StepReplicas, ...]:
    """Return what each step needs with this many requests in flight; nothing if the spec has no such signal.

    Source: `scaling.needed_replicas`, which the rollout itself uses before it moves traffic.
    """
    bounds = spec.serving.replicas if isinstance(spec.serving, KubernetesServingSpec) else None
    if bounds is None or bounds.in_flight is None:
        return ()
    load = Load(signal=IN_FLIGHT, average=at_work, target=bounds.in_flight)
    scale = Scale(ready=1, floor=bounds.minimum, minimum=bounds.minimum, maximum=bounds.maximum, loads=(load,))
    arm = [Arm(percent=ALL, scale=scale)]
    shadow = [("shadow", ALL, ALL)] if spec.rollout.shadow else []
    weights = [step.weight_percent for step in spec.rollout.steps]
    steps = [(f"step {number}", weight, ALL - weight) for number, weight in enumerate(weights, start=1)]
    return tuple(
        StepReplicas(name=name, canary=needed_replicas(arm, 0, canary), stable=needed_replicas(arm, 0, stable))
        for name, canary, stable in (*shadow, *steps, ("promotion", ALL, 0))
    )
