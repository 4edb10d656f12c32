"""Prefect tasks: the use cases of Slipway with names, retries and caching, reusable one by one in any flow."""
