"""A spec fitted to what the router in front of a model can do, with a sentence for everything that changes."""

from collections.abc import Sequence

from slipway.domain.spec.release import ReleaseSpec, RolloutSpec, Step


def fit_spec(
    spec: ReleaseSpec, *, copies: bool, weights: Sequence[int] | None, rescues: bool = True
) -> tuple[ReleaseSpec, tuple[str, ...]]:
    """Return the spec with the steps, shadow and rescue that the router can make, and what was changed, in words.

    `weights` are the canary's shares in percent that it can make, ascending; None: any. Raises ValueError for none.
    """
    rollout, said = _without_copies(spec.rollout) if not copies else (spec.rollout, ())
    if not rescues and rollout.rescue is not None:
        rollout = rollout.model_copy(update={"rescue": None})
        said += ("no rescue: clients get the canary's bad answers, as the router can't ask the stable version instead",)
    if weights is not None:
        rollout, more = _reachable_steps(rollout, weights)
        said += more
    return spec.model_copy(update={"rollout": rollout}), said


def _without_copies(rollout: RolloutSpec) -> tuple[RolloutSpec, tuple[str, ...]]:
    if rollout.shadow is None:
        return rollout, ()
    said = "no shadow: the router can't copy requests; the canary begins with its first step"
    return rollout.model_copy(update={"shadow": None}), (said,)


def _reachable_steps(rollout: RolloutSpec, weights: Sequence[int]) -> tuple[RolloutSpec, tuple[str, ...]]:
    if not weights:
        message = "weights is empty; a router makes at least one share"
        raise ValueError(message)
    steps: dict[int, Step] = {}
    changed: list[str] = []
    for step in rollout.steps:
        weight = min(weights, key=lambda one: (abs(one - step.weight_percent), one))
        if weight != step.weight_percent:
            changed.append(f"{step.weight_percent} % becomes {weight} %")
        if weight not in steps or steps[weight].duration_seconds < step.duration_seconds:
            steps[weight] = step.model_copy(update={"weight_percent": weight})
    if not changed:
        return rollout, ()
    can = ", ".join(map(str, weights))
    said = f"shares follow from replica counts, {can} % can be reached: {', '.join(changed)}"
    return rollout.model_copy(update={"steps": [steps[weight] for weight in sorted(steps)]}), (said,)
