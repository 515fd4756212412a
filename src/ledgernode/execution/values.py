"""What the state can hold, and its bytes: MessagePack in one form, made and read here only.

A value is made of integers of 64 bits, text, booleans, null, byte strings, lists, maps with text keys and
records (stored as maps). The same value has the same bytes on every node. Reading makes a fresh copy, so
that changing what was read changes nothing that is stored.

A value is looked through before it is encoded: shared or circular parts could otherwise grow without
bound, and depth would end in the interpreter's own limit, which differs from host to host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ledgernode.errors import BadValue, DepthExceeded, ValueTooLarge
from ledgernode.execution.costs import NODES_PER_UNIT
from ledgernode.execution.sandbox.meter import DATA_DEPTH
from ledgernode.wire.parameters import MAX_SAFE_INTEGER, Parameters

Charge = Callable[[int], None]

_TYPES_KEPT: Final = 1_024
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1
_TOO_LARGE: Final = "an integer has at most 64 bits: keep a larger one as text"
_INTEGERS_ALONE: Final = {int}


def _as_map(value: Any) -> dict[str, Any]:
    """A constant map of a contract's module is read-only, and stored as the map it is."""
    if type(value) is not MappingProxyType:
        raise TypeError
    return dict(value)


_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_as_map)
_DECODER: Final = msgspec.msgpack.Decoder()
_JSON_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def free(_: int) -> None:
    """The charge of those who do not pay: genesis and the runtime's own writes."""


def encode_value(value: Any, limits: Parameters, charge: Charge = free) -> bytes:
    """The bytes stored. Refuses what cannot be stored, is nested too deep or is too large."""
    _look_through(value, limits, charge)
    return _bounded(_ENCODER.encode, value, limits)


def encode_json(value: Any, limits: Parameters, charge: Charge = free) -> bytes:
    """The same for an event's payload: JSON, in which an integer beyond 2^53-1 is text."""
    _look_through(value, limits, charge)
    return _bounded(lambda payload: _JSON_ENCODER.encode(_sendable(payload)), value, limits)


def decode_value(raw: bytes) -> Any:
    """A fresh copy: integers, text, lists and maps."""
    return _DECODER.decode(raw)


def decode_typed(raw: bytes, type: Any) -> Any:
    """A fresh copy as this type. Refuses (BadValue) a value that does not fit it."""
    try:
        return _decoder(type).decode(raw)
    except (msgspec.ValidationError, TypeError) as error:
        raise BadValue("the value stored here does not fit the type it is read as") from error


@lru_cache(maxsize=_TYPES_KEPT)
def _decoder(type: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(type)


def _bounded(encode: Callable[[Any], bytes], value: Any, limits: Parameters) -> bytes:
    try:
        raw = encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadValue("a value is made of integers, text, booleans, null, lists, maps and records") from error
    if len(raw) > limits.value_bytes:
        raise ValueTooLarge(f"a value has at most {limits.value_bytes} bytes, this one {len(raw)}")
    return raw


def _sendable(value: Any) -> Any:
    if isinstance(value, dict | MappingProxyType):
        return {key: _sendable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: _sendable(getattr(value, name)) for name in value.__struct_fields__}
    if type(value) is int and not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return str(value)
    return value


def _look_through(value: Any, limits: Parameters, charge: Charge) -> None:
    limit, size = limits.value_bytes, 0
    level: list[Any] = [value]
    for _ in range(DATA_DEPTH + 1):
        if set(map(type, level)) == _INTEGERS_ALONE:
            # a level of nothing else, as most data end: looked at as a whole
            if min(level) < _LOWEST or max(level) > _HIGHEST:
                raise BadValue(_TOO_LARGE)
            return
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is list or kind is tuple:
                below.extend(item)
            elif kind is str or kind is bytes:
                size += len(item)
            elif kind is int:
                if not _LOWEST <= item <= _HIGHEST:
                    raise BadValue(_TOO_LARGE)
            elif kind is dict or kind is MappingProxyType:
                if not all(isinstance(key, str) for key in item):
                    raise BadValue("the keys of a map are text")
                size += sum(map(len, item))
                below.extend(item.values())
            elif isinstance(item, msgspec.Struct):
                below.extend(msgspec.structs.astuple(item))
            elif item is not None and kind is not bool and not isinstance(item, str):
                raise BadValue(f"a {kind.__name__} cannot be stored: integers, text, lists, maps and records can")
            if size + len(below) > limit:
                raise ValueTooLarge(f"a value has at most {limit} bytes")
        if not below:
            return
        charge(len(below) // NODES_PER_UNIT)
        level = below
    raise DepthExceeded(f"a value is nested at most {DATA_DEPTH} deep")
