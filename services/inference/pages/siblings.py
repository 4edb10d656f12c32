"""Totals over all workers of a server: each worker sends its summary and responses to others over a Unix socket.

Each process keeps its own sums and compared responses, but a page must show those of all workers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from services.inference.model import Model
from slipway_interface.logs import LOGGER

SUFFIX = ".sock"
ANSWER_SECONDS = 2.0
"""How long another worker may take; a busy or missing one is left out, and its counts follow with the next page."""

log = logging.getLogger(LOGGER)


class Siblings:
    """The other workers of a server, and this one."""

    def __init__(self, model: Model, folder: Path | None, slot: str) -> None:
        """Use the sockets in a folder; None: there is one worker."""
        self._model, self._folder, self._slot = model, folder, slot
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Start to serve this worker's snapshot."""
        if self._folder is not None:
            path = self._folder / f"{self._slot}{SUFFIX}"
            path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve_snapshot, path)

    async def stop(self) -> None:
        """Stop serving it."""
        if self._server is not None and self._folder is not None:
            self._server.close()
            (self._folder / f"{self._slot}{SUFFIX}").unlink(missing_ok=True)

    async def collect_summary(self) -> dict[str, Any]:
        """Return the sum of all workers' summaries."""
        return merge_summaries([told["summary"] for told in await self._collect()])

    async def collect_answers(self) -> list[dict[str, object]]:
        """Return all workers' responses to compared requests."""
        return [answer for told in await self._collect() for answer in told["answers"]]

    async def _collect(self) -> list[dict[str, Any]]:
        own = self._snapshot()
        if self._folder is None:
            return [own]
        others = [path for path in self._folder.glob(f"*{SUFFIX}") if path.stem != self._slot]
        told = await asyncio.gather(*(_ask_worker(path) for path in others))
        return [own, *(one for one in told if one is not None)]

    def _snapshot(self) -> dict[str, Any]:
        engine = self._model.engine
        warmth = {"warm": engine.warm, "seconds_up": round(engine.seconds_up, 3)}
        return {
            "summary": self._model.summary.snapshot() | warmth,
            "answers": self._model.compared_answers.list_latest(),
        }

    async def _serve_snapshot(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(orjson.dumps(self._snapshot()))
            await writer.drain()
            writer.close()
            await writer.wait_closed()


async def _ask_worker(path: Path) -> dict[str, Any] | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                told: dict[str, Any] = orjson.loads(await reader.read())
            finally:
                writer.close()
    except (OSError, TimeoutError, orjson.JSONDecodeError) as error:
        log.warning("worker %s does not report its counters: %s", path.stem, error or type(error).__name__)
        return None
    return told


def merge_summaries(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sum of summaries, warm if all are. Floats are summed exactly (fsum), or a total could decrease.

    >>> one = {"requests": 1, "rows": 2, "nonfinite": 0, "scores": {"count": 1, "total": 2.0, "squares": 4.0}}
    >>> one |= {"classes": {}, "inputs": {"age": [1, 0]}, "warm": True, "seconds_up": 5.0}
    >>> both = merge_summaries([one, one | {"scores": None, "classes": {"yes": 0.5}}])
    >>> both["requests"], both["rows"], both["scores"]
    (2, 4, {'count': 1, 'total': 2.0, 'squares': 4.0})
    >>> both["classes"], both["inputs"]
    ({'yes': 0.5}, {'age': [2, 0]})
    """
    scores = [one["scores"] for one in summaries if one["scores"] is not None]
    labels = dict.fromkeys(label for one in summaries for label in one["classes"])
    return {
        **{key: sum(one[key] for one in summaries) for key in ("requests", "rows", "nonfinite")},
        "warm": all(one["warm"] for one in summaries),
        "seconds_up": min(one["seconds_up"] for one in summaries),
        "scores": _add_scores(scores) if scores else None,
        "classes": {label: fsum(one["classes"].get(label, 0) for one in summaries) for label in labels},
        "inputs": {
            name: [sum(counts) for counts in zip(*(one["inputs"][name] for one in summaries), strict=True)]
            for name in summaries[0]["inputs"]
        },
    }


def _add_scores(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(one["count"] for one in scores)
    return {"count": count} | {key: fsum(one[key] for one in scores) for key in ("total", "squares")}
