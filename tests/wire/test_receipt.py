"""Receipts: one encoding, and another one of the same values is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import DatabaseDamaged
from ledgernode.wire.receipt import RECEIPT_TAG, Event, Origin, Receipt, encode_receipt, parse_receipt

TEXT = st.text(max_size=30)
EVENTS = st.lists(st.builds(Event, TEXT, TEXT, st.binary(max_size=30)), max_size=3).map(tuple)
RECEIPTS = st.builds(
    Receipt,
    id=st.binary(min_size=32, max_size=32),
    origin=st.sampled_from(Origin),
    code=TEXT,
    message=TEXT,
    result=st.binary(max_size=40),
    events=EVENTS,
    budget_used=st.integers(0, 2**32 - 1),
    items_root=st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)),
    items=st.integers(0, 2**32 - 1),
)


@given(RECEIPTS)
def test_a_receipt_is_read_back_as_it_was_written(receipt: Receipt) -> None:
    """parse . encode is the identity."""
    assert parse_receipt(encode_receipt(receipt)) == receipt


@given(RECEIPTS, st.data())
def test_whatever_is_read_has_one_encoding(receipt: Receipt, data: st.DataObject) -> None:
    """An altered receipt is refused, or is another receipt with exactly the altered bytes."""
    raw = bytearray(encode_receipt(receipt))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        altered = parse_receipt(bytes(raw))
    except DatabaseDamaged:
        return
    assert altered != receipt
    assert encode_receipt(altered) == bytes(raw)


RECEIPT = Receipt(id=bytes(32), origin=Origin.TRANSACTION, code="OK", message="", result=b"", events=(), budget_used=5)  # type: ignore[arg-type]


def _other_encodings() -> dict[str, bytes]:
    raw = encode_receipt(RECEIPT)
    array = raw[len(RECEIPT_TAG) :]
    values = msgspec.msgpack.decode(array)
    assert array[0] == 0x99, "nine values in a short array"
    return {
        "long array head": RECEIPT_TAG + b"\xdc\x00\x09" + array[1:],
        "defaults left out": RECEIPT_TAG + msgspec.msgpack.encode(values[:7]),
        "a tenth value": RECEIPT_TAG + msgspec.msgpack.encode([*values, 1]),
        "a long integer": raw.replace(b"\x05\xc4\x00\x00", b"\xcc\x05\xc4\x00\x00"),
        "bytes behind": raw + b"\x00",
        "another tag": b"ledgernode/receipt/2\x00" + array,
        "no text in the code": raw.replace(b"\xa2OK", b"\xa2\xff\xff"),
    }


@pytest.mark.parametrize("why", sorted(_other_encodings()))
def test_another_encoding_of_the_same_values_is_refused(why: str) -> None:
    """Two nodes that agree on a receipt agree on its bytes."""
    raw = _other_encodings()[why]
    assert raw != encode_receipt(RECEIPT), "the case alters something"
    with pytest.raises(DatabaseDamaged):
        parse_receipt(raw)


def test_only_ok_means_that_it_took_effect() -> None:
    """Any other code changed nothing."""
    assert RECEIPT.succeeded
    assert not msgspec.structs.replace(RECEIPT, code="currency.INSUFFICIENT_BALANCE").succeeded
