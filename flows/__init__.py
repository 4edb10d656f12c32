"""Prefect flows: release, rollback, watch, reconcile."""
