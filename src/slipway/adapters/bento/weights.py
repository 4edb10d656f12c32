"""Large weights in a file next to the graph: ONNX Runtime maps such a file, so workers of one server share it."""

import shutil
from pathlib import Path

SHARED_FROM_BYTES = 32 * 1024 * 1024
"""Smaller models cost less memory than a worker's own libraries."""
SUFFIX = ".data"
"""Suffix of the file of weights, after the graph's name."""
TENSOR_FROM_BYTES = 1024
"""Smaller tensors stay in the graph."""


def lay_out_model(source: Path, target: Path) -> None:
    """Copy an ONNX file, with its weights in a separate file if they are large."""
    if source.stat().st_size < SHARED_FROM_BYTES:
        shutil.copyfile(source, target)
        return
    import onnx

    onnx.save_model(
        onnx.load(source, load_external_data=False),  # a converted file has no external data
        target,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{target.name}{SUFFIX}",
        size_threshold=TENSOR_FROM_BYTES,
    )
