"""A block as the projector reads it: calls with their arguments, results and events. No I/O."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledgernode.errors import DatabaseDamaged, MalformedTransaction
from ledgernode.wire.answers import Block
from ledgernode.wire.block import Header, header_hash, parse_header
from ledgernode.wire.receipt import OK, Origin, parse_receipt
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import sha256
from ledgernode.wire.unreadable import UNREADABLE

_NO_CREATOR: Final = b""


class Event(msgspec.Struct, frozen=True):
    """`number` counts a block's events from 1, as the ledger's stream does."""

    number: int
    contract: str
    name: str
    raw: bytes
    payload: dict[str, Any]


class Call(msgspec.Struct, frozen=True):
    """One receipt with what led to it. A timer's call and a reward name no creator, contract or function."""

    height: int
    position: int
    time_ms: int
    id: bytes
    origin: Origin
    creator: bytes
    contract: str
    function: str
    arguments: bytes
    code: str
    message: str
    result: bytes
    events: tuple[Event, ...]
    budget_used: int
    items: int

    @property
    def signer(self) -> str:
        return self.creator.hex()

    @property
    def succeeded(self) -> bool:
        return self.code == OK

    def argument_values(self) -> dict[str, Any]:
        """The arguments by name; nothing where nobody has signed."""
        values = msgspec.json.decode(self.arguments) if self.arguments else {}
        return values if isinstance(values, dict) else {}

    def result_values(self) -> dict[str, Any]:
        """The result's fields, where it is a record."""
        values = msgspec.json.decode(self.result) if self.result else {}
        return values if isinstance(values, dict) else {}

    def is_call_of(self, contract: str, *functions: str) -> bool:
        return self.contract == contract and self.function in functions


class Decoded(msgspec.Struct, frozen=True):
    """A block, read."""

    header: Header
    hash: bytes
    raw: Block
    envelope_hashes: tuple[bytes, ...]
    calls: tuple[Call, ...]

    @property
    def height(self) -> int:
        return int(self.header.height)


def decoded(block: Block) -> Decoded:
    """Refuses (DatabaseDamaged) bytes that are no block; a certificate is looked at elsewhere."""
    header = parse_header(block.header)
    unsigned = len(block.receipts) - len(block.envelopes)
    calls: list[Call] = []
    events = 0
    for position, raw in enumerate(block.receipts):
        receipt = parse_receipt(raw)
        creator, contract, function, arguments = _signed(block, position - unsigned)
        told = []
        for event in receipt.events:
            events += 1
            told.append(Event(events, event.contract, event.name, event.payload, _payload(event.payload)))
        calls.append(
            Call(
                height=int(header.height),
                position=position,
                time_ms=int(header.time_ms),
                id=receipt.id,
                origin=Origin(receipt.origin),
                creator=creator,
                contract=contract,
                function=function,
                arguments=arguments,
                code=receipt.code,
                message=receipt.message,
                result=receipt.result,
                events=tuple(told),
                budget_used=receipt.budget_used,
                items=receipt.items,
            )
        )
    hashes = tuple(sha256(envelope) for envelope in block.envelopes)
    return Decoded(header, header_hash(header), block, hashes, tuple(calls))


def _signed(block: Block, index: int) -> tuple[bytes, str, str, bytes]:
    if index < 0:
        return _NO_CREATOR, "", "", b""
    try:
        body = parse_transaction(block.envelopes[index]).body
    except MalformedTransaction:  # a mined block may hold anything: its receipt says that it was refused
        return _NO_CREATOR, "", "", b""
    return body.creator, body.contract, body.function, body.arguments


def _payload(raw: bytes) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(raw) if raw else {}
    except UNREADABLE as error:
        raise DatabaseDamaged(f"an event's payload is no JSON: {error}") from error
    return values if isinstance(values, dict) else {"value": values}
