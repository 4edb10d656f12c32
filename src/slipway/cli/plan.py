"""`slipway plan`: what a release spec's steps will find, how long they take, and which steps would be better."""

import math
import re
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from slipway.cli import output
from slipway.cli.completing import complete_model

if TYPE_CHECKING:
    from slipway.domain.forecast import Costs, Forecast, PricedSchedule, Proposal, Requirements, Service, StepForecast
    from slipway.domain.judge.counters import Counters
    from slipway.domain.spec.release import ReleaseSpec

Value = TypeVar("Value")
MEASURED_SECONDS = 3.0
"""Seconds for which requests are counted if their rate is not given."""
WIDTH = 110
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SUBTLE = 1.2
"""A ratio that is drawn in addition to those that are reported."""
PLOTS = (".svg", ".png")


def plan(  # noqa: PLR0913 - one parameter per option
    spec: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A spec's file, or a model with a spec.", autocompletion=complete_model),
    ],
    *,
    requests_per_second: Annotated[
        float | None, typer.Option(help="Requests of all clients; counted for 3 s without, where the model serves.")
    ] = None,
    error_rate: Annotated[
        float | None, typer.Option(help="Share of requests that fail now, such as 0.005; as counted without.")
    ] = None,
    answer_milliseconds: Annotated[
        float | None,
        typer.Option(help="Time that one answer takes; with it the replicas that the steps need are predicted too."),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Propose steps that find a canary which fails so many times as often.")
    ] = None,
    within: Annotated[str | None, typer.Option(help="In which time: 90s, 30m, 2h, 1d.")] = None,
    bad_share: Annotated[float, typer.Option(help="Chance that a new version is bad.")] = 0.1,
    bad_request_cost: Annotated[
        float, typer.Option(help="Delay of a good version that is as bad as one failed answer, in seconds.")
    ] = 60.0,
    plot: Annotated[Path | None, typer.Option(help="Also draw it: a file that ends in .svg or .png.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """Predict what a spec's steps will see and how long they take, and propose better ones.

    For a service with so many requests and errors: the smallest regression that each step can see, the chance that bad
    canaries are found, how many requests they fail until then, and when a good one is promoted. Nothing is simulated
    and nothing is changed; what is proposed can be pasted into the spec.

    --ratio 2 --within 30m asks for steps that find a doubling of errors within 30 minutes with a chance of 80 %.
    """
    if plot is not None and plot.suffix not in PLOTS:
        raise typer.BadParameter(f"{plot}: the suffix names the format: .svg or .png", param_hint="--plot")
    document, changed = _fit_to_router(_load_spec(spec))
    from slipway.domain import forecast as planning

    service = _make_service(document.model, requests_per_second, error_rate)
    costs = _make_checked(
        lambda: planning.Costs(bad_share=bad_share, seconds_per_bad_request=bad_request_cost),
        {"bad_share": "--bad-share", "seconds_per_bad_request": "--bad-request-cost"},
    )
    wanted = _make_requirements(document, ratio, within)
    ratios = planning.SHOWN if plot is None else (SUBTLE, *planning.SHOWN)
    seen = planning.forecast_rollout(document, service, ratios)
    proposal = planning.propose_schedule(document, service, costs, wanted)
    now = planning.price_spec(document, service, costs)
    at_work = _count_in_flight(document.model, service.requests_per_second, answer_milliseconds)
    needs = planning.forecast_replicas(document, at_work) if at_work is not None else ()
    if plot is not None:
        _draw_plan(plot, document.model, seen)
    if as_json:
        output.print_json(_make_json(document, seen, proposal, now) | {"requests_at_work": at_work, "replicas": needs})
        return
    for sentence in changed:
        _say_wrapped(sentence)
    _print_plan(document, seen, costs, wanted, (proposal, now))
    if needs and at_work is not None:
        output.print_line("")
        _say_wrapped(planning.wording.describe_capacity(needs, at_work))


def _load_spec(word: str) -> "ReleaseSpec":
    from slipway.settings import settings
    from slipway.specs import find_spec, load_spec

    path = Path(word)
    if path.is_file() or path.suffix in {".yaml", ".yml"}:
        return load_spec(path)
    return find_spec(settings().models, word)[1]


def _fit_to_router(spec: "ReleaseSpec") -> "tuple[ReleaseSpec, tuple[str, ...]]":
    """Return the spec fitted to the router of its model, and the changes."""
    from slipway import wiring
    from slipway.domain.spec.fitting import fit_spec
    from slipway.errors import SlipwayError

    try:
        can = wiring.get_router().get_abilities(spec.model, spec.serving)
    except SlipwayError:
        return spec, ()  # a plan needs no target
    return fit_spec(spec, copies=can.copies, weights=can.weights, rescues=can.rescues)


def _make_service(model: str, requests_per_second: float | None, error_rate: float | None) -> "Service":
    from slipway.domain.forecast import Service

    if requests_per_second is None or error_rate is None:
        rate, share = _count_requests(model)
        requests_per_second = rate if requests_per_second is None else requests_per_second
        error_rate = share if error_rate is None else error_rate
    options = {"requests_per_second": "--requests-per-second", "error_rate": "--error-rate"}
    return _make_checked(lambda: Service(requests_per_second=requests_per_second, error_rate=error_rate), options)


def _count_requests(model: str) -> tuple[float, float]:
    """Return requests per second and the share that fails, as the target counts them now."""
    from slipway import wiring
    from slipway.errors import MetricsUnavailable, TargetUnavailable

    try:
        traffic = wiring.get_router().read_traffic(model)
        if traffic is None:
            raise _make_unknown_error(f"{model} does not serve here")
        names = sorted(traffic.weights)
        before, begun = wiring.get_metric_source().read_counters(model, names), time.monotonic()
        time.sleep(MEASURED_SECONDS)
        after, ended = wiring.get_metric_source().read_counters(model, names), time.monotonic()
    except (MetricsUnavailable, TargetUnavailable) as error:
        raise _make_unknown_error(f"{error.what}: {error.seen}") from error
    came = _sum_requests(after) - _sum_requests(before)
    if came <= 0:
        raise _make_unknown_error(f"no request of {model} came in {MEASURED_SECONDS:g} s")
    failed = sum(one.errors for one in after.values())
    return came / (ended - begun), (failed + 0.5) / (_sum_requests(after) + 1)


def _count_in_flight(model: str, requests_per_second: float, answer_milliseconds: float | None) -> float | None:
    """Return the requests in flight: as given, or as autoscalers measure them; None: unknown."""
    from slipway.domain.rollout.scaling import IN_FLIGHT, in_flight

    if answer_milliseconds is not None:
        if not 0 < answer_milliseconds < math.inf:
            raise typer.BadParameter("must be over 0", param_hint="--answer-milliseconds")
        return in_flight(requests_per_second, answer_milliseconds)
    from slipway import wiring
    from slipway.errors import SlipwayError

    try:
        scales = [state.scale for state in wiring.get_revisions().observe(model).values() if state.scale]
    except SlipwayError:
        return None  # a plan needs no target
    loads = [scale.ready * load.average for scale in scales for load in scale.loads if load.signal == IN_FLIGHT]
    return sum(loads) if loads else None


def _sum_requests(counters: "dict[str, Counters]") -> int:
    return sum(one.requests for one in counters.values())


def _make_unknown_error(why: str) -> typer.BadParameter:
    message = f"{why}, so what it serves can't be counted: give both"
    return typer.BadParameter(message, param_hint="--requests-per-second and --error-rate")


def _make_requirements(spec: "ReleaseSpec", ratio: float | None, within: str | None) -> "Requirements | None":
    """Return the requirements; with only a ratio: within the spec's steps; with only a time: a doubling."""
    from slipway.domain.forecast import Requirements

    if ratio is None and within is None:
        return None
    steps = sum(step.duration_seconds for step in spec.rollout.steps)
    seconds = steps if within is None else _parse_seconds(within)
    options = {"ratio": "--ratio", "within_seconds": "--within"}
    return _make_checked(lambda: Requirements(ratio=2.0 if ratio is None else ratio, within_seconds=seconds), options)


def _parse_seconds(text: str) -> float:
    """Return a time in seconds.

    >>> _parse_seconds("30m"), _parse_seconds("90")
    (1800.0, 90.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time; expected 90s, 30m, 2h or 1d", param_hint="--within")
    return float(match.group(1)) * UNITS[match.group(2) or "s"]


def _make_checked(make: Callable[[], Value], options: dict[str, str]) -> Value:
    """Return a value built from options; a ValueError becomes a usage error that names the option."""
    try:
        return make()
    except ValueError as error:
        key, _, rest = str(error).partition(" ")
        raise typer.BadParameter(rest, param_hint=options[key]) from error


def _draw_plan(path: Path, model: str, seen: "Forecast") -> None:
    from slipway import wiring
    from slipway.errors import NotFound

    try:
        path.write_bytes(wiring.get_reporter().plot_plan(model, seen, path.suffix.removeprefix(".")))
    except OSError as error:
        raise NotFound(
            f"plot {path}",
            seen=error.strerror or type(error).__name__,
            expected="a file that can be written",
            do="choose another path",
        ) from error


def _print_plan(
    spec: "ReleaseSpec",
    seen: "Forecast",
    costs: "Costs",
    wanted: "Requirements | None",
    found: "tuple[Proposal | None, PricedSchedule]",
) -> None:
    from slipway.domain.forecast import wording

    service = seen.service
    rate = f"{service.requests_per_second:.4g} requests/s"
    output.print_line(f"{spec.model} at {rate}, {100 * service.error_rate:.3g} % of them failing now\n")
    names = list(seen.bad)
    header = ("step", "weight", "lasts", "requests", "can see", *(f"finds {name}" for name in names))
    output.print_table(header, [_make_row(step, names) for step in seen.steps])
    output.print_line(
        "\ncan see: what the step alone finds 4 times in 5; finds: the chance that it is found by its end\n"
    )
    for sentence in wording.describe_forecast(seen):
        _say_wrapped(sentence)
    output.print_line("")
    proposal, now = found
    if proposal is None:
        _say_wrapped(wording.describe_impossible(wanted) if wanted else "")
        return
    for sentence in wording.compare_proposal(proposal, now, costs):
        _say_wrapped(sentence)
    output.print_line("\n" + wording.format_proposal(proposal).rstrip())


def _say_wrapped(sentence: str) -> None:
    """Print a sentence in lines of a readable length."""
    output.print_line(textwrap.fill(sentence, WIDTH, subsequent_indent="  "))


def _make_row(step: "StepForecast", names: list[str]) -> tuple[str, ...]:
    from slipway.domain.forecast import wording

    lasts = wording.format_duration(step.seconds)
    if step.at_least_seconds is not None and step.at_least_seconds < step.seconds:
        lasts = f"{wording.format_duration(step.at_least_seconds)} to {lasts}"
    return (
        step.name,
        f"{step.weight_percent} %" if step.weight_percent else "copies",
        lasts,
        wording.format_count(step.canary_requests),
        wording.format_ratio(step.smallest_ratio),
        *(wording.format_percent(step.found[name]) for name in names),
    )


def _make_json(
    spec: "ReleaseSpec", seen: "Forecast", proposal: "Proposal | None", now: "PricedSchedule"
) -> dict[str, Any]:
    from slipway.domain.forecast import wording

    def describe_quantiles(chances: Any) -> dict[str, float | None]:  # noqa: ANN401 - Chances, imported late
        return {"chance": chances.ever, "median_seconds": chances.quantile(0.5), "p90_seconds": chances.quantile(0.9)}

    def describe_price(one: "PricedSchedule") -> dict[str, Any]:
        by_ratio = {f"{ratio:.4g}": bad for ratio, bad in one.bad_requests.items()}
        return {"cost_seconds": one.cost, "bad_requests": by_ratio, "promotion": describe_quantiles(one.promotion)}

    canaries = {**seen.bad, "2x, live only": seen.live_only}
    answer = {
        "model": spec.model,
        "service": seen.service,
        "steps": seen.steps,
        "bad": {
            name: describe_quantiles(one.found) | {"bad_requests": one.bad_requests} for name, one in canaries.items()
        },
        "good": describe_quantiles(seen.promotion),
        "sentences": list(wording.describe_forecast(seen)),
        "now": describe_price(now),
        "proposal": None,
    }
    if proposal is not None:
        steps = [{"weight_percent": weight, "duration_seconds": seconds} for weight, seconds in proposal.steps]
        steps[-1]["at_least_seconds"] = min(proposal.last_at_least, proposal.steps[-1][1])
        answer["proposal"] = describe_price(proposal.priced) | {
            "steps": steps,
            "wanted_seconds": proposal.wanted_seconds,
        }
    return answer
