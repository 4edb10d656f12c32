"""The pages of revisions on themselves, read from their pods through the API server: no route leads to them."""

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.names import PORT, Key, select_model
from slipway.adapters.kubernetes.readiness import is_ready, select_staying_pods
from slipway.errors import MetricsUnavailable, SlipwayError


class PodPages:
    """Reads a page from every ready pod of a revision."""

    def __init__(self, cluster: Cluster) -> None:
        """Make no call yet."""
        self._cluster = cluster

    def __call__(self, model: str, revision: str, path: str) -> list[object]:
        """Return the page's JSON from each ready pod; an empty list if there is none.

        Raises MetricsUnavailable if one does not answer: a missing page can't be distinguished from an empty one.
        """
        try:
            pods = self._cluster.list("Pod", f"{select_model(model)},{Key.REVISION}={revision}")
        except SlipwayError as error:
            raise _make_unavailable_error(path, revision, error.seen) from error
        names = [str(pod["metadata"]["name"]) for pod in select_staying_pods(pods, revision) if is_ready(pod)]
        return [self._read_page(name, path) for name in sorted(names)]

    def _read_page(self, pod: str, path: str) -> object:
        try:
            page = self._cluster.read_pod_page(pod, PORT, path)
        except (SlipwayError, ValueError) as error:
            seen = error.seen if isinstance(error, SlipwayError) else "the answer is no JSON"
            raise _make_unavailable_error(path, f"pod {pod}", seen) from error
        if page is None:
            raise _make_unavailable_error(path, f"pod {pod}", "it has no such page, or is gone")
        return page


def _make_unavailable_error(path: str, whose: str, seen: str) -> MetricsUnavailable:
    return MetricsUnavailable(
        f"page {path} of {whose}",
        seen=seen,
        expected="JSON from every ready pod",
        do="look at the revision's health with `slipway status`",
    )
