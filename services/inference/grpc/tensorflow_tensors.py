"""TensorFlow's tensors in its messages: values as bytes, or in a field for their type."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from services.inference.bodies import BODY_LIMIT
from services.inference.grpc.text_values import decode_texts, encode_texts
from services.inference.messages import Message, get_message_class
from services.inference.protocols.oip_binary import parse_raw_tensor
from services.inference.protocols.tensorflow_signature import TYPES
from services.inference.refusals import reject
from services.inference.tensors import DTYPES, cast_values, get_array_datatype, parse_shape

TensorProto = get_message_class("tensorflow.TensorProto")
_TYPES = TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type
DATATYPES = {name: datatype for datatype, name in TYPES.items()}
"""The Open Inference Protocol's names of types, by TensorFlow's."""
_NAMES = {_TYPES.values_by_name[name].number: name for name in DATATYPES}
NUMBERS = {datatype: _TYPES.values_by_name[name].number for name, datatype in DATATYPES.items()}
"""TensorFlow's numbers of types, by the Open Inference Protocol's names."""
FIELDS: dict[str, tuple[str, np.dtype[np.generic]]] = {
    **dict.fromkeys(("INT8", "INT16", "INT32", "UINT8", "UINT16"), ("int_val", np.dtype(np.int32))),
    "FP32": ("float_val", np.dtype(np.float32)),
    "FP64": ("double_val", np.dtype(np.float64)),
    "FP16": ("half_val", np.dtype(np.int32)),
    "INT64": ("int64_val", np.dtype(np.int64)),
    "UINT32": ("uint32_val", np.dtype(np.uint32)),
    "UINT64": ("uint64_val", np.dtype(np.uint64)),
    "BOOL": ("bool_val", np.dtype(np.bool_)),
    "BYTES": ("string_val", np.dtype(object)),
}
"""The field for values of a type, and numpy's type of its values."""


def read_tensor_proto(tensor: Message, what: str) -> NDArray[np.generic]:
    """Return a tensor's values; raise BadRequest naming the input."""
    name = _NAMES.get(tensor.dtype)
    if name is None:
        reject(f"{what}: dtype", tensor.dtype, f"one of {', '.join(DATATYPES)}")
    datatype = DATATYPES[name]
    if tensor.tensor_shape.unknown_rank:
        reject(f"{what}: tensor_shape", "unknown_rank", "sizes, the rows first")
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    field, held = FIELDS[datatype]
    given = getattr(tensor, field)
    if not tensor.tensor_content:
        return _read_typed(given, (field, held), datatype, parse_shape(sizes, what), what)
    if given:
        reject(what, f"both tensor_content and {field}", "one of them")
    if datatype == "BYTES":
        reject(f"{what}: tensor_content", "one", "string_val, as its dtype DT_STRING says")
    return parse_raw_tensor(datatype, sizes, memoryview(tensor.tensor_content), what)


def _read_typed(
    given: Message, held: tuple[str, np.dtype[np.generic]], datatype: str, shape: tuple[int, ...], what: str
) -> NDArray[np.generic]:
    """Return values of a typed field. A single one is repeated, as in TensorFlow (within the limit of a body)."""
    field, kind = held
    count = prod(shape)
    alone = len(given) == 1 and count * max(1, kind.itemsize) <= BODY_LIMIT
    if len(given) != count and not alone:
        reject(f"{what}: {field}", f"{len(given)} values", f"{count}, as its shape {list(shape)} says")
    if datatype == "BYTES":
        values = decode_texts(given, f"{what}: {field}")
    elif datatype == "FP16":
        values = cast_values(np.array(given, dtype=kind), np.dtype(np.uint16), f"{what}: {field}").view(np.float16)
    else:
        values = cast_values(np.array(given, dtype=kind), DTYPES[datatype], f"{what}: {field}")
    return (values if len(values) == count else np.broadcast_to(values, count)).reshape(shape)


def write_tensor_proto(tensor: Message, values: NDArray[np.generic]) -> None:
    """Fill a tensor's typed field: clients read that one, because TensorFlow Serving fills it."""
    datatype = get_array_datatype(values)
    tensor.dtype = NUMBERS[datatype]
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    field = getattr(tensor, FIELDS[datatype][0])
    if datatype == "BYTES":
        field.extend(encode_texts(values))
    else:
        field.extend((values.view(np.uint16) if datatype == "FP16" else values).ravel().tolist())
