"""The one BentoML service that every model is packaged with.

`processes` (a supervisor and its workers) accept connections and pass each request to a protocol handler: over HTTP
(`application`, `protocols`) or gRPC (`grpc`). `exchange` follows a request from its arrival to its response and has the
`model` compute it in `runtime`; `telemetry` counts and logs what happened, and `pages` publishes it.

It goes into images: it imports neither Prefect nor Kubernetes nor Slipway, and MLflow only in the child process that
runs models which could not be converted (`runtime.pyfunc_worker`).
"""
