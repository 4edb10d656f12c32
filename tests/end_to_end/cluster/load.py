"""Steady requests through the gateway at a rate that may be changed while they run, each answer counted."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import httpx

from tests.adapters.kubernetes.place import until

ODD_EVERY = 5
"""Every fifth row is of the odd kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request and what came back."""

    sent_at: float
    """Unix seconds."""
    seconds: float
    status: int
    """0: no answer."""
    revision: str
    """Who wrote the answer; empty: no revision did."""
    rescued: str = ""
    """Who was asked first and could not answer; empty: who wrote the answer."""
    said: str = ""
    """What came back where no revision answered."""

    @property
    def first(self) -> str:
        """Who was asked first."""
        return self.rescued or self.revision

    @property
    def wrong(self) -> bool:
        """Whether who was asked first could not answer, whatever the client got."""
        return bool(self.rescued) or self.status != httpx.codes.OK

    @property
    def lost(self) -> bool:
        """No answer, or one that no revision wrote."""
        return not self.revision


class Load:
    """Requests to one model, sent on time whether answers come or not; send them with `with`."""

    def __init__(self, gateway: str, model: str, per_second: float) -> None:
        """Ask nothing yet."""
        self.per_second = per_second
        self.answers: list[Answer] = []
        self.sent = 0
        self._url = f"{gateway}/{model}/v2/models/{model}/infer"
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send_all()))

    def __enter__(self) -> Self:
        """Begin; return after the first answers."""
        self._thread.start()
        self.more(3)
        return self

    def __exit__(self, *_: object) -> None:
        """End, after the last answers."""
        self._over.set()
        self._thread.join()

    @property
    def lost(self) -> list[str]:
        """What came back instead of revisions' answers, in words."""
        return [f"{answer.status} {answer.said}" for answer in list(self.answers) if answer.lost]

    @property
    def right(self) -> Counter[str]:
        """Right answers by revision."""
        return Counter(one.revision for one in list(self.answers) if not one.lost and one.status == httpx.codes.OK)

    @property
    def failed(self) -> Counter[str]:
        """Revisions' answers that were errors, by revision."""
        return Counter(one.revision for one in list(self.answers) if not one.lost and one.status != httpx.codes.OK)

    @property
    def rescued(self) -> Counter[str]:
        """Requests that another revision answered, by the one that could not."""
        return Counter(one.rescued for one in list(self.answers) if one.rescued)

    def of(self, revision: str) -> list[Answer]:
        """Return the answers to what a revision was asked first, oldest first."""
        return sorted((one for one in list(self.answers) if one.first == revision), key=lambda one: one.sent_at)

    def p99_milliseconds(self, since: float, before: float) -> float:
        """Return how long all but the slowest hundredth of the requests sent in a time took."""
        return p99_milliseconds(one for one in list(self.answers) if since <= one.sent_at < before)

    def more(self, count: int, seconds: float = 30) -> None:
        """Wait for so many more answers."""
        enough = len(self.answers) + count
        assert until(lambda: len(self.answers) >= enough, seconds), f"{len(self.answers)} answers, not {enough}"

    async def _send_all(self) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        async with httpx.AsyncClient(timeout=20, limits=limits) as client, asyncio.TaskGroup() as group:
            due = time.monotonic()
            while not self._over.is_set():
                group.create_task(self._ask(client, b"odd" if self.sent % ODD_EVERY == 2 else b"row"))
                self.sent += 1
                due = max(due + 1 / self.per_second, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _ask(self, client: httpx.AsyncClient, row: bytes) -> None:
        at, began = time.time(), time.perf_counter()
        try:
            answer = await client.post(self._url, content=row)
            status, said = answer.status_code, answer.text[:80]
            revision, rescued = (answer.headers.get(f"x-slipway-{name}", "") for name in ("revision", "rescued"))
        except httpx.HTTPError as error:
            status, revision, rescued, said = 0, "", "", repr(error)
        seconds = time.perf_counter() - began
        answered = Answer(sent_at=at, seconds=seconds, status=status, revision=revision, rescued=rescued, said=said)
        self.answers.append(answered)


def p99_milliseconds(answers: Iterable[Answer]) -> float:
    """Return how long all but the slowest hundredth took; NaN of none."""
    taken = sorted(1000 * answer.seconds for answer in answers)
    return taken[min(len(taken) - 1, int(0.99 * len(taken)))] if taken else float("nan")


def bad_seconds(load: Load, revision: str) -> float:
    """Return how long a bad revision got requests, by the answers' own clock: from its first error to its last answer.

    What it was sent by then counts until it was answered.
    """
    answers = load.of(revision)
    first = next(one.sent_at + one.seconds for one in answers if one.wrong)
    return max(0.0, max(one.sent_at + one.seconds for one in answers) - first)
