"""Arguments as a function's annotations say them, from JSON or from another contract's call.

Unknown, missing and ill-fitting arguments are refused by name, in our own words. An integer beyond 2^53-1
travels as text, and is taken as an integer where only an integer fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from chaincode.api import Record
from ledgernode.errors import BadArguments, BadValue, ChaincodeRefused
from ledgernode.execution.sandbox.meter import INTEGER_BITS
from ledgernode.wire.parameters import MAX_SAFE_INTEGER

NO_DEFAULT: Final = object()

_LARGE_INTEGER: Final = re.compile(r"-?[1-9][0-9]{15,1232}")


class Arguments:
    """Decodes the arguments of one function."""

    def __init__(self, function: str, names: Sequence[str], types: Sequence[Any], defaults: Sequence[Any]) -> None:
        self._function = function
        self._types = dict(zip(names, types, strict=True))
        self._required = [name for name, default in zip(names, defaults, strict=True) if default is NO_DEFAULT]
        fields: list[Any] = [
            (name, kind) if default is NO_DEFAULT else (name, kind, default)
            for name, kind, default in zip(names, types, defaults, strict=True)
        ]
        try:
            shape: Any = msgspec.defstruct("Arguments", fields, forbid_unknown_fields=True)
            self._decoder = msgspec.json.Decoder(shape)
        except (TypeError, NotImplementedError) as error:
            raise ChaincodeRefused(f"{function}: no JSON value can be told to be of its arguments' types") from error
        self._shape = shape
        self._takes_any = _has_any(types)

    def decode(self, arguments: bytes | Mapping[str, Any]) -> tuple[Any, ...]:
        """The values, in the function's order. Refuses (BadArguments) what does not fit."""
        try:
            if isinstance(arguments, bytes):
                values = self._decoder.decode(arguments)
            else:
                values = msgspec.convert(arguments, self._shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            values = self._decode_again(arguments)
        found = msgspec.structs.astuple(values)
        if self._takes_any:
            _refuse_fractions(found)
        return found

    def _decode_again(self, arguments: bytes | Mapping[str, Any]) -> Any:
        """With large integers read from text; and if that is not it, say which argument is wrong."""
        given = _object(arguments)
        for name in sorted(given):
            if name not in self._types:
                raise BadArguments(f"{self._function} takes no argument {name[:64]}")
        for name in self._required:
            if name not in given:
                raise BadArguments(f"{self._function} needs the argument {name}")
        mended = {name: _mended(value, self._types[name]) for name, value in given.items()}
        for name, value in mended.items():
            try:
                msgspec.convert(value, self._types[name])
            except msgspec.ValidationError as error:
                raise BadArguments(f"{self._function}: the argument {name} is not of its type") from error
        return msgspec.convert(mended, self._shape)


def _object(arguments: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(arguments, bytes):
        return arguments
    try:
        given = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArguments("the arguments are not JSON") from error
    if not isinstance(given, dict):
        raise BadArguments("the arguments are a JSON object by name")
    return given


def _mended(value: Any, kind: Any) -> Any:
    """The value with large integers written as text made integers, where the type wants an integer."""
    outer, inner = get_origin(kind), get_args(kind)
    if isinstance(value, str):
        options = inner if outer in (Union, UnionType) else (kind,)
        wanted = int in options and str not in options
        return _large_integer(value) if wanted and _LARGE_INTEGER.fullmatch(value) else value
    if outer in (Union, UnionType):
        fitting = [option for option in inner if _fits(value, option)]
        return _mended(value, fitting[0]) if fitting else value
    if isinstance(value, (list, tuple)) and outer in (list, tuple):
        kinds = inner if outer is tuple and inner[-1] is not Ellipsis else (inner[0],) * len(value)
        return [_mended(item, part) for item, part in zip(value, kinds, strict=False)] + list(value[len(kinds) :])
    if isinstance(value, dict) and outer is dict:
        return {name: _mended(item, inner[1]) for name, item in value.items()}
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Record):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        return {name: _mended(item, fields.get(name, Any)) for name, item in value.items()}
    return value


def _fits(value: Any, option: Any) -> bool:
    kind = get_origin(option) or option
    if isinstance(value, dict):
        return kind is dict or (isinstance(kind, type) and issubclass(kind, Record))
    return kind in (list, tuple) if isinstance(value, (list, tuple)) else False


def _large_integer(text: str) -> Any:
    number = int(text)
    return number if abs(number) > MAX_SAFE_INTEGER and number.bit_length() <= INTEGER_BITS else text


def _has_any(kinds: Sequence[Any]) -> bool:
    """Whether any part of these types takes whatever JSON can say, fractions among it."""
    seen: list[Any] = []
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind is Any or kind in (list, dict, tuple):
            return True
        if kind in seen:
            continue
        seen.append(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            waiting.extend(field.type for field in msgspec.structs.fields(kind))
        elif get_origin(kind) is not Literal:
            waiting.extend(get_args(kind))
    return False


def _refuse_fractions(values: Sequence[Any]) -> None:
    waiting: list[Any] = list(values)
    while waiting:
        item = waiting.pop()
        if isinstance(item, float):
            raise BadArguments("numbers are integers: send energy in mWh and money in minor units")
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif isinstance(item, Record):
            waiting.extend(getattr(item, name) for name in item.__struct_fields__)
        elif not isinstance(item, (int, str, NoneType)):
            raise BadValue("arguments are integers, text, booleans, null, lists and maps")
