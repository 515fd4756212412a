"""Packages of contracts, the language they are written in, and what is asked of system contracts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ledgernode.errors import BadArguments, BadPackage, ChaincodeRefused
from ledgernode.execution.sandbox.arguments import NO_DEFAULT, Arguments
from ledgernode.execution.sandbox.checker import require_deterministic
from ledgernode.execution.sandbox.loader import load_package
from ledgernode.execution.sandbox.package import Package, parse_package
from ledgernode.execution.sandbox.source import parse_expression
from ledgernode.execution.system.changes import KINDS, parse_change
from ledgernode.execution.system.evidence import _signed
from ledgernode.execution.system.identity import _signature
from ledgernode.execution.system.lifecycle import _decoded
from tests.fuzz.target import Form, Target, constant, text
from tests.fuzz.targets.vectors import hexadecimal, vectors

_ENTRY: Final = "register.py"
_CHAINCODE: Final = Path(__file__).parent.parent.parent.parent / "src" / "chaincode"


def _language(source: str) -> Any:
    """A package whose one file this is."""
    return require_deterministic(Package("register", "1.0.0", _ENTRY, {_ENTRY: source}))


def _sources() -> Sequence[bytes]:
    return [str(vectors("package")[0]["files"][_ENTRY]).encode(), (_CHAINCODE / "units.py").read_bytes()]


def _change(raw: bytes) -> Any:
    """As execution gets it: arguments that are strict JSON."""
    try:
        said = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadArguments("no JSON") from error
    kind, fields = said.pop("kind", ""), said
    return parse_change(kind if isinstance(kind, str) else "", fields)


def _changes() -> Sequence[bytes]:
    return [
        json.dumps({"kind": kind, **dict.fromkeys(getattr(form, "__struct_fields__", ()), "x")}).encode()
        for kind, form in KINDS.items()
    ]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    time_ms: int
    import_mwh: int


_FUNCTION: Final = Arguments(
    "record",
    ("meter", "rows", "note", "more"),
    (str, list[_Row], str | None, dict[str, int]),
    (NO_DEFAULT, NO_DEFAULT, None, {}),
)

TARGETS: Final = (
    Target(
        "package",
        ("ledgernode.execution.sandbox.package",),
        parse_package,
        (BadPackage,),
        hexadecimal("package", "package"),
        Form.MSGPACK,
    ),
    Target(
        "loaded-package",
        ("ledgernode.execution.sandbox.loader", "ledgernode.execution.sandbox.contract"),
        load_package,
        (BadPackage, ChaincodeRefused),
        hexadecimal("package", "package"),
        Form.MSGPACK,
        memory_per_byte=2_000,
    ),
    Target(
        "language",
        (
            "ledgernode.execution.sandbox.source",
            "ledgernode.execution.sandbox.checker",
            "ledgernode.execution.sandbox.instrument",
        ),
        text(_language),
        (ChaincodeRefused,),
        _sources,
        Form.TEXT,
        memory_per_byte=4_000,
    ),
    Target(
        "annotation",
        ("ledgernode.execution.sandbox.source",),
        text(lambda said: parse_expression("contract.py", said)),
        (ChaincodeRefused,),
        constant("list[int]", "dict[str, Row] | None", "tuple[int, ...]"),
        Form.TEXT,
        memory_per_byte=4_000,
    ),
    Target(
        "function-arguments",
        ("ledgernode.execution.sandbox.arguments",),
        _FUNCTION.decode,
        (BadArguments,),
        constant(
            '{"meter":"m-1","rows":[{"time_ms":1,"import_mwh":2}]}',
            '{"meter":"","rows":[],"note":null,"more":{"a":"9007199254740993"}}',
        ),
        Form.JSON,
    ),
    Target(
        "vote-text",
        ("ledgernode.execution.system.evidence",),
        text(_signed),
        (BadArguments,),
        lambda: [str(vectors("contradiction")[0]["votes"][0]).encode()],
        Form.TEXT,
    ),
    Target(
        "package-text",
        ("ledgernode.execution.system.lifecycle",),
        text(_decoded),
        (BadPackage,),
        constant("b25l"),
        Form.TEXT,
    ),
    Target(
        "proof-text",
        ("ledgernode.execution.system.identity",),
        text(_signature),
        (BadArguments,),
        constant("ab" * 64),
        Form.TEXT,
    ),
    Target(
        "governance-change",
        ("ledgernode.execution.system.changes", "ledgernode.execution.system.parameters"),
        _change,
        (BadArguments,),
        _changes,
        Form.JSON,
    ),
)
