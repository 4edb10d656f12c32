"""Pages beside the protocols: probes, metrics, the OpenAPI document, and BentoML's own."""
