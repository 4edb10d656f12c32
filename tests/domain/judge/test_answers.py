"""What an answer can be: every status of every protocol has one kind."""

import http

import grpc
import pytest

from slipway.domain.judge.answers import GRPC_KINDS, AnswerKind, kind_of_grpc, kind_of_http

RIGHT, REFUSED, SHED, FAILED, ELSEWHERE = AnswerKind


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((200, 201, 204, 206), RIGHT),
        ((301, 304, 400, 404, 405, 409, 413, 415, 418, 422), REFUSED),
        ((429,), SHED),
        ((0, 500, 502, 503, 504, 599), FAILED),
        ((401, 403, 407, 408, 499), ELSEWHERE),
    ],
)
def test_http_statuses(statuses: tuple[int, ...], kind: AnswerKind) -> None:
    """By class, and by name where a class holds several kinds."""
    assert {kind_of_http(status) for status in statuses} == {kind}


def test_every_http_status_that_has_a_name_has_a_kind() -> None:
    """None raises, and only 2xx are right."""
    right = [status.value for status in http.HTTPStatus if kind_of_http(status.value) is RIGHT]

    assert right == [status.value for status in http.HTTPStatus if status.value // 100 == 2]


def test_a_refusal_that_says_when_to_come_again_is_shed() -> None:
    """A replica that ends is no failure of the model."""
    assert (kind_of_http(503), kind_of_http(503, retry_after=True)) == (FAILED, SHED)
    assert (kind_of_grpc("UNAVAILABLE"), kind_of_grpc("UNAVAILABLE", pushback=True)) == (FAILED, SHED)


def test_every_grpc_status_has_a_kind_by_name_and_number() -> None:
    """The numbers are gRPC's own."""
    known = {code.name: code.value[0] for code in grpc.StatusCode}

    assert list(GRPC_KINDS) == sorted(known, key=known.__getitem__)
    assert all(kind_of_grpc(name) is kind_of_grpc(number) for name, number in known.items())


@pytest.mark.parametrize("status", [-1, 17, 1000, "", "NO_SUCH"])
def test_a_grpc_status_that_is_none_is_a_failure(status: int | str) -> None:
    """As gRPC's own clients see it: UNKNOWN."""
    assert kind_of_grpc(status) is FAILED


def test_what_is_bad_gave_the_client_nothing() -> None:
    """Somebody else's doing is neither good nor bad."""
    assert [kind for kind in AnswerKind if kind.bad] == [REFUSED, SHED, FAILED]
