"""Results cached by content, not by run: the same artifact, rows and spec give the same result in any release."""

import hashlib
from collections.abc import Callable
from typing import Any

from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext
from pydantic import BaseModel

import slipway


def by_content(*names: str) -> CacheKeyFnPolicy:
    """Return a policy whose key is the content of the named parameters, Slipway's version and the task's function.

    A function that moves to another module gets other keys: results are pickled, and name the modules of their types.
    """
    return CacheKeyFnPolicy(cache_key_fn=_key(names))


def _key(names: tuple[str, ...]) -> Callable[[TaskRunContext, dict[str, Any]], str]:
    def key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
        step = f"{context.task.fn.__module__}.{context.task.fn.__qualname__}"
        parts = [slipway.__version__, step, *(f"{name}={content(parameters[name])}" for name in names)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return key


def content(value: object) -> str:
    """Return a value's content as text: its digest if it has one."""
    digest = getattr(value, "digest", None)
    if digest is not None:
        return str(digest)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return repr(value)
