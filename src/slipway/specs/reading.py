"""Reading YAML with the place of every key and value kept, so that each error can name its line.

Stricter than YAML 1.1 where that is surprising: only `true` and `false` are booleans (`no` and `on` are text), `010`
is no octal number, `1:30` no base-60 one, `2026-01-01` no date, and `1e-3` is a number. A key may appear once.
Aliases are refused: they hide a document's content, and nested ones make a small file huge.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from slipway.specs.problem import Key, Problem, format_key

MAXIMUM_BYTES = 1_000_000
"""A spec is a few kilobytes; reading marks of a huge file would take minutes."""
MAXIMUM_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """Places of a key and its value; lines and columns from 1."""

    line: int
    column: int
    value_line: int
    value_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """A document as plain values, with places by key path, and the problems of its syntax."""

    values: Any = None
    places: dict[Key, KeyPlace] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's core words, without aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        """Compose one node; refuse aliases and nesting that no spec needs."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-pyyaml leaves it out
        if isinstance(event, yaml.AliasEvent):
            raise _make_refused_error("an alias (*name): write it out", event)
        if self.depth > MAXIMUM_DEPTH:
            raise _make_refused_error("nested too deeply", event)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _make_refused_error(words: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark  # types-pyyaml knows two kinds of mark
    return yaml.MarkedYAMLError(problem=words, problem_mark=mark)


_FLOAT = r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)"
for _tag, _pattern, _first in (
    ("null", r"|null|Null|NULL|~", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def read_document(text: str) -> ParsedDocument:
    """Return a document's values, with all problems of its syntax."""
    reading = ParsedDocument()
    if len(text) > MAXIMUM_BYTES:
        reading.problems.append(_make_document_problem(f"{len(text):,} characters", f"at most {MAXIMUM_BYTES:,}"))
        return reading
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        reading.problems.append(_explain_syntax_error(error))
        return reading
    if not isinstance(node, yaml.MappingNode):
        seen = "nothing" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "one value"
        reading.problems.append(_make_document_problem(seen, "keys and values, `model: NAME` the first"))
        return reading
    values = _Walk(loader, reading).read_value(node, ())
    return ParsedDocument(values=values, places=reading.places, problems=reading.problems)


class _Walk:
    """Converts nodes to plain values, and collects places and problems."""

    def __init__(self, loader: _Loader, reading: ParsedDocument) -> None:
        self._loader, self._reading = loader, reading

    def read_value(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(child, (*key, number)) for number, child in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._add_problem(node, key, " ".join(str(error).split("\n")[0].split()), "a plain value, without a tag")
            return None

    def _read_item(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401 - any JSON value
        self._remember_place(key, node, node)
        return self.read_value(node, key)

    def _read_mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if name_node.tag != "tag:yaml.org,2002:str":
                self._add_problem(name_node, key, f"the key {getattr(name_node, 'value', '?')!r}", "a word as the key")
                continue
            name, path = name_node.value, (*key, name_node.value)
            if name in values:
                first = self._reading.places[path].line
                self._add_problem(
                    name_node, path, f"the key again (first in line {first})", "every key once", "drop one"
                )
                continue
            self._remember_place(path, name_node, value_node)
            values[name] = self.read_value(value_node, path)
        return values

    def _remember_place(self, key: Key, name: yaml.Node, value: yaml.Node) -> None:
        at, there = name.start_mark, value.start_mark
        self._reading.places[key] = KeyPlace(
            line=at.line + 1, column=at.column + 1, value_line=there.line + 1, value_column=there.column + 1
        )

    def _add_problem(self, node: yaml.Node, key: Key, seen: str, expected: str, hint: str = "") -> None:
        mark = node.start_mark
        self._reading.problems.append(
            Problem(
                line=mark.line + 1,
                column=mark.column + 1,
                key=format_key(key),
                seen=seen,
                expected=expected,
                hint=hint,
            )
        )


def _make_document_problem(seen: str, expected: str) -> Problem:
    return Problem(line=0, column=0, key="", seen=seen, expected=expected)


def _explain_syntax_error(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", error)).split())
    hint = "indent with spaces, not tabs" if r"'\t'" in said else ""
    return Problem(
        line=mark.line + 1 if mark else 0,
        column=mark.column + 1 if mark else 0,
        key="",
        seen=said,
        expected="YAML",
        hint=hint,
    )
