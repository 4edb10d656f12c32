"""The rules that are compared, in the order of the page."""

from benchmarks.decisions import slipway_rule
from benchmarks.decisions.decisions import Rule
from benchmarks.decisions.rules.argo import Argo
from benchmarks.decisions.rules.flagger import Flagger
from benchmarks.decisions.rules.kayenta import Kayenta
from benchmarks.decisions.rules.sprt import AT_ONCE, Sprt
from benchmarks.decisions.rules.z_test import fixed_horizon, naive_z

FLOOR = AT_ONCE
VARIANT_LOTS = 4
"""No rate near alpha is claimed for the variants."""


def peers() -> tuple[Rule, ...]:
    """Return the rules of other tools."""
    return (Flagger(), Argo(), Kayenta())


def textbook() -> tuple[Rule, ...]:
    """Return what people write themselves."""
    return (naive_z(), fixed_horizon())


def ours() -> tuple[Rule, ...]:
    """Return Slipway's rules, which are not tuned; the first is the one that figures at the top are about.

    The second has no shadow: time on the same weights is compared there.
    """
    return slipway_rule.rules()


def tuned() -> tuple[Rule, ...]:
    """Return the rules that get a setting per service."""
    return (*peers(), *textbook())


def floors() -> tuple[Rule, ...]:
    """Return the tests that know the truth."""
    return (Sprt(), Sprt(patient=True))


def everyone(lot: int = 0) -> tuple[Rule, ...]:
    """Return all that decide on a lot of traces, by its number: variants of ours on the first few only, for time."""
    return (*ours()[: None if lot < VARIANT_LOTS else 1], *tuned(), *floors())
