"""The state of a pod's model container, in words: why it does not start, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import CONTAINER
from slipway.adapters.kubernetes.readiness import is_ready, parse_unix_seconds

NO_IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
NO_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"})
LOOPING = "CrashLoopBackOff"
OUT_OF_MEMORY = "OOMKilled"
MOST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a container ended the last time."""

    reason: str
    """The kubelet's reason: Error, OOMKilled, Completed."""
    code: int
    at: float
    """Unix seconds; 0: not known."""
    said: str
    """The last line that it wrote; empty: none."""
    times: int
    """How often it ended so far in this pod."""

    @property
    def out_of_memory(self) -> bool:
        """Whether it was ended for the memory that it used."""
        return self.reason == OUT_OF_MEMORY

    def describe_end(self, limit: str = "") -> str:
        """Return it in words.

        >>> End(reason="Error", code=3, at=0, said="no model.onnx", times=2).describe_end()
        'exited with code 3, twice; last line: no model.onnx'
        """
        if self.out_of_memory:
            over = f" of {limit}" if limit else ""
            return f"ended for using more than its memory limit{over} (OOMKilled), {_format_times(self.times)}"
        said = f"; last line: {self.said}" if self.said else ""
        return f"exited with code {self.code}, {_format_times(self.times)}{said}"


def find_last_end(pod: Manifest) -> End | None:
    """Return how the pod's model container ended the last time; None: it never did."""
    status = _find_container_status(pod)
    ended = [(status.get(key) or {}).get("terminated") for key in ("state", "lastState")]
    latest: dict[str, Any] | None = next(filter(None, ended), None)
    if latest is None:
        return None
    return End(
        reason=latest.get("reason", "Error"),
        code=int(latest.get("exitCode", 0)),
        at=parse_unix_seconds(latest.get("finishedAt")),
        said=_read_last_line(latest.get("message", "")),
        times=count_restarts(pod) + (1 if ended[0] else 0),
    )


def count_restarts(pod: Manifest) -> int:
    """Return how often the pod's model container was started again."""
    return int(_find_container_status(pod).get("restartCount", 0))


def describe_start_failure(pod: Manifest) -> str:
    """Describe what prevents the container from ever running as it is; empty: nothing that is known."""
    reason, message = _read_waiting_reason(pod)
    if reason in NO_IMAGE:
        # the runtime repeats the reference at every level; the last one gives the cause
        return f"its image {_read_image(pod)} can't be pulled ({reason}): {_shorten_text(message.rpartition(': ')[2])}"
    if reason in NO_CONTAINER:
        return f"its container can't be made ({reason}): {_shorten_text(message)}"
    ended = find_last_end(pod)
    if ended is not None and (reason == LOOPING or ended.out_of_memory):
        return ended.describe_end(read_memory_limit(pod))
    return ""


def describe_not_ready(pod: Manifest) -> str:
    """Describe why a pod is not ready, whether that is a fault or not."""
    stuck = describe_start_failure(pod)
    if stuck:
        return stuck
    conditions = {one["type"]: one for one in pod.get("status", {}).get("conditions") or []}
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return f"no node takes it ({placed.get('reason', 'Pending')}): {_shorten_text(placed.get('message', ''))}"
    if pod.get("status", {}).get("phase") == "Failed":
        status = pod["status"]
        message = _shorten_text(status.get("message", ""))
        return f"its pod was ended by the cluster ({status.get('reason', 'Failed')}): {message}"
    container = _find_container_status(pod)
    if container.get("ready") and not is_ready(pod):
        return "its node does not answer"
    ended = find_last_end(pod)
    if ended is not None:
        return ended.describe_end(read_memory_limit(pod))
    return "it does not answer its readiness probe" if container.get("started") else "not ready yet"


def read_memory_limit(pod: Manifest) -> str:
    """Return the container's memory limit from its pod; empty: none."""
    limits = (_find_container(pod).get("resources") or {}).get("limits") or {}
    return str(limits.get("memory", ""))


def _find_container_status(pod: Manifest) -> dict[str, Any]:
    statuses: Sequence[dict[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in statuses if one["name"] == CONTAINER), {})


def _find_container(pod: Manifest) -> dict[str, Any]:
    containers: Sequence[dict[str, Any]] = pod.get("spec", {}).get("containers") or []
    return next((one for one in containers if one["name"] == CONTAINER), {})


def _read_image(pod: Manifest) -> str:
    return str(_find_container(pod).get("image", ""))


def _read_waiting_reason(pod: Manifest) -> tuple[str, str]:
    waiting = (_find_container_status(pod).get("state") or {}).get("waiting") or {}
    return str(waiting.get("reason", "")), str(waiting.get("message", ""))


def _read_last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return _shorten_text(lines[-1]) if lines else ""


def _shorten_text(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_WORDS else f"{line[:MOST_WORDS]} ..."


def _format_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
