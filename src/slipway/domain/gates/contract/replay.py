"""Requests made from the champion's signature, answered by both services: the differences of the challenger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from slipway.domain.gates.contract.difference import Difference, breaking_difference, compatible_difference, count_words
from slipway.domain.gates.contract.kinds import WORDS
from slipway.domain.judge.answers import AnswerKind

CHECK = "replay"
RECORDED = "recorded live requests"
"""Display name of the protocol for requests that clients sent before: all are sent again in one form."""
NAMELESS = ""
"""Name of an output in a protocol that gives it none."""
FORMS = 2
"""Forms of requests that a sentence lists before it gives a count of the rest."""


@dataclass(frozen=True, slots=True)
class OutputType:
    """One output of an answer, as its client sees it."""

    letter: str
    """What it is (see `kinds.dtype_letter`): `f`, `i`, `b` or `t`."""
    shape: tuple[int, ...]
    """Of one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedAnswer:
    """One service's answer to a request."""

    kind: AnswerKind
    message: str = ""
    """Status and the service's own message, if it did not answer."""
    outputs: dict[str, OutputType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedExchange:
    """One request to both."""

    protocol: str
    """`Open Inference Protocol, JSON`, ..."""
    form: str
    """`named tensors (3 rows)`, ..."""
    champion: ReplayedAnswer
    challenger: ReplayedAnswer

    @property
    def compared(self) -> bool:
        """Whether it can be compared: a request that the champion refuses is none that clients send."""
        return self.champion.kind is AnswerKind.RIGHT and self.challenger.kind is not AnswerKind.SHED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """Result of a replay."""

    exchanges: tuple[ReplayedExchange, ...] = ()
    skipped: str = ""
    """Why there was none, or why it ended early; empty: all requests were made."""
    unrecorded: str = ""
    """Why recorded requests were not all sent again; empty: they were, or there is no record."""


def compare_exchanges(exchanges: Sequence[ReplayedExchange]) -> tuple[Difference, ...]:
    """Return what only the challenger refuses or fails, by protocol, and how its answers differ in form."""
    compared = [one for one in exchanges if one.compared]
    protocols = dict.fromkeys(one.protocol for one in compared)
    refusals = (
        _find_refusal(protocol, [one for one in compared if one.protocol == protocol]) for protocol in protocols
    )
    return (
        *filter(None, refusals),
        *_compare_answers([one for one in compared if one.challenger.kind is AnswerKind.RIGHT]),
    )


def _find_refusal(protocol: str, exchanges: Sequence[ReplayedExchange]) -> Difference | None:
    """Return the difference of a protocol with unanswered requests, with the challenger's own message."""
    bad = [one for one in exchanges if one.challenger.kind is not AnswerKind.RIGHT]
    if not bad:
        return None
    forms = list(dict.fromkeys(one.form for one in bad))
    more = len(forms) - FORMS
    said = ", ".join(forms[:FORMS]) + (f" and {more} more" if more > 0 else "")
    share = f"{len(bad)} of {count_words(len(exchanges), 'request')} that the champion answers"
    return breaking_difference(
        protocol, f"{protocol}: {share} are refused or fail ({said}): {bad[0].challenger.message}"
    )


def _compare_answers(exchanges: Sequence[ReplayedExchange]) -> Iterator[Difference]:
    """Yield each way in which answers differ once, with the protocols in which it was seen."""
    seen: dict[tuple[bool, str], list[str]] = {}
    for one in exchanges:
        for broken, sentence in _find_changes(one.champion.outputs, one.challenger.outputs):
            seen.setdefault((broken, sentence), []).append(one.protocol)
    for (broken, sentence), protocols in seen.items():
        told = f"{', '.join(dict.fromkeys(protocols))}: {sentence}"
        yield (breaking_difference if broken else compatible_difference)("answers", told)


def _find_changes(before: dict[str, OutputType], after: dict[str, OutputType]) -> Iterator[tuple[bool, str]]:
    for name, old in before.items():
        new, what = after.get(name), f"output {name!r}" if name != NAMELESS else "the answer"
        if new is None and name == NAMELESS:
            yield True, f"answers are objects by output ({', '.join(after)}) instead of plain values"
        elif new is None:
            yield True, f"{what} is gone"
        elif _kind_word(new) != _kind_word(old):
            yield True, f"{what} is {_kind_word(new)} instead of {_kind_word(old)}"
        elif new.shape != old.shape:
            yield True, f"{what} has shape {list(new.shape)} for a row instead of {list(old.shape)}"
    for name in after.keys() - before.keys():
        if NAMELESS not in before:
            yield False, f"output {name!r} is new"


def _kind_word(given: OutputType) -> str:
    return WORDS.get(given.letter, "a fractional number")


def describe_replay(replayed: ReplayResult) -> str:
    """Describe what was compared."""
    compared = [one for one in replayed.exchanges if one.compared]
    made = [one for one in compared if one.protocol != RECORDED]
    protocols = len({one.protocol for one in made})
    said = (
        f"{count_words(len(made), 'request')} made from the champion's signature, on {count_words(protocols, 'door')}"
    )
    live = len(compared) - len(made)
    again = f"{count_words(live, 'recorded live request')}" if live else ""
    return "; ".join(filter(None, (said, replayed.skipped, again, replayed.unrecorded)))
