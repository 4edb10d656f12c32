"""Prefect tasks, one module per stage: observe through a port, decide in the domain, act through a port."""
