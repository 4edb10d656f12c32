"""The messages of protobuf that we speak: classes made of descriptors that lie beside this file.

`python -m tests.protos` makes those of the .proto files.

They are in a pool of their own: in protobuf's default one they would clash with the same messages as TensorFlow,
tritonclient or a model's own code bring them along, and whoever is imported second fails.
"""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from services.inference.refusals import reject

DESCRIPTORS = Path(__file__).with_name("messages.binpb")
Message = Any
"""A message of any kind: its class is made at run time, so nobody knows the types of its fields before."""
MessageClass = Any
"""Makes messages of one kind, and reads them with `FromString`."""


def _load_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load_pool()


def get_message_class(name: str) -> MessageClass:
    r"""Return the class of a message by its full name.

    >>> get_message_class("inference.ServerLiveResponse")(live=True).SerializeToString()
    b'\x08\x01'
    """
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def parse_message(kind: MessageClass, body: bytes) -> Message:
    """Return the message that these bytes are; raise BadRequest."""
    try:
        return kind.FromString(body)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        reject("message", f"{len(body)} bytes that are none of its kind", f"the bytes of a {name}")
