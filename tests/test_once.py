"""What stands behind a port is made once, also where threads ask for it at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

from slipway.once import once

THREADS = 8


def test_threads_that_ask_together_get_the_same_thing() -> None:
    """One is made, while all others wait for it; things may be made of other things."""
    made: list[object] = []
    together, slowly = threading.Barrier(THREADS), threading.Event()

    @once
    def inner() -> object:
        slowly.wait(0.05)  # long enough for every thread to be there
        made.append(object())
        return made[-1]

    @once
    def outer() -> list[object]:
        return [inner()]

    def ask(number: int) -> object:
        together.wait(5)
        return outer()[0] if number % 2 else inner()

    with ThreadPoolExecutor(THREADS) as threads:
        got = set(map(id, threads.map(ask, range(THREADS))))

    assert len(made) == 1
    assert got == {id(made[0])}


def test_what_could_not_be_made_is_tried_again() -> None:
    """A setting that is missing now may be there at the next call."""
    tries: list[int] = []

    @once
    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise KeyError
        return len(tries)

    try:
        make()
    except KeyError:
        tries.append(0)

    assert make() == 3
    assert make() == 3
