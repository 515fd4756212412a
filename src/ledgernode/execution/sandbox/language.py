"""The words of the contract language: what may be imported, named and called.

Everything that is not listed here is refused. The checker, the rewriting and the metered functions all
read these lists, and `docs/chaincode-language.md` explains them.
"""

from __future__ import annotations

import builtins
from types import CodeType, FrameType, GeneratorType, TracebackType
from typing import Final

API_NAMES: Final = frozenset(
    {"Context", "Contract", "Creator", "HistoryEntry", "Page", "Record", "Refusal", "query", "transaction"}
)

TYPING_NAMES: Final = frozenset(
    {"Any", "ClassVar", "Final", "Literal", "Optional", "Union"}
    | {"Callable", "Iterable", "Iterator", "Mapping", "Sequence"}
)
"""Names of `typing` and `collections.abc` that may stand in annotations, and only there."""

TYPE_NAMES: Final = ("int", "str", "bool", "list", "dict", "tuple")

CATCHABLE: Final = ("IndexError", "KeyError", "ValueError")

BUILTINS: Final = frozenset(
    {"abs", "all", "any", "chr", "divmod", "enumerate", "filter", "isinstance", "len", "map", "max", "min", "next"}
    | {"ord", "range", "reversed", "sorted", "sum", "zip", *TYPE_NAMES, *CATCHABLE}
)

DECORATORS: Final = frozenset({"property", "staticmethod"})
"""Built-in names that may stand only as decorators, beside the api's `transaction` and `query`."""

METHODS: Final[dict[type, frozenset[str]]] = {
    str: frozenset(
        {"capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii"}
        | {"isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isspace", "isupper", "join", "ljust"}
        | {"lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rjust"}
        | {"rpartition", "rsplit", "rstrip", "split", "startswith", "strip", "title", "upper", "zfill"}
    ),
    int: frozenset({"bit_count", "bit_length"}),
    list: frozenset(
        {"append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"}
    ),
    tuple: frozenset({"count", "index"}),
    dict: frozenset({"clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"}),
}
"""What may be called on built-in values; every one is metered."""

_BUILT_IN_TYPES: Final[tuple[type, ...]] = (
    str,
    int,
    list,
    tuple,
    dict,
    range,
    type({}.keys()),
    type({}.items()),
    GeneratorType,
)

GUARDED: Final = frozenset(
    name for kind in _BUILT_IN_TYPES for name in dir(kind) if not name.startswith(("_", "gi_"))
) | frozenset({"matching", "page", "range"})
"""Attribute names that some built-in value has (or that take a type): looked at while the contract runs."""

_LEADING_OUT: Final = (FrameType, CodeType, TracebackType)

REFUSED_ATTRIBUTES: Final = (
    frozenset(name for kind in _LEADING_OUT for name in dir(kind) if name[:3] in {"f_b", "f_c", "f_g", "f_l", "f_t"})
    | frozenset(name for kind in _LEADING_OUT for name in dir(kind) if name.startswith(("co_", "tb_")))
    | frozenset(name for name in dir(GeneratorType) if name.startswith("gi_"))
    | frozenset({"add_note", "args", "fdel", "fget", "format", "format_map", "fset", "mro", "with_traceback"})
    | frozenset({"from_bytes", "to_bytes", "encode", "translate", "maketrans", "expandtabs", "fromkeys"})
)
"""Attributes that lead out of the sandbox, or grow without bound: refused wherever they stand."""

HOST_NAMES: Final = frozenset(dir(builtins))

_NO_LOOKING_UP: Final = (
    "callable classmethod compile delattr dir eval exec exit getattr globals hasattr help locals object quit setattr "
    "super type vars"
)

REASONS: Final[dict[str, str]] = {
    name: reason
    for names, reason in (
        ("float complex round", "numbers are integers: count in mWh, minor units or milliseconds"),
        ("set frozenset", "sets have no order that every node shares: use a dict or a sorted list"),
        ("bytes bytearray memoryview", "there are no bytes: write them as hex text"),
        ("print input open breakpoint", "a contract does no input or output: emit an event"),
        (_NO_LOOKING_UP, "contracts are read before they run: nothing looks names up or makes them"),
        ("id hash repr ascii", "its result differs from node to node"),
        ("Exception BaseException", "catch what you expect: a Refusal, KeyError, ValueError or IndexError"),
        ("iter slice aiter anext", "write a loop or a comprehension"),
        ("pow", "write **"),
        ("format bin hex oct", 'write an f-string, such as f"{number:x}"'),
    )
    for name in names.split()
}
"""Why a built-in name is refused; the others get the general reason."""


def reason_against(name: str) -> str:
    if name in REASONS:
        return REASONS[name]
    if name.endswith(("Error", "Exception", "Exit", "Interrupt", "Warning", "Iteration")):
        return "raise a Refusal of your own; KeyError, ValueError and IndexError are the only others there are"
    return "it is not among the built-in functions a contract may use"
