"""The server around the ASGI functions that are measured: uvicorn on its fast parts, and nothing to collect."""

import gc
from collections.abc import Awaitable, Callable

import uvicorn


def serve(application: Callable[..., Awaitable[None]], port: int) -> None:
    """Serve until told to end."""
    gc.collect()
    gc.freeze()
    uvicorn.run(
        application,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
