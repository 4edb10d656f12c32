"""Kubernetes' quantities: `500m`, `4`, `1Gi`."""

from slipway.errors import PermanentError

_SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
} | {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)}


def parse_quantity(quantity: str) -> float:
    """Return a quantity as a number.

    >>> parse_quantity("500m"), parse_quantity("4"), parse_quantity("2Ki"), parse_quantity("1e3")
    (0.5, 4.0, 2048.0, 1000.0)
    """
    digits = quantity.rstrip("numkKMGTPEi")
    try:
        return float(digits) * _SUFFIXES[quantity[len(digits) :]]
    except (ValueError, KeyError) as error:
        raise PermanentError(
            f"quantity {quantity}",
            seen="it can't be read",
            expected="a number with a suffix that Kubernetes has, like 500m or 1Gi",
            do="look at the object that holds it with `kubectl get -o yaml`",
        ) from error


def format_quantity(value: float) -> str:
    """Return a number as a quantity, to a thousandth.

    >>> format_quantity(4.0), format_quantity(2.5)
    ('4', '2500m')
    """
    thousandths = round(value * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
