"""The comparison of two signatures, and the verdict on it by the spec's choice."""

from collections.abc import Iterable, Sequence

from slipway.domain.gates.contract.difference import Difference, DifferenceKind, count_words
from slipway.domain.gates.contract.inputs import ServiceBehavior, compare_inputs
from slipway.domain.gates.contract.outputs import compare_outputs
from slipway.domain.release.version import Signature
from slipway.domain.spec.release import Contract
from slipway.domain.verdict import Outcome, Verdict

SERVICE_BEHAVIOR = ServiceBehavior()
"""The behaviour of services/inference."""
TOLD = 3
"""Differences that a verdict's sentence lists; the release's page has all."""
ADVICE = (
    "register a version that takes what the champion takes (a default for a new column belongs inside the model); "
    "or change the clients with it, and write `contract: allow` (or `approve`) into the release spec"
)
GOES_ON = {
    Contract.REFUSE: "",
    Contract.APPROVE: "; a person must approve before promotion (`contract: approve`)",
    Contract.ALLOW: "; the spec allows it (`contract: allow`)",
}


def compare_signatures(
    before: Signature, after: Signature, behavior: ServiceBehavior = SERVICE_BEHAVIOR
) -> tuple[Difference, ...]:
    """Return the differences for clients of the first; breaking differences come first.

    >>> from slipway.domain.release.version import Column
    >>> old = Signature(inputs=(Column(name="age", kind="int64"),), outputs=(Column(name="y", kind="int64"),))
    >>> new = Signature(inputs=(*old.inputs, Column(name="tenure", kind="float64")), outputs=old.outputs)
    >>> for one in compare_signatures(old, new):
    ...     print(one.kind, one.where)
    breaking column 'tenure'
    """
    found = (*compare_inputs(before, after, behavior), *compare_outputs(before.outputs, after.outputs))
    return tuple(sorted(found, key=lambda one: one.kind is not DifferenceKind.BREAKING))


def judge_contract(check: str, found: Sequence[Difference], choice: Contract, champion: str) -> Verdict:
    """Return the verdict on the differences from a champion (its name), by the spec's choice.

    Breaking differences stop the release (refuse), or are shown while it continues (approve, allow).
    """
    broken = [one.sentence for one in found if one.kind is DifferenceKind.BREAKING]
    others = len(found) - len(broken)
    numbers = {"breaking_differences": float(len(broken)), "compatible_differences": float(others)}
    if not broken:
        remark = f" ({count_words(others, 'compatible difference')})" if others else ""
        reason = f"clients of {champion} need no change{remark}"
        return Verdict(check=check, outcome=Outcome.PASS, reason=reason, numbers=numbers)
    more = len(broken) - TOLD
    told = "; ".join(broken[:TOLD]) + (f"; and {more} more" if more > 0 else "")
    return Verdict(
        check=check,
        outcome=Outcome.FAIL,
        reason=f"clients of {champion} break: {told}{GOES_ON[choice]}",
        numbers=numbers,
        blocking=choice is Contract.REFUSE,
        do=ADVICE,
    )


def needs_person(found: Iterable[Difference], choice: Contract) -> bool:
    """Return whether a person must approve before promotion."""
    return choice is Contract.APPROVE and any(one.kind is DifferenceKind.BREAKING for one in found)
