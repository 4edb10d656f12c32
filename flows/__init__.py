"""Prefect flows: release, rollback, watch, reconcile. They only order tasks."""
