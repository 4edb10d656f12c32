"""What the receiver remembers of deliveries."""

from services.webhook.seen import AcceptedDeliveries


def test_an_id_is_claimed_once_until_its_time_is_over() -> None:
    """Then it is a new one."""
    seen = AcceptedDeliveries()

    claims = [seen.claim("d-1", now=now, until=10) for now in (0, 5, 9.9, 10)]

    assert claims == [True, False, False, True]


def test_a_forgotten_id_may_come_again() -> None:
    """Also one that was never known."""
    seen = AcceptedDeliveries()
    seen.claim("d-1", now=0, until=10)

    for delivery_id in ("d-1", "d-2"):
        seen.forget(delivery_id)

    assert seen.claim("d-1", now=1, until=10)


def test_memory_is_bounded() -> None:
    """What is over goes first, then the oldest."""
    seen = AcceptedDeliveries(limit=3)
    for number in range(10):
        seen.claim(f"d-{number}", now=0, until=100)
    kept = len(seen)

    seen.claim("later", now=200, until=300)

    assert kept == 3
    assert len(seen) == 1
    assert not seen.claim("later", now=201, until=300)
