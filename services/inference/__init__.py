"""The one BentoML service that every model is packaged with.

A request comes through `processes` (a supervisor and its workers) to a door: a protocol over HTTP (`protocols`) or gRPC
(`grpc`). Its `exchange` asks the `model`, which is run in `runtime`; `telemetry` counts and logs what happened, and
`pages` shows it.

It goes into images: it imports neither Prefect nor Kubernetes nor Slipway, and MLflow only in the child process that
runs models which could not be converted (`runtime.pyfunc_worker`).
"""
