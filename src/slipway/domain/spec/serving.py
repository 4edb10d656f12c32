"""How a model's revisions run: what every target has, and one model for each platform, chosen by `platform`."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from slipway.domain.spec.document import Document, PositiveSeconds, Seconds
from slipway_interface import environment as variables

LARGEST_GRACE = 300
Label = Annotated[str, Field(min_length=1, max_length=253)]


class ReplicasSpec(Document):
    """How many replicas a revision has: the cluster's autoscaler decides, within these bounds and by these signals."""

    minimum: Annotated[int, Field(ge=1, le=1000)] = 1
    """Fewest replicas at rest; while traffic moves the floor is raised to what the load needs."""
    maximum: Annotated[int, Field(ge=1, le=1000)] = 10
    """Most replicas of one revision."""
    in_flight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 4.0
    """Requests at work in one replica, averaged over 20 s, that it carries well; null: not looked at."""
    cpu_percent: Annotated[int, Field(ge=1, le=1000)] | None = None
    """CPU used, in percent of what a replica requests; null: only where in_flight can't be had (then 70)."""
    memory_percent: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Memory used, in percent of what a replica requests; null: not looked at."""
    scale_down_seconds: Seconds = 300
    """How long fewer replicas must have been enough before any goes."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.minimum > self.maximum:
            message = f"minimum {self.minimum} is over maximum {self.maximum}; give the autoscaler a range"
            raise ValueError(message)
        if self.in_flight is None and self.cpu_percent is None and self.memory_percent is None:
            message = "no signal to scale by: give in_flight, cpu_percent or memory_percent"
            raise ValueError(message)
        return self


class GpuSpec(Document):
    """Accelerators of one replica."""

    count: Annotated[int, Field(ge=1, le=16)] = 1
    """How many."""
    resource: Label = "nvidia.com/gpu"
    """The cluster's name for them."""
    allow_cpu: bool = False
    """Whether a replica may serve on the CPU when ONNX Runtime can't use the device; false: it never becomes ready."""


class Toleration(Document):
    """A taint of nodes that replicas bear."""

    key: Label
    """The taint's key."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Equal compares the value too."""
    value: str = ""
    """With operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Null: every effect."""


class EvidenceSpec(Document):
    """PromQL of your own, where no preset fits the gateway: instant queries over counters.

    `$namespace`, `$model`, `$revision` and `$service` are filled in for each revision (`$service` is its Service).
    """

    requests: str
    """Requests meant for the revision, cumulative: one number."""
    errors: str
    """Those of them that failed, cumulative: one number."""
    refused: str | None = None
    """Those that the revision refused (4xx but 401, 403, 407, 408, 429, 499), cumulative: one number; null: as its pods
    count them."""
    shed: str | None = None
    """Those that it shed (429, 503 with retry-after), cumulative: one number; null: as its pods count them."""
    latency_buckets: str | None = None
    """Cumulative histogram: one number per `le`, in seconds; null: the revision's own."""

    @model_validator(mode="after")
    def _names_the_revision(self) -> Self:
        for key in ("requests", "errors", "refused", "shed", "latency_buckets"):
            query = getattr(self, key)
            if query is not None and "$revision" not in query and "$service" not in query:
                message = f"{key} is the same for every revision: use $revision or $service in it"
                raise ValueError(message)
        return self


class ServingSpec(Document):
    """What every target has: what requests are kept, and how requests and models share its processes."""

    objective_milliseconds: Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False)] | None = None
    """Within so long every answer has to be given: a request that can't be is refused, and none else; null: by its
    client's deadline, and more than can be answered for long is refused soon."""
    model_processes: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most processes of one replica that run a model through MLflow; null: one per core, one with a GPU."""
    capture_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    """Share of the requests whose rows and predictions are written to the revision's log, and sent to the next version
    before it is released; 0: none, as people's data may be in them."""

    @property
    def on_gpu(self) -> bool:
        """Whether images need the libraries of a GPU."""
        return False

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the service's processes on any platform.

        >>> ServingSpec(capture_share=0.01).environment, ServingSpec().environment
        ({'SLIPWAY_CAPTURE': '0.01'}, {})
        >>> ServingSpec(objective_milliseconds=250, model_processes=2).environment
        {'SLIPWAY_OBJECTIVE_MILLISECONDS': '250', 'SLIPWAY_MODEL_PROCESSES': '2'}
        """
        said = {
            variables.CAPTURE: f"{self.capture_share:g}" if self.capture_share else "",
            variables.OBJECTIVE: f"{self.objective_milliseconds or 0:g}",
            variables.MODEL_PROCESSES: str(self.model_processes or ""),
        }
        return {name: value for name, value in said.items() if value not in {"", "0"}}


class LocalServingSpec(ServingSpec):
    """How revisions run as processes of one machine: nothing beside what every target has."""

    platform: Literal["local"]
    """This machine."""


class KubernetesServingSpec(ServingSpec):
    """How revisions run on a cluster: replicas, resources and devices."""

    platform: Literal["kubernetes"] = "kubernetes"
    """A cluster. Left out, it is this one."""
    replicas: ReplicasSpec = ReplicasSpec()
    """How many, and by which signals."""
    cpu: Annotated[float, Field(gt=0, le=256)] = 1.0
    """Cores that a replica requests."""
    cpu_limit: Annotated[float, Field(gt=0, le=256)] | None = None
    """Cores that it may use; null: what the node has to spare."""
    memory_mebibytes: Annotated[int, Field(ge=64)] = 1024
    """Memory that a replica requests, and is ended above; rehearsal.memory_limit_mebibytes takes its place if given."""
    gpu: GpuSpec | None = None
    """Accelerators; null: none."""
    node_selector: dict[str, str] = Field(default={})
    """Labels of the nodes that replicas may run on."""
    tolerations: list[Toleration] = Field(default=[])
    """Taints that replicas bear."""
    grace_seconds: Annotated[PositiveSeconds, Field(le=LARGEST_GRACE)] = 30
    """How long a replica that stops may take for the requests it has."""
    evidence: EvidenceSpec | None = None
    """Queries of your own; null: the cluster's preset (`slipway doctor` names it)."""

    @property
    def on_gpu(self) -> bool:
        """Whether images need the libraries of a GPU."""
        return self.gpu is not None

    @model_validator(mode="after")
    def _limit_is_over_the_request(self) -> Self:
        if self.cpu_limit is not None and self.cpu_limit < self.cpu:
            message = f"cpu_limit {self.cpu_limit:g} is under cpu {self.cpu:g}; give at least as much, or leave it out"
            raise ValueError(message)
        return self


def _find_platform(value: object) -> object:
    """Return the tag of a document or of a value; a document without one is Kubernetes', as all were before tags."""
    return value.get("platform", "kubernetes") if isinstance(value, dict) else getattr(value, "platform", None)


Serving = Annotated[
    Annotated[KubernetesServingSpec, Tag("kubernetes")] | Annotated[LocalServingSpec, Tag("local")],
    Discriminator(_find_platform),
]
"""`serving` of a release spec."""


def adapt_to_kubernetes(serving: ServingSpec) -> KubernetesServingSpec:
    """Return how revisions run on a cluster; settings of other platforms are left out.

    >>> adapt_to_kubernetes(LocalServingSpec(platform="local", capture_share=0.5)).capture_share
    0.5
    """
    if isinstance(serving, KubernetesServingSpec):
        return serving
    return KubernetesServingSpec(**{name: getattr(serving, name) for name in ServingSpec.model_fields})
