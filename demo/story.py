"""The story: one promoted, a better one promoted over it, one rolled back, one stopped; and no request lost."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from demo import models, rows
from demo.ending import Ending, Released
from demo.home import ROOT
from demo.lead_time import lead_time
from demo.models import MODEL, RECIPES, Recipe, Trained
from demo.rows import Digits
from demo.traffic import Traffic
from demo.view import COLOURS
from demo.watch import Line, Watch, decided, finished
from slipway import stack, wiring
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.errors import PermanentError, TransientError
from slipway.settings import Settings
from slipway.specs import find_spec
from slipway.stack.secrets import load_webhook_secret

RELEASE_SECONDS = 240.0
"""Time limit of one release in the story; it takes about 60 s on two cores."""
FIRST_ANSWERS = 20
"""Number of the client's answers before the second version is registered."""
CLIENT_SECONDS = 30.0
WEBHOOK = "slipway"


class StoryStuck(PermanentError):
    """The story can't continue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The parts of the story."""

    here: Settings
    watch: Watch
    traffic: Traffic


def play(cast: Cast) -> Ending:
    """Run the whole story on a stack of its own, which stays up. Raises SlipwayError if it can't continue."""
    began_at, began = time.time(), time.monotonic()
    with ThreadPoolExecutor(max_workers=1) as beside:
        training = beside.submit(_train)  # imports take seconds, so they run while the servers start
        stack_up(cast)
        stack_seconds = time.monotonic() - began
        digits, trained = training.result()
    _introduce(cast, digits, trained)
    released = [_chapter(cast, one, digits) for one in trained]
    counts = cast.traffic.end()
    cast.watch.put(lambda seen: replace(seen, counts=counts))
    return Ending(
        releases=tuple(released),
        history=tuple(wiring.get_ledger().read_history(MODEL)),
        counts=counts,
        began_at=began_at,
        stack_seconds=stack_seconds,
        seconds=time.monotonic() - began,
    )


def stack_up(cast: Cast) -> None:
    """Start the embedded stack, and have MLflow notify its receiver of new versions."""
    os.environ.update(stack.make_environment(cast.here, ROOT))  # for the MLflow client in this process
    _path, spec = find_spec(cast.here.models, MODEL)
    addresses = {
        "MLflow": cast.here.mlflow,
        "Prefect": cast.here.prefect.removesuffix("/api"),
        "front door": f"{cast.here.front_door}/{MODEL}/",
    }
    cast.watch.put(
        lambda seen: replace(
            seen,
            addresses=addresses,
            parts={"deployments": "starting"},
            evidence_needed=(1 / spec.judge.alpha, 1 / spec.judge.beta),
            steps=tuple(step.weight_percent for step in spec.rollout.steps),
            shadow=spec.rollout.shadow is not None,
        )
    )

    def progress(part: str, state: str, seconds: float) -> None:
        told = state if state == "starting" else f"{state} after {seconds:.0f} s"
        cast.watch.put(lambda seen: replace(seen, parts={**seen.parts, part: told}))

    stack.start_stack(cast.here, root=ROOT, on_progress=progress)
    cast.watch.start()
    wiring.make_webhooks().register(WEBHOOK, cast.here.webhook, load_webhook_secret(cast.here))


def _train() -> tuple[Digits, list[Trained]]:
    import mlflow.sklearn  # noqa: F401 - for its seconds of import: registering is quick afterwards

    digits = rows.load()
    return digits, [models.train(recipe, digits) for recipe in RECIPES]


def _introduce(cast: Cast, digits: Digits, trained: list[Trained]) -> None:
    cast.traffic.send_rows(digits)
    for one in trained:
        cast.traffic.expect(one, digits)
    lines = tuple(Line(version=one.recipe.version, title=one.recipe.title, accuracy=one.accuracy) for one in trained)
    cast.watch.put(lambda seen: replace(seen, lines=lines))


def _chapter(cast: Cast, trained: Trained, digits: Digits) -> Released:
    """Register one version, and watch its release until it is decided."""
    recipe = trained.recipe
    cast.watch.put(lambda seen: replace(seen, releasing=recipe.version, run=None))
    cast.watch.note(f"registering version {recipe.version}: {recipe.title}, {trained.accuracy:.1%} on the holdout")
    number = models.register(trained, digits, cast.here.mlflow)
    if number != recipe.version:
        raise StoryStuck(
            f"model {MODEL}",
            seen=f"MLflow calls the new version {number}",
            expected=str(recipe.version),
            do="let the demo have a registry of its own: unset SLIPWAY_MLFLOW_URI",
        )
    record = _decision(cast, recipe)
    _show_decision(cast, record)
    if record.state is ReleaseState.PROMOTED and recipe is RECIPES[0]:
        _begin_traffic(cast)
    registered_at = wiring.get_registry().get_version(MODEL, str(recipe.version)).created_at
    return Released(
        record=record,
        lead_time=lead_time(record, registered_at),
        report=str(cast.here.reports / MODEL / f"{record.release_id}.html"),
    )


def _decision(cast: Cast, recipe: Recipe) -> ReleaseRecord:
    """Wait until a release is decided and recorded."""
    ends = time.monotonic() + RELEASE_SECONDS
    while time.monotonic() < ends:
        _require_client(cast)
        if cast.watch.until(lambda seen: finished(seen, recipe.version), 1.0):
            record = _recorded(recipe.version)
            if record is not None:
                return record
            run = cast.watch.seen.run
            if run is not None and run.broken:
                raise _stuck(cast, recipe, f"its flow run ended as {run.state}: {run.message}")
            cast.watch.until(_never, 0.5)
    raise _stuck(cast, recipe, f"no decision after {RELEASE_SECONDS:.0f} s")


def _recorded(version: int) -> ReleaseRecord | None:
    try:
        return decided(version)
    except TransientError:
        return None  # MLflow is busy: retry until the time limit


def _never(_seen: object) -> bool:
    """Wait the whole time."""
    return False


def _show_decision(cast: Cast, record: ReleaseRecord) -> None:
    cast.watch.put(
        lambda seen: replace(
            seen,
            lines=tuple(
                replace(line, state=record.state, reason=record.reason) if line.version == record.version else line
                for line in seen.lines
            ),
        )
    )
    cast.watch.note(f"version {record.version} {record.state.value}: {record.reason}", COLOURS[record.state])


def _begin_traffic(cast: Cast) -> None:
    cast.traffic.start()
    cast.watch.note("the client begins to send held-out rows through the front door")
    enough = cast.watch.until(lambda seen: seen.counts.answered >= FIRST_ANSWERS, CLIENT_SECONDS)
    _require_client(cast)
    if not enough:
        findings = cast.watch.seen.counts.findings
        raise StoryStuck(
            "the demo's client",
            seen=f"fewer than {FIRST_ANSWERS} right answers in {CLIENT_SECONDS:.0f} s"
            + (f"; the first finding: {findings[0].detail}" if findings else ""),
            expected="version 1 to serve",
            do=f"look at {cast.traffic.log} and at {_logs(cast)}",
        )


def _require_client(cast: Cast) -> None:
    if said := cast.traffic.died():
        raise StoryStuck("the demo's client", seen=said, expected="that it runs", do=f"look at {cast.traffic.log}")


def _stuck(cast: Cast, recipe: Recipe, what: str) -> StoryStuck:
    status = cast.watch.seen.status
    ours = status is not None and status.version == recipe.version
    where = f"; {status.phase}: {status.reason}" if ours and status is not None else "; it has not begun"
    return StoryStuck(
        f"release of version {recipe.version}",
        seen=what + where,
        expected="a decision",
        do=f"look at the logs in {_logs(cast)}, worker.log and webhook.log first",
    )


def _logs(cast: Cast) -> str:
    return str(cast.here.target_home / "supervisor" / "logs")
