"""The pages of a revision's pods, combined: each pod has seen a part of its requests."""

from collections.abc import Sequence
from itertools import zip_longest
from math import fsum

from slipway.domain.judge.readings import Summary, Sums
from slipway.domain.rollout.shadow import ShadowAnswer
from slipway.pages import read_answers, read_summary


def sum_summaries(pages: Sequence[object]) -> Summary:
    """Return the sum of pods' summaries. Raises ValueError for a malformed page, or bins that do not match.

    Sums of floats don't depend on the order of the pods; otherwise they could seem to decrease.
    """
    read = list(map(read_summary, pages))
    scores = [one.scores for one in read if one.scores is not None]
    labels = dict.fromkeys(label for one in read for label in one.classes)
    classes = {label: fsum(one.classes.get(label, 0) for one in read) for label in labels}
    inputs: dict[str, tuple[int, ...]] = {}
    for one in read:
        for column, bins in one.inputs.items():
            before = inputs.get(column, (0,) * len(bins))
            inputs[column] = tuple(ours + theirs for ours, theirs in zip(before, bins, strict=True))
    warm = None if any(one.warm is None for one in read) else all(one.warm for one in read)
    return Summary(
        scores=_sum_scores(scores) if scores else None,
        classes=classes,
        inputs=inputs,
        requests=sum(one.requests for one in read),
        nonfinite=sum(one.nonfinite for one in read),
        warm=warm,
    )


def merge_answers(pages: Sequence[object], before: Sequence[str] = ()) -> list[ShadowAnswer]:
    """Return pods' recent answers as one list, oldest first as far as that is known: they carry no time.

    Those seen `before` (their request ids, in the order they were given) stay in front, so that new ones are after
    those that were compared. New ones of several pods alternate. Raises ValueError for a malformed page.
    """
    rings = [read_answers(page) for page in pages]
    turns = (answer for turn in zip_longest(*rings) for answer in turn if answer is not None)
    found: dict[str, ShadowAnswer] = {}
    for answer in turns:
        found.setdefault(answer.request_id, answer)
    seen = {name: found.pop(name) for name in before if name in found}
    return [*seen.values(), *found.values()]


def _sum_scores(scores: Sequence[Sums]) -> Sums:
    return Sums(
        count=sum(one.count for one in scores),
        total=fsum(one.total for one in scores),
        squares=fsum(one.squares for one in scores),
    )
