"""What the HTTP API answers, as types for the console: rows of the read model, named and written as they are.

python tests/gateway/readmodel/typescript.py > gateway/web/src/api/rows.ts
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from gateway.readmodel.queries import (
    accounts,
    billing,
    feeders,
    governance,
    ledger,
    market,
    metering,
    prepaid,
    registry,
    search,
)
from gateway.readmodel.queries.pages import Placed

_MODULES: Final = (ledger, governance, registry, metering, accounts, prepaid, billing, market, feeders, search)
_PLAIN: Final[dict[Any, str]] = {int: "number", str: "string", bool: "boolean", type(None): "null", Any: "unknown"}
_HEAD: Final = """\
// Rows of the read model as the HTTP API answers them. Made by tests/gateway/readmodel/typescript.py: do not edit.
// Energy is mWh (Wh where the name says so), money minor units, times UTC ms; ids and hashes are hex.
"""


def written() -> str:
    return "\n".join([_HEAD, *(_interface(kind) for kind in _structs())])


def _structs() -> Iterator[type[msgspec.Struct]]:
    yield Placed
    for module in _MODULES:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__:
                yield kind


def _interface(kind: type[msgspec.Struct]) -> str:
    placed = issubclass(kind, Placed) and kind is not Placed
    hints = get_type_hints(kind)
    inherited = Placed.__struct_fields__ if placed else ()
    fields = [f"  readonly {name}: {_type(hints[name])};" for name in kind.__struct_fields__ if name not in inherited]
    head = f"export interface {kind.__name__}{' extends Placed' if placed else ''} {{"
    return "\n".join([*_comment(kind), head, *fields, "}", ""])


def _comment(kind: type[msgspec.Struct]) -> list[str]:
    lines = inspect.cleandoc(kind.__doc__ or "").splitlines()
    if len(lines) < 2:
        return [f"/** {line} */" for line in lines]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


def _type(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is msgspec.Raw:
        return "unknown"
    if get_origin(hint) is tuple:
        return f"readonly {_type(get_args(hint)[0])}[]"
    if get_origin(hint) is types.UnionType:
        return " | ".join(_type(one) for one in get_args(hint))
    return str(hint.__name__)


if __name__ == "__main__":
    print(written(), end="")
