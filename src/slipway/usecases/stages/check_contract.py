"""Check the contract: what the champion's clients send is taken, and what they read is there, by both signatures."""

from collections.abc import Iterable

from slipway.domain.gates.contract.difference import Difference
from slipway.domain.gates.contract.verdict import compare_signatures, judge_contract, needs_person
from slipway.domain.release.record import StageName
from slipway.domain.spec.release import Contract
from slipway.domain.verdict import Outcome, Verdict
from slipway.usecases.stages.fetch import Fetched
from slipway.usecases.stages.stage import Stage, begin_stage


def check_contract(fetched: Fetched, choice: Contract) -> Stage[bool]:
    """Compare the challenger's signature with the champion's; the value is whether a person must approve.

    Before anything is converted or built: the signatures are enough.
    """
    watch = begin_stage(StageName.CHECK_CONTRACT)
    if fetched.champion is None or fetched.promised is None:
        first = Verdict(check="signature", outcome=Outcome.PASS, reason="no champion: nobody's requests are to be kept")
        return watch.stage(value=False, verdicts=(first,))
    found = compare_signatures(fetched.promised, fetched.signature)
    verdict = judge_contract("signature", found, choice, fetched.champion.version.name)
    return watch.stage(needs_person(found, choice), (verdict,), differences=describe_differences(found))


def describe_differences(found: Iterable[Difference]) -> list[dict[str, str]]:
    """Return differences as the record has them."""
    return [{"kind": one.kind.value, "where": one.where, "sentence": one.sentence} for one in found]
