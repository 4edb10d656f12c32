"""Making a converted graph ours: names, order and shapes of its outputs, nothing unused, the same bytes every time."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from slipway.adapters.onnx.converter import NotConverted
from slipway.adapters.onnx.session import COLUMNS_KEY
from slipway.adapters.onnx.worker import describe_in_one_line

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

PREDICTION, PROBABILITIES = "prediction", "probabilities"
NAME = "slipway"
"""The graph's name: converters draw a random one."""
IR_VERSION = 10
"""Fixed for the same reason as the opset; belongs to opset 21."""


def tidy_graph(model: "ModelProto", columns: Sequence[str], *, probabilities: bool, flat: bool) -> None:
    """Change a converted model in place: outputs `prediction` and, where wanted, `probabilities`, in this order.

    `flat`: the prediction has shape (rows,), as the original's, where the converter made it (rows, 1).
    Raises NotConverted when an input has the name of an output, or the wanted outputs are not there.
    """
    graph = model.graph
    names = [PREDICTION, PROBABILITIES][: 1 + probabilities]
    for put in graph.input:
        if put.name in names:
            raise NotConverted("conversion", f"its input column {put.name!r} has the name of an output")
    if len(graph.output) < len(names):
        raise NotConverted("conversion", "the converter gives no probabilities")
    del graph.output[len(names) :]
    _rename_outputs(graph, [put.name for put in graph.output], names)
    if flat and len(graph.output[0].type.tensor_type.shape.dim) == 2:  # noqa: PLR2004 - (rows, 1)
        _squeeze_prediction(graph)
    _prune_graph(graph)
    _settle_metadata(model, columns)


def _rename_outputs(graph: "GraphProto", old: Sequence[str], new: Sequence[str]) -> None:
    used = {name for node in _list_nodes(graph) for name in (*node.input, *node.output)}
    # an inner value that has a wanted name makes room for it
    mapping = {name: f"{name}_inner" for name in new if name in used} | dict(zip(old, new, strict=True))
    for node in _list_nodes(graph):
        node.input[:] = [mapping.get(name, name) for name in node.input]
        node.output[:] = [mapping.get(name, name) for name in node.output]
    for value in (*graph.output, *graph.value_info, *graph.initializer):
        value.name = mapping.get(value.name, value.name)


def _squeeze_prediction(graph: "GraphProto") -> None:
    """Drop the prediction's second axis."""
    from numpy import array, int64
    from onnx import helper, numpy_helper

    inner = f"{PREDICTION}_column"
    _rename_value(graph, PREDICTION, inner)
    graph.initializer.append(numpy_helper.from_array(array([1], dtype=int64), f"{PREDICTION}_axes"))
    graph.node.append(
        helper.make_node("Squeeze", [inner, f"{PREDICTION}_axes"], [PREDICTION], name=f"{PREDICTION}_flat")
    )
    del graph.output[0].type.tensor_type.shape.dim[1]


def _rename_value(graph: "GraphProto", old: str, new: str) -> None:
    for node in _list_nodes(graph):
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def _list_nodes(graph: "GraphProto") -> Iterator["NodeProto"]:
    """Yield all nodes, those of inner graphs (loops) included: they may use values of the outer one."""
    for node in graph.node:
        yield node
        for inner in _list_inner_graphs(node):
            yield from _list_nodes(inner)


def _list_inner_graphs(node: "NodeProto") -> Iterator["GraphProto"]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _prune_graph(graph: "GraphProto") -> None:
    """Drop what no output needs: scores that are not shown, and their constants."""
    needed = {put.name for put in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):  # ONNX keeps nodes in topological order
        if needed.intersection(node.output):
            needed.update(_list_uses(node))
            kept.append(node)
    _replace_items(graph.node, reversed(kept))
    _replace_items(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _replace_items(graph.value_info, ())


def _list_uses(node: "NodeProto") -> set[str]:
    return {
        *node.input,
        *(name for inner in _list_inner_graphs(node) for each in _list_nodes(inner) for name in each.input),
    }


def _replace_items(field: Any, values: Iterable[Any]) -> None:  # noqa: ANN401 - a protobuf field, which has no public type
    copies = list(values)
    del field[:]
    field.extend(copies)


def _settle_metadata(model: "ModelProto", columns: Sequence[str]) -> None:
    from onnx import helper

    model.ir_version = IR_VERSION
    model.graph.name, model.doc_string, model.graph.doc_string = NAME, "", ""
    versions = {entry.domain: entry.version for entry in model.opset_import}  # skl2onnx writes one twice
    _replace_items(model.opset_import, [helper.make_opsetid(*entry) for entry in sorted(versions.items())])
    helper.set_model_props(model, {COLUMNS_KEY: json.dumps(list(columns))})


def check_graph(model: "ModelProto") -> None:
    """Raise NotConverted for a graph that ONNX's checker refuses, with operators of others, or with data elsewhere."""
    import onnx

    strange = {node.domain for node in model.graph.node} - {"", "ai.onnx", "ai.onnx.ml"}
    if strange or model.functions:
        raise NotConverted(
            "converted graph", f"it needs operators that are not ONNX's own ({', '.join(sorted(strange))})"
        )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise NotConverted("converted graph", "it keeps data outside of its file")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise NotConverted("converted graph", f"it is not valid ONNX: {describe_in_one_line(error)}") from error
