"""Has an engine run rows as an exchange does, and waits for the result."""

import asyncio

from services.inference.refusals import Refused
from services.inference.request import Outputs
from services.inference.rows import Rows
from services.inference.runtime.engine import Engine


async def predict(engine: Engine, rows: Rows, deadline: float) -> Outputs:
    """Return the model's outputs for these rows; raise Overloaded, Draining, TooLate or ModelFailed."""
    engine.admit(deadline)
    came: asyncio.Future[Outputs | Refused] = asyncio.get_running_loop().create_future()
    waiting = engine.submit(rows, deadline, lambda result: None if came.done() else came.set_result(result))
    try:
        result = await came
    except asyncio.CancelledError:
        waiting.deliver = None  # a request whose client has gone is not run
        raise
    if isinstance(result, Refused):
        raise result
    return result
