"""What is checked: the names under which verdicts and evidence are kept and read back, and what people call them."""

from enum import StrEnum


class Check(StrEnum):
    """The judge's metrics and the gates' checks that are read back. Values are keys; `title_of` words them."""

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
"""Before a check's key: the comparison with the requests held back, while the old revision is kept."""
_TITLES = {
    Check.NONFINITE: "non-finite answers",
    Check.QUANTILES: "latency, any quantile",
}
"""Where it is not the key with spaces."""


def title_of(check: str) -> str:
    """Return a check as people read it; one that is not ours (an expectation on data) is named as it is.

    >>> title_of(Check.ERRORS), title_of("after_promotion.latency"), title_of("range of tenure_months")
    ('error rate', 'after promotion: latency', 'range of tenure_months')
    """
    if check.startswith(AFTER_PROMOTION):
        return f"after promotion: {title_of(check.removeprefix(AFTER_PROMOTION))}"
    if check not in list(Check):
        return check
    return _TITLES.get(Check(check), check.replace("_", " "))
