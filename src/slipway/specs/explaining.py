"""Conversion of pydantic's errors into problems: the place, what was seen, what is allowed, what was probably meant."""

import difflib
import json
import re
from typing import Any

from pydantic import ValidationError

from slipway.adapters.onnx.passes import list_passes
from slipway.specs.problem import Key, Problem, format_key
from slipway.specs.reading import ParsedDocument
from slipway.specs.schema import TAG, describe_allowed, find_places, find_schema, list_keys, remove_tags

_Error = dict[str, Any]


def explain_errors(error: ValidationError, reading: ParsedDocument) -> list[Problem]:
    """Return one problem per place, in the document's order.

    A union has one error per branch: the first is used for all.
    """
    problems: dict[tuple[int, int, str], Problem] = {}
    for one in error.errors(include_url=False):
        problem = _explain_error(dict(one), reading)
        problems.setdefault((problem.line, problem.column, problem.key), problem)
    return sorted(problems.values())


def _explain_error(error: _Error, reading: ParsedDocument) -> Problem:
    key: Key = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            return _explain_unknown_key(key, reading)
        case "missing":
            expected = describe_allowed(find_schema(key))
            return make_problem(key, reading, seen="no such key", expected=expected, hint=f"add `{key[-1]}:`")
        case "value_error":
            return _explain_contradiction(key, str(error["ctx"]["error"]), reading)
        case "union_tag_invalid" | "union_tag_not_found" if (*key, TAG) in reading.places:
            return _explain_not_allowed((*key, TAG), reading)
        case _:
            return _explain_not_allowed(_find_known_part(remove_tags(key), reading), reading)


def _explain_not_allowed(key: Key, reading: ParsedDocument) -> Problem:
    value = _get_value(reading.values, key)
    return make_problem(
        key,
        reading,
        seen=_format_value(value),
        expected=describe_allowed(find_schema(key)),
        hint=_guess_meant(value, key),
    )


def find_unknown_passes(reading: ParsedDocument) -> list[Problem]:
    """Return a problem for each variant that no pass builds: the domain checks only the form of a name."""
    key: Key = ("optimization", "variants")
    found = _get_value(reading.values, key) if key in reading.places else []
    names = enumerate(found) if isinstance(found, list) else ()
    return [_explain_not_allowed((*key, number), reading) for number, name in names if name not in list_passes()]


def _explain_unknown_key(key: Key, reading: ParsedDocument) -> Problem:
    name, siblings = str(key[-1]), list_keys(key[:-1])
    close = difflib.get_close_matches(name, siblings, n=1, cutoff=0.55)
    elsewhere = [place for place in find_places(name) if place != remove_tags(key)]
    hint = f"did you mean `{close[0]}`?" if close else ""
    if not close and elsewhere:
        hint = (
            f"it belongs under `{format_key(elsewhere[0][:-1])}`" if len(elsewhere[0]) > 1 else "it belongs to the top"
        )
    return make_problem(key, reading, seen="an unknown key", expected="one of " + ", ".join(siblings), hint=hint)


_STEP = re.compile(r"^step (?P<number>\d+) has (?P<name>\w+)")


def _explain_contradiction(key: Key, sentence: str, reading: ParsedDocument) -> Problem:
    """Give a message of the spec's own checks its place; the one about steps names its step."""
    step = _STEP.match(sentence)
    if step and key and key[-1] == "rollout":
        key = (*key, "steps", int(step["number"]) - 1, step["name"])
    seen, _, expected = sentence.partition("; ")
    return make_problem(key, reading, seen=seen, expected=expected or "values that agree")


def make_problem(key: Key, reading: ParsedDocument, *, seen: str, expected: str, hint: str = "") -> Problem:
    """Return a problem with the place of a key path, or of the nearest one in the document."""
    key = remove_tags(key)
    known = _find_known_part(key, reading)
    place = reading.places.get(known)
    return Problem(
        line=place.line if place else 1,
        column=place.column if place else 1,
        key=format_key(key),
        seen=seen,
        expected=expected,
        hint=hint,
    )


def _find_known_part(key: Key, reading: ParsedDocument) -> Key:
    """Return the longest part of a key path that is in the document (pydantic adds names of union branches)."""
    while key and key not in reading.places:
        key = key[:-1]
    return key


def _get_value(values: Any, key: Key) -> Any:  # noqa: ANN401 - any JSON value
    for part in key:
        values = values[part]
    return values


def _format_value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Format a value as in the document; a long one by its type."""
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - fits a line


def _guess_meant(value: Any, key: Key) -> str:  # noqa: ANN401 - any JSON value
    """Return what was probably meant by a word that is none of the allowed ones, or by a quoted number."""
    if not isinstance(value, str):
        return ""
    words = [str(word) for word in find_schema(key).get("enum", [])]
    if close := difflib.get_close_matches(value.lower().replace("_", "-"), words, n=1):
        return f"did you mean `{close[0]}`?"
    if find_schema(key).get("type") == "boolean" and value.lower() in {"yes", "on", "no", "off", "y", "n"}:
        return f"write `{'true' if value.lower() in {'yes', 'on', 'y'} else 'false'}`"
    return "write the number without quotes and unit" if value[:1].isdigit() else ""
