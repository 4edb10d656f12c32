"""`slipway status`: what runs, and the state of each model."""

from typing import TYPE_CHECKING, Any

from slipway.cli import output
from slipway.cli.completing import AnyModel

if TYPE_CHECKING:
    from slipway.domain.rollout.status import RolloutStatus
    from slipway.domain.verdict import Verdict
    from slipway.stack import Part


def status(model: AnyModel = None, *, as_json: output.AsJson = False) -> None:
    """Show what runs, and where each model stands.

    With a model: also where it is asked, and what the judge's last look said of its release, metric by metric.
    """
    from slipway import stack
    from slipway.settings import settings

    parts = stack.read_status(settings())
    models = [_describe_model(name) for name in _list_names(model)]
    if as_json:
        output.print_json({"parts": parts, "models": models})
        return
    output.print_table(("part", "state", "where", "detail"), [_make_part_row(part) for part in parts])
    if models:
        output.print_line("")
        header = ("model", "champion", "releasing", "phase", "weights", "against", "for", "why")
        output.print_table(header, [_make_model_row(one) for one in models])
    if model is not None and models[0]["asked_at"]:
        output.print_line("")
        output.print_table(("protocol", "address"), list(models[0]["asked_at"].items()))
    if model is not None and models[0]["verdicts"]:
        output.print_line("")
        output.print_table(("judged", "outcome", "why"), [_make_verdict_row(one) for one in models[0]["verdicts"]])


def _list_names(model: str | None) -> list[str]:
    """Return the models to show; raises NotFound for one that has neither spec nor rollout."""
    from slipway import wiring
    from slipway.errors import NotFound
    from slipway.settings import settings
    from slipway.specs import read_names

    known = sorted({*read_names(settings().models).values(), *wiring.get_rollout_store().list_models()})
    if model is not None and model not in known:
        raise NotFound(
            f"model {model}",
            seen="neither a release spec nor a rollout",
            expected=f"one of {', '.join(known)}" if known else "a model with a release spec",
            do=f"`slipway spec init --from-registry {model}` writes a spec",
        )
    return known if model is None else [model]


def _describe_model(name: str) -> dict[str, Any]:
    """Return a model's state, only from the rollout's status and the target."""
    from slipway import wiring

    rollout, weights = wiring.get_rollout_store().load(name), _read_weights(name)
    return {
        "model": name,
        "champion": _find_champion(name),
        "weights": weights,
        "asked_at": wiring.find_addresses(name) if weights else {},
        "version": rollout.version if rollout else None,
        "release_id": rollout.release_id if rollout else None,
        "phase": rollout.phase.value if rollout else None,
        "evidence_against": rollout.evidence_against if rollout else None,
        "evidence_for": rollout.evidence_for if rollout else None,
        "canary": rollout.evidence.canary if rollout else None,
        "stable": rollout.evidence.stable if rollout else None,
        "awaits_approval": rollout.awaits_approval if rollout else False,
        "heartbeat_at": rollout.heartbeat_at if rollout else None,
        "reason": _get_reason(rollout),
        "verdicts": rollout.verdicts if rollout else (),
    }


def _find_champion(model: str) -> int | None:
    """Return the registry's champion; None: none, or the registry does not answer (its part shows that)."""
    from slipway import wiring
    from slipway.domain.release.version import CHAMPION
    from slipway.errors import NotFound, RegistryUnavailable

    try:
        return wiring.get_registry().get_version(model, CHAMPION).version
    except (NotFound, RegistryUnavailable):
        return None


def _read_weights(model: str) -> dict[str, int] | None:
    from slipway import wiring
    from slipway.errors import TargetUnavailable

    try:
        traffic = wiring.get_router().read_traffic(model)
    except TargetUnavailable:
        return None
    return traffic.weights if traffic else None


def _get_reason(rollout: "RolloutStatus | None") -> str:
    return rollout.reason if rollout else "no release yet"


def _make_part_row(part: "Part") -> tuple[str, ...]:
    return (part.name, part.state.value, part.address, part.detail)


def _make_model_row(one: dict[str, Any]) -> tuple[str, ...]:
    weights = " ".join(f"{name} {percent} %" for name, percent in (one["weights"] or {}).items())
    evidence = [f"{one[name]:.3g}" if one[name] is not None else "" for name in ("evidence_against", "evidence_for")]
    champion = f"v{one['champion']}" if one["champion"] else ""
    releasing = f"v{one['version']}" if one["version"] else ""
    return (one["model"], champion, releasing, one["phase"] or "", weights, *evidence, one["reason"])


def _make_verdict_row(one: "Verdict") -> tuple[str, ...]:
    return (one.title, one.outcome.value.replace("_", " "), one.reason)
