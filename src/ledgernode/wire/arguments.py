"""Strict JSON for arguments: one meaning for every reader.

An object at the top; no floats, no NaN, no duplicate keys, no integer beyond 2^53-1 (larger ones
travel as text), bounded depth. A refusal's words are ours alone, because they may stand in a receipt:
what the JSON reader said is kept as a fact. JSON as msgspec, JavaScript's `JSON.stringify` or `json.dumps` with
compact separators write it takes the fast way.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from ledgernode.errors import BadArguments
from ledgernode.wire.parameters import MAX_SAFE_INTEGER

_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()
NOT_JSON: Final = "the arguments are not JSON: UTF-8 without a mark, one object, nothing after it"


def check_arguments(raw: bytes, depth_limit: int) -> dict[str, Any]:
    """Decode arguments; refuses everything the module's text names, with the reason."""
    if raw.count(b"[") + raw.count(b"{") > depth_limit:
        _check_depth(raw, depth_limit)
    try:
        value = _DECODER.decode(raw)
        compact = _ENCODER.encode(value) == raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArguments(NOT_JSON, detail=str(error)) from error
    if not isinstance(value, dict):
        raise BadArguments('the arguments are a JSON object by name, such as {"to": "…", "amount": 5}')
    if not compact:
        _check_by_pairs(raw)
    _check_numbers(value)
    return value


def _check_depth(raw: bytes, depth_limit: int) -> None:
    depth, in_text, escaped = 0, False, False
    for byte in raw:
        if in_text:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_text = False
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > depth_limit:
                raise BadArguments(f"the arguments are nested deeper than {depth_limit}")
        elif byte in b"]}":
            depth -= 1


def _check_by_pairs(raw: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in pairs:
            if key in found:
                raise BadArguments(f"the key {key[:64]!r} stands twice in one object")
            found[key] = item
        return found

    try:
        json.loads(raw.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise BadArguments(NOT_JSON, detail=str(error)) from error


def _check_numbers(value: Any) -> None:
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is int:
            if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                raise BadArguments(f"the integer {str(item)[:24]} is beyond 2^53-1: send it as text")
        elif kind is float:
            raise BadArguments(f"the number {item!r} is not an integer: send energy in mWh and money in minor units")
        elif kind is dict:
            waiting.extend(item.values())
        elif kind is list:
            waiting.extend(item)
