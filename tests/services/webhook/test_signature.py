"""The signature: what MLflow made, untouched and recent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhook.rejection import Rejected
from services.webhook.signature import ID, SIGNATURE, TIMESTAMP, Window, sign, verify

SECRET, BODY, NOW = "secret", b'{"entity": "model_version"}', 1_800_000_000
WINDOW = Window(now=NOW, max_age_seconds=600)


def signed(delivery: str = "d-1", timestamp: str = str(NOW), secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a delivery."""
    return {ID: delivery, TIMESTAMP: timestamp, SIGNATURE: sign(secret, delivery, timestamp, BODY)}


def test_our_signature_is_mlflows() -> None:
    """What `_generate_hmac_signature` of MLflow 3.17.2 gives; tests/adapters/mlflow has a real delivery."""
    assert sign("secret", "msg-1", "1700000000", b"{}") == "v1,bxoCRqIU3K0tTdDuvhsXEfYxEVUqJmCYC9pDrP7Vkjs="


def test_a_signed_delivery_is_taken() -> None:
    """Its id and its time come back."""
    delivery = verify(SECRET, signed(), BODY, WINDOW)

    assert (delivery.id, delivery.sent_at) == ("d-1", NOW)


def test_one_of_several_signatures_is_enough() -> None:
    """A secret that is being rotated: two signatures, separated by a space."""
    headers = signed()
    headers[SIGNATURE] = f"{sign('old', 'd-1', str(NOW), BODY)} {headers[SIGNATURE]}"

    assert verify(SECRET, headers, BODY, WINDOW).id == "d-1"


@pytest.mark.parametrize("distance", [-600, 600, 0])
def test_the_window_is_open_both_ways(distance: int) -> None:
    """Clocks differ: a delivery from the near future is fine."""
    assert verify(SECRET, signed(timestamp=str(NOW + distance)), BODY, WINDOW).sent_at == NOW + distance


@pytest.mark.parametrize("distance", [-601, 601])
def test_outside_of_the_window_it_is_stale(distance: int) -> None:
    """Signed, and too old or too far ahead."""
    with pytest.raises(Rejected, match=r"401 stale: sent 601 s from now by its timestamp; 600 s are allowed"):
        verify(SECRET, signed(timestamp=str(NOW + distance)), BODY, WINDOW)


@pytest.mark.parametrize(
    ("changes", "status", "state"),
    [
        ({SIGNATURE: ""}, 401, "unsigned"),
        ({SIGNATURE: "v1,"}, 401, "forged"),
        ({SIGNATURE: "v1,ü"}, 401, "forged"),
        ({SIGNATURE: sign("other", "d-1", str(NOW), BODY)}, 401, "forged"),
        ({SIGNATURE: sign(SECRET, "d-1", str(NOW), BODY).replace("v1,", "v2,")}, 401, "forged"),
        ({ID: "d-2"}, 401, "forged"),
        ({TIMESTAMP: str(NOW - 1)}, 401, "forged"),
        ({ID: ""}, 400, "malformed"),
        ({ID: "d 1\nx"}, 400, "malformed"),
        ({ID: "d" * 129}, 400, "malformed"),
        ({TIMESTAMP: ""}, 400, "malformed"),
        ({TIMESTAMP: "soon"}, 400, "malformed"),
        ({TIMESTAMP: "1e9"}, 400, "malformed"),
        ({TIMESTAMP: "١٢٣"}, 400, "malformed"),
        ({TIMESTAMP: "9" * 400}, 400, "malformed"),
    ],
)
def test_what_is_not_right_is_refused(changes: dict[str, str], status: int, state: str) -> None:
    """Every part is signed; nothing of what was sent is in the reason."""
    with pytest.raises(Rejected) as caught:
        verify(SECRET, signed() | changes, BODY, WINDOW)

    assert (caught.value.status, caught.value.state) == (status, state)
    assert SECRET not in caught.value.reason.replace("one webhook secret", "").replace("a secret", "")


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=10_000))
def test_every_changed_byte_is_noticed(body: bytes, place: int) -> None:
    """One bit of the body, anywhere."""
    headers = {ID: "d-1", TIMESTAMP: str(NOW), SIGNATURE: sign(SECRET, "d-1", str(NOW), body + b"x")}
    changed = bytearray(body + b"x")
    changed[place % len(changed)] ^= 1

    with pytest.raises(Rejected, match="forged"):
        verify(SECRET, headers, bytes(changed), WINDOW)
