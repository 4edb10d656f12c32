"""Labels, annotations and names of Slipway's objects. Selectors use `slipway.dev/*` only: the others are for people."""

from collections.abc import Mapping

from slipway.domain.rollout.revision import Revision

MODEL, REVISION = "slipway.dev/model", "slipway.dev/revision"
PACKAGE = "slipway.dev/package"
"""Digest of the package that a Deployment's pods serve: distinguishes an old template's pods from the new one's."""
APPLY_COMPLETE = "slipway.dev/whole"
"""On a Deployment whose Service, budget and autoscaler were applied too: if it is missing, an earlier start was
interrupted; start it again."""
MINIMUM, MAXIMUM = "slipway.dev/minimum", "slipway.dev/maximum"
"""On an autoscaler: the bounds at rest. The live ones are moved while traffic moves."""
FIXED = "slipway.dev/fixed"
"""On an autoscaler whose bounds are one number, because shares follow from it: there is no range."""
TRAFFIC = "slipway.dev/traffic"
"""The traffic that was requested, as JSON: weights don't show the roles."""
CONTAINER = "model"
PORT, PORT_NAME = 3000, "http"
GRPC_PORT, GRPC_NAME = 3001, "grpc"


def make_model_labels(model: str) -> dict[str, str]:
    """Return the labels of objects that a model has once."""
    return {
        "app.kubernetes.io/name": model,
        "app.kubernetes.io/component": "inference",
        "app.kubernetes.io/managed-by": "slipway",
        MODEL: model,
    }


def make_revision_labels(revision: Revision) -> dict[str, str]:
    """Return the labels of objects that each revision has."""
    return {
        **make_model_labels(revision.model),
        "app.kubernetes.io/instance": revision.name,
        "app.kubernetes.io/version": str(revision.version),
        REVISION: revision.name,
    }


def select_model(model: str) -> str:
    """Return the selector of everything of a model.

    >>> select_model("digits")
    'app.kubernetes.io/managed-by=slipway,slipway.dev/model=digits'
    """
    return format_selector({"app.kubernetes.io/managed-by": "slipway", MODEL: model})


def format_selector(labels: Mapping[str, str]) -> str:
    """Return labels in the form of the API server."""
    return ",".join(f"{key}={value}" for key, value in labels.items())
