"""The checks: the keys under which verdicts and evidence are stored and read back, and their display names."""

from enum import StrEnum


class Check(StrEnum):
    """The judge's metrics and the gates' checks that are read back. Values are keys; `title_of` gives display names."""

    ERRORS = "error_rate"
    REFUSED = "refused_requests"
    SHED = "shed_requests"
    NONFINITE = "non_finite_answers"
    LATENCY = "latency"
    LABELS = "wrong_answers"
    SCORES = "scores"
    CLASSES = "class_mix"
    QUANTILES = "latency_any_quantile"
    COPIES = "shadow_errors"
    DISAGREEMENT = "shadow_disagreement"
    SLOWDOWN = "shadow_latency"
    DRIFT = "input_drift"
    QUALITY = "quality"
    CONVERSION = "conversion"


AFTER_PROMOTION = "after_promotion."
"""Prefix of a check's key in the comparison with held-back requests, while the old revision is kept."""
_TITLES = {
    Check.NONFINITE: "non-finite answers",
    Check.QUANTILES: "latency, any quantile",
}
"""Display names that are not the key with spaces."""


def title_of(check: str) -> str:
    """Return a check's display name; a name that is no `Check` (an expectation on data) is returned unchanged.

    >>> title_of(Check.ERRORS), title_of("after_promotion.latency"), title_of("range of tenure_months")
    ('error rate', 'after promotion: latency', 'range of tenure_months')
    """
    if check.startswith(AFTER_PROMOTION):
        return f"after promotion: {title_of(check.removeprefix(AFTER_PROMOTION))}"
    if check not in list(Check):
        return check
    return _TITLES.get(Check(check), check.replace("_", " "))
