"""What clients may send: columns, types, shapes, order, params."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from slipway.domain.gates.contract.difference import (
    Difference,
    breaking_difference,
    compatible_difference,
    count_words,
    list_names,
    pronoun_for,
    verb_for,
)
from slipway.domain.gates.contract.kinds import describe_rounding, find_refused_values, is_numeric, plain_kind
from slipway.domain.release.version import Column, Param, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBehavior:
    """What the service does if the signature does not define it."""

    fills_optional: bool = False
    """A request may leave an optional column out."""
    passes_params: bool = False
    """Params of a request reach the model."""


def compare_inputs(before: Signature, after: Signature, behavior: ServiceBehavior) -> Iterator[Difference]:
    """Yield the differences for clients that send requests made for the first."""
    forms = [_is_tensor(side.inputs) for side in (before, after)]
    if forms[0] != forms[1]:
        said = [
            "one tensor" if _is_tensor(side.inputs) else count_words(len(side.inputs), "column")
            for side in (before, after)
        ]
        yield breaking_difference(
            "inputs", f"the model takes {said[1]} instead of {said[0]}: requests have another form"
        )
    else:
        yield from _find_new(before, after, behavior)
        yield from _find_dropped(before, after)
        yield from _compare_kinds(before, after)
        yield from _compare_shapes(before, after)
        yield from _compare_order(before, after)
        yield from _compare_lists(before, after)
        yield from _compare_optional(before, after, behavior)
    yield from _compare_params(before.params, after.params, behavior)


def _is_tensor(columns: Sequence[Column]) -> bool:
    return len(columns) == 1 and len(columns[0].shape) > 1


def _find_new(before: Signature, after: Signature, behavior: ServiceBehavior) -> Iterator[Difference]:
    new = [column for column in after.inputs if column.name not in before.columns]
    required = [column.name for column in new if column.required]
    if required:
        yield breaking_difference(
            where := list_names("column", required), f"{where} {verb_for(required)} new: {_describe_unsent(required)}"
        )
    optional = [column.name for column in new if not column.required]
    if optional and behavior.fills_optional:
        said = f"{verb_for(optional)} new and optional: requests without {pronoun_for(optional)} are taken"
        yield compatible_difference(where := list_names("column", optional), f"{where} {said}")
    elif optional:
        said = (
            f"{verb_for(optional)} new (optional, but the service requires every column): {_describe_unsent(optional)}"
        )
        yield breaking_difference(where := list_names("column", optional), f"{where} {said}")


def _describe_unsent(names: Sequence[str]) -> str:
    them = pronoun_for(names)
    return f"the champion's clients do not send {them}, and requests without {them} are answered 400"


def _find_dropped(before: Signature, after: Signature) -> Iterator[Difference]:
    gone = [name for name in before.columns if name not in after.columns]
    if gone:
        said = (
            f"{verb_for(gone)} gone: requests that still have {pronoun_for(gone)} are answered 400 "
            "(Open Inference Protocol, TensorFlow's rows, rows as lists; other forms ignore what is too much)"
        )
        yield breaking_difference(where := list_names("column", gone), f"{where} {said}")


def _common_columns(before: Signature, after: Signature) -> list[tuple[Column, Column]]:
    """Return the columns that are in both, as they were and as they are."""
    there = {column.name: column for column in after.inputs}
    return [(column, there[column.name]) for column in before.inputs if column.name in there]


def _compare_kinds(before: Signature, after: Signature) -> Iterator[Difference]:
    changed: dict[tuple[str, str], list[str]] = {}
    for old, new in _common_columns(before, after):
        if plain_kind(old.kind) != plain_kind(new.kind):
            changed.setdefault((plain_kind(old.kind), plain_kind(new.kind)), []).append(old.name)
    for (old_kind, new_kind), names in changed.items():
        where, have = list_names("column", names), "has" if len(names) == 1 else "have"
        said = f"{where} {have} type {new_kind} instead of {old_kind}"
        values = find_refused_values(old_kind, new_kind)
        if values:
            yield breaking_difference(where, f"{said}: {values} are answered 400")
        else:
            yield compatible_difference(where, f"{said}: {describe_rounding(old_kind, new_kind)}")


def _compare_shapes(before: Signature, after: Signature) -> Iterator[Difference]:
    alone = len(before.inputs) == 1 and len(after.inputs) == 1
    for old, new in _common_columns(before, after):
        if old.shape == new.shape:
            continue
        where = list_names("input", [old.name])
        said = f"{where} has shape {list(new.shape)} instead of {list(old.shape)}"
        lost = _row_shapes(old, alone=alone) - _row_shapes(new, alone=alone)
        if lost:
            shown = " and ".join(str([-1, *shape]) for shape in sorted(lost))
            yield breaking_difference(where, f"{said}: requests of shape {shown} are answered 400")
        else:
            yield compatible_difference(where, f"{said}: requests of the old shape are taken too")


def _row_shapes(column: Column, *, alone: bool) -> set[tuple[int, ...]]:
    """Return the shapes of one row that are accepted: a column may have a second axis, the only input may be flat."""
    own = column.shape[1:]
    if alone and is_numeric(column.kind):
        return {own, (prod(own),)}
    return {own} if own else {own, (1,)}


def _compare_order(before: Signature, after: Signature) -> Iterator[Difference]:
    """Yield a change of order: it affects clients that send rows as lists, which only a model of numbers accepts."""
    old, new = before.columns, after.columns
    if old == new or set(old) != set(new):  # new and missing columns are reported already
        return
    moved = [name for name, other in zip(old, new, strict=True) if name != other]
    where = list_names("column", moved)
    if all(is_numeric(column.kind) for column in before.inputs):
        said = "clients that send rows as lists get answers for mixed up columns, and no error"
        yield breaking_difference(where, f"{where} are in another order: {said}")
    else:
        yield compatible_difference(where, f"{where} are in another order: with texts among them columns go by name")


def _compare_lists(before: Signature, after: Signature) -> Iterator[Difference]:
    """Yield that a model of one numeric type has several now: its package decides whether it still accepts a matrix."""
    kinds = [{plain_kind(column.kind) for column in side.inputs} for side in (before, after)]
    if (
        before.columns == after.columns
        and len(kinds[0]) == 1 < len(kinds[1])
        and all(map(is_numeric, kinds[0] | kinds[1]))
    ):
        said = "columns are of several types now; the rehearsal tries whether the model still takes rows as lists"
        yield compatible_difference("rows as lists", said)


def _compare_optional(before: Signature, after: Signature, behavior: ServiceBehavior) -> Iterator[Difference]:
    both = _common_columns(before, after)
    required = [old.name for old, new in both if not old.required and new.required]
    if required and behavior.fills_optional:
        said = f"{verb_for(required)} required now: requests without {pronoun_for(required)} are answered 400"
        yield breaking_difference(where := list_names("column", required), f"{where} {said}")
    elif required:
        said = f"{verb_for(required)} required now: the service requires every column, optional ones too"
        yield compatible_difference(where := list_names("column", required), f"{where} {said}")
    optional = [old.name for old, new in both if old.required and not new.required]
    if optional:
        yield compatible_difference(
            where := list_names("column", optional), f"{where} {verb_for(optional)} optional now"
        )


def _compare_params(before: Sequence[Param], after: Sequence[Param], behavior: ServiceBehavior) -> Iterator[Difference]:
    old, new = ({one.name: one for one in side} for side in (before, after))
    changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    if changed and not behavior.passes_params:
        where = list_names("param", changed)
        yield compatible_difference(
            where, f"{where} changed: the service passes no params on, so no answer depends on them"
        )
        return
    for name in changed:
        yield _compare_param(old.get(name), new.get(name))


def _compare_param(old: Param | None, new: Param | None) -> Difference:
    where = list_names("param", [one.name for one in (old or new,) if one])
    if old is None:
        return compatible_difference(where, f"{where} is new and has a default")
    if new is None:
        return breaking_difference(where, f"{where} is gone: requests that set it are answered 400")
    if old.kind != new.kind:
        return breaking_difference(
            where, f"{where} has type {new.kind} instead of {old.kind}: requests that set it may be refused"
        )
    return compatible_difference(where, f"{where} has another default: {new.default} instead of {old.default}")
