"""Rejection of a request, with its reason."""


class Rejected(Exception):
    """A request that is answered with a status and a reason, and does nothing."""

    def __init__(self, status: int, state: str, reason: str) -> None:
        """`state` is one word for the answer and the log; the reason quotes nothing of the request."""
        self.status, self.state, self.reason = status, state, reason
        super().__init__(f"{status} {state}: {reason}")
