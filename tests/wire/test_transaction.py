"""Bodies and envelopes: one encoding each, and nothing else is read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import MalformedTransaction
from ledgernode.wire.transaction import (
    QUERY_TAG,
    TRANSACTION_TAG,
    Body,
    Kind,
    Nonce,
    Sequence,
    encode_body,
    envelope,
    parse_body,
    parse_transaction,
)
from ledgernode.wire.types import ChainId, IdentityId, TimeMs, sha256

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32)
REPLAYS = st.one_of(
    st.builds(Nonce, st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1)),
    st.builds(Sequence, st.integers(0, 2**63 - 1)),
)
BODIES = st.builds(
    Body,
    kind=st.sampled_from(Kind),
    chain_id=HASHES,
    creator=HASHES,
    replay=REPLAYS,
    budget=st.integers(0, 2**32 - 1),
    contract=NAMES,
    function=NAMES,
    arguments=st.binary(max_size=200),
)
KEY = b"\x04" + bytes(64)


def a_body(**changes: object) -> Body:
    fields: dict[str, object] = {
        "kind": Kind.TRANSACTION,
        "chain_id": ChainId(b"\x01" * 32),
        "creator": IdentityId(b"\x02" * 32),
        "replay": Nonce(b"\x03" * 16, TimeMs(1_000)),
        "budget": 5_000,
        "contract": "currency",
        "function": "transfer",
        "arguments": b"{}",
    }
    return Body(**{**fields, **changes})  # type: ignore[arg-type]


@given(BODIES)
def test_a_body_is_read_back_as_it_was_written(body: Body) -> None:
    """parse . encode is the identity."""
    assert parse_body(encode_body(body)) == body


@given(BODIES, st.data())
def test_whatever_is_read_has_one_encoding(body: Body, data: st.DataObject) -> None:
    """An altered body is refused, or is another body with exactly the altered bytes."""
    raw = bytearray(encode_body(body))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        altered = parse_body(bytes(raw))
    except MalformedTransaction:
        return
    assert altered != body
    assert encode_body(altered) == bytes(raw)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_body_or_are_refused(raw: bytes) -> None:
    """No input raises anything but the one refusal."""
    try:
        body = parse_body(raw)
    except MalformedTransaction:
        return
    assert encode_body(body) == raw


@given(BODIES, st.data())
def test_a_body_cut_short_or_with_more_behind_it_is_refused(body: Body, data: st.DataObject) -> None:
    """Every length is checked to the byte."""
    raw = encode_body(body)
    with pytest.raises(MalformedTransaction):
        parse_body(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(MalformedTransaction):
        parse_body(raw + data.draw(st.binary(min_size=1, max_size=3)))


def test_a_query_and_a_transaction_never_share_bytes() -> None:
    """The domain tag keeps a signed question from being replayed as a transaction."""
    question, change = encode_body(a_body(kind=Kind.QUERY)), encode_body(a_body())
    assert question[16:] == change[16:]
    assert (question[:16], change[:16]) == (QUERY_TAG, TRANSACTION_TAG)
    assert len(QUERY_TAG) == len(TRANSACTION_TAG) == 16


@dataclass
class Unfit:
    why: str
    changes: dict[str, object]


UNFIT = [
    Unfit("chain id of 31 bytes", {"chain_id": bytes(31)}),
    Unfit("chain id of 33 bytes", {"chain_id": bytes(33)}),
    Unfit("creator of 31 bytes", {"creator": bytes(31)}),
    Unfit("nonce of 15 bytes", {"replay": Nonce(bytes(15), TimeMs(0))}),
    Unfit("valid-until beyond 8 bytes", {"replay": Nonce(bytes(16), TimeMs(2**64))}),
    Unfit("negative sequence", {"replay": Sequence(-1)}),
    Unfit("sequence of 2^63", {"replay": Sequence(2**63)}),
    Unfit("negative budget", {"budget": -1}),
    Unfit("budget beyond 4 bytes", {"budget": 2**32}),
    Unfit("empty contract", {"contract": ""}),
    Unfit("contract of 65 characters", {"contract": "a" * 65}),
    Unfit("contract outside ASCII", {"contract": "zähler"}),
    Unfit("function with a space", {"function": "two words"}),
    Unfit("function with a digit first", {"function": "1st"}),
]


@pytest.mark.parametrize("case", UNFIT, ids=lambda case: case.why)
def test_what_the_format_cannot_hold_is_refused_when_written(case: Unfit) -> None:
    """No value is padded, cut or wrapped on its way into a signature."""
    with pytest.raises(MalformedTransaction):
        encode_body(a_body(**case.changes))


def test_an_unknown_tag_is_refused() -> None:
    """The first 16 bytes say what was signed."""
    with pytest.raises(MalformedTransaction, match="tag"):
        parse_body(b"ledgernode/tx/2\x00" + encode_body(a_body())[16:])


@pytest.mark.parametrize("mode", [2, 255])
def test_an_unknown_replay_mode_is_refused(mode: int) -> None:
    """There are two replay modes."""
    raw = bytearray(encode_body(a_body()))
    raw[80] = mode
    with pytest.raises(MalformedTransaction, match="replay"):
        parse_body(bytes(raw))


def test_a_sequence_with_an_expiry_is_refused() -> None:
    """Devices' transactions do not expire: the eight bytes are zero."""
    raw = bytearray(encode_body(a_body(replay=Sequence(7))))
    raw[104] = 1
    with pytest.raises(MalformedTransaction, match="replay"):
        parse_body(bytes(raw))


@given(BODIES, st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64))
def test_an_envelope_carries_its_parts_verbatim(body: Body, point: bytes, signature: bytes) -> None:
    """Id is the hash of the body, envelope hash that of the whole."""
    body_bytes = encode_body(body)
    raw = envelope(b"\x04" + point, signature, body_bytes)
    transaction = parse_transaction(raw)
    assert (transaction.public_key, transaction.signature) == (b"\x04" + point, signature)
    assert (transaction.body_bytes, transaction.body, transaction.raw) == (body_bytes, body, raw)
    assert (transaction.id, transaction.envelope_hash) == (sha256(body_bytes), sha256(raw))


@pytest.mark.parametrize("raw", [b"", bytes(500), b"\x02" + bytes(500), KEY + bytes(64)])
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    """An envelope begins with an uncompressed key, and has a body."""
    with pytest.raises(MalformedTransaction):
        parse_transaction(raw)


@pytest.mark.parametrize(("key", "signature"), [(64, 64), (66, 64), (65, 63), (65, 65)])
def test_parts_of_wrong_length_make_no_envelope(key: int, signature: int) -> None:
    """65 bytes of key, 64 of signature."""
    with pytest.raises(MalformedTransaction):
        envelope(bytes(key), bytes(signature), encode_body(a_body()))
