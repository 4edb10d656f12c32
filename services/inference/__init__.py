"""The one BentoML service that every model is packaged with.

It goes into images: it imports neither Prefect nor Kubernetes nor Slipway, and MLflow only in the child process that
runs models which could not be converted (`pyfunc_worker`).
"""
