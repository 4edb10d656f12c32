"""gRPC's health protocol, which Kubernetes' probes and load balancing clients use."""

from asyncio import TimerHandle, get_running_loop
from collections.abc import Collection, Mapping

from services.inference.grpc.call import CallLimits
from services.inference.grpc.call_head import CallHead
from services.inference.grpc.methods import GrpcMethod, make_unary_methods, write_message
from services.inference.grpc.multi_message import MultiMessageCall
from services.inference.grpc.statuses import make_refusal
from services.inference.http2.session import Session
from services.inference.messages import get_message_class, parse_message
from services.inference.refusals import SHOWN, BadRequest, Draining, Refused, ResourceNotFound
from services.inference.request import Response

SERVICE = "grpc.health.v1.Health"
POLL_SECONDS = 0.25
"""How often readiness is polled for watching clients."""
HealthCheckRequest = get_message_class("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = get_message_class("grpc.health.v1.HealthCheckResponse")
UNKNOWN = "SERVICE_UNKNOWN"


class HealthService:
    """Reports whether the services of one server are ready: all are if the model is."""

    name = "health"

    def __init__(self, calls: CallLimits, services: Collection[str]) -> None:
        """Use these full names of services; the empty name stands for the server."""
        self._calls = calls
        self._services = frozenset(["", *services])
        self._watches: set[HealthWatch] = set()
        self._timer: TimerHandle | None = None

    def list_methods(self) -> Mapping[str, GrpcMethod]:
        """Return Check, which reports once, and Watch, which reports every change."""
        return {
            **make_unary_methods(self, {"Check": self._answer_check}, {}),
            "Watch": GrpcMethod(protocol=self, open_call=self._open_watch),
        }

    def write_refusal(self, refusal: Refused) -> Response:
        """Return a refusal's message."""
        return make_refusal(refusal)

    def stop_watches(self) -> None:
        """End all watches, each after its last status."""
        for watch in list(self._watches):
            watch.report()
            watch.refuse(Draining("this replica is ending; watch another one"))
        self._watches.clear()

    def get_status(self, service: str) -> str:
        """Return a service's status."""
        if service not in self._services:
            return UNKNOWN
        return "SERVING" if self._calls.model.ready else "NOT_SERVING"

    def add_watch(self, watch: "HealthWatch") -> None:
        """Report to a watch now and at every change."""
        self._watches.add(watch)
        watch.report()
        if self._timer is None:
            self._timer = get_running_loop().call_later(POLL_SECONDS, self._poll)

    def _poll(self) -> None:
        self._watches = {watch for watch in self._watches if not watch.closed}
        self._timer = get_running_loop().call_later(POLL_SECONDS, self._poll) if self._watches else None
        for watch in self._watches:
            watch.report()

    def _answer_check(self, body: bytes) -> Response:
        service = parse_message(HealthCheckRequest, body).service
        status = self.get_status(service)
        if status == UNKNOWN:
            expected = ", ".join(sorted(self._services - {""}))
            raise ResourceNotFound(f"service: got {service[:SHOWN]!r}, expected {expected}, or none for all")
        return write_message(HealthCheckResponse(status=status))

    def _open_watch(self, session: Session, number: int, head: CallHead) -> "HealthWatch":
        return HealthWatch(session, number, head, self._calls).attach(self)


class HealthWatch(MultiMessageCall):
    """A call that reports a service's health until it ends."""

    __slots__ = ("_health", "_reported", "_service")

    def attach(self, health: HealthService) -> "HealthWatch":
        """Report the health of these services; return the call."""
        self._health = health
        self._service: str | None = None
        self._reported = ""
        return self

    def wants_message(self) -> bool:
        """Return whether the call's one message is still to come: it names the service."""
        return self._service is None

    def on_message(self, message: bytes) -> None:
        """Start to report the service that the message names."""
        try:
            self._service = parse_message(HealthCheckRequest, message).service
        except Refused as refusal:
            self.refuse(refusal)
        else:
            self._health.add_watch(self)

    def on_messages_end(self) -> None:
        """Refuse a call without a message; others continue."""
        if self._service is None:
            self.refuse(BadRequest("message: got none, expected one"))

    def report(self) -> None:
        """Report the service's status if it has changed."""
        status = self._health.get_status(self._service or "")
        if status != self._reported:
            self._reported = status
            self.send_message(HealthCheckResponse(status=status).SerializeToString())
