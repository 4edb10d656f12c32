"""Fuzzes the parsers of the Open Inference Protocol's bodies, guided by what they cover.

Run in an environment with atheris: `python -m tests.services.inference.fuzzing --seconds 20`, or with the path of a
file that made it fail. It ends with an error where anything but BadRequest is raised, where its message does not say
what is expected, and where a tensor has more values than there were bytes.
"""

import argparse
import resource
import sys

import atheris

with atheris.instrument_imports(include=["services.inference"]):
    import numpy as np
    import orjson

    from services.inference.manifest import InputColumn, Manifest
    from services.inference.protocols.oip_binary import LENGTH, parse_raw_tensor
    from services.inference.protocols.oip_json import parse_request
    from services.inference.refusals import BadRequest
    from services.inference.rows import Rows
    from services.inference.tensors import DATATYPES, get_datatype

NAMES = [*DATATYPES, "BF16", ""]
MOST_SIZES = 5
SIZES = [0, 1, 2, 3, 4, 7, -1, 2**31, 2**32, 2**62, 2**63, 2**70]
"""Sizes of shapes: small ones that fit, and those at which counting goes wrong."""

MOST_OF_JSON = 2**64 - 1
MOST_ROWS = 3
MOST_MEBIBYTES = 1024
LIES = 3
"""Kinds of lies about a tensor: its datatype, its shape, its size."""


def manifest_of(*columns: InputColumn) -> Manifest:
    """Return a manifest of some columns."""
    return Manifest(
        model="toy",
        version="3",
        revision="toy-v3",
        runtime="onnx",
        file="model.onnx",
        columns=columns,
        inputs=("X",),
        single_matrix=False,
        outputs=("y",),
        digest="d",
        profile=(),
        batchable=True,
    )


MANIFESTS = (
    manifest_of(*(InputColumn(name=name, kind="float32") for name in "abc")),
    manifest_of(
        InputColumn(name="a", kind="int8"), InputColumn(name="b", kind="str"), InputColumn(name="c", kind="bool")
    ),
    manifest_of(InputColumn(name="a", kind="float64", shape=(-1, 2, 2))),
)


def fuzz_tensor(source: "atheris.FuzzedDataProvider") -> None:
    """Make a tensor of any type and shape from any bytes."""
    datatype, shape = source.PickValueInList(NAMES), _shape(source)
    raw = source.ConsumeBytes(source.remaining_bytes())

    values = parse_raw_tensor(datatype, shape, memoryview(raw), "input 'x'")

    assert values.size <= len(raw), f"{values.size} values from {len(raw)} bytes"


def fuzz_body(source: "atheris.FuzzedDataProvider") -> None:
    """Parse any bytes, cut anywhere into JSON and what follows it."""
    cut = source.ConsumeIntInRange(-1, 4096)
    body = source.ConsumeBytes(source.remaining_bytes())

    manifest = MANIFESTS[len(body) % len(MANIFESTS)]
    _small(parse_request(body, None if cut < 0 else min(cut, len(body)), manifest).rows, body)


def fuzz_request(source: "atheris.FuzzedDataProvider") -> None:
    """Parse requests that are right for a model, but for some lies about sizes, types and shapes."""
    manifest = MANIFESTS[source.ConsumeIntInRange(0, len(MANIFESTS) - 1)]
    rows = source.ConsumeIntInRange(1, MOST_ROWS)
    parts = [_tensor(source, column, rows) for column in manifest.columns]
    head = orjson.dumps({"inputs": [entry for entry, _ in parts]})
    body = head + b"".join(raw for _, raw in parts) + source.ConsumeBytes(source.remaining_bytes())

    _small(parse_request(body, len(head), manifest).rows, body)


def _tensor(source: "atheris.FuzzedDataProvider", column: InputColumn, rows: int) -> tuple[dict[str, object], bytes]:
    """Return one column's tensor and its bytes; one in four has a lie in it."""
    if column.kind == "str":
        texts = [source.ConsumeBytes(source.ConsumeIntInRange(0, 4)) for _ in range(rows)]
        raw = b"".join(LENGTH.pack(len(text)) + text for text in texts)
    else:
        raw = bytes(rows * column.width * np.dtype(column.kind).itemsize)
    lie = source.ConsumeIntInRange(0, 4 * LIES)
    datatype = source.PickValueInList(NAMES) if lie == 1 else get_datatype(column.kind)
    shape = _shape(source) if lie == 2 else [rows, *column.shape[1:]]
    size = source.ConsumeIntInRange(-1, 64) if lie == LIES else len(raw)
    named = {"name": column.name, "datatype": datatype, "shape": [min(one, MOST_OF_JSON) for one in shape]}
    return named | {"parameters": {"binary_data_size": size}}, raw


def _shape(source: "atheris.FuzzedDataProvider") -> list[int]:
    return [source.PickValueInList(SIZES) for _ in range(source.ConsumeIntInRange(0, MOST_SIZES))]


def _small(rows: Rows, body: bytes) -> None:
    arrays = [rows.matrix] if rows.matrix is not None else list(rows.columns.values())
    values = sum(int(np.prod(array.shape)) for array in arrays)
    assert values <= len(body), f"{values} values from {len(body)} bytes"


def fuzz(data: bytes) -> None:
    """Try one input."""
    source = atheris.FuzzedDataProvider(data)
    target = source.PickValueInList([fuzz_tensor, fuzz_body, fuzz_request])
    try:
        target(source)
    except BadRequest as error:
        if " expected " not in str(error):
            raise AssertionError(str(error)) from error


def main() -> None:
    """Fuzz for some seconds, or try one file."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.inference.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("path", nargs="?")
    asked = parser.parse_args()
    # what libFuzzer takes for its own memory begins with that of whoever started it
    most = MOST_MEBIBYTES + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    bounds = [f"-rss_limit_mb={most}", f"-malloc_limit_mb={MOST_MEBIBYTES}", "-timeout=5"]
    words = [asked.path] if asked.path else [f"-max_total_time={asked.seconds}", *bounds]
    atheris.Setup([sys.argv[0], *words, "-print_final_stats=1"], fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
