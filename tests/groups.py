"""Which tests run one after another in one process, where pytest runs several (`--dist loadgroup`, so `make test`).

A fixture of scope `session` is made once in each process of pytest. Tests that share a server, a stack or the cluster
are therefore one group, and a group is never divided between processes. Groups start in a fixed order, the longest
first, so that all processes end at about the same time.
"""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

STORIES = "stories"
"""The group of whole releases, and of everything that uses the cluster or a browser."""
STORY_PATHS = (
    "adapters/kubernetes",
    "adapters/oci/test_images_in_pod",
    "adapters/oci/test_runtime_images",
    "adapters/prometheus/test_metrics_on_cluster",
    "adapters/report/test_html",
    "demo",
    "deployments/test_in_cluster",
    "deployments/test_rights",
    "end_to_end",
)
STORY_TIERS = {"browser", "cluster"}
"""Every test of these tiers lies in one of the paths; conftest.py checks it."""
LONGEST_FIRST = (STORIES,)
"""Groups that take minutes, by how long they took. The others follow in the order of their folders."""


def find_group(where: PurePosixPath) -> str:
    """Return the group of a test file, whose path is relative to `tests`: stories, or its folder."""
    return STORIES if where.as_posix().startswith(STORY_PATHS) else where.parent.as_posix()


def rank_group(group: str) -> int:
    """Return a group's place in the order in which groups start."""
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)


class GroupScheduling(LoadScopeScheduling):
    """Gives whole groups to processes, in the order in which their tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return find_group(PurePosixPath(nodeid.partition("::")[0]).relative_to("tests"))
