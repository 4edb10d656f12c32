"""Checking the rows that gates judge with, through Great Expectations.

`checks` builds the checks of each column, `wording` words their results, `validator` runs them.
"""

from slipway.adapters.expectations.validator import GreatExpectationsValidator

__all__ = ["GreatExpectationsValidator"]
