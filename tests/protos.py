"""`python -m tests.protos`: make the descriptors of the inference service's messages from their .proto files.

They are committed, as neither images nor users' machines have a compiler of such files; a test tells when they are old.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

MESSAGES = Path(__file__).parents[1] / "services" / "inference" / "messages"
DESCRIPTORS = MESSAGES / "messages.binpb"


def compile_to(path: Path) -> None:
    """Write the descriptors of all messages, and of what they import, to a file."""
    sources = sorted((MESSAGES / "protos").glob("*.proto"))
    known = files("grpc_tools") / "_proto"  # google/protobuf/any.proto and its like
    words = ["protoc", f"-I{MESSAGES / 'protos'}", f"-I{known}", "--include_imports", f"--descriptor_set_out={path}"]
    code = protoc.main([*words, *(source.name for source in sources)])
    if code:
        raise SystemExit(f"protoc ended with code {code}; see what it printed")


if __name__ == "__main__":
    compile_to(DESCRIPTORS)
    sys.stdout.write(f"{DESCRIPTORS.name}: {DESCRIPTORS.stat().st_size} bytes\n")
