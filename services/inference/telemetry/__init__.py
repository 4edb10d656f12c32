"""Telemetry: counters, metrics, logs, traces, samples, and the summaries that judges of releases read."""
