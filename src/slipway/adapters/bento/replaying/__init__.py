"""Requests as the champion's clients make them, in every protocol, to two packaged services."""
