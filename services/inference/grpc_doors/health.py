"""gRPC's own protocol of health, which Kubernetes' probes and balancing clients ask."""

import asyncio
from collections.abc import Collection

from services.inference.grpc_doors.asking import Asking, Context, Rpc
from services.inference.messages import Message, message, parsed
from services.inference.model import Model
from services.inference.refusals import SHOWN, Draining, NotFound, Refused

SERVICE = "grpc.health.v1.Health"
LOOK_SECONDS = 0.25
"""How often readiness is looked at for those who watch it."""
HealthCheckRequest = message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message("grpc.health.v1.HealthCheckResponse")


class Health:
    """Tells whether the services of one server are ready: all of them are when the model is."""

    def __init__(self, asking: Asking, services: Collection[str]) -> None:
        """Know the services by their full names; the empty name stands for the server."""
        self._asking = asking
        self._model: Model = asking.model
        self._services = frozenset(["", *services])
        self._over = asyncio.Event()

    def check(self) -> Rpc:
        """Return the RPC that tells once."""
        return self._asking.telling(self._check)

    def end(self) -> None:
        """Let nobody watch any longer."""
        self._over.set()

    async def watch(self, body: bytes, context: Context) -> None:
        """Tell now, and at every change."""
        self._asking.begin(context)
        try:
            service = parsed(HealthCheckRequest, body).service
        except Refused as refusal:
            self._asking.refuse(context, refusal)
            return
        told = None
        over = False
        while not over:
            over = self._over.is_set()  # before the last look: nobody is left with an old answer
            status = self._status() if service in self._services else "SERVICE_UNKNOWN"
            if status != told:
                await context.write(HealthCheckResponse(status=status).SerializeToString())
                told = status
            try:
                await asyncio.wait_for(self._over.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
        self._asking.refuse(context, Draining("this replica is ending; watch another one"))

    def _check(self, body: bytes) -> Message:
        service = parsed(HealthCheckRequest, body).service
        if service not in self._services:
            expected = ", ".join(sorted(self._services - {""}))
            raise NotFound(f"service: got {service[:SHOWN]!r}, expected {expected}, or none for all")
        return HealthCheckResponse(status=self._status())

    def _status(self) -> str:
        return "SERVING" if self._model.ready else "NOT_SERVING"
