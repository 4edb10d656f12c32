"""Prometheus: evidence of revisions that serve on a cluster."""
