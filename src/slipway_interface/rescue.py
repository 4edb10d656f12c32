"""The header by which a route names the revision that answers for another: written by routes, read by services."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueRule:
    """Which revision answers in place of another, and within which limits.

    >>> rule = RescueRule(of="digits-v2", by="10.96.0.7:3000", at_once=16, after_seconds=10)
    >>> rule.to_header()
    'of=digits-v2; by=10.96.0.7:3000; at-once=16; after=10'
    >>> parse_rule(rule.to_header()) == rule
    True
    """

    of: str
    """The revision whose requests may be forwarded."""
    by: str
    """HOST:PORT of the revision that answers in its place."""
    at_once: int
    """Most requests that are forwarded at the same time."""
    after_seconds: float
    """How long the first revision may take before the other one is asked too."""

    def to_header(self) -> str:
        """Return the header's value."""
        return f"of={self.of}; by={self.by}; at-once={self.at_once}; after={self.after_seconds:g}"


def parse_rule(header: str) -> RescueRule:
    """Return the rule that a header states; raise KeyError for a missing part, ValueError for a part that is wrong."""
    parts = dict(part.strip().split("=", 1) for part in header.split(";"))
    return RescueRule(
        of=parts["of"], by=parts["by"], at_once=int(parts["at-once"]), after_seconds=float(parts["after"])
    )
