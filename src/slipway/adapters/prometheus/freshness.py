"""The age of evidence: a series whose scrapes stopped still has a last value, and would look like an idle revision."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slipway.adapters.prometheus.question import Parts

STEP = "[3m:1s]"
"""Looks back three minutes, second by second: at least three scrapes of any usual interval (a minute at most)."""
LEAST_SECONDS = 15.0
"""Evidence of that age is fresh at any scrape interval."""
NEWEST, OWN = "newest", "newest_own"
"""Parts of an answer: the time of the newest sample of the queried source, and of the pods' own counters."""
INTERVALS = 3
"""Intervals: a scrape may be missed, and the next one be late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the newest sample is, and how old it may be."""

    age_seconds: float
    limit_seconds: float

    @property
    def stale(self) -> bool:
        """Whether it is too old to be used."""
        return self.age_seconds > self.limit_seconds


def make_questions(alive: str) -> dict[str, str]:
    """Return the queries for a selector: its newest sample's time, and the interval between samples, in seconds.

    Not `timestamp(alive)` alone: after one failed scrape there is none, however fresh the sample before it.
    """
    times = f"timestamp({alive}){STEP}"
    span = f"max_over_time({times}) - min_over_time({times})"
    return {
        NEWEST: f"max(timestamp({alive}) or max_over_time({times}))",
        "interval": f"max(({span}) / (changes({times}) > 0))",
    }


def make_own_question(series: str) -> dict[str, str]:
    """Return the query for pods' counters next to a gateway: their newest sample's time, while they are scraped."""
    return {OWN: f"max(timestamp({series}))"}


def find_sample_times(parts: Parts, revisions: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the newest samples' times, by source and revision."""
    found = {(what, name): _find_newest(parts, what, name) for name in revisions for what in (NEWEST, OWN)}
    return {who: at for who, at in found.items() if not math.isnan(at)}


def find_freshness(parts: Parts, revision: str) -> Freshness | None:
    """Return how fresh a revision's evidence is; None: there was no sample in three minutes."""
    newest, interval = (_find_newest(parts, what, revision) for what in (NEWEST, "interval"))
    if math.isnan(newest):
        return None
    limit = max(LEAST_SECONDS, INTERVALS * (0.0 if math.isnan(interval) else interval))
    return Freshness(age_seconds=max(0.0, parts.at - newest), limit_seconds=limit)


def _find_newest(parts: Parts, what: str, revision: str) -> float:
    return max((sample.value for sample in parts.get_samples(what, revision)), default=math.nan)
