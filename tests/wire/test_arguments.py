"""Strict JSON: what is refused, what is taken, and that every reader takes it alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadArguments
from ledgernode.wire.arguments import check_arguments

DEPTH = 8
SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(-SAFE, SAFE), TEXT)
VALUES = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)), max_leaves=8
)
ARGUMENTS = st.dictionaries(TEXT, VALUES, max_size=4)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(ARGUMENTS, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_taken_in_every_style(
    arguments: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    """Escaped or not, compact or indented: the same values."""
    raw = json.dumps(arguments, ensure_ascii=ascii_only, indent=indent).encode()
    assert check_arguments(raw, 64) == arguments
    compact = json.dumps(arguments, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    assert check_arguments(compact, 64) == arguments


@given(ARGUMENTS)
def test_depth_is_counted_exactly(arguments: dict[str, Any]) -> None:
    """Taken at the limit, refused one above; brackets inside text do not count."""
    raw = json.dumps({"text": '[[[{{{"\\', "value": arguments}).encode()
    depth = depth_of({"value": arguments})
    assert check_arguments(raw, depth)["value"] == arguments
    with pytest.raises(BadArguments, match="deeper"):
        check_arguments(raw, depth - 1)


@given(st.binary(max_size=60))
def test_any_bytes_are_arguments_or_are_refused(raw: bytes) -> None:
    """No input raises anything but the one refusal."""
    try:
        value = check_arguments(raw, DEPTH)
    except BadArguments:
        return
    assert value == json.loads(raw.decode())


@given(ARGUMENTS, st.data())
def test_what_is_taken_means_the_same_to_another_reader(arguments: dict[str, Any], data: st.DataObject) -> None:
    """After any change of a byte, either refused or read alike by the standard library."""
    raw = bytearray(json.dumps(arguments, ensure_ascii=False).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = check_arguments(bytes(raw), 64)
    except BadArguments:
        return
    assert json.loads(bytes(raw).decode()) == value


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "text": b'"a"',
    "a number": b"1",
    "null": b"null",
    "a float": b'{"a":1.5}',
    "a float that is whole": b'{"a":1.0}',
    "an exponent": b'{"a":1e2}',
    "a huge exponent": b'{"a":1e999}',
    "a tiny exponent": b'{"a":1e-999}',
    "minus zero as a float": b'{"a":-0.0}',
    "a float deep inside": b'{"a":[{"b":[0.5]}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "2^53": b'{"a":9007199254740992}',
    "minus 2^53": b'{"a":-9007199254740992}',
    "2^64": b'{"a":18446744073709551616}',
    "an integer of 5,000 digits": b'{"a":' + b"7" * 5_000 + b"}",
    "an integer of 200,000 digits": b'{"a":' + b"7" * 200_000 + b"}",
    "a leading zero": b'{"a":01}',
    "a plus": b'{"a":+1}',
    "a key twice": b'{"a":1,"a":2}',
    "a key twice with the same value": b'{"a":1,"a":1}',
    "a key twice by an escape": b'{"a":1,"\\u0061":1}',
    "a key twice deep inside": b'{"x":[{"a":1,"a":1}]}',
    "an empty key twice": b'{"":1,"":1}',
    "a byte that is no UTF-8": b'{"a":"\xff"}',
    "a key that is no UTF-8": b'{"\xff":1}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "an overlong encoding": b'{"a":"\xc0\x80"}',
    "a lone high surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate": b'{"a":"\\udc00"}',
    "a lone surrogate in a key": b'{"\\udfff":1}',
    "a broken surrogate pair": b'{"a":"\\ud800\\u0041"}',
    "trailing garbage": b"{}x",
    "a second object": b"{}{}",
    "a trailing NUL": b"{}\x00",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a raw control character": b'{"a":"\n"}',
    "a raw NUL": b'{"\x00":1}',
    "a trailing comma": b'{"a":1,}',
    "a comment": b'{"a":1/**/}',
    "single quotes": b"{'a':1}",
    "an open object": b'{"a":1',
    "an open text": b'{"a":"',
    "depth 9": b'{"a":' + b"[" * 8 + b"]" * 8 + b"}",
    "depth 100,000": b'{"a":' + b"[" * 100_000,
    "depth 100,000 of objects": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_could_mean_two_things_is_refused(why: str) -> None:
    """One meaning for every reader, or none."""
    with pytest.raises(BadArguments):
        check_arguments(REFUSED[why], DEPTH)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a" : [1, 2]}\n', {"a": [1, 2]}),
        (b'{"a":9007199254740991,"b":-9007199254740991}', {"a": SAFE, "b": -SAFE}),
        (b'{"a":"9007199254740993"}', {"a": "9007199254740993"}),
        (b'{"a":-0}', {"a": 0}),
        (b'{"\\u0061":"\\ud83d\\ude00\\/"}', {"a": "😀/"}),
        (b'{"a":' + b"[" * 7 + b"]" * 7 + b"}", {"a": [[[[[[[]]]]]]]}),
    ],
)
def test_what_has_one_meaning_is_taken(raw: bytes, value: dict[str, Any]) -> None:
    """At every limit, just inside."""
    assert check_arguments(raw, DEPTH) == value


@pytest.mark.parametrize("why", ["a trailing comma", "a huge exponent", "a byte that is no UTF-8", "nothing"])
def test_a_refusal_never_speaks_in_the_readers_words(why: str) -> None:
    """The words may stand in a receipt, so they are ours; the reader's are a fact beside them."""
    with pytest.raises(BadArguments) as refusal:
        check_arguments(REFUSED[why], DEPTH)
    assert str(refusal.value) == "the arguments are not JSON: UTF-8 without a mark, one object, nothing after it"
    assert refusal.value.facts["detail"]
