"""Names in the service's log that Slipway reads, and where a process leaves the reason of its end."""

LOGGER = "slipway.inference"
"""The service's logger."""
SAMPLES_LOGGER = f"{LOGGER}.samples"
"""The logger of sampled requests: one JSON object per line."""
TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads why a container ended."""
