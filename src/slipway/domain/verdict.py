"""The outcome of a check. Never a boolean: missing data is neither good nor bad."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from slipway.domain.judge.checks import title_of


class Outcome(StrEnum):
    """The four answers of a gate or of the judge."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    """The evidence shows that it is good enough."""
    FAIL = "FAIL"
    """The evidence shows that it is worse than allowed."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """There is evidence, but not enough for either."""
    NO_DATA = "NO_DATA"
    """Nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check's answer, with the sentence that explains it and the numbers behind it."""

    check: str
    """The key of what was checked: a `Check`, or a name of the gate's own."""
    outcome: Outcome
    reason: str
    """One plain sentence, with numbers, readable without context."""
    numbers: dict[str, float] = field(default_factory=dict)
    """The numbers behind the sentence; units in the names."""
    blocking: bool = True
    """False: it is reported, and the release continues whatever the outcome."""
    do: str = ""
    """What to do if it fails; empty: what any gate advises."""

    @property
    def title(self) -> str:
        """What was checked, as people read it."""
        return title_of(self.check)


def combine_outcomes(verdicts: Iterable[Verdict]) -> Outcome:
    """Return the outcome of several checks together; of none, NO_DATA.

    >>> fine = Verdict(check="a", outcome=Outcome.PASS, reason="")
    >>> combine_outcomes([fine, Verdict(check="b", outcome=Outcome.FAIL, reason="")])
    <Outcome.FAIL: 'FAIL'>
    """
    seen = {verdict.outcome for verdict in verdicts if verdict.blocking}
    for outcome in (Outcome.FAIL, Outcome.NO_DATA, Outcome.INCONCLUSIVE, Outcome.PASS):
        if outcome in seen:
            return outcome
    return Outcome.NO_DATA
