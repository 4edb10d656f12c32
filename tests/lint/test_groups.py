"""How tests are given to several processes: what shares a server stays together, and the longest starts first."""

from pathlib import PurePosixPath

import pytest

from tests.groups import LONGEST_FIRST, STORIES, STORY_PATHS, find_group, rank_group
from tests.tiers import SERVERS, TESTS


@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("end_to_end/cluster/test_hands.py", STORIES),
        ("adapters/prometheus/test_metrics_on_cluster.py", STORIES),
        ("adapters/prometheus/test_client.py", "adapters/prometheus"),
        ("cli/test_plan.py", "cli"),
        ("test_once.py", "."),
    ],
)
def test_a_file_belongs_to_the_stories_or_to_its_folder(file: str, group: str) -> None:
    """So a folder's servers are started once."""
    assert find_group(PurePosixPath(file)) == group


def test_the_longest_groups_start_first() -> None:
    """In the order in which they are listed, before all others."""
    ranks = [rank_group(group) for group in (*LONGEST_FIRST, "interface")]

    assert ranks == list(range(len(LONGEST_FIRST) + 1))


def test_what_is_listed_is_there() -> None:
    """A file that has moved is in the lists by its new path."""
    gone = [path for path in (*STORY_PATHS, *SERVERS) if not [*TESTS.glob(f"{path}*")]]
    folders = [group for group in LONGEST_FIRST if group != STORIES and not (TESTS / group).is_dir()]

    assert (gone, folders) == ([], [])
