"""gRPC's own protocol of health, which Kubernetes' probes and balancing clients ask."""

from asyncio import TimerHandle, get_running_loop
from collections.abc import Collection, Mapping

from services.inference.grpc.call import Calls
from services.inference.grpc.call_head import Head
from services.inference.grpc.methods import Method, unary, written
from services.inference.grpc.multi_message import Several
from services.inference.grpc.statuses import answer_of
from services.inference.http2.session import Session
from services.inference.messages import message, parsed
from services.inference.refusals import SHOWN, BadRequest, Draining, NotFound, Refused
from services.inference.request import Answer

SERVICE = "grpc.health.v1.Health"
LOOK_SECONDS = 0.25
"""How often readiness is looked at for those who watch it."""
HealthCheckRequest = message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message("grpc.health.v1.HealthCheckResponse")
UNKNOWN = "SERVICE_UNKNOWN"


class Health:
    """Tells whether the services of one server are ready: all of them are when the model is."""

    name = "health"

    def __init__(self, calls: Calls, services: Collection[str]) -> None:
        """Know the services by their full names; the empty name stands for the server."""
        self._calls = calls
        self._services = frozenset(["", *services])
        self._watches: set[Watch] = set()
        self._timer: TimerHandle | None = None

    def methods(self) -> Mapping[str, Method]:
        """Return what tells once, and what tells at every change."""
        return {**unary(self, {"Check": self._check}, {}), "Watch": Method(door=self, begin=self._watch)}

    def refused(self, refusal: Refused) -> Answer:
        """Return a refusal's message."""
        return answer_of(refusal)

    def end(self) -> None:
        """Let nobody watch any longer, and leave nobody with an old answer."""
        for watch in list(self._watches):
            watch.tell()
            watch.refuse(Draining("this replica is ending; watch another one"))
        self._watches.clear()

    def status(self, service: str) -> str:
        """Return how a service is."""
        if service not in self._services:
            return UNKNOWN
        return "SERVING" if self._calls.model.ready else "NOT_SERVING"

    def join(self, watch: "Watch") -> None:
        """Tell one who watches now, and at every change."""
        self._watches.add(watch)
        watch.tell()
        if self._timer is None:
            self._timer = get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._watches = {watch for watch in self._watches if not watch.closed}
        self._timer = get_running_loop().call_later(LOOK_SECONDS, self._look) if self._watches else None
        for watch in self._watches:
            watch.tell()

    def _check(self, body: bytes) -> Answer:
        service = parsed(HealthCheckRequest, body).service
        status = self.status(service)
        if status == UNKNOWN:
            expected = ", ".join(sorted(self._services - {""}))
            raise NotFound(f"service: got {service[:SHOWN]!r}, expected {expected}, or none for all")
        return written(HealthCheckResponse(status=status))

    def _watch(self, session: Session, number: int, head: Head) -> "Watch":
        return Watch(session, number, head, self._calls).of(self)


class Watch(Several):
    """A call that hears of a service's health until it ends."""

    __slots__ = ("_health", "_service", "_told")

    def of(self, health: Health) -> "Watch":
        """Watch this; return itself."""
        self._health = health
        self._service: str | None = None
        self._told = ""
        return self

    def takes(self) -> bool:
        """One message, which says what is watched."""
        return self._service is None

    def took(self, message: bytes) -> None:
        """Begin with the service that it names."""
        try:
            self._service = parsed(HealthCheckRequest, message).service
        except Refused as refusal:
            self.refuse(refusal)
        else:
            self._health.join(self)

    def read_all(self) -> None:
        """Refuse a call without a message; others go on."""
        if self._service is None:
            self.refuse(BadRequest("message: got none, expected one"))

    def tell(self) -> None:
        """Tell how the service is, if it has changed."""
        status = self._health.status(self._service or "")
        if status != self._told:
            self._told = status
            self.write(HealthCheckResponse(status=status).SerializeToString())
