"""Headers: fixed places, one encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import DatabaseDamaged
from ledgernode.wire.block import HEADER_TAG, Header, encode_header, header_hash, parse_header

HASHES = st.binary(min_size=32, max_size=32)
LONG, SHORT = st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
HEADERS = st.builds(Header, HASHES, LONG, LONG, HASHES, HASHES, HASHES, HASHES, LONG, HASHES, HASHES, SHORT, SHORT)


@given(HEADERS)
def test_a_header_is_read_back_as_it_was_written(header: Header) -> None:
    """parse . encode is the identity, and the size is fixed."""
    raw = encode_header(header)
    assert parse_header(raw) == header
    assert len(raw) == 276


@given(HEADERS, st.integers(0, 275), st.integers(1, 255))
def test_every_byte_of_a_header_counts(header: Header, at: int, flip: int) -> None:
    """An altered byte is refused (in the tag) or makes another header with another hash."""
    raw = bytearray(encode_header(header))
    raw[at] ^= flip
    if at < len(HEADER_TAG):
        with pytest.raises(DatabaseDamaged):
            parse_header(bytes(raw))
    else:
        assert header_hash(parse_header(bytes(raw))) != header_hash(header)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    """A header has its length and its tag."""
    with pytest.raises(DatabaseDamaged):
        parse_header(raw)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_hash_of_another_size_is_never_padded(size: int) -> None:
    """The seven hashes have 32 bytes; our own mistake stops us."""
    header = Header(bytes(size), 0, 0, *[bytes(32)] * 4, 0, bytes(32), bytes(32), 0, 0)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="32 bytes"):
        encode_header(header)
