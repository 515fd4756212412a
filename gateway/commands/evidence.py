"""From a node's proof of a transaction to what a device can check: the one event, and what certifies it."""

from __future__ import annotations

import msgspec

from ledgernode.errors import BadProof, DatabaseDamaged
from ledgernode.evidence import Evidence, Handover, encode_evidence, place_of
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.block import parse_header
from ledgernode.wire.receipt import Event, parse_receipt
from ledgernode.wire.unreadable import UNREADABLE


class _Leaf(msgspec.Struct, frozen=True):
    data: str
    index: int
    path: tuple[str, ...]


class _Change(msgspec.Struct, frozen=True):
    header: str
    certificate: str
    next_set: str


class _Proof(msgspec.Struct, frozen=True):
    """Of a proof document (`docs/formats.md`) what evidence is made of."""

    receipt: _Leaf
    header: str
    certificate: str
    set_changes: tuple[_Change, ...]


def evidence_of(proof: bytes, event: NumberedEvent) -> tuple[bytes, int]:
    """The evidence of an event, and its place on the ledger. Refuses a proof in which the event does not stand.

    Whether it holds is for the device to check.
    """
    try:
        found = msgspec.json.decode(proof, type=_Proof)
        receipt = bytes.fromhex(found.receipt.data)
        events = parse_receipt(receipt).events
        at = events.index(Event(event.contract, event.name, event.payload))
        header = bytes.fromhex(found.header)
        evidence = Evidence(
            event=at,
            receipt=receipt,
            index=found.receipt.index,
            path=tuple(bytes.fromhex(sibling) for sibling in found.receipt.path),
            header=header,
            certificate=bytes.fromhex(found.certificate),
            handovers=tuple(
                Handover(bytes.fromhex(one.header), bytes.fromhex(one.certificate), bytes.fromhex(one.next_set))
                for one in found.set_changes
            ),
        )
        return encode_evidence(evidence), place_of(parse_header(header).height, evidence.index, at)
    except (*UNREADABLE, ValueError, OverflowError, DatabaseDamaged) as error:
        raise BadProof(f"a node's proof of {event.name} at height {event.height} does not show it: {error}") from error
