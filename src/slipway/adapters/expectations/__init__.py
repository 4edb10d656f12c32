"""Checking the rows that gates judge with, through Great Expectations.

`questions` says what is asked of which columns, and how an answer is told; `validator` asks.
"""

from slipway.adapters.expectations.validator import GreatExpectationsValidator

__all__ = ["GreatExpectationsValidator"]
