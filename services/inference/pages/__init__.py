"""Pages beside the protocols: probes, metrics, summaries for judges of releases, and the OpenAPI document."""
