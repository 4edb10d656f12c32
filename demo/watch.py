"""Watching: a thread that reads the state of the release and the client twice a second, for view and story."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from demo.models import MODEL
from demo.stages import GATES, Releases, RunSeen
from demo.tally import Counts
from slipway import wiring
from slipway.domain.release.record import ReleaseRecord, make_release_id
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.errors import ArtifactBroken, NotFound, SlipwayError

LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the version table."""

    version: int
    title: str
    accuracy: float
    """On the validation rows."""
    state: ReleaseState | None = None
    """Its outcome; None: registered, not decided yet."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line of the log."""

    seconds: float
    """Since the story began."""
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything to show at one moment."""

    began: float = field(default_factory=time.monotonic)
    """On the monotonic clock, when the story began."""
    addresses: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    """Parts of the stack: name and latest progress."""
    lines: tuple[Line, ...] = ()
    releasing: int | None = None
    """The version that is being released; None: none."""
    status: RolloutStatus | None = None
    run: RunSeen | None = None
    weights: dict[str, int] = field(default_factory=dict)
    """Percent of live requests, by revision."""
    counts: Counts = field(default_factory=Counts)
    notes: tuple[Note, ...] = ()
    evidence_needed: tuple[float, float] = (100.0, 20.0)
    """Evidence against the canary at which it is rolled back, and for it at which it is promoted."""
    steps: tuple[int, ...] = ()
    """Weights of the spec's steps, in percent."""
    shadow: bool = True

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self.began


class Watch:
    """Holds the last observed state; updates it in a thread once started."""

    def __init__(self, releases: Releases, counts: Callable[[], Counts], show: Callable[[Seen], None]) -> None:
        """Store the sources, and the function to call after every change."""
        self._releases, self._counts, self._show = releases, counts, show
        self._changed = threading.Condition()
        self._seen = Seen()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    @property
    def seen(self) -> Seen:
        """Return the last observed state."""
        return self._seen

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop the thread; return when its last update is done."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def put(self, change: Callable[[Seen], Seen]) -> None:
        """Change the story's own part of the state."""
        with self._changed:
            self._seen = change(self._seen)
            self._changed.notify_all()
        self._show(self._seen)

    def note(self, text: str, style: str = "") -> None:
        """Add a line to the log."""
        self.put(lambda seen: replace(seen, notes=(*seen.notes, Note(seconds=seen.elapsed, text=text, style=style))))

    def until(self, condition: Callable[[Seen], bool], seconds: float) -> bool:
        """Wait until a condition holds; False if it did not within the given time."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self._seen), seconds)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                look = self._look()
            except (SlipwayError, OSError, ValueError):
                continue  # a failed read is repeated in half a second; the story's waits are bounded
            self.put(look)

    def _look(self) -> Callable[[Seen], Seen]:
        """Update once; the result is merged with changes that the story made meanwhile."""
        before = self._seen
        status = wiring.get_rollout_store().load(MODEL)
        traffic = wiring.get_router().read_traffic(MODEL) if status else None
        run = self._releases.run_of(MODEL, before.releasing or 0) if _gating(before, status) else None
        counts = self._counts()
        weights = traffic.weights if traffic else {}
        return lambda seen: replace(
            _noted(seen, status), status=status, run=run or seen.run, weights=weights, counts=counts
        )


def _gating(before: Seen, status: RolloutStatus | None) -> bool:
    """Return whether gates run, or did when Prefect was read last: later there is nothing new to read."""
    if before.releasing is None:
        return False
    ours = status is not None and status.version == before.releasing and status.phase is not Phase.PENDING
    return not ours or before.run is None or any(one.name in GATES and not one.ended for one in before.run.stages)


def _noted(seen: Seen, status: RolloutStatus | None) -> Seen:
    """Add a line to the log if a rollout entered another phase or step; the story adds decisions itself."""
    if status is None or status.phase.terminal or _place(status) == (_place(seen.status) if seen.status else None):
        return seen
    where = f"{status.weight_percent} %" if status.phase is Phase.SHIFTING else status.phase.value
    note = Note(seconds=seen.elapsed, text=f"version {status.version}, {where}: {status.reason}")
    return replace(seen, notes=(*seen.notes, note))


def _place(status: RolloutStatus) -> tuple[str, str, int]:
    return status.release_id, status.phase.value, status.step


def finished(seen: Seen, version: int) -> bool:
    """Return whether a version's rollout is at rest, or its run failed: then the ledger is read."""
    status = seen.status
    at_rest = status is not None and status.version == version and not status.phase.driven
    return at_rest or bool(seen.run and seen.run.broken)


def decided(version: int) -> ReleaseRecord | None:
    """Return the record of a version's first release once its decision is written; None before."""
    try:
        record = wiring.get_ledger().read(make_release_id(MODEL, version, 1))
    except (NotFound, ArtifactBroken):
        return None  # unreadable: it is being written right now
    return record if record.state is not ReleaseState.RELEASING else None
