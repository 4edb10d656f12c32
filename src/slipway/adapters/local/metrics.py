"""Counters per revision, as Envoy keeps them, and the answers that revisions keep while a shadow looks on."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from slipway.adapters.local import loopback
from slipway.adapters.local.envoy import Envoy
from slipway.adapters.local.records import Records
from slipway.domain.counters import Counters
from slipway.domain.shadow import Answer
from slipway.errors import MetricsUnavailable, TargetUnavailable

_ANSWERS = TypeAdapter(dict[str, list[Answer]])


class EnvoyMetrics:
    """Reads Envoy's admin port and the revisions' own pages.

    Envoy counts a request once, by the answer its client got: 503 where the revision refused or broke the connection,
    504 where it took too long. A retry is not counted apart. An answer that breaks off after its first line counts
    by that line.
    """

    def __init__(self, home: Path, admin_port: int, host: str) -> None:
        """Look at nothing yet; `home` is the local target's."""
        self._envoy = Envoy(home / "envoy", host=host, front_door_port=0, admin_port=admin_port)
        self._records, self._host = Records(home), host

    def counters(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return cumulative counters of live requests; see the port."""
        names = "|".join(map(re.escape, revisions))
        pattern = rf"cluster\.({names})\.(upstream_rq_total|upstream_rq_completed|upstream_rq_5xx)"
        try:
            seen = self._envoy.counted(pattern)
        except TargetUnavailable as error:
            raise MetricsUnavailable(
                f"counters of {model}", seen=error.seen, expected=error.expected, do=error.do
            ) from error
        # the total is there from the beginning, the other two from the first answer on
        known = [name for name in revisions if f"cluster.{name}.upstream_rq_total" in seen]
        return {name: _counters(seen, name) for name in known}

    def answers(self, model: str, revision: str) -> list[Answer]:
        """Return the revision's recent answers to copied requests; see the port."""
        record = self._records.of(model).get(revision)
        if record is None:
            raise _no_answers(revision, "the target has no such revision")
        try:
            body = loopback.get_json(self._host, record.port, "/slipway/answers")
            return _ANSWERS.validate_python(body)["answers"]
        except (loopback.NoAnswer, ValidationError, KeyError) as error:
            raise _no_answers(revision, str(error)) from error


def _no_answers(revision: str, seen: str) -> MetricsUnavailable:
    return MetricsUnavailable(
        f"answers of {revision}",
        seen=seen,
        expected="the revision's list of answers",
        do="look at the revision's health with `slipway status`",
    )


def _counters(seen: dict[str, int], name: str) -> Counters:
    errors = seen.get(f"cluster.{name}.upstream_rq_5xx", 0)
    # both are read one after the other while requests go on: an error may be seen before its request
    requests = max(errors, seen.get(f"cluster.{name}.upstream_rq_completed", 0))
    return Counters(requests=requests, errors=errors)
