"""Runs MLflow's server in one process: `python -m slipway.stack.mlflow_server DATABASE ARTIFACTS HOST PORT`.

`mlflow server` imports MLflow twice, in itself and in the uvicorn that it starts, and by default runs eight more
processes for background jobs that a registry does not need: 18 s of CPU and 1.1 GB against 5 s and 260 MB. This program
prepares the same before uvicorn, and then serves itself. The variables are those that `mlflow server` passes to its
workers.
"""

import os
import sys

ARTIFACT_ROOT = "mlflow-artifacts:/"
"""Clients get artifacts through the server."""


def main() -> None:
    """Prepare the stores, then serve until SIGTERM."""
    database, artifacts, host, port = sys.argv[1:]
    from mlflow.server import constants

    os.environ.update(
        {
            constants.BACKEND_STORE_URI_ENV_VAR: database,
            constants.REGISTRY_STORE_URI_ENV_VAR: database,
            constants.ARTIFACT_ROOT_ENV_VAR: ARTIFACT_ROOT,
            constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
            "_MLFLOW_SGI_NAME": "uvicorn",
        }
    )
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(database, database, ARTIFACT_ROOT)
    import uvicorn
    from mlflow.server.fastapi_app import app

    uvicorn.run(app, host=host, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
