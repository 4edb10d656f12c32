"""Requests of the champion's clients to two real services, on every door: what breaks is found, and told in words."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from slipway.adapters.bento.rehearsal import ProcessRehearsal
from slipway.adapters.bento.replaying.requests import ReplayProtocol
from slipway.domain.gates.contract.difference import Difference, DifferenceKind
from slipway.domain.gates.contract.recorded import RecordedSample
from slipway.domain.gates.contract.replay import RECORDED, ReplayResult, compare_exchanges, describe_replay
from slipway.domain.release.version import Column, Signature
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import RehearsalSpec
from slipway.ports.rehearsal import Promise

Make = Callable[..., tuple[Package, Signature]]
Play = Callable[..., ReplayResult]
ROWS = "a,b,tenure,plan\n1,2,3,x\n-0.5,4,1,y\n7,1,2,z\n"
AB = {"a": "float64", "b": "float64"}


@pytest.fixture
def make(onnx_package: Package, tmp_path: Path) -> Make:
    """Return a maker of packages with other columns and outputs: what a row sums up to, as these outputs say."""

    def run(version: int, columns: dict[str, str], *outputs: str, kind: str = "float32") -> tuple[Package, Signature]:
        path = tmp_path / f"v{version}"
        shutil.copytree(onnx_package.path, path)
        model = path / "src" / "model"
        document = json.loads((model / "slipway.json").read_text())
        inputs = [{"name": name, "kind": kind.removesuffix("?"), "shape": [-1]} for name, kind in columns.items()]
        texts = any(one["kind"] == "str" for one in inputs)
        document |= {
            "version": str(version),
            "revision": f"digits-v{version}",
            "columns": inputs,
            "inputs": list(columns) if texts else ["X"],
            "single_matrix": not texts,
            "outputs": list(outputs) or ["y"],
            "profile": [],
        }
        (model / "slipway.json").write_text(json.dumps(document))
        (model / "model.onnx").write_bytes(summing(columns if texts else {"X": "matrix"}, outputs or ("y",), kind))
        package = replace(
            onnx_package, path=path, version=version, tag=f"digits:v{version}", digest=f"sha256:{version}"
        )
        named = (
            Column(name=name, kind=kind.removesuffix("?"), required=not kind.endswith("?"))
            for name, kind in columns.items()
        )
        return package, Signature(inputs=tuple(named), outputs=())

    return run


def summing(inputs: dict[str, str], outputs: tuple[str, ...], kind: str) -> bytes:
    """Return an ONNX file that sums up each row (of texts: nothing), and gives as many numbers again per output."""
    from onnx import TensorProto, helper, numpy_helper

    types = {"str": TensorProto.STRING, "matrix": TensorProto.FLOAT}
    values = [
        helper.make_tensor_value_info(name, types.get(one, TensorProto.FLOAT), [None, None if one == "matrix" else 1])
        for name, one in inputs.items()
    ]
    number = next(name for name, one in inputs.items() if one != "str")
    nodes = [helper.make_node("ReduceSum", [number, "axis"], ["sum"], keepdims=0)]
    given = []
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    for place, name in enumerate(outputs):
        if place == 0:
            nodes.append(helper.make_node("Cast", ["sum"], [name], to=kinds[kind]))
            given.append(helper.make_tensor_value_info(name, kinds[kind], [None]))
        else:
            width = int(name.removeprefix("p"))
            nodes.append(helper.make_node("ReduceSum", [number, "axis"], [f"{name}s"], keepdims=1))
            nodes.append(helper.make_node("Concat", [f"{name}s"] * width, [name], axis=1))
            given.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]))
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    graph = helper.make_graph(nodes, "sum", values, given, initializer=[axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Return what rehearses a challenger beside a champion; afterwards no process is left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)

    def run(
        champion: tuple[Package, Signature], challenger: tuple[Package, Signature], *recorded: dict[str, Any]
    ) -> ReplayResult:
        sent = RecordedSample(requests=recorded, unreadable=len(recorded) // 3)
        promise = Promise(package=champion[0], signature=champion[1], columns=champion[1].columns, recorded=sent)
        rehearsal = ProcessRehearsal(tmp_path / "logs")
        seen = rehearsal.rehearse(challenger[0], rows, challenger[1].columns, RehearsalSpec(requests=3), promise)
        assert seen.replayed is not None
        return seen.replayed

    yield run
    assert not {child.pid for child in psutil.Process().children(recursive=True)} - before


def where(found: tuple[Difference, ...]) -> set[str]:
    """Return where breaking differences are."""
    return {one.where for one in found if one.kind is DifferenceKind.BREAKING}


def test_a_version_like_the_champion_answers_all_its_clients(make: Make, play: Play) -> None:
    """Some tens of requests on each door, every one of them answered by both, in the same form."""
    replayed = play(make(1, AB, "y", "p2"), make(2, AB, "y", "p2"))

    assert compare_exchanges(replayed.exchanges) == ()
    assert {one.protocol for one in replayed.exchanges} == {door.value for door in ReplayProtocol}
    assert min(sum(one.protocol == door for one in replayed.exchanges) for door in ReplayProtocol) >= 12
    assert replayed.skipped == ""


def test_a_column_that_clients_do_not_send_is_missed_at_every_door(make: Make, play: Play) -> None:
    """The rows file has it, so the rehearsal's own requests pass; each door's refusal is told in its own words."""
    found = compare_exchanges(play(make(1, AB), make(2, AB | {"tenure": "float64"})).exchanges)

    assert where(found) == {door.value for door in ReplayProtocol}
    assert all("tenure" in one.sentence or "3]" in one.sentence for one in found)


CASES = [
    # the champion, the challenger, where it breaks, words of a difference
    ((AB, "y", "p2"), (AB, "y"), "answers", "REST: answers are plain|output 'probabilities' is gone"),
    ((AB, "y"), (AB, "y", "p2"), "answers", "REST: answers are objects by output .* instead of plain values"),
    ((AB, "y", "p2"), (AB, "y", "p3"), "answers", r"'probabilities' has shape \[3\] for a row instead of \[2\]"),
    (
        (AB, "y"),
        ({"a": "float64", "b": "int64"}, "y"),
        ReplayProtocol.OIP.value,
        "'b': got values of type FP64, expected type INT64",
    ),
    (
        (AB | {"plan": "str"}, "y"),
        (AB, "y"),
        ReplayProtocol.TENSORFLOW_GRPC.value,
        "'plan': got a name the model does not have",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_what_breaks_is_found(make: Make, play: Play, case: tuple[Any, Any, str, str]) -> None:
    """Outputs that are gone or new, another width, another type of a column: each seen by real clients' eyes."""
    before, after, place, words = case

    found = compare_exchanges(play(make(1, *before), make(2, *after)).exchanges)

    assert place in where(found)
    assert any(re.search(words, one.sentence) for one in found if one.kind is DifferenceKind.BREAKING), found


def test_labels_that_become_other_values_are_found(make: Make, play: Play) -> None:
    """Numbers with a fraction instead of whole ones, whatever the signature said."""
    found = compare_exchanges(play(make(1, AB, kind="int64"), make(2, AB)).exchanges)

    assert where(found) == {"answers", ReplayProtocol.TENSORFLOW.value}  # a model of numbers has no classes
    assert any("'prediction' is a fractional number instead of a whole number" in one.sentence for one in found)


def test_a_champion_that_is_not_here_is_said(make: Make, play: Play) -> None:
    """On a cluster its package may lie on another machine: nothing is replayed, and nothing fails."""
    package, signature = make(1, AB)
    broken = replace(package, path=package.path / "src")

    gone = play((replace(package, path=package.path / "gone"), signature), make(2, AB))
    ill = play((broken, signature), make(3, AB))

    assert gone == ReplayResult(skipped="nothing was replayed: the champion's package is not on this machine")
    assert ill.exchanges == ()
    assert ill.skipped.startswith("nothing was replayed: the champion can't be tried here (revision digits-v1: ended")


def test_rows_that_the_champion_can_not_fill_are_zeros(make: Make, play: Play) -> None:
    """The rows file is the challenger's: a column of the champion that it lacks is tried all the same."""
    found = compare_exchanges(play(make(1, AB | {"gone": "float64", "word": "str"}), make(2, AB)).exchanges)

    assert where(found) >= {ReplayProtocol.OIP.value, ReplayProtocol.OIP_GRPC.value, ReplayProtocol.TENSORFLOW.value}


SECRET = 987_654_321_987
"""What a client sent."""
TABLE = {"a": "int64", "b": "float64"}


def test_recorded_requests_are_sent_again(make: Make, play: Play) -> None:
    """In either form of a record, a batch too, whose last row is cut; what does not fit the champion is said."""
    recorded = (
        {"": [1, 2, 3, 4, 5]},
        {"a": [1, 2], "b": [0.5, 1]},
        {"a": [1, 2], "b": [0.5, None]},  # the champion has no answer to it
        {"a": ["x"], "b": [1]},
        {"a": [1]},
        {"": []},
        {"a": [0.5], "b": [1]},
    )

    replayed = play(make(1, TABLE), make(2, TABLE), *recorded)

    live = [one for one in replayed.exchanges if one.protocol == RECORDED]
    assert [one.form for one in live] == ["named tensors (2 rows)"] * 2
    assert compare_exchanges(replayed.exchanges) == ()
    assert describe_replay(replayed).endswith(
        "; 2 recorded live requests; 2 recorded requests could not be read; "
        "4 recorded requests had not the champion's columns, whole"
    )


def test_a_value_that_only_the_challenger_refuses_is_found_and_not_told(make: Make, play: Play, tmp_path: Path) -> None:
    """The rows file has none such. The column and its type are said; the value is in no sentence and in no log."""
    narrow = make(2, TABLE | {"a": "int32"})
    recorded = ({"a": [5], "b": [1.5]}, {"a": [SECRET], "b": [1.5]}, {"a": [7, SECRET], "b": [1.5, 2]})

    replayed = play(make(1, TABLE), narrow, *recorded)

    (found,) = [one for one in compare_exchanges(replayed.exchanges) if one.where == RECORDED]
    assert found.kind is DifferenceKind.BREAKING
    assert found.sentence == (
        "recorded live requests: 2 of 3 requests that the champion answers are refused or fail "
        "(values of column 'a', int64): refused"
    )
    assert str(SECRET) not in f"{replayed} {written(tmp_path / 'logs')}"


def test_a_value_that_the_challenger_fails_at_is_found_and_not_told(make: Make, play: Play, tmp_path: Path) -> None:
    """Its service writes why into its own log, with the value: that is taken out again."""
    table = make(2, TABLE)
    (table[0].path / "src" / "model" / "model.onnx").write_bytes(looking_up(11))

    recorded = ({"a": [3], "b": [1]}, {"a": [7_654_321], "b": [2]}, {"a": [99_999], "b": [99_999]})
    replayed = play(make(1, TABLE), table, *recorded)

    (sentence,) = [one.sentence for one in compare_exchanges(replayed.exchanges) if one.where == RECORDED]
    assert sentence == (
        "recorded live requests: 2 of 3 requests that the champion answers are refused or fail "
        "(values of column 'a', int64, values of more than one column, or a number of rows): failed"
    )
    assert "digits-v2" in written(tmp_path / "logs")
    assert not re.search("7654321|99999", f"{replayed} {written(tmp_path / 'logs')}")


def written(folder: Path) -> str:
    """Return all that lies in a folder's files."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def looking_up(size: int) -> bytes:
    """Return an ONNX file that looks all values up in a table of so many, and fails at those beyond it."""
    from onnx import TensorProto, helper, numpy_helper

    given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])
    table = numpy_helper.from_array(np.arange(size, dtype=np.float32), "table")
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    nodes = [
        helper.make_node("Cast", ["X"], ["places"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "places"], ["found"]),
        helper.make_node("ReduceSum", ["found", "axis"], ["y"], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "table", [given], [answer], initializer=[table, axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
