"""Where nulls go in trees: scikit-learn learns it for each split, and skl2onnx 1.20 forgets it (its issue 1253).

Put back for a tree or a forest, alone or at the end of a pipeline. Elsewhere the parity gate sees the difference.
"""

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto

ROUTES = "nodes_missing_value_tracks_true"


def restore_routes(graph: "GraphProto", model: Any) -> None:  # noqa: ANN401 - any estimator
    """Change a converted graph in place, so that nulls take the branches that the original's splits send them to."""
    ensembles = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    trees = _trees(model)
    if len(ensembles) != 1 or not trees:
        return
    attributes = {attribute.name: attribute for attribute in ensembles[0].attribute}
    if _places(attributes) != list(chain.from_iterable(_expected(trees))) or ROUTES not in attributes:
        return
    left = chain.from_iterable(tree.missing_go_to_left for tree in trees)
    modes = attributes["nodes_modes"].strings
    attributes[ROUTES].ints[:] = [int(goes and mode != b"LEAF") for goes, mode in zip(left, modes, strict=True)]


def _trees(model: Any) -> list[Any]:  # noqa: ANN401 - any estimator
    """Return the trees of the estimator that answers, in its order; none where it is made of other things."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if hasattr(last, "tree_"):
        return [last.tree_]
    parts = getattr(last, "estimators_", [])
    if not isinstance(parts, list) or not all(hasattr(part, "tree_") for part in parts):
        return []
    return [part.tree_ for part in parts]


def _expected(trees: list[Any]) -> list[list[tuple[int, int]]]:
    return [[(number, node) for node in range(tree.node_count)] for number, tree in enumerate(trees)]


def _places(attributes: "dict[str, AttributeProto]") -> list[tuple[int, int]]:
    return list(zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True))
