"""The rules that are compared, in the order of the page."""

from importlib import import_module
from importlib.util import find_spec

from benchmarks.decisions.decisions import Rule
from benchmarks.decisions.rules.argo import Argo
from benchmarks.decisions.rules.flagger import Flagger
from benchmarks.decisions.rules.kayenta import Kayenta
from benchmarks.decisions.rules.sprt import AT_ONCE, Sprt
from benchmarks.decisions.rules.z_test import fixed_horizon, naive_z

OURS = "benchmarks.decisions.slipway_rule"
"""Module with `rules() -> tuple[Rule, ...]` and `look_milliseconds() -> float`. Its rules are not tuned."""
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
    """Return Slipway's rules; the first is the one that figures at the top are about."""
    if find_spec(OURS) is None:
        return ()
    found: tuple[Rule, ...] = import_module(OURS).rules()
    return found


def tuned() -> tuple[Rule, ...]:
    """Return the rules that get a setting per service."""
    return (*peers(), *textbook())


def floors() -> tuple[Rule, ...]:
    """Return the tests that know the truth."""
    return (Sprt(), Sprt(patient=True))


def everyone(lot: int = 0) -> tuple[Rule, ...]:
    """Return all that decide on a lot of traces, by its number: variants of ours on the first few only, for time."""
    return (*ours()[: None if lot < VARIANT_LOTS else 1], *tuned(), *floors())


def look_milliseconds() -> float | None:
    """Return how long a look at 20 metrics takes Slipway, in milliseconds; None without its rule."""
    if find_spec(OURS) is None:
        return None
    return float(import_module(OURS).look_milliseconds())
