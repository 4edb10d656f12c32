"""The gRPC door of the small real service: any method, one message in, one out; bodies say what becomes of them."""

import asyncio
import threading
from collections import deque
from typing import Any

import grpc  # type: ignore[import-untyped]
from grpc import aio
from service import status_of, words_for  # type: ignore[import-not-found]  # beside this file

NAMES = {code.value[0]: code for code in grpc.StatusCode}


class Everything(grpc.GenericRpcHandler):
    """Answers every method."""

    def __init__(self, name: str, answers: "deque[dict[str, Any]]") -> None:
        """Answer as the revision `name`; answers that are to be compared are kept with the others."""
        self.name, self.answers = name, answers

    def service(self, _: object) -> grpc.RpcMethodHandler:
        """Take it."""
        return grpc.unary_unary_rpc_method_handler(self.answer)

    async def answer(self, body: bytes, context: Any) -> bytes:  # noqa: ANN401 - grpcio has no types
        """Do what the body says, and echo who answered; `status N` is gRPC's status N, and nothing before it."""
        words = words_for(self.name, body)
        headers = dict(context.invocation_metadata())
        status = await asyncio.to_thread(status_of, words)
        if headers.get("x-slipway-compare") == "1":
            kept = {
                "request_id": headers["x-request-id"],
                "status": 200 if status == 200 else 500,
                "values": [self.name],
            }
            self.answers.append(kept)
        said = (("x-slipway-revision", self.name),)
        if words[0] == "cut":
            await context.write(self.name.encode())
            await asyncio.Event().wait()
        if status == 200:
            context.set_trailing_metadata(said)
            return self.name.encode()
        more = (("grpc-retry-pushback-ms", "1000"),) if "later" in words else ()
        await context.abort(NAMES.get(status, grpc.StatusCode.INTERNAL), "as asked", (*said, *more))
        return b""


def begin(name: str, address: str, answers: "deque[dict[str, Any]]") -> None:
    """Serve in a thread of its own."""
    threading.Thread(target=lambda: asyncio.run(_serve(name, address, answers)), daemon=True).start()


async def _serve(name: str, address: str, answers: "deque[dict[str, Any]]") -> None:
    server = aio.server()
    server.add_generic_rpc_handlers((Everything(name, answers),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()
