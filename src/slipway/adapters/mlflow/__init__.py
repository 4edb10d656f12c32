"""MLflow: the registry of versions, the ledger of releases, and its webhooks.

They are called over MLflow's REST API. `import mlflow` takes seconds and 170 MiB, its client retries for minutes and is
bounded only through the process's environment; a request of our own starts at once and ends within its time limit.
"""
