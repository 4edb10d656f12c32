"""The release spec's JSON schema: for completion in editors, and for the allowed values in our own messages."""

import json
from functools import lru_cache
from typing import Any

from slipway.adapters.onnx.passes import list_passes
from slipway.domain.spec.release import ReleaseSpec
from slipway.specs.problem import Key

ID = "release-spec.schema.json"
TAG = "platform"
"""The key that selects the model of `serving`."""


@lru_cache(maxsize=1)
def make_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a release spec; treat it as read-only."""
    body = _add_passes(ReleaseSpec.model_json_schema())
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, "title": "Slipway release spec"}
    return title | {name: value for name, value in body.items() if name != "title"}


def _add_passes(body: dict[str, Any]) -> dict[str, Any]:
    """List the existing passes: the domain checks only the form of a name."""
    variants = body["$defs"]["OptimizationSpec"]["properties"]["variants"]
    variants["items"] = {"enum": list(list_passes()), "type": "string"}
    return body


def format_schema() -> str:
    """Return the schema as the text of deployments/release-spec.schema.json."""
    return json.dumps(make_schema(), indent=2) + "\n"


def find_schema(key: Key) -> dict[str, Any]:
    """Return the schema of the value at a key path; empty if there is none. Of a choice with null: the other."""
    here = make_schema()
    for part in key:
        branches = _find_branches(here)
        here = (
            branches[part]
            if isinstance(part, str) and part in branches
            else _step_into(_resolve_references(here), part)
        )
    return _resolve_references(here)


def remove_tags(key: Key) -> Key:
    """Return a key path as in the document: pydantic adds the tag of a union after the union's key.

    >>> remove_tags(("serving", "kubernetes", "gpu", "count"))
    ('serving', 'gpu', 'count')
    """
    here, kept = make_schema(), list[str | int]()
    for part in key:
        branches = _find_branches(here)
        if isinstance(part, str) and part in branches:
            here = branches[part]
        else:
            here = _step_into(_resolve_references(here), part)
            kept.append(part)
    return tuple(kept)


def _step_into(of: dict[str, Any], part: str | int) -> dict[str, Any]:
    found: dict[str, Any] = of.get("items", {}) if isinstance(part, int) else of.get("properties", {}).get(part, {})
    return found


def _find_branches(of: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the branches of a tagged union by tag; nothing for any other schema."""
    branches = [_resolve_references(branch) for branch in of.get("oneOf", [])]
    return {branch["properties"][TAG]["const"]: branch for branch in branches}


def _merge_branches(branches: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one object with the keys of all branches, for a document whose tag is not known."""
    keys = {name: value for branch in branches.values() for name, value in branch["properties"].items()}
    return {"type": "object", "properties": keys | {TAG: {"type": "string", "enum": list(branches)}}}


def list_keys(key: Key) -> list[str]:
    """Return the allowed keys at a path.

    >>> list_keys(("rollout", "steps", 0))
    ['weight_percent', 'duration_seconds', 'at_least_seconds']
    """
    return list(find_schema(key).get("properties", {}))


def find_places(name: str) -> list[Key]:
    """Return where a key is allowed, the shortest path first.

    >>> find_places("steps")
    [('rollout', 'steps')]
    """
    return sorted((path for path in _list_paths(()) if path[-1] == name), key=len)


def describe_allowed(of: dict[str, Any]) -> str:
    """Describe what a schema allows.

    >>> describe_allowed({"type": "number", "exclusiveMinimum": 0})
    'a number over 0'
    >>> describe_allowed({"type": "integer", "minimum": 1, "maximum": 100})
    'a whole number from 1 to 100'
    """
    of, null = _resolve_references(of), " or null" if _is_nullable(of) else ""
    return _describe_type(of) + null


def _describe_type(of: dict[str, Any]) -> str:
    if "enum" in of:
        return "one of " + ", ".join(str(word) for word in of["enum"])
    name = "lower case letters, digits and dashes (at most 40)"  # the only pattern of a spec
    texts = {"string": name if "pattern" in of else "text", "boolean": "true or false"}
    texts |= {"integer": f"a whole number{_describe_bounds(of)}", "number": f"a number{_describe_bounds(of)}"}
    texts |= {"object": "keys and values: " + ", ".join(of.get("properties", {})), "array": _describe_list(of)}
    return texts.get(of.get("type", ""), "text, a number, true or false")


def _describe_list(of: dict[str, Any]) -> str:
    at_least = f", at least {of['minItems']}" if "minItems" in of else ""
    return (
        f"a list{at_least}; each item {_describe_type(_resolve_references(of['items']))}" if "items" in of else "a list"
    )


def _describe_bounds(of: dict[str, Any]) -> str:
    low, high = of.get("minimum"), of.get("maximum")
    over, under = of.get("exclusiveMinimum"), of.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    words = (("at least", low), ("over", over), ("at most", high), ("under", under))
    said = " and ".join(f"{word} {bound}" for word, bound in words if bound is not None)
    return f" {said}" if said else ""


def _resolve_references(of: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and the one branch other than null."""
    nullable = False
    while True:
        if "oneOf" in of:
            return _merge_branches(_find_branches(of))
        branches = [branch for branch in of.get("anyOf", []) if branch.get("type") != "null"]
        if "$ref" in of:
            of = make_schema()["$defs"][of["$ref"].rpartition("/")[2]]
        elif len(branches) == 1 and len(branches) < len(of["anyOf"]):
            of, nullable = branches[0], True
        else:
            return of | {"nullable": True} if nullable else of


def _is_nullable(of: dict[str, Any]) -> bool:
    return bool(of.get("nullable"))


def _list_paths(key: Key) -> list[Key]:
    found: list[Key] = []
    for name in list_keys(key):
        found.append((*key, name))
        found.extend(_list_paths((*key, name)))
    return found
