"""Formats of numbers, times and names."""

import math
from datetime import UTC, datetime

UNITS = {
    "_milliseconds": "ms",
    "_microseconds": "µs",
    "_seconds": "s",
    "_mebibytes": "MiB",
    "_percent": "%",
    "_bytes": "bytes",
}
"""Units by the ending of a value's name: every name has its unit."""
THIN = "\u202f"
"""Narrow no-break space between a number and its unit."""


def format_number(value: float) -> str:
    """Return a number with as many digits as are useful.

    >>> format_number(1234567), format_number(0.98765432), format_number(0.00012), format_number(3.0)
    ('1,234,567', '0.9877', '0.00012', '3')
    """
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - beyond, digits are noise
        return f"{int(value):,}"
    if abs(value) >= 1e6 or abs(value) < 1e-4:  # noqa: PLR2004 - where powers of ten read better
        return f"{value:.2g}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"  # noqa: PLR2004 - four digits in all


def format_short(value: float) -> str:
    """Return a measured number with three digits.

    >>> format_short(3.4123), format_short(0.71429), format_short(248.3), format_short(1311.2)
    ('3.41', '0.714', '248', '1,311')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def format_duration(seconds: float) -> str:
    """Return a duration as text.

    >>> format_duration(0.25), format_duration(42.44), format_duration(154), format_duration(7320)
    ('0.2 s', '42.4 s', '2 min 34 s', '2 h 2 min')
    """
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def format_time(unix_seconds: float) -> str:
    """Return a moment in UTC: a page may be read in another time zone.

    >>> format_time(1763700000)
    '2025-11-21 04:40:00 UTC'
    """
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_named(name: str, value: object) -> tuple[str, str]:
    r"""Return a value's name without its unit, and the value with it.

    >>> format_named("p99_milliseconds", 12.345)
    ('p99', '12.3\u202fms')
    >>> format_named("memory_mebibytes", 311.0)
    ('memory', '311\u202fMiB')
    """
    ending = next((ending for ending in UNITS if name.endswith(ending)), "")
    words = name.removesuffix(ending).replace("_", " ")
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, int | float):
        return words, f"{format_short(value)}{THIN}{UNITS[ending]}" if ending else format_number(value)
    return words, "" if value is None else str(value)


def format_rate(errors: int, requests: int) -> str:
    r"""Return a share of errors in percent, or a dash if there were no requests.

    >>> format_rate(3, 120), format_rate(0, 0)
    ('2.5\u202f%', '-')
    """
    return f"{format_short(100 * errors / requests)}{THIN}%" if requests else "-"
