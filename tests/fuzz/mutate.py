"""Inputs near those that are accepted: seeds with something wrong in them.

What a form means is kept most of the time, so that the fault lies deeper than the first check: a value of JSON or
MessagePack is exchanged for one that its type does not fit or that is out of every range, a field of protobuf stands
twice or says a length that is not there, DER is bent inside its PEM. Bytes are bent below all that, too.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import msgspec

from tests.fuzz.target import Form, Target

LONGEST: Final = 64 * 1024
_MARK: Final = "\u2603mark\u2603"
_MARK_BYTES: Final = b"\xc4\x10sixteen-marks-16"
_PEM: Final = re.compile(rb"(-----BEGIN [A-Z0-9 ]+-----\n)([A-Za-z0-9+/=\n]+)(-----END [A-Z0-9 ]+-----\n?)")

_JSON: Final[tuple[str, ...]] = (
    *("null", "true", "false", "0", "-1", "1", "-0", "1.0", "1.5", "1e400", "-1e-400", "NaN", "Infinity", "01", "+1"),
    *(str(1 << power) for power in (31, 32, 53, 63, 64, 70)),
    *(str(-(1 << power) - 1) for power in (31, 53, 63)),
    *("9" * 400, "9" * 5_000, "1e999999999", "0." + "3" * 400),
    *(
        '""',
        '"\\u0000"',
        '"\\ud800"',
        '"\\udfff\\ud800"',
        '"\\u2028"',
        '"' + "A" * 2_000 + '"',
        '"\xff"',
        '"1"',
        '"-1"',
    ),
    *('"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00+14:00"', '"NaN"', '"sNaN"', '"1e999999999"', '"00"'),
    *("[]", "{}", "[null]", '{"":null}', "[[]]", "[1,2,3,4,5,6,7,8,9]", '{"a":1,"a":2}', '{"__class__":"x"}'),
    *("[" * 40 + "]" * 40, "[" * 1_500 + "]" * 1_500, '{"a":' * 1_500 + "1" + "}" * 1_500, "[" * 3_000),
)
_MANY: Final = b"\xff\xff\xff\xff"
_PACKED: Final[tuple[bytes, ...]] = (
    *(b"\xc0", b"\xc2", b"\xc3", b"\x00", b"\xff", b"\x7f", b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\x00" * 7),
    *(b"\xcb\x7f\xf8" + b"\x00" * 6, b"\xcb\x3f\xf0" + b"\x00" * 6, b"\xa0", b"\xa1\xff", b"\xa3\xed\xa0\x80"),
    *(b"\xd9\xff", b"\xc4\x00", b"\xc4\x20" + b"\x00" * 32, b"\xc6" + _MANY, b"\xdd" + _MANY, b"\xdf" + _MANY),
    *(b"\x90", b"\x80", b"\x91" * 40 + b"\xc0", b"\x91" * 3_000 + b"\xc0", b"\x81\xa1a" * 2_000 + b"\xc0", b"\xc1"),
    *(b"\xd4\x05\x00", b"\xd6\xff\x00\x00\x00\x00", b"\xc7\x0c\xff" + b"\xff" * 12, b"\xcd\x00\x01", b"\xdc\x00\x00"),
)
_EDGES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, (1 << 63) - 1, 1 << 63)
_WORDS: Final = (
    *("\x00", "\n", "\r\n", " ", "-", "+", "#", "/", "..", "%00", "%", ":", "@", "'", '"', "\\", "\u00e9", "\ud83d"),
    *("\udcff", "\u202e", "9" * 30, "-1", "1e9", "{}", "[]", "\uff10", "\u0663", "\u00b2", "\U0001d7d8", "\u0130"),
)


def mutant(target: Target, seeds: Sequence[bytes], random: Random) -> bytes:
    """One more input, near one of these."""
    raw = random.choice(seeds) if seeds else b""
    body = raw[len(target.tag) :] if target.tag and raw.startswith(target.tag) else raw
    head = raw[: len(raw) - len(body)]
    bend = _BENDS.get(target.form)
    if bend is not None and random.random() < 0.75:
        body = bend(body, random)
    if bend is None or random.random() < 0.3:
        for _ in range(random.randint(1, 4)):
            body = _bytes(body, seeds, random)
    found = head + body
    if random.random() < 0.05:
        found = _bytes(found, seeds, random)
    return found[:LONGEST]


def swollen(target: Target, seeds: Sequence[bytes], size: int = LONGEST) -> list[bytes]:
    """Large inputs: what repeats, what nests, what promises more than it brings."""
    one = max(seeds, key=len, default=b"") or b"\x00"
    found = [
        (one * (size // len(one) + 1))[:size],
        target.tag + b"[" * size,
        target.tag + b'{"a":' * (size // 5),
        target.tag + b"[" + b"1," * (size // 2) + b"1]",
        target.tag + b'{"' + b"A" * size + b'":1}',
        target.tag + b"9" * size,
        target.tag + b"\x91" * size,
        target.tag + b"\xdd\xff\xff\xff\xff" + b"\xc0" * size,
        target.tag + b"\x00" * size,
        target.tag + b"\xff" * size,
        target.tag + b"(" * size,
        target.tag + b"\n" * size,
        target.tag + b"x," * (size // 2),
    ]
    if target.form is Form.JSON:
        found += [_grown_json(seed, size) for seed in seeds[:2]]
    return found


# ---------------------------------------------------------------- bytes


def _bytes(raw: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    if not raw:
        return random.randbytes(random.randint(1, 40))
    at, to = sorted((random.randrange(len(raw)), random.randint(0, len(raw))))
    match random.randrange(10):
        case 0:
            return raw[:at] + bytes((raw[at] ^ 1 << random.randrange(8),)) + raw[at + 1 :]
        case 1:
            return raw[:at] + bytes((random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x22, 0x30, 0x5B)),)) + raw[at + 1 :]
        case 2:
            return raw[:at]
        case 3:
            return raw + random.randbytes(random.randint(1, 8))
        case 4:
            return raw[:at] + raw[to:]
        case 5:
            return raw[:to] + raw[at:to] * random.choice((1, 2, 50)) + raw[to:]
        case 6:
            width = random.choice((1, 2, 4, 8))
            edge = random.choice(_EDGES) & ((1 << 8 * width) - 1)
            return raw[:at] + edge.to_bytes(width, random.choice(("big", "little"))) + raw[at + width :]
        case 7 if seeds:
            other = random.choice(seeds)
            cut = random.randint(0, len(other))
            return raw[:at] + other[cut:]
        case 8:
            return raw[:at] + random.randbytes(random.randint(1, 16)) + raw[at:]
        case _:
            return raw[:at] + random.choice(_WORDS).encode("utf-8", "surrogatepass") + raw[at:]


def _text(raw: bytes, random: Random) -> bytes:
    said = raw.decode("utf-8", "surrogateescape")
    for _ in range(random.randint(1, 3)):
        at, to = sorted((random.randint(0, len(said)), random.randint(0, len(said))))
        match random.randrange(5):
            case 0:
                said = said[:at] + random.choice(_WORDS) + said[at:]
            case 1:
                said = said[:at] + said[to:]
            case 2:
                said = said[:to] + said[at:to] * random.choice((1, 2, 50)) + said[to:]
            case 3:
                said = said[:at] + random.choice(_WORDS) + said[at + 1 :]
            case _:
                said = said[:at] + said[at : at + 1].swapcase() + said[at + 1 :]
    return said.encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- trees


def _json(raw: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    marked = _exchanged(tree, _MARK, random)
    said = json.dumps(marked, ensure_ascii=False, separators=random.choice(((",", ":"), (", ", ": "))))
    if random.random() < 0.1:
        # every text that can be said another way
        said = json.dumps(marked)
    exchange = random.choice(_JSON)
    return said.replace(json.dumps(_MARK, ensure_ascii=False), exchange).encode("utf-8", "surrogatepass")


def _msgpack(raw: bytes, random: Random) -> bytes:
    try:
        tree = msgspec.msgpack.decode(raw, strict=False)
        marked = msgspec.msgpack.encode(_exchanged(tree, _MARK_BYTES[2:], random))
    except (msgspec.MsgspecError, ValueError, RecursionError, TypeError, OverflowError):
        return raw
    return marked.replace(_MARK_BYTES, random.choice(_PACKED))


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(tree, dict):
        for key, value in tree.items():
            found += _places(value, (*path, key))
    elif isinstance(tree, list):
        for at, value in enumerate(tree[:20]):
            found += _places(value, (*path, at))
    return found


def _exchanged(tree: Any, mark: Any, random: Random) -> Any:
    """One place of the tree marked, left out, put twice, renamed, or given another's value."""
    places = _places(tree)
    *way, last = random.choice(places[1:]) if len(places) > 1 else (None,)
    if last is None and not way:
        return mark
    holder = tree
    for step in way:
        holder = holder[step]
    match random.randrange(8):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[f"{last}_"] = holder.pop(last)
        case 1 if isinstance(holder, list):
            holder.append(holder[last])
        case 2:
            other: Any = tree
            for step in random.choice(places):
                if isinstance(other, dict | list):
                    try:
                        other = other[step]
                    except (KeyError, IndexError, TypeError):
                        break
            holder[last] = json.loads(json.dumps(other)) if _is_plain(other) else mark
        case _:
            holder[last] = mark
    return tree


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _grown_json(seed: bytes, size: int) -> bytes:
    """The seed with its first list, or itself, repeated."""
    try:
        tree = json.loads(seed)
    except (ValueError, RecursionError):
        return seed
    for path in _places(tree):
        found = tree
        for step in path:
            found = found[step]
        if isinstance(found, list) and found:
            one = len(json.dumps(found[0])) + 1
            found += [found[0]] * (size // one)
            break
    return json.dumps(tree, separators=(",", ":")).encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- other forms


def _protobuf(raw: bytes, random: Random) -> bytes:
    fields = _fields(raw)
    if not fields:
        return raw
    at = random.randrange(len(fields))
    number, kind, content = fields[at]
    match random.randrange(7):
        case 0:
            del fields[at]
        case 1:
            fields.insert(at, fields[at])
        case 2:
            fields[at] = (number + random.choice((1, -1, 100)), kind, content)
        case 3:
            fields[at] = (number, 0, _varint(random.choice(_EDGES)))
        case 4:
            fields[at] = (number, 2, _lengthened(random.randbytes(random.choice((0, 1, 32, 200)))))
        case 5 if kind == 2:
            inner = _stripped(content)
            fields[at] = (
                number,
                2,
                _lengthened(_protobuf(inner, random) if random.random() < 0.5 else _bytes(inner, (), random)),
            )
        case _:
            fields[at] = (number, 2, _varint(random.choice(_EDGES)) + content[:8])
    return b"".join(_varint(max(0, number) << 3 | kind) + content for number, kind, content in fields)


def _fields(raw: bytes) -> list[tuple[int, int, bytes]]:
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while at < len(raw) and len(found) < 500:
        key, at = _read_varint(raw, at)
        kind, begun = key & 7, at
        if kind == 0:
            _, at = _read_varint(raw, at)
        elif kind == 2:
            length, at = _read_varint(raw, at)
            at += length
        else:
            at += 8 if kind == 1 else 4
        found.append((key >> 3, kind, raw[begun:at]))
    return found


def _stripped(content: bytes) -> bytes:
    _, at = _read_varint(content, 0)
    return content[at:]


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw):
        value |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 0x80 or shift > 63:
            break
    return value, at


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _lengthened(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _pem(raw: bytes, random: Random) -> bytes:
    found = list(_PEM.finditer(raw))
    if not found:
        return raw
    block = random.choice(found)
    try:
        der = base64.b64decode(block[2])
    except ValueError:
        return raw
    for _ in range(random.randint(1, 3)):
        der = _bytes(der, (), random)
    lines = base64.encodebytes(der).replace(b"\n", b"")
    armour = b"".join(lines[at : at + 64] + b"\n" for at in range(0, len(lines), 64))
    return raw[: block.start()] + block[1] + armour + block[3] + raw[block.end() :]


_BENDS: Final[dict[Form, Callable[[bytes, Random], bytes]]] = {
    Form.TEXT: _text,
    Form.JSON: _json,
    Form.MSGPACK: _msgpack,
    Form.PROTOBUF: _protobuf,
    Form.PEM: _pem,
}
