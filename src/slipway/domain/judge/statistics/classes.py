"""Class mix: how often each class is predicted, two arms compared look by look.

Against "class j has the same share in both arms" there is one e-process per class. In a look with x of n_c and y of
n_s predictions of the class, and two shares q_c and q_s that were guessed from earlier looks only, its factor is

    (q_c/q_0)^x ((1-q_c)/(1-q_0))^(n_c-x) (q_s/q_0)^y ((1-q_s)/(1-q_0))^(n_s-y),   q_0 = (n_c q_c + n_s q_s) / n

(Turner, Ly & Gruenwald, arXiv 2106.02693). Where both arms have the same true share q, its expectation is
A^n_c B^n_s with A = q q_c/q_0 + (1-q) (1-q_c)/(1-q_0), B the same with q_s; by the inequality of weighted means that
is at most ((n_c A + n_s B) / n)^n = (q + 1 - q)^n = 1, for any q: the base may drift from look to look. A prediction of
several labels counts for each by its share; by the same inequality its factor's expectation is no larger.

q_s is the stable arm's recent share; q_c has odds r times as large, where r is one of a few fixed ratios or a power of
the Mantel-Haenszel odds ratio of the earlier looks (stratified by look, so that drift does not fool it). The mean over
these alternatives is an e-value. Each class has a fixed part of the stake from the look in which it first appeared, and
nothing is bet on it in that look; a part is reserved for later classes. So the whole is an e-process too.

A request of several rows counts once, for the shares of its labels: x is then a sum of numbers v between 0 and 1, and
a^v b^(1-v) is at most v a + (1 - v) b, so all of this holds. Rows of one request counted one by one would not be
independent: batches of ten rolled back three of four healthy canaries.

With a margin ("shares differ by the margin at most"), for the interval, and for the canary, sums of the walk of
means.py are used with Y = 1 for the class; these hold in the limit of many requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from slipway.domain.judge.statistics.means import (
    LEAST_EACH,
    LEAST_TOGETHER,
    Walk,
    e_value_of,
    half_width,
    rho_squared,
    walk_evidence_against,
)
from slipway_interface.metrics import LABEL_LIMIT, OTHER_LABEL

Floats = NDArray[np.float64]

RATIOS, POWERS = (1 / 3, 2 / 3, 3 / 2, 3.0), (0.5, 1.0)
"""Odds ratios that are always bet on, and powers of the ratio seen so far that are bet on."""
MEMORY: Final = 2000.0
"""The stable arm's share is taken over about this many of its last predictions, because the base drifts."""
RESERVE: Final = 0.1
"""Part of the stake reserved for classes that the first look did not contain."""
MOST_SUBSETS: Final = 10  # up to this many classes every set of them is checked; beyond, a bound over all sets
_BETS = len(RATIOS) + len(POWERS)
_FIXED, _POWERS = np.array(RATIOS)[:, None], np.array(POWERS)[:, None]
_CANARY, _STABLE, _BOTH, _POOLED, _OWN, _RECENT = range(6)
_PARTS = np.linspace(0, 1, 129)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvidence:
    """Evidence on two class mixes so far, from looks where both arms predicted something."""

    labels: tuple[str, ...] = ()
    canary: tuple[float, ...] = ()
    """Predictions, one number per label; one with several labels counts for each by its share."""
    stable: tuple[float, ...] = ()
    information: float = 0.0
    """Sum of n_c n_s / n."""
    stakes: tuple[float, ...] = ()
    """Part of the stake that each class has."""
    sums: tuple[float, ...] = ()
    """Six sums, each with one number per label: n_s x / n, n_c y / n, x y / n, two variances of the difference of the
    first two (from all predictions, and from each arm's own), and the stable arm's recent predictions."""
    logs: tuple[float, ...] = ()
    """Log e-values: six bets, each with one number per label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShift:
    """One class in both arms."""

    label: str
    canary_share: float
    """Of predictions, looks weighted by their information."""
    stable_share: float
    evidence: float
    """E-value against "no shift of this class beyond the margin"."""


def update_class_mix(
    evidence: ClassEvidence, canary: Mapping[str, float], stable: Mapping[str, float]
) -> ClassEvidence:
    """Return the evidence after one more look; the counts are of predictions since the last one.

    A look where one arm has no prediction adds nothing. Raises ValueError for counts below 0.
    """
    if min((0, *canary.values(), *stable.values())) < 0:
        message = f"canary={dict(canary)}, stable={dict(stable)}; need counts of 0 or more"
        raise ValueError(message)
    if not any(canary.values()) or not any(stable.values()):
        return evidence
    before = len(evidence.labels)
    evidence = _with_labels(evidence, canary, stable)
    x, y = _count_labels(evidence.labels, canary), _count_labels(evidence.labels, stable)
    sums, logs = _to_rows(evidence.sums), _to_rows(evidence.logs, _BETS)
    logs[:, :before] += _log_factors(sums, x, y)[:, :before]
    n_c, n_s = float(x.sum()), float(y.sum())
    return ClassEvidence(
        labels=evidence.labels,
        canary=tuple((np.array(evidence.canary) + x).tolist()),
        stable=tuple((np.array(evidence.stable) + y).tolist()),
        information=evidence.information + n_c * n_s / (n_c + n_s),
        stakes=evidence.stakes,
        sums=_add_to_sums(sums, x, y),
        logs=tuple(logs.ravel().tolist()),
    )


def class_evidence_against(evidence: ClassEvidence, margin: float = 0.0) -> float:
    """Return the e-value against "no class's share differs by more than the margin"; 1 without evidence."""
    if not evidence.labels:
        return 1.0
    whole = float(np.array(evidence.stakes) @ _by_class(evidence, margin)) + 1 - sum(evidence.stakes)
    return min(whole, 1e300)


def find_largest_shift(evidence: ClassEvidence, margin: float = 0.0) -> ClassShift | None:
    """Return the class with the largest e-value; None before any look."""
    if not evidence.labels:
        return None
    values = _by_class(evidence, margin)
    at = int(values.argmax())
    return ClassShift(
        label=evidence.labels[at],
        canary_share=float(_to_rows(evidence.sums)[_CANARY, at]) / evidence.information,
        stable_share=float(_to_rows(evidence.sums)[_STABLE, at]) / evidence.information,
        evidence=float(values[at]),
    )


def class_evidence_for(evidence: ClassEvidence, tolerance: float) -> float:
    """Return the e-value against "the mixes' total variation distance is at least the tolerance"; 1 without evidence.

    At such a distance some set A of classes has a share that is larger by the tolerance or more in the canary. For
    each A the likelihood ratio of a difference of 0 to one of the tolerance is an e-value against that:

        exp(tolerance / v * (tolerance / 2 * information - S_A)),   S_A the walk of the set

    as long as v is at least the walk's variance per information. v is the largest q (1-q) of all shares within the
    tolerance around the set's share, so classes not yet seen don't make the evidence too strong too early. The least
    over all A is an e-value against their union.
    """
    if not _has_enough(evidence) or not 0 < tolerance <= 1:
        return 1.0
    seen = np.array(evidence.canary) + np.array(evidence.stable)
    shares, walks = _find_sets(seen / seen.sum(), _walk_sums(evidence))
    nearest = np.clip(0.5, shares - tolerance, shares + tolerance)
    logs = tolerance / np.maximum(nearest * (1 - nearest), 1e-12) * (tolerance / 2 * evidence.information - walks)
    return e_value_of(float(logs.min()))


def class_distance(evidence: ClassEvidence) -> float | None:
    """Return the total variation distance of the two mixes (0 to 1); None before any look."""
    if not evidence.labels:
        return None
    return float(np.abs(_walk_sums(evidence)).sum() / 2 / evidence.information)


def class_shares(evidence: ClassEvidence) -> tuple[dict[str, float], dict[str, float]]:
    """Return the share of each class in the canary and in the stable arm, looks weighted by their information."""
    if not evidence.labels:
        return {}, {}
    canary, stable = (_to_rows(evidence.sums)[:2] / evidence.information).tolist()
    return dict(zip(evidence.labels, canary, strict=True)), dict(zip(evidence.labels, stable, strict=True))


def class_distance_interval(evidence: ClassEvidence, alpha: float) -> tuple[float, float]:
    """Return the interval of that distance, from one per class: all hold at all looks with probability 1 - alpha."""
    if not _has_enough(evidence):
        return (0.0, 1.0)
    each = alpha / len(evidence.labels)
    reach = [half_width(walk.variance, walk.rho2, each) / evidence.information for walk in _each_walk(evidence)]
    distance = np.abs(_walk_sums(evidence)) / evidence.information
    return (float(max(0.0, (distance - reach).max())), float(min(1.0, (distance + reach).sum() / 2)))


def _with_labels(evidence: ClassEvidence, *arms: Mapping[str, float]) -> ClassEvidence:
    """Add new classes, in the order of their names, with no past and their part of the stake."""
    seen = {label for arm in arms for label, count in arm.items() if count}
    new = sorted(seen.difference(evidence.labels, {OTHER_LABEL}))
    room = LABEL_LIMIT - sum(label != OTHER_LABEL for label in evidence.labels)
    rest = len(new) > room or OTHER_LABEL in seen
    new = new[:room] + ([OTHER_LABEL] if rest and OTHER_LABEL not in evidence.labels else [])
    if not new:
        return evidence
    left = 1 - sum(evidence.stakes)
    stake = (left / 2 if evidence.labels else 1 - RESERVE) / len(new)
    nothing = ((0, 0), (0, len(new)))
    return replace(
        evidence,
        labels=evidence.labels + tuple(new),
        canary=evidence.canary + (0,) * len(new),
        stable=evidence.stable + (0,) * len(new),
        stakes=evidence.stakes + (stake,) * len(new),
        sums=tuple(np.pad(_to_rows(evidence.sums), nothing).ravel().tolist()),
        logs=tuple(np.pad(_to_rows(evidence.logs, _BETS), nothing).ravel().tolist()),
    )


def _count_labels(labels: tuple[str, ...], arm: Mapping[str, float]) -> Floats:
    """Return the arm's count per label; labels that are not listed are counted under `OTHER_LABEL`."""
    counts = np.array([arm.get(label, 0) for label in labels], dtype=float)
    if OTHER_LABEL in labels:
        counts[labels.index(OTHER_LABEL)] += sum(arm.values()) - counts.sum()
    return counts


def _log_factors(sums: Floats, x: Floats, y: Floats) -> Floats:
    """Return the log factors of this look, bets by classes, guessed from the sums before it."""
    n_c, n_s = float(x.sum()), float(y.sum())
    shares = np.empty((2 * _BETS + 1, len(x)))  # q_c of every bet, q_0 of every bet, q_s
    canary, equal, stable = shares[:_BETS], shares[_BETS:-1], shares[-1]
    np.divide(sums[_RECENT] + 0.5, float(sums[_RECENT].sum()) + 1.0, out=stable)
    canary[: len(RATIOS)] = _FIXED
    canary[len(RATIOS) :] = ((sums[_CANARY] - sums[_BOTH] + 0.5) / (sums[_STABLE] - sums[_BOTH] + 0.5)) ** _POWERS
    canary *= stable
    canary /= canary + (1 - stable)
    np.minimum(np.maximum(canary, 1e-9, out=canary), 1 - 1e-9, out=canary)
    np.divide(n_c * canary + n_s * stable, n_c + n_s, out=equal)
    yes, no = np.log(shares), np.log1p(-shares)
    yes -= no
    factors = x * yes[:_BETS] - (x + y) * yes[_BETS:-1] + n_c * no[:_BETS] - (n_c + n_s) * no[_BETS:-1]
    return np.asarray(factors + y * yes[-1] + n_s * no[-1])


def _add_to_sums(sums: Floats, x: Floats, y: Floats) -> tuple[float, ...]:
    """Add one look to the sums."""
    n_c, n_s = float(x.sum()), float(y.sum())
    n = n_c + n_s
    share, mean = n_c / n, (x + y) / n
    ours, theirs = x + mean * (n_c * mean - 2 * x), y + mean * (n_s * mean - 2 * y)
    few = n / (n - 1)
    sums[_CANARY] += (n_s / n) * x
    sums[_STABLE] += (n_c / n) * y
    sums[_BOTH] += x * y / n
    sums[_POOLED] += few * share * (1 - share) * (ours + theirs)
    sums[_OWN] += few * (1 - share) ** 2 * ours + few * share**2 * theirs
    sums[_RECENT] += y
    sums[_RECENT] *= min(1.0, MEMORY / float(sums[_RECENT].sum()))
    return tuple(sums.ravel().tolist())


def _by_class(evidence: ClassEvidence, margin: float) -> Floats:
    if margin > 0 and not _has_enough(evidence):
        return np.ones(len(evidence.labels))
    if margin > 0:
        far = margin * evidence.information
        return np.array([walk_evidence_against(walk, far, "either") for walk in _each_walk(evidence)])
    return np.asarray(np.exp(np.minimum(_to_rows(evidence.logs, _BETS), 690.0)).mean(axis=0))


def _walk_sums(evidence: ClassEvidence) -> Floats:
    """Return per class the difference of the arms' shares, times information."""
    sums = _to_rows(evidence.sums)
    return np.asarray(sums[_CANARY] - sums[_STABLE])


def _each_walk(evidence: ClassEvidence) -> list[Walk]:
    """Return the walk of every class. Its variance is at least that of one prediction among equally likely classes."""
    least = 1 / max(2, len(evidence.labels))
    least *= 1 - least
    rho2 = rho_squared(least)
    variances = np.maximum(_to_rows(evidence.sums)[[_POOLED, _OWN]].max(axis=0), least).tolist()
    walks = zip(_walk_sums(evidence).tolist(), variances, strict=True)
    return [Walk(sum=walk, variance=variance, rho2=rho2) for walk, variance in walks]


def _has_enough(evidence: ClassEvidence) -> bool:
    canary, stable = sum(evidence.canary), sum(evidence.stable)
    return canary + stable >= LEAST_TOGETHER and min(canary, stable) >= LEAST_EACH


def _find_sets(shares: Floats, walks: Floats) -> tuple[Floats, Floats]:
    """Return share and walk of sets of classes, such that no set of the same share can have a larger walk.

    Few classes: every set. Many: those with the largest walk per share first, the last in part (fractional knapsack).
    """
    if len(shares) <= MOST_SUBSETS:
        which = _list_subsets(len(shares))
        return which @ shares, which @ walks
    safe = np.maximum(shares, 1e-12)
    order = np.argsort(-walks / safe, kind="stable")
    points = np.concatenate([[0.0], np.cumsum(safe[order])])
    grid = np.concatenate([points, _PARTS * points[-1]])
    return grid, np.interp(grid, points, np.concatenate([[0.0], np.cumsum(walks[order])]))


@lru_cache(maxsize=MOST_SUBSETS + 1)
def _list_subsets(count: int) -> Floats:
    """Return every set of this many classes but the empty one, a row of zeros and ones each."""
    return (np.arange(1, 2**count)[:, None] >> np.arange(count) & 1).astype(float)


def _to_rows(values: tuple[float, ...], rows: int = 6) -> Floats:
    return np.array(values, dtype=float).reshape(rows, -1)
