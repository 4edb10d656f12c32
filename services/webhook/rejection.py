"""Why a request goes no further."""


class Rejected(Exception):
    """A request that is answered with a status and a reason, and does nothing."""

    def __init__(self, status: int, state: str, reason: str) -> None:
        """`state` is one word for the answer and the log; the reason holds nothing that was sent."""
        self.status, self.state, self.reason = status, state, reason
        super().__init__(f"{status} {state}: {reason}")
