"""The contract between two versions: tables of what breaks clients and what does not, in words that name it."""

import re

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from slipway.domain.gates.contract.difference import (
    Difference,
    DifferenceKind,
    breaking_difference,
    compatible_difference,
)
from slipway.domain.gates.contract.inputs import ServiceBehavior
from slipway.domain.gates.contract.kinds import find_refused_values
from slipway.domain.gates.contract.outputs import compare_labels
from slipway.domain.gates.contract.replay import (
    RECORDED,
    OutputType,
    ReplayedAnswer,
    ReplayedExchange,
    ReplayResult,
    compare_exchanges,
    describe_replay,
)
from slipway.domain.gates.contract.verdict import compare_signatures, judge_contract, needs_person
from slipway.domain.judge.answers import AnswerKind
from slipway.domain.release.version import Column, Param, Signature
from slipway.domain.spec.release import Contract
from slipway.domain.verdict import Outcome

FILLING = ServiceBehavior(fills_optional=True, passes_params=True)
PREDICTION = (Column(name="y", kind="int64"),)


def columns(**kinds: str) -> tuple[Column, ...]:
    """Return columns by name; a type with `?` is optional."""
    return tuple(
        Column(name=name, kind=kind.removesuffix("?"), required=not kind.endswith("?")) for name, kind in kinds.items()
    )


def signature(inputs: tuple[Column, ...] = (), outputs: tuple[Column, ...] = PREDICTION) -> Signature:
    """Return a signature of these columns."""
    return Signature(inputs=inputs or columns(age="float64"), outputs=outputs)


def tensor(*shape: int, kind: str = "float32", name: str = "input") -> tuple[Column, ...]:
    """Return one input with a shape of its own."""
    return (Column(name=name, kind=kind, shape=shape),)


def check_only(found: tuple[Difference, ...], kind: str, words: str) -> None:
    """Assert that there is one difference, of a kind and in such words (a pattern); no kind: none."""
    assert [one.kind.value for one in found] == [kind] * bool(kind)
    assert not found or re.search(words, found[0].sentence), found[0].sentence


OLD = columns(age="float64", calls="int64")
TEXTS = columns(age="float64", plan="str")


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (OLD, (*OLD, *columns(tenure="float64")), "breaking", "column 'tenure' is new: .* answered 400"),
        (OLD, (*OLD, *columns(a="str", b="str")), "breaking", "columns 'a', 'b' are new: .* do not send them"),
        (OLD, (*OLD, *columns(tenure="float64?")), "breaking", "optional, but the service requires every column"),
        (OLD, OLD[:1], "breaking", "column 'calls' is gone: requests that still have it are answered 400"),
        (
            OLD,
            columns(age="float64", calls="int32"),
            "breaking",
            "int32 instead of int64: numbers beyond -2,147,483,648",
        ),
        (OLD, columns(age="int64", calls="int64"), "breaking", "int64 instead of float64: numbers with a fraction"),
        (OLD, columns(age="str", calls="int64"), "breaking", "'age' has type str .* its values are answered 400"),
        (TEXTS, columns(age="float64", plan="int64"), "breaking", "'plan' has type int64 .*: texts are answered 400"),
        (columns(a="bool"), columns(a="float64"), "breaking", "true and false are answered 400"),
        (columns(a="float64"), columns(a="float16"), "breaking", "numbers beyond 65,504"),
        (columns(a="int64"), columns(a="uint64"), "breaking", "numbers beyond 0 to"),
        (OLD, columns(age="float32", calls="int64"), "compatible", "rounded to 7 digits"),
        (OLD, columns(age="float64", calls="float64"), "compatible", "rounded to 15 digits"),
        (columns(a="int32"), columns(a="int64"), "compatible", "every value is taken as before"),
        (columns(a="object"), columns(a="str"), "", ""),
        (OLD, OLD[::-1], "breaking", "columns 'age', 'calls' are in another order: .* no error"),
        (TEXTS, TEXTS[::-1], "compatible", "are in another order: .* by name"),
        (columns(a="str?"), columns(a="str"), "compatible", "'a' is required now: the service requires every column"),
        (columns(a="str"), columns(a="str?"), "compatible", "'a' is optional now"),
        (tensor(-1, 8, 8), tensor(-1, 64), "breaking", r"requests of shape \[-1, 8, 8\] are answered 400"),
        (tensor(-1, 64), tensor(-1, 8, 8), "compatible", "requests of the old shape are taken too"),
        (tensor(-1, 64), tensor(-1, 65), "breaking", r"shape \[-1, 65\] instead of \[-1, 64\]"),
        (tensor(-1, 2), columns(a="float32", b="float32"), "breaking", "takes 2 columns instead of one tensor"),
        (columns(a="float32", b="float32"), tensor(-1, 2), "breaking", "takes one tensor instead of 2 columns"),
    ],
)
def test_what_clients_send(before: tuple[Column, ...], after: tuple[Column, ...], kind: str, words: str) -> None:
    """Each difference alone, told once, by what the service's doors do with such a request."""
    found = compare_signatures(signature(before), signature(after))

    check_only(found, kind, words)


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (OLD, (*OLD, *columns(tenure="float64?")), "compatible", "'tenure' is new and optional: .* are taken"),
        (columns(a="str?"), columns(a="str"), "breaking", "'a' is required now: requests without it are answered 400"),
    ],
)
def test_what_optional_means_where_the_service_fills_it(
    before: tuple[Column, ...], after: tuple[Column, ...], kind: str, words: str
) -> None:
    """Doors that take a request without an optional column turn both rules round."""
    check_only(compare_signatures(signature(before), signature(after), FILLING), kind, words)


K, T = Param(name="k", kind="long", default="3"), Param(name="t", kind="string", default='"x"')


@pytest.mark.parametrize(
    ("before", "after", "doors", "kind", "words"),
    [
        ((K,), (), ServiceBehavior(), "compatible", "param 'k' changed: the service passes no params on"),
        ((K,), (), FILLING, "breaking", "param 'k' is gone"),
        ((K,), (Param(name="k", kind="double", default="3"),), FILLING, "breaking", "type double instead of long"),
        ((K,), (Param(name="k", kind="long", default="4"),), FILLING, "compatible", "another default: 4 instead of 3"),
        ((K,), (K, T), FILLING, "compatible", "param 't' is new and has a default"),
        ((K, T), (K, T), FILLING, "", ""),
    ],
)
def test_params(
    before: tuple[Param, ...], after: tuple[Param, ...], doors: ServiceBehavior, kind: str, words: str
) -> None:
    """Today no door passes params on; what holds where one does is written down too."""
    sides = (Signature(inputs=OLD, outputs=PREDICTION, params=params) for params in (before, after))

    check_only(compare_signatures(*sides, doors), kind, words)


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (columns(y="int64"), columns(y="str"), "breaking", r"text \(str\) instead of a whole number \(int64\)"),
        (columns(y="float64"), columns(y="int64"), "breaking", "a whole number .* instead of a fractional number"),
        (columns(y="bool"), columns(y="int64"), "breaking", "a whole number .* instead of true or false"),
        (columns(y="float64"), columns(y="float32"), "compatible", "type float32 instead of float64"),
        (columns(y="int64"), columns(label="int64"), "", ""),
        (columns(y="int64"), columns(y="int64", score="float64"), "breaking", "2 values a row instead of 1 value"),
        (columns(a="float64", b="float64"), columns(b="float64", a="float64"), "breaking", "another order"),
        (columns(a="float64", b="float64"), columns(a="float64", c="float64"), "compatible", "called a, c"),
        (tensor(-1, 10), tensor(-1, 9), "breaking", "9 values a row instead of 10 values"),
        (tensor(-1, 4), tensor(-1, 2, 2), "breaking", r"values of shape \[2, 2\] a row instead of 4 values"),
        (tensor(-1, 1), tensor(-1), "", ""),
        (tensor(-1, -1), tensor(-1, 3), "", ""),
    ],
)
def test_what_clients_read(before: tuple[Column, ...], after: tuple[Column, ...], kind: str, words: str) -> None:
    """Outputs go by place and are all called `prediction`: names of one output matter to nobody."""
    check_only(compare_signatures(signature(outputs=before), signature(outputs=after)), kind, words)


TRUTH = np.array(["no"] * 60 + ["yes"] * 30 + ["maybe"] * 10)


@pytest.mark.parametrize(
    ("after", "kind", "words"),
    [
        (TRUTH, "", ""),
        (np.where(TRUTH == "yes", "no", TRUTH), "breaking", "'yes' is gone: .* on 30 of 100 rows"),
        (np.where(TRUTH == "maybe", "no", TRUTH), "compatible", "'maybe' is not given .* 10 of 100 rows: too few"),
        (np.where(TRUTH == "no", "never", TRUTH), "breaking", "'no' is gone"),
        (np.concatenate([["other"], TRUTH[1:]]), "compatible", "'other' was never given by the champion"),
        (np.zeros(100), "", ""),
        (TRUTH[:50], "", ""),
    ],
)
def test_labels(after: "np.ndarray[tuple[int], np.dtype[np.str_]]", kind: str, words: str) -> None:
    """A label that the champion is often right with and the challenger never gives is gone; a new one is no break."""
    found = compare_labels(TRUTH, TRUTH, after)

    assert [one.kind.value for one in found][:1] == [kind] * bool(kind)
    assert not found or re.search(words, found[0].sentence), found[0].sentence


def test_several_types_of_numbers_may_cost_the_form_of_lists() -> None:
    """Whether a model of several types takes one matrix, only its package knows."""
    found = compare_signatures(signature(columns(a="int64", b="int64")), signature(columns(a="int64", b="float64")))

    assert [(one.kind, one.where) for one in found] == [
        (DifferenceKind.COMPATIBLE, "column 'b'"),
        (DifferenceKind.COMPATIBLE, "rows as lists"),
    ]


def test_many_names_are_counted() -> None:
    """A sentence names a few columns of many."""
    wide = tuple(Column(name=f"c{number}", kind="float32") for number in range(1000))

    sentence = compare_signatures(signature(OLD), signature((*OLD, *wide)))[0].sentence

    assert sentence.startswith("columns 'c0', 'c1', 'c2', 'c3', 'c4', 'c5' and 994 more are new: ")


BROKEN = (breaking_difference("column 'a'", "column 'a' is gone"), compatible_difference("answers", "wider"))


@pytest.mark.parametrize(
    ("choice", "blocking", "asks", "words"),
    [
        (Contract.REFUSE, True, False, "'a' is gone$"),
        (Contract.APPROVE, False, True, "a person must approve before promotion"),
        (Contract.ALLOW, False, False, "the spec allows it"),
    ],
)
def test_what_the_spec_chose(choice: Contract, words: str, *, blocking: bool, asks: bool) -> None:
    """The same differences stop the release, ask a person, or are shown."""
    verdict = judge_contract("signature", BROKEN, choice, "churn-v1")

    assert (verdict.outcome, verdict.blocking) == (Outcome.FAIL, blocking)
    assert verdict.reason.startswith("clients of churn-v1 break: column 'a' is gone")
    assert re.search(words, verdict.reason)
    assert needs_person(BROKEN, choice) is asks
    assert "contract: allow" in verdict.do


def test_what_breaks_nobody_passes() -> None:
    """Compatible differences are counted; many breaking ones are cut short."""
    fine = judge_contract("signature", BROKEN[1:], Contract.REFUSE, "churn-v1")
    many = judge_contract("signature", BROKEN[:1] * 5, Contract.REFUSE, "churn-v1")

    assert fine.outcome is Outcome.PASS
    assert fine.reason == "clients of churn-v1 need no change (1 compatible difference)"
    assert many.reason.endswith("column 'a' is gone; and 2 more")
    assert not needs_person(BROKEN[1:], Contract.APPROVE)


GOOD = ReplayedAnswer(kind=AnswerKind.RIGHT, outputs={"prediction": OutputType("i", ())})
NO = ReplayedAnswer(kind=AnswerKind.REFUSED, message="400: none for tenure")


def exchange(before: ReplayedAnswer, after: ReplayedAnswer, door: str = "REST", form: str = "rows") -> ReplayedExchange:
    """Return a request and both answers."""
    return ReplayedExchange(protocol=door, form=form, champion=before, challenger=after)


def given(**outputs: OutputType) -> ReplayedAnswer:
    """Return an answer with these outputs; `bare` has no name."""
    return ReplayedAnswer(
        kind=AnswerKind.RIGHT, outputs={name if name != "bare" else "": one for name, one in outputs.items()}
    )


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (GOOD, GOOD, "", ""),
        (NO, NO, "", ""),
        (NO, GOOD, "", ""),
        (GOOD, NO, "breaking", r"^REST: 1 of 1 request .* refused or fail \(rows\): 400: none for tenure"),
        (GOOD, ReplayedAnswer(kind=AnswerKind.FAILED, message="500: boom"), "breaking", "500: boom"),
        (GOOD, ReplayedAnswer(kind=AnswerKind.SHED, message="429"), "", ""),
        (GOOD, given(), "breaking", "output 'prediction' is gone"),
        (GOOD, given(prediction=OutputType("t", ())), "breaking", "'prediction' is text instead of a whole number"),
        (GOOD, given(prediction=OutputType("i", (2,))), "breaking", r"shape \[2\] for a row instead of \[\]"),
        (GOOD, given(prediction=OutputType("i", ()), more=OutputType("f", ())), "compatible", "output 'more' is new"),
        (
            given(bare=OutputType("i", ())),
            GOOD,
            "breaking",
            r"objects by output \(prediction\) instead of plain values",
        ),
    ],
)
def test_what_only_the_challenger_gets_wrong(
    before: ReplayedAnswer, after: ReplayedAnswer, kind: str, words: str
) -> None:
    """What the champion does not answer is nobody's request; who is busy was not asked."""
    check_only(compare_exchanges([exchange(before, after)]), kind, words)


def test_refusals_are_told_once_a_door() -> None:
    """With how many there were, and the first of their forms."""
    forms = [f"form {number}" for number in range(6)]
    refused_forms = [exchange(GOOD, NO, "REST", form) for form in forms]

    found = compare_exchanges([*refused_forms, exchange(GOOD, GOOD), exchange(GOOD, NO, "gRPC")])

    assert [one.where for one in found] == ["REST", "gRPC"]
    assert "6 of 7 requests" in found[0].sentence
    assert "(form 0, form 1 and 4 more)" in found[0].sentence


def test_a_replay_says_what_it_compared() -> None:
    """Requests that the champion does not take are not counted."""
    exchanges = (exchange(GOOD, GOOD), exchange(GOOD, NO, "gRPC"), exchange(NO, NO))

    said = "2 requests made from the champion's signature, on 2 doors"
    assert describe_replay(ReplayResult(exchanges=exchanges)) == said
    assert describe_replay(ReplayResult(exchanges=exchanges, skipped="it took long")) == f"{said}; it took long"
    live = (*exchanges, exchange(GOOD, GOOD, RECORDED))
    assert (
        describe_replay(ReplayResult(exchanges=live, unrecorded="2 gone")) == f"{said}; 1 recorded live request; 2 gone"
    )


KINDS = ("bool", "int8", "uint8", "int32", "int64", "float32", "float64", "str")
COLUMN = st.builds(
    Column,
    name=st.text("abcdef", min_size=1, max_size=3),
    kind=st.sampled_from(KINDS),
    shape=st.sampled_from([(-1,), (-1, 2), (-1, 2, 3)]),
    required=st.booleans(),
)
COLUMNS = st.lists(COLUMN, min_size=1, max_size=5, unique_by=lambda column: column.name).map(tuple)
SIGNATURES = st.builds(Signature, inputs=COLUMNS, outputs=COLUMNS)


@drawn(SIGNATURES, st.sampled_from([ServiceBehavior(), FILLING]))
def test_a_version_like_the_champion_has_no_difference(same: Signature, doors: ServiceBehavior) -> None:
    """Whatever the signature: its own clients need no change."""
    assert compare_signatures(same, same, doors) == ()


@drawn(SIGNATURES, SIGNATURES)
def test_breaking_differences_come_first_and_name_where(before: Signature, after: Signature) -> None:
    """Any two signatures can be compared."""
    found = compare_signatures(before, after)

    assert [one.kind for one in found] == sorted((one.kind for one in found), key=list(DifferenceKind).index)
    assert all(one.where and one.sentence for one in found)
    assert before.inputs == after.inputs or found


@drawn(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_what_two_changes_take_one_takes(first: str, second: str, third: str) -> None:
    """Types that take one another do so in a row: int32 to int64 to float64."""
    assert find_refused_values(first, first) == ""
    if not find_refused_values(first, second) and not find_refused_values(second, third):
        assert find_refused_values(first, third) == ""
