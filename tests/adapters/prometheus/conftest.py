"""One Prometheus of the tests' own for all of them, and how metrics are made."""

from collections.abc import Callable, Collection, Iterator
from itertools import zip_longest

import pytest

from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.domain.spec.serving import EvidenceSpec
from tests.adapters.prometheus.own import Exporter, OwnPrometheus
from tests.cluster import Cluster, cluster_or_skip

Made = Callable[..., PrometheusMetrics]
Show = Callable[..., None]
KNOWN = frozenset({"digits-v1", "digits-v2"})


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return the configured cluster."""
    return cluster_or_skip()


@pytest.fixture(scope="session")
def exporters() -> Iterator[list[Exporter]]:
    """Start exporters with empty pages."""
    started = [Exporter() for _ in range(3)]
    yield started
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def shared_prometheus(tmp_path_factory: pytest.TempPathFactory, exporters: list[Exporter]) -> Iterator[OwnPrometheus]:
    """Start a Prometheus that scrapes them."""
    prometheus = OwnPrometheus(tmp_path_factory.mktemp("prometheus"), exporters)
    prometheus.start()
    yield prometheus
    prometheus.stop()


@pytest.fixture
def prometheus(shared_prometheus: OwnPrometheus) -> OwnPrometheus:
    """Return the shared one. Each test has a namespace of its own in it: what others scraped does not matter."""
    return shared_prometheus


@pytest.fixture
def show(prometheus: OwnPrometheus, exporters: list[Exporter]) -> Iterator[Show]:
    """Show pages, one per exporter; return when they were scraped. Other exporters' pages are empty then."""

    def show(*pages: str) -> None:
        for exporter, page in zip_longest(exporters, pages, fillvalue=""):
            exporter.page = page
        prometheus.scraped(*exporters)

    yield show
    for one in exporters:
        one.page = ""


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """Return a namespace that only this test uses."""
    return f"ns{abs(hash(request.node.nodeid)) % 10**8}"


@pytest.fixture
def made(prometheus: OwnPrometheus, namespace: str) -> Made:
    """Make metrics of the shared Prometheus; the cluster has digits-v1 and digits-v2, both with a ready pod."""

    def make(
        preset: str = "traefik",
        *,
        empty: tuple[str, ...] = (),
        known: Collection[str] = KNOWN,
        spec: EvidenceSpec | None = None,
    ) -> PrometheusMetrics:
        return PrometheusMetrics(
            prometheus.address,
            namespace,
            preset,
            known=lambda _: known,
            pages=lambda _model, revision, _path: [] if revision in empty else [{}],
            queries=lambda _: spec,
        )

    return make
