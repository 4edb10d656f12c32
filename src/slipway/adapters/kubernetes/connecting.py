"""How a cluster is reached: a kubeconfig, or the account of the pod that this process runs in."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import SettingsError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def open_api(context: str = "") -> "tuple[ApiClient, str]":
    """Return a client, and the namespace that its context or pod names; `default` if neither does.

    A named context is one of the kubeconfig's; without one the kubeconfig has precedence over the pod's account, as
    with kubectl.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from yaml import YAMLError

    configuration = Configuration()
    try:
        if context or _has_kubeconfig() or not os.environ.get("KUBERNETES_SERVICE_HOST"):
            namespace = _load_kubeconfig(configuration, context)
        else:
            namespace = _load_pod_account(configuration)
    except ConfigException as error:
        raise _make_unusable_error(str(error)) from error
    except (YAMLError, OSError, LookupError, TypeError, ValueError) as error:
        # a parser's message would show the faulty line, which may hold a token
        raise _make_unusable_error(f"it can't be read ({type(error).__name__})") from None
    # reads are retried here, with a bound and a count; the client's own retries would repeat writes as well
    configuration.retries = False
    return ApiClient(configuration), namespace or "default"


def _find_kubeconfig() -> str:
    """Return the kubeconfig's files, as kubectl finds them; the client reads that only once, when imported."""
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def _has_kubeconfig() -> bool:
    return any(Path(part).is_file() for part in _find_kubeconfig().split(os.pathsep) if part)


def _load_kubeconfig(configuration: "Configuration", context: str) -> str:
    from kubernetes.config import list_kube_config_contexts, load_kube_config

    # refreshed tokens are kept in this process: the user's file is not changed
    load: Any = load_kube_config
    contexts_of: Any = list_kube_config_contexts
    file = _find_kubeconfig()
    load(file, context=context or None, client_configuration=configuration, persist_config=False)
    contexts, active = contexts_of(file)
    chosen: Any = next((one for one in contexts if one["name"] == context), active)
    return str(chosen["context"].get("namespace") or "")


def _load_pod_account(configuration: "Configuration") -> str:
    from kubernetes.config import load_incluster_config

    load: Any = load_incluster_config
    load(client_configuration=configuration)
    return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.is_file() else ""


def _make_unusable_error(seen: str) -> SettingsError:
    return SettingsError(
        "connection to the cluster",
        seen=seen,
        expected="a kubeconfig with that context, or a pod's service account",
        do="set KUBECONFIG and SLIPWAY_KUBE_CONTEXT (`kubectl config get-contexts` lists them)",
    )
