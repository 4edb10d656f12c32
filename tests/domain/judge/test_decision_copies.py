"""Copied requests in a decision: what they make up for, and what they alone do not promote."""

from dataclasses import replace

import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import decide
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.judge import When, update_from_copies
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judged import after
from tests.domain.looks import release_spec

COPIED = {"shadow": {"duration_seconds": 600}}


def with_copies(live: tuple[int, int, int, int], copies: tuple[int, int], spec: ReleaseSpec) -> Evidence:
    """Return the evidence of live requests, and of 20,000 copies on which so many fail."""
    compared = ShadowComparison(compared=20_000, canary_failed=copies[0], stable_failed=copies[1])
    before = update_from_copies(NO_EVIDENCE, compared, spec.judge, When(at=0.0))
    return replace(before, rates={**before.rates, Check.ERRORS: after(live, spec=spec).rate(Check.ERRORS)})


@pytest.mark.parametrize(
    ("copies", "outcome"),
    [((100, 100), Outcome.PASS), ((0, 0), Outcome.INCONCLUSIVE), ((130, 100), Outcome.INCONCLUSIVE)],
)
def test_copies_make_up_for_what_live_requests_have_not_shown_yet(copies: tuple[int, int], outcome: Outcome) -> None:
    """Where they show nothing, or speak against it, live requests must pass by themselves."""
    spec = release_spec({"errors": {"tolerance": 2.0, "negligible": 0.001}, "latency": None}, **COPIED)
    evidence = with_copies((6000, 30, 6000, 30), copies, spec)

    assert decide(evidence, spec).outcome is outcome


def test_copies_alone_promote_nothing() -> None:
    """However well the canary is on them: live requests must have shown something by themselves."""
    spec = release_spec({"errors": {"tolerance": 2.0, "negligible": 0.001}, "latency": None}, **COPIED)
    little = with_copies((600, 3, 600, 3), (400, 400), spec)
    worse = with_copies((6000, 60, 6000, 30), (400, 400), spec)

    assert decide(little, spec).outcome is Outcome.INCONCLUSIVE
    assert decide(worse, spec).outcome is not Outcome.PASS


def test_a_canary_that_is_slow_on_copies_is_found_there_without_a_limit_of_its_own() -> None:
    """A quarter slower is allowed, as copies are not quite like live requests; nothing without latency in the spec."""
    limits = [release_spec(judge, **COPIED).slowdown_limit for judge in ({"latency": {}}, {"latency": {"margin": 1.5}})]

    assert limits == [1.25, 1.5]
    assert release_spec(**COPIED).slowdown_limit is None
    assert release_spec({"latency": {}}, shadow=None).slowdown_limit is None
    assert release_spec({"latency": {}}, shadow={"slowdown_limit": 3.0}).slowdown_limit == 3.0
