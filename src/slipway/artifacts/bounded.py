"""Reading files that a model's author, or a process that ran a model, has written: bounded before they are parsed.

Nothing here imports or executes what it reads. Errors are those of the parsers, ValueError for what is over a bound;
callers turn them into errors about what they read.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import yaml

DEEPEST = 50
"""MLflow nests about six deep."""
MOST_NODES = 100_000
"""A signature of 10,000 columns counts as 26,000."""
NODE_CHARACTERS = 40
"""So many characters of text count as one more node."""
LONGEST_NUMBER = 100
"""Characters of a number or a date: parsing takes the square of their count."""
LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_RESOLVER = yaml.resolver.Resolver()


def read_bounded(path: Path, largest_bytes: int) -> bytes:
    """Return a file's content; raise ValueError for a link, a pipe or more bytes, OSError when it can't be read."""
    # without O_NONBLOCK a pipe would wait for a writer
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            message = "no regular file"
            raise ValueError(message)
        if found.st_size > largest_bytes:
            message = f"{found.st_size:,} bytes, over the {largest_bytes:,} allowed"
            raise ValueError(message)
        return file.read(largest_bytes)


def parse_yaml(text: bytes) -> object:
    r"""Return a YAML document as plain values.

    Raises ValueError over a bound (depth, nodes with aliases expanded, length of a number) and for repeated keys;
    anything else that PyYAML raises for text that is no YAML, or has a tag or a value that it can't construct.

    >>> parse_yaml(b"a: &x [1, 2]\nb: *x\n")
    {'a': [1, 2], 'b': [1, 2]}
    >>> parse_yaml(b"a: 1\na: 2\n")
    Traceback (most recent call last):
        ...
    ValueError: key 'a' twice in one mapping
    """
    _check_bounds(text)
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - both loaders are safe ones


@dataclass(slots=True)
class _Collection:
    """A mapping or a list whose end was not read yet."""

    anchor: str | None = None
    is_mapping: bool = False
    nodes: int = 1
    """In it, and itself; an alias counts as what it stands for."""
    children: int = 0
    keys: set[str] = field(default_factory=set)

    def add_child(self, nodes: int, key: str | None) -> None:
        """Count a child; `key` is its text if it is a plain value."""
        if self.is_mapping and self.children % 2 == 0:
            self._add_key(key)
        self.children += 1
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            message = f"more than {MOST_NODES:,} values, aliases expanded"
            raise ValueError(message)

    def _add_key(self, key: str | None) -> None:
        if key is None or key in self.keys:
            message = "a key that is no plain text" if key is None else f"key {key[:60]!r} twice in one mapping"
            raise ValueError(message)
        self.keys.add(key)


def _check_bounds(text: bytes) -> None:
    """Raise ValueError over a bound: from the parser's events, before a single value is constructed."""
    open_collections = [_Collection()]
    anchored: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            open_collections.append(_Collection(event.anchor, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = open_collections.pop()
            anchored[ended.anchor] = ended.nodes
            open_collections[-1].add_child(ended.nodes, None)
        elif isinstance(event, yaml.ScalarEvent):
            anchored[event.anchor] = _count_nodes(event)
            open_collections[-1].add_child(anchored[event.anchor], event.value)
        elif isinstance(event, yaml.AliasEvent):
            open_collections[-1].add_child(_count_nodes_behind(event, anchored), None)
        if len(open_collections) > DEEPEST + 1:
            message = f"nested more than {DEEPEST} deep"
            raise ValueError(message)


def _count_nodes(event: yaml.ScalarEvent) -> int:
    if len(event.value) > LONGEST_NUMBER and not _is_text(event):
        message = f"a number, date or tagged value of {len(event.value):,} characters"
        raise ValueError(message)
    return 1 + len(event.value) // NODE_CHARACTERS


def _is_text(event: yaml.ScalarEvent) -> bool:
    if event.tag is not None:
        return event.tag in TEXT_TAGS
    if not event.implicit[0]:  # quoted
        return True
    tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call] # its stub
    return tag in TEXT_TAGS


def _count_nodes_behind(event: yaml.AliasEvent, anchored: dict[str | None, int]) -> int:
    if event.anchor not in anchored:
        message = f"alias {event.anchor!r} of itself, or of nothing"
        raise ValueError(message)
    return anchored[event.anchor]
