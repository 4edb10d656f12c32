"""Telling what happens: counts, logs, traces, samples, and what judges of releases read."""
