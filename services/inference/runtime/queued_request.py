"""A request that waits for its run, and a batch that is being run."""

from collections.abc import Callable
from dataclasses import dataclass

from services.inference.refusals import Refused
from services.inference.request import Outputs
from services.inference.runtime.model_runtime import Feeds

Deliver = Callable[[Outputs | Refused], None]
"""Takes the result of a request; called once, on the event loop."""


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request that waits, or is being run."""

    feeds: Feeds
    rows: int
    since: float
    deadline: float
    deliver: Deliver | None
    """Takes the result; None: it was delivered, or the client has gone."""

    def finish(self, result: Outputs | Refused) -> None:
        """Deliver the result, once."""
        tell, self.deliver = self.deliver, None
        if tell is not None:
            tell(result)


@dataclass(slots=True, eq=False)
class RunningBatch:
    """A batch that is run in the background."""

    batch: list[QueuedRequest]
    rows: int
    began: float
