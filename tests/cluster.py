"""The cluster that tests use: any kubeconfig with a Gateway API implementation, metrics, Prometheus and a registry.

Where none is configured such tests are skipped with one sentence; SLIPWAY_REQUIRE_CLUSTER=1 makes that a failure.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

NEEDED = ("KUBECONFIG", "CLUSTER_GATEWAY", "CLUSTER_PROMETHEUS", "CLUSTER_REGISTRY", "CLUSTER_HOST")
MISSING = (
    "no cluster configured: set KUBECONFIG, CLUSTER_GATEWAY, CLUSTER_PROMETHEUS, CLUSTER_REGISTRY and CLUSTER_HOST "
    "(docs/kubernetes.md says how with kind and k3d)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Addresses of the cluster's parts."""

    gateway: str
    """Where any Gateway with an HTTP listener on port 80 is reached, `http://HOST`."""
    prometheus: str
    registry: str
    """HOST:PORT, plain HTTP."""
    host: str
    """This machine's address, as pods see it."""

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl and return what it printed; fail with what it said."""
        done = subprocess.run(
            ["kubectl", *words],  # noqa: S607 - on PATH, as users have it
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    @contextmanager
    def namespace(self, prefix: str) -> Iterator[str]:
        """Make a namespace with a name of its own; it is gone afterwards, with everything in it."""
        name = f"{prefix}-{uuid.uuid4().hex[:6]}"
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=true", "--timeout=110s")


def cluster_or_skip() -> Cluster:
    """Return the configured cluster; skip the test, or fail it where a cluster is required."""
    if all(os.environ.get(name) for name in NEEDED):
        gateway, prometheus, registry, host = (os.environ[name] for name in NEEDED[1:])
        return Cluster(gateway=gateway, prometheus=prometheus, registry=registry, host=host)
    if os.environ.get("SLIPWAY_REQUIRE_CLUSTER"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)
