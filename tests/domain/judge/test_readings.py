"""Readings: what none can be is refused, and restarts, late scrapes and gaps are told from progress."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Cursor, Latencies, Reading, Summary, Sums, delta_since, reading_since

EDGES = (10.0, 100.0)


def counted(requests: int, errors: int = 0) -> Reading:
    """Return a reading of requests alone."""
    return Reading(requests=Counters(requests=requests, errors=errors))


def arms(canary: int, stable: int) -> dict[str, Reading]:
    """Return what one look read of both arms: their requests."""
    return {"new": counted(canary), "old": counted(stable)}


def latencies(requests: int, *slower: int, edges: tuple[float, ...] = EDGES) -> Latencies:
    """Return a histogram."""
    return Latencies(requests=requests, edges_milliseconds=edges, slower=slower)


# what no reading can be


@pytest.mark.parametrize(
    ("requests", "edges", "slower"),
    [
        (-1, EDGES, (0, 0)),
        (9, EDGES, (10, 0)),
        (9, EDGES, (3, 4)),
        (9, EDGES, (3, -1)),
        (9, EDGES, (3,)),
        (9, (100.0, 10.0), (3, 1)),
        (9, (10.0, 10.0), (3, 1)),
        (9, (0.0, 10.0), (3, 1)),
        (9, (-1.0, 10.0), (3, 1)),
        (9, (10.0, math.inf), (3, 1)),
        (9, (math.nan, 10.0), (3, 1)),
        (9, (math.nan,), (3,)),
        (math.nan, EDGES, (3, 1)),
        (9, EDGES, (math.nan, 1)),
    ],
)
def test_impossible_histograms_are_refused(requests: Any, edges: tuple[float, ...], slower: tuple[Any, ...]) -> None:  # noqa: ANN401 - wrong on purpose
    """By name, with what they need: negative, growing, too few, unordered, or no numbers."""
    with pytest.raises(ValueError, match=r"requests=.*edges=.*slower=.*; need as many counts as edges"):
        Latencies(requests=requests, edges_milliseconds=edges, slower=slower)


@pytest.mark.parametrize(
    ("count", "total", "squares"),
    [
        (-1, 0.0, 0.0),
        (1, 0.0, -1.0),
        (1, math.nan, 1.0),
        (1, 0.0, math.nan),
        (math.nan, 0.0, 0.0),
        (1, math.inf, 1.0),
        (1, 1.0, math.inf),
    ],
)
def test_impossible_sums_are_refused(count: Any, total: float, squares: float) -> None:  # noqa: ANN401 - wrong on purpose
    """NaN and infinity would end in every later number."""
    with pytest.raises(ValueError, match=r"count=.*, total=.*, squares=.*; need a count and squares"):
        Sums(count=count, total=total, squares=squares)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"classes": {"cat": -1}}, "'cat'"),
        ({"classes": {"cat": math.nan}}, "'cat'"),
        ({"inputs": {"age": (4, -2)}}, "'age'"),
        ({"inputs": {"age": (4, math.nan)}}, "'age'"),
        ({"inputs": {"age": (math.inf,)}}, "'age'"),
    ],
)
def test_impossible_summaries_are_refused(parts: dict[str, Any], name: str) -> None:
    """By the label or the column that is wrong."""
    with pytest.raises(ValueError, match=rf"{name} has counts .*; need counts from 0 on"):
        Summary(**parts)


@pytest.mark.parametrize(("requests", "nonfinite"), [(1, 2), (-1, 0), (1, -1), (math.nan, 0), (1, math.nan)])
def test_more_nonfinite_answers_than_answers_are_refused(requests: Any, nonfinite: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """They are some of them."""
    with pytest.raises(ValueError, match="need 0 <= nonfinite <= requests"):
        Summary(requests=requests, nonfinite=nonfinite)


def test_a_summarys_requests_are_subtracted() -> None:
    """And where they fell, a process began anew."""
    before, after = Summary(requests=10, nonfinite=1), Summary(requests=14, nonfinite=3)

    came = reading_since(Reading(summary=before), Reading(summary=after))

    assert came == Reading(summary=Summary(requests=4, nonfinite=2))
    assert reading_since(Reading(summary=after), Reading(summary=before)) is None


@pytest.mark.parametrize(("requests", "errors"), [(math.nan, 0), (5, math.nan), (-1, 0), (5, -1)])
def test_counters_without_numbers_are_refused(requests: Any, errors: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """NaN compares with nothing."""
    with pytest.raises(ValueError, match="need counts from 0 on"):
        Counters(requests=requests, errors=errors)


def test_only_an_edge_can_be_asked_for() -> None:
    """Nothing is known between two of them."""
    assert latencies(9, 4, 1).slower_than(100.0) == 1
    with pytest.raises(ValueError, match="index"):
        latencies(9, 4, 1).slower_than(50.0)


# the difference of two readings


def test_each_part_is_subtracted() -> None:
    """Requests, histogram, sums, labels, classes and bins; new labels and columns begin at zero."""
    before = Reading(
        requests=Counters(requests=10, errors=1),
        latencies=latencies(10, 4, 1),
        summary=Summary(scores=Sums(count=2, total=-1.0, squares=3.0), classes={"a": 2}, inputs={"x": (1, 1)}),
        labels=Counters(requests=4, errors=0),
    )
    after = Reading(
        requests=Counters(requests=15, errors=2),
        latencies=latencies(16, 6, 1),
        summary=Summary(
            scores=Sums(count=5, total=-4.0, squares=9.0), classes={"a": 3, "b": 2}, inputs={"x": (3, 1), "y": (0, 5)}
        ),
        labels=Counters(requests=9, errors=3),
    )

    assert reading_since(before, after) == Reading(
        requests=Counters(requests=5, errors=1),
        latencies=latencies(6, 2, 0),
        summary=Summary(
            scores=Sums(count=3, total=-3.0, squares=6.0), classes={"a": 1, "b": 2}, inputs={"x": (2, 0), "y": (0, 5)}
        ),
        labels=Counters(requests=5, errors=3),
    )


SCORES = Sums(count=5, total=1.0, squares=2.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"latencies": latencies(9, 4, 1)}, {"latencies": latencies(8, 4, 1)}),
        ({"latencies": latencies(9, 4, 1)}, {"latencies": latencies(12, 3, 1)}),
        ({"latencies": latencies(9, 4, 1)}, {"latencies": latencies(10, 6, 1)}),
        ({"latencies": latencies(9, 4, 1)}, {"latencies": latencies(10, 4, 1, edges=(10.0, 200.0))}),
        ({"summary": Summary(scores=SCORES)}, {"summary": Summary(scores=Sums(count=4, total=1.0, squares=2.0))}),
        ({"summary": Summary(scores=SCORES)}, {"summary": Summary(scores=Sums(count=6, total=1.0, squares=1.0))}),
        ({"summary": Summary(scores=SCORES)}, {"summary": Summary()}),
        ({"summary": Summary(classes={"a": 2})}, {"summary": Summary(classes={"a": 1, "b": 3})}),
        ({"summary": Summary(classes={"a": 2})}, {"summary": Summary(classes={"b": 3})}),
        ({"summary": Summary(inputs={"x": (1, 2)})}, {"summary": Summary(inputs={"x": (1, 1)})}),
        ({"summary": Summary(inputs={"x": (1, 2)})}, {"summary": Summary(inputs={"x": (1, 2, 0)})}),
        ({"summary": Summary(inputs={"x": (1, 2)})}, {"summary": Summary()}),
        ({"labels": Counters(requests=5, errors=1)}, {"labels": Counters(requests=4, errors=1)}),
        ({}, {"labels": Counters(requests=4, errors=1)}),
    ],
    ids=[
        "fewer requests",
        "fewer slow ones",
        "more slow ones than requests",
        "other edges",
        "fewer scores",
        "smaller squares",
        "no scores any more",
        "fewer of a class",
        "a class is gone",
        "fewer in a bin",
        "other bins",
        "a column is gone",
        "fewer labels",
        "not read before",
    ],
)
def test_what_went_backwards_gives_nothing(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Its process began anew, or was another one: what came between can't be known."""
    assert reading_since(Reading(**before), Reading(**after)) is None


def test_a_part_that_is_not_read_now_is_left_out() -> None:
    """The others are known still."""
    before = Reading(requests=Counters(requests=3, errors=0), labels=Counters(requests=2, errors=0))

    assert reading_since(before, counted(5)) == counted(2)


# looks in a row


def looks(*rows: tuple[int, int]) -> list[tuple[int, int] | None]:
    """Return what each look added, for looks at (canary's, stable's) cumulative requests."""
    cursor, added = Cursor(), []
    for canary, stable in rows:
        since, cursor = delta_since(cursor, arms(canary, stable))
        came = {name: one.requests.requests for name, one in since.items() if one.requests} if since else None
        added.append((came["new"], came["old"]) if came else None)
    return added


def test_the_first_look_only_remembers() -> None:
    """Counters began long before the rollout."""
    assert looks((900, 90_000), (910, 90_100)) == [None, (10, 100)]


def test_a_scrape_that_comes_twice_adds_nothing() -> None:
    """Zero, not the same again."""
    assert looks((10, 90), (20, 180), (20, 180), (30, 270)) == [None, (10, 90), (0, 0), (10, 90)]


def test_a_restart_drops_one_interval_and_is_counted_on() -> None:
    """What the process served before its first look in the new life is not known."""
    assert looks((500, 900), (3, 990), (13, 1080), (23, 1170)) == [None, None, (10, 90), (10, 90)]


def test_a_late_scrape_is_skipped() -> None:
    """It is told from a restart by the next look, which goes on where the last good one stood; nothing counts twice."""
    assert looks((500, 900), (520, 990), (505, 920), (540, 1080)) == [None, (20, 90), None, (20, 90)]


def test_two_late_scrapes_in_a_row_are_skipped() -> None:
    """The later of them too."""
    assert looks((520, 990), (505, 920), (500, 900), (540, 1080)) == [None, None, None, (20, 90)]


def test_a_process_that_dies_twice_is_counted_from_its_last_beginning() -> None:
    """Neither life continues the first."""
    assert looks((500, 900), (9, 990), (2, 1080), (12, 1170)) == [None, None, None, (10, 90)]


def test_other_revisions_begin_anew() -> None:
    """A cursor belongs to its revisions."""
    _, cursor = delta_since(Cursor(), arms(10, 90))

    since, cursor = delta_since(cursor, {"newer": counted(5), "old": counted(95)})

    assert since is None
    assert cursor == Cursor(last={"newer": counted(5), "old": counted(95)})


@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["on", "on", "on", "restart", "late"])), max_size=30)
)
def test_no_request_is_ever_counted_twice(steps: list[tuple[int, str]]) -> None:
    """Whatever restarts and comes late: the sum of what is counted never exceeds what really came."""
    truth, life, scrapes, counted_so_far = 0, 0, [(0, 0)], 0
    cursor = Cursor()
    for more, what in steps:
        life = more if what == "restart" else life + more
        truth += more
        scrapes.append((life, truth))
        shown = scrapes[-2] if what == "late" else scrapes[-1]
        since, cursor = delta_since(cursor, arms(shown[0], shown[1]))
        counted_so_far += since["new"].requests.requests if since and since["new"].requests else 0

        assert counted_so_far <= truth
