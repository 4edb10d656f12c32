"""Prefect: starting flow runs from outside of them, and telling others through its events."""
