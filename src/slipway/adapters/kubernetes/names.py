"""Labels, annotations and names of Slipway's objects. Selectors use `slipway.dev/*` only: the others are for people."""

from collections.abc import Mapping
from enum import StrEnum

from slipway.domain.rollout.revision import Revision


class Key(StrEnum):
    """Labels and annotations of Slipway's objects, all that are written or read."""

    MODEL = "slipway.dev/model"
    REVISION = "slipway.dev/revision"
    PACKAGE = "slipway.dev/package"
    """Digest of the package that a Deployment's pods serve: distinguishes an old template's pods from the new one's."""
    APPLY_COMPLETE = "slipway.dev/whole"
    """On a Deployment whose Service, budget and autoscaler were applied too: if it is missing, an earlier start was
    interrupted; start it again."""
    MINIMUM = "slipway.dev/minimum"
    MAXIMUM = "slipway.dev/maximum"
    """On an autoscaler: the bounds at rest. The live ones are moved while traffic moves."""
    FIXED = "slipway.dev/fixed"
    """On an autoscaler whose bounds are one number, because shares follow from it: there is no range."""
    TRAFFIC = "slipway.dev/traffic"
    """On a route: the traffic that was requested, as JSON: weights don't show the roles."""
    PHASE = "slipway.dev/phase"
    VERSION = "slipway.dev/version"
    WEIGHT = "slipway.dev/weight"
    """On a status, for people."""
    FENCE = "slipway.dev/fence"
    """On a status: the newest lease, TOKEN/HOLDER: a write under an older one is refused."""
    SUPERSEDED_BY = "slipway.dev/superseded-by"
    SECONDS = "slipway.dev/seconds"
    """On a lease: its exact duration; the Lease's own field takes whole seconds."""
    FORMAT = "slipway.dev/format"
    """On a lease: the format number of our annotations; without it: 1."""


CONTAINER = "model"
PORT, PORT_NAME = 3000, "http"
GRPC_PORT, GRPC_NAME = 3001, "grpc"


def make_model_labels(model: str) -> dict[str, str]:
    """Return the labels of objects that a model has once."""
    return {
        "app.kubernetes.io/name": model,
        "app.kubernetes.io/component": "inference",
        "app.kubernetes.io/managed-by": "slipway",
        Key.MODEL: model,
    }


def make_revision_labels(revision: Revision) -> dict[str, str]:
    """Return the labels of objects that each revision has."""
    return {
        **make_model_labels(revision.model),
        "app.kubernetes.io/instance": revision.name,
        "app.kubernetes.io/version": str(revision.version),
        Key.REVISION: revision.name,
    }


def select_model(model: str) -> str:
    """Return the selector of everything of a model.

    >>> select_model("digits")
    'app.kubernetes.io/managed-by=slipway,slipway.dev/model=digits'
    """
    return format_selector({"app.kubernetes.io/managed-by": "slipway", Key.MODEL: model})


def format_selector(labels: Mapping[str, str]) -> str:
    """Return labels in the form of the API server."""
    return ",".join(f"{key}={value}" for key, value in labels.items())
