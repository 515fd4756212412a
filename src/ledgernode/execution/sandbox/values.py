"""Data of a contract, looked through before the interpreter does: how large, how deep, how to send it.

The interpreter's own comparing, hashing and encoding recurse as deep as the data and as often as a part
is shared. So data is walked here first, charging for every part as it is met, to a depth of `DATA_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MappingProxyType
from typing import Any, Final

import msgspec

from ledgernode.errors import BadValue, ChaincodeRefused, DepthExceeded, ValueTooLarge
from ledgernode.execution.sandbox.callables import Deferred
from ledgernode.execution.sandbox.meter import DATA_DEPTH, SEAT
from ledgernode.execution.sandbox.typeforms import TypeForm
from ledgernode.wire.parameters import MAX_SAFE_INTEGER

KEY_INTEGER: Final = 1 << 60
"""Larger integers fall on each other's hashes, so none is a key."""

_FREE_KEY_CHARACTERS: Final = 1_024
_OPENING_UNITS: Final = 6
_COPYING_UNITS: Final = 8
_INTEGERS_ALONE: Final = {int}


def weigh(value: Any) -> int:
    """Charge for every part of the value; the number of parts. Refuses depth."""
    meter = SEAT.meter
    parts = 0
    open_parts: list[Iterator[Any]] = [iter((value,))]
    while open_parts:
        for item in open_parts[-1]:
            kind = type(item)
            if kind is int or kind is bool or item is None:
                continue
            if kind is str:
                meter.charge(len(item) >> 4)
                continue
            inner, size = _children(item, kind)
            parts += size
            meter.charge(size + _OPENING_UNITS)
            if size:
                if len(open_parts) > DATA_DEPTH:
                    raise DepthExceeded(f"data is nested deeper than {DATA_DEPTH}")
                open_parts.append(inner)
                break
        else:
            open_parts.pop()
    return parts + 1


def comparable(value: Any) -> Any:
    """The value itself, once comparing with it is paid for."""
    kind = type(value)
    if kind is int or value is None or kind is bool:
        return value
    if kind is str:
        if len(value) > 16:
            SEAT.meter.charge(len(value) >> 4)
        return value
    weigh(value)
    return value


def key(value: Any) -> Any:
    """The value itself, once it may be a key or an index."""
    kind = type(value)
    if kind is str:
        if len(value) > _FREE_KEY_CHARACTERS:
            SEAT.meter.charge(len(value) >> 4)
        return value
    if kind is int:
        if -KEY_INTEGER < value < KEY_INTEGER:
            return value
        raise ValueTooLarge("an integer of more than 60 bits is no key: use its text")
    if value is None or kind is bool:
        return value
    weigh(value)
    if kind is tuple:
        for part in value:
            key(part)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            key(getattr(value, name))
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """A copy for JSON: records as maps, integers beyond 2^53-1 as text. Charged; refuses what JSON cannot say."""
    kind = type(value)
    if kind is str:
        SEAT.meter.charge(len(value) >> 4)
        return value
    if kind is int:
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else str(value)
    if value is None or kind is bool:
        return value
    if depth >= DATA_DEPTH:
        raise DepthExceeded(f"data is nested deeper than {DATA_DEPTH}")
    if kind is list or kind is tuple:
        SEAT.meter.charge(len(value) * 2 + _COPYING_UNITS)
        if set(map(type, value)) == _INTEGERS_ALONE and _are_safe(value):
            return list(value)
        return [plain(item, depth + 1) for item in value]
    if kind is dict or kind is MappingProxyType:
        SEAT.meter.charge(len(value) * 4 + _COPYING_UNITS)
        if not all(type(name) is str for name in value):
            raise BadValue("the keys of a map are text")
        return {plain(name): plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, msgspec.Struct):
        SEAT.meter.charge(len(value.__struct_fields__) * 3 + _COPYING_UNITS)
        return {name: plain(getattr(value, name), depth + 1) for name in value.__struct_fields__}
    raise BadValue("only integers, text, booleans, null, lists, maps and records can be sent")


def _are_safe(numbers: Sequence[int]) -> bool:
    return min(numbers) >= -MAX_SAFE_INTEGER and max(numbers) <= MAX_SAFE_INTEGER


def freeze(value: Any) -> Any:
    """What a name of a module may stand for: the value made read-only. Refuses (ChaincodeRefused) mutable ones."""
    weigh(value)
    return _frozen(value)


def _frozen(value: Any) -> Any:
    kind = type(value)
    if kind in (int, str, bool, type(None), range) or isinstance(value, (type, TypeForm, BuiltinFunctionType)):
        return value
    if kind is tuple:
        return tuple(_frozen(item) for item in value)
    if kind is dict or kind is MappingProxyType:
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            part = getattr(value, name)
            if isinstance(part, (list, dict)):
                raise ChaincodeRefused(f"a record at module level holds a list or map in {name}: use a tuple")
            _frozen(part)
        return value
    if kind is FunctionType and value.__closure__ is None:
        return value
    if isinstance(value, Deferred) and value.is_constant:
        return value
    raise ChaincodeRefused("a name of a module or class stands for a constant: an integer, text, tuple, map or record")


def _children(item: Any, kind: type) -> tuple[Iterator[Any], int]:
    if kind is list or kind is tuple:
        return iter(item), len(item)
    if kind is dict or kind is MappingProxyType:
        return chain.from_iterable(item.items()), 2 * len(item)
    if isinstance(item, msgspec.Struct):
        fields = item.__struct_fields__
        return (getattr(item, name) for name in fields), len(fields)
    return iter(()), 0
