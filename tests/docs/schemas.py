"""docs/grpc.md from the schemas in `proto/`: services, calls and messages, with their comments.

python -m tests.docs.schemas > docs/grpc.md
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from tests.docs.reading import ROOT

PAGE: Final = ROOT / "docs" / "grpc.md"
PROTO: Final = ROOT / "proto"
_ABOVE: Final = """\
# The gRPC interface

What nodes and gateways serve, from the schemas in `proto/`. All of it wants mutual TLS; [access.md](access.md) says
who may call what of a node, [errors.md](errors.md) what a refusal's code means, [formats.md](formats.md) which bytes
are signed. `ledgernode.client` is the same in Python. Names and numbers of fields are never used for anything else;
`make lint` holds each change against the schemas before it. `python -m tests.docs.schemas > docs/grpc.md` writes this
page.
"""
_MESSAGE, _ENUM, _SERVICE, _FIELD, _METHOD, _VALUE = 4, 5, 6, 2, 2, 2
"""Numbers of fields in a descriptor, which name a place in its source."""
_KINDS: Final = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}

Comments = dict[tuple[int, ...], str]


def page() -> str:
    parts = [_ABOVE]
    for file in described():
        comments = {
            tuple(one.path): " ".join(one.leading_comments.split())
            for one in file.source_code_info.location
            if one.leading_comments
        }
        parts.append(f"\n## {file.package}: {Path(file.name).stem}\n")
        parts.extend(_services(file, comments))
        for number, message in enumerate(file.message_type):
            parts.extend(_message(message, (_MESSAGE, number), comments, ""))
        for number, enum in enumerate(file.enum_type):
            parts.extend(_enum(enum, (_ENUM, number), comments, ""))
    return "".join(parts)


def described() -> list[FileDescriptorProto]:
    """Our schemas, each with its comments."""
    schemas = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        paths = [f"--proto_path={PROTO}", f"--proto_path={files('grpc_tools') / '_proto'}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", *paths, "--include_source_info"]
        subprocess.run([*command, f"--descriptor_set_out={made}", *schemas], check=True)
        return sorted(FileDescriptorSet.FromString(made.read_bytes()).file, key=lambda one: (one.package, one.name))


def _services(file: FileDescriptorProto, comments: Comments) -> Iterator[str]:
    for number, service in enumerate(file.service):
        place = (_SERVICE, number)
        yield f"\n### {service.name}\n\n" + _paragraph(comments.get(place))
        yield "| call | takes | gives | |\n|---|---|---|---|\n"
        for at, method in enumerate(service.method):
            takes, gives = method.input_type.rpartition(".")[2], method.output_type.rpartition(".")[2]
            takes = f"stream of {takes}" if method.client_streaming else takes
            gives = f"stream of {gives}" if method.server_streaming else gives
            yield f"| `{method.name}` | {takes} | {gives} | {_cell(comments.get((*place, _METHOD, at)))} |\n"


def _message(message: DescriptorProto, place: tuple[int, ...], comments: Comments, within: str) -> Iterator[str]:
    name = within + message.name
    if message.options.map_entry:
        return
    yield f"\n#### {name}\n\n" + _paragraph(comments.get(place))
    if message.field:
        yield "| field | | kind | |\n|---|---|---|---|\n"
    for at, field in enumerate(message.field):
        kind = _kind(field, message)
        said = _cell(comments.get((*place, _FIELD, at)))
        yield f"| `{field.name}` | {field.number} | {kind} | {said} |\n"
    for at, below in enumerate(message.nested_type):
        yield from _message(below, (*place, 3, at), comments, f"{name}.")
    for at, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*place, 4, at), comments, f"{name}.")


def _enum(enum: EnumDescriptorProto, place: tuple[int, ...], comments: Comments, within: str) -> Iterator[str]:
    yield f"\n#### {within}{enum.name}\n\n" + _paragraph(comments.get(place))
    yield "| value | | |\n|---|---|---|\n"
    for at, value in enumerate(enum.value):
        yield f"| `{value.name}` | {value.number} | {_cell(comments.get((*place, _VALUE, at)))} |\n"


def _kind(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    named = field.type_name.rpartition(".")[2]
    entry = next((one for one in message.nested_type if one.options.map_entry and one.name == named), None)
    if entry is not None:
        key, value = entry.field
        return f"map of {_kind(key, entry)} to {_kind(value, entry)}"
    kind = named or _KINDS[field.type]
    kind = f"list of {kind}" if field.label == FieldDescriptorProto.LABEL_REPEATED else kind
    if field.HasField("oneof_index") and not field.proto3_optional:
        return f"{kind}, one of *{message.oneof_decl[field.oneof_index].name}*"
    return f"{kind}, may be missing" if field.proto3_optional else kind


def _paragraph(said: str | None) -> str:
    return f"{said}\n\n" if said else ""


def _cell(said: str | None) -> str:
    return (said or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
