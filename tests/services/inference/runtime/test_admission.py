"""Overload is told from a hiccup: what is refused, in simulated time, while requests come and a model answers them."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.runtime.admission import CALM_SECONDS, MOST_WAITING, RUNS_ALONE, TARGET_SECONDS, Admission
from services.inference.runtime.run_times import RunTimes

RUN = 0.003
"""Seconds of a run of the model that most of these worlds have."""
PATIENCE = 30.0
Takes = Callable[[float], float]
"""How long a run takes that begins at a moment."""


@dataclass
class Course:
    """What became of requests."""

    waits: list[tuple[float, float]] = field(default_factory=list)
    """When an answered request came, and how long it took."""
    refused: list[float] = field(default_factory=list)
    """When a refused one came."""

    def p99(self, since: float = 0.0) -> float:
        """Return the 99th percentile of the times of those that came since a moment."""
        return float(np.percentile([took for came, took in self.waits if came >= since], 99))


def play(arrivals: Sequence[float], takes: Takes, *, patience: float = PATIENCE, objective: float = inf) -> Course:
    """Let one model answer requests one by one, in the order in which they were let in."""
    expected, course = RunTimes(), Course()
    expected.record_run(1, 1, takes(-inf))
    admission = Admission(expected, together=False, objective=objective)
    admission.update_bound()
    coming, queue = deque(arrivals), deque[float]()
    began, ends, settled = 0.0, inf, inf
    while coming or ends < inf:
        if coming and coming[0] < ends:
            now = coming.popleft()
            waiting = len(queue) + (ends < inf)
            overdue = max(0.0, now - began - expected.predict_seconds(1)) if ends < inf else 0.0
            if waiting and admission.explain_refusal(waiting, now, patience, overdue) is not None:
                course.refused.append(now)
                continue
            queue.append(now)
            if ends == inf:
                began, ends = now, now + takes(now)
            continue
        now = ends
        expected.record_run(1, 1, now - began)
        if settled < inf:
            expected.record_pace(1, now - settled)
        came = queue.popleft()
        course.waits.append((came, now - came))
        settled = now if queue else inf
        admission.record_run_end(len(queue), now)
        admission.update_bound()
        began, ends = (now, now + takes(now)) if queue else (now, inf)
    return course


def poisson(rate: float, seconds: float, seed: int = 7) -> list[float]:
    """Return the moments of requests that come independently of one another."""
    random = np.random.default_rng(seed)
    return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds))).tolist()


def stalled(*stalls: tuple[float, float], run: float = RUN) -> Takes:
    """Return runs of one length, but for those that begin at a stall's beginning or after it: they last until its end.

    A stall: (from, length). One of the whole machine looks so to requests that are read when it is over.
    """

    def takes(now: float) -> float:
        ends = [start + length for start, length in stalls if start <= now < start + length]
        return max([run, *(end - now for end in ends)])

    return takes


@pytest.mark.parametrize("rate", [40, 200, 265], ids=["40 a second", "60 %", "80 %"])
@pytest.mark.parametrize("length", [0.05, 0.5, 2.0])
def test_a_stall_refuses_nobody(rate: float, length: float) -> None:
    """However long the queue became: it is worked off, and everybody gets an answer before the deadline."""
    course = play(sorted([*poisson(rate, 20), 5.0]), stalled((5.0, length)))

    assert course.refused == []
    assert max(took for _, took in course.waits) > length - RUN


def test_stalls_again_and_again_refuse_nobody() -> None:
    """A machine that is busy with other work holds a small load up for half a second every second."""
    stalls = [(float(second), 0.5) for second in range(1, 60)]
    course = play(poisson(40, 60), stalled(*stalls))

    assert course.refused == []


def test_a_slow_machine_refuses_nobody() -> None:
    """Its runs take five times as long for two seconds, which is 60 % of what can be answered then."""
    course = play(poisson(40, 10), lambda now: 5 * RUN if 4 < now < 6 else RUN)

    assert course.refused == []


def test_a_slow_first_run_refuses_nobody() -> None:
    """It takes a hundred times as long as the others."""
    course = play(poisson(200, 5), stalled((0.0, 100 * RUN)))

    assert course.refused == []


@pytest.mark.parametrize("clients", [30, 300, 1000])
def test_clients_that_come_together_are_all_answered(clients: int) -> None:
    """Within what answering them takes, in the order in which they came."""
    course = play([1.0] * clients, stalled())

    assert course.refused == []
    assert course.waits[-1][1] == pytest.approx(clients * RUN)


def test_a_collection_of_garbage_refuses_nobody() -> None:
    """A tenth of a second every two seconds, at 80 % load."""
    pauses = [(float(second), 0.1) for second in range(0, 60, 2)]
    course = play(poisson(0.8 / RUN, 60), stalled(*pauses))

    assert course.refused == []


def test_a_queue_that_stands_is_overload_after_half_a_second() -> None:
    """As those who send more are held back by the number of their connections; it neither grows nor shrinks then."""
    expected = RunTimes()
    expected.record_run(1, 1, RUN)
    admission = Admission(expected, together=False)
    admission.update_bound()

    refused = []
    for number in range(1000):
        admission.record_run_end(199, number * RUN)
        if admission.explain_refusal(199, number * RUN, PATIENCE) is not None:
            refused.append(number * RUN)

    assert 0.4 < refused[0] < 0.7


def test_a_machine_that_is_slow_for_seconds_refuses_nobody() -> None:
    """Runs take fifteen times as long for two seconds: more comes than is answered then, and is worked off later."""
    course = play(poisson(40, 10), lambda now: 15 * RUN if 4 < now < 6 else RUN)

    assert course.refused == []


@pytest.mark.parametrize("run", [0.0002, RUN, 0.05])
@pytest.mark.parametrize("times", [1.5, 3.0])
def test_overload_is_felt_by_nobody_who_is_answered(run: float, times: float) -> None:
    """Once it has lasted a while nobody waits for more than a tight queue, and the model is never idle."""
    seconds = max(3.0, 400 * run)
    course = play(poisson(times / run, seconds), lambda _: run)

    tail = seconds / 2
    answered = sum(came >= tail for came, _ in course.waits)
    assert max(took for came, took in course.waits if came >= tail) <= max(RUNS_ALONE * run, TARGET_SECONDS) + 1e-9
    assert answered >= 0.97 * (seconds - tail) / run


def test_overload_is_as_quick_as_a_high_load() -> None:
    """The 99th percentile at three times what can be answered, over that at 80 % of it."""
    calm = play(poisson(0.8 / RUN, 300), stalled())
    course = play(poisson(3 / RUN, 60), stalled())

    assert calm.refused == []
    assert course.p99(since=2.0) < 1.8 * calm.p99()


def test_overload_is_seen_within_some_tenths_of_a_second() -> None:
    """Until then requests are let in, and wait for what came before them."""
    course = play(poisson(3 / RUN, 3), stalled())

    assert 0.1 < course.refused[0] < 0.5
    assert max(took for _, took in course.waits) < 1.0


def test_a_little_too_much_is_overload_too() -> None:
    """Two in a hundred more than can be answered: the queue is bounded, and about so many are refused."""
    course = play(poisson(1.02 / RUN, 120), stalled())

    assert 0.005 < len(course.refused) / len(course.waits) < 0.06
    assert max(took for _, took in course.waits) < 0.5


def test_a_model_that_hangs_now_and_then_is_overloaded_by_what_it_can_not_answer() -> None:
    """Every tenth run takes a fifth of a second: too much for 60 requests a second. No stall excuses that for ever."""
    stalls = [(0.25 * number, 0.2) for number in range(480)]
    course = play(poisson(60, 120), stalled(*stalls, run=0.02))

    assert len(course.refused) > 0.2 * 60 * 120
    assert max(took for _, took in course.waits) < 10


def test_a_stall_in_the_middle_of_overload_does_not_end_it() -> None:
    """What comes during it is refused but for a tight queue."""
    course = play(poisson(3 / RUN, 4), stalled((2.0, 0.5)))

    assert max(took for came, took in course.waits if came > 1.5) < 0.5 + (RUNS_ALONE + 1) * RUN


def test_after_overload_everybody_is_let_in_again() -> None:
    """A burst that comes soon after it is answered whole."""
    over = poisson(3 / RUN, 2)
    course = play([*over, *[4.0] * 200], stalled())

    assert course.refused
    assert course.refused[-1] < 2.0 + CALM_SECONDS


@given(
    waiting=st.integers(1, MOST_WAITING - 1),
    pace=st.floats(1e-5, 1.0),
    remaining=st.floats(1e-3, 60.0),
    overdue=st.floats(0, 60),
)
def test_only_what_can_not_be_answered_in_time_is_refused_where_there_is_no_overload(
    waiting: int, pace: float, remaining: float, overdue: float
) -> None:
    """That is what waits already, and what the run under way takes beyond what was expected, against the deadline."""
    expected = RunTimes()
    expected.record_run(1, 1, pace)
    admission = Admission(expected, together=False)
    admission.update_bound()

    refusal = admission.explain_refusal(waiting, 0.0, remaining, overdue)

    assert (refusal is not None) == (waiting * pace + overdue > remaining)


def test_a_deadline_that_has_passed_already_is_told_by_the_engine() -> None:
    """Which answers that it is too late; that is no overload."""
    expected = RunTimes()
    expected.record_run(1, 1, RUN)

    assert Admission(expected, together=False).explain_refusal(5, 0.0, 0.0) is None


def test_an_objective_bounds_the_wait_of_everybody_and_nothing_else_does() -> None:
    """With half a second for each answer, three times too much is let in as far as it can be answered by then."""
    course = play(poisson(3 / RUN, 5), stalled(), objective=0.5)

    assert course.refused
    assert max(took for _, took in course.waits) <= 0.5 + 2 * RUN
    assert course.p99(since=2.0) > 0.4


def test_a_run_that_hangs_keeps_out_whom_it_keeps_from_the_objective() -> None:
    """Half a second of a hiccup is nothing to an objective of a second; after a second nobody would be answered."""
    hiccup = play(poisson(40, 3), stalled((1.0, 0.4)), objective=1.0)
    hung = play(poisson(40, 6), stalled((1.0, 3.0)), objective=1.0)

    assert hiccup.refused == []
    assert 1.9 < min(hung.refused) < 2.1
    assert max(hung.refused) < 4.1


def test_a_tight_queue_is_so_many_runs() -> None:
    """Runs that are slower one after the other than by themselves shorten no queue."""
    expected = RunTimes()
    expected.record_run(1, 1, RUN)
    for _ in range(100):
        expected.record_pace(1, 2 * RUN)
    admission = Admission(expected, together=False)
    admission.update_bound()
    for number in range(4):
        admission.record_run_end(100 + 100 * number, 0.11 * number)

    assert admission.explain_refusal(RUNS_ALONE - 1, 0.4, PATIENCE) is None
    assert (
        admission.explain_refusal(RUNS_ALONE, 0.4, PATIENCE)
        == "16 requests wait already, and more come than are answered"
    )


@settings(max_examples=30)
@given(rate=st.floats(1, 0.7 / RUN), length=st.floats(0.0, 2.0), seed=st.integers(0, 1000))
def test_no_stall_of_up_to_two_seconds_refuses_anybody_at_moderate_load(rate: float, length: float, seed: int) -> None:
    """Any rate up to 70 % of what can be answered, and stalls that do not make the queue look like half a minute."""
    course = play(poisson(rate, 10, seed), stalled((2.0, length)))

    assert course.refused == []
