"""The protobuf messages of the protocols: classes made from the descriptors beside this file.

`python -m tests.protos` compiles the .proto files to descriptors.

The descriptors have a pool of their own: in protobuf's default pool they would clash with the same messages from
TensorFlow, tritonclient or a model's own code, and the second import would fail.
"""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from services.inference.refusals import reject

DESCRIPTORS = Path(__file__).with_name("messages.binpb")
Message = Any
"""A message of any kind: its class is made at run time, so the types of its fields are unknown to type checkers."""
MessageClass = Any
"""The class of one kind of messages, which `FromString` parses."""


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
    """Return the message that bytes encode; raise BadRequest."""
    try:
        return kind.FromString(body)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        reject("message", f"{len(body)} bytes that are none of its kind", f"the bytes of a {name}")
