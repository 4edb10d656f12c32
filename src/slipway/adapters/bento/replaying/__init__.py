"""Requests as the champion's clients make them, on every door, to two packaged services."""
