"""A request that waits for its run, and a run with the requests in it."""

from collections.abc import Callable
from dataclasses import dataclass

from services.inference.refusals import Refused
from services.inference.request import Outputs
from services.inference.runtime.model_runtime import Feeds

Deliver = Callable[[Outputs | Refused], None]
"""Takes what became of a request; called once, on the event loop."""


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request that is not run yet."""

    feeds: Feeds
    rows: int
    since: float
    deadline: float
    deliver: Deliver | None
    """Takes the result; None: it was told already."""

    def finish(self, result: Outputs | Refused) -> None:
        """Tell the result, once."""
        tell, self.deliver = self.deliver, None
        if tell is not None:
            tell(result)


@dataclass(slots=True, eq=False)
class RunningBatch:
    """What is run beside the event loop."""

    batch: list[QueuedRequest]
    rows: int
    began: float
