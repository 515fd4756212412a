"""One event of the ledger, shown to a device that keeps nothing of it but validator sets.

    evidence   MessagePack array [event, receipt, index, path, header, certificate, handovers]
    handover   array [header, certificate, next set]

`event` is its number in the receipt, `index` and `path` are the receipt's place under the header's receipts root. A
handover is the last block of an epoch and the set that follows; they stand in the order of their epochs, and what a
device knows already it passes over. Bytes are as elsewhere (`docs/formats.md`); there is one encoding, and another is
refused. Less than 1.5 KB where four validators sign and the set has not changed.

What a proof (`ledgernode.proof`) has besides is the envelope: who asked for something is the ledger's business, what
the ledger says to a device is in the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from ledgernode.consensus.certifier import Verify, check_certificate
from ledgernode.errors import BadProof, DatabaseDamaged
from ledgernode.wire import merkle
from ledgernode.wire.block import Header, parse_header
from ledgernode.wire.receipt import Event, parse_receipt
from ledgernode.wire.types import ChainId, Epoch, TimeMs
from ledgernode.wire.unreadable import UNREADABLE
from ledgernode.wire.validators import ValidatorSet, parse_certificate, parse_set, set_hash

EVIDENCE_BYTES: Final = 512 * 1024
_EVENT_BITS: Final = 12
_INDEX_BITS: Final = 20
WITHIN: Final = 1 << (_EVENT_BITS + _INDEX_BITS)
"""A place is the height times this, and what stands before it in its block."""


class Handover(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last block of an epoch, and the set of the next."""

    header: bytes
    certificate: bytes
    next_set: bytes


class Evidence(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    event: int
    receipt: bytes
    index: int
    path: tuple[bytes, ...]
    header: bytes
    certificate: bytes
    handovers: tuple[Handover, ...] = ()


class Shown(NamedTuple):
    """What was shown: an event that stands in a certified block. `sets` are those that the device did not know."""

    event: Event
    place: int
    time_ms: TimeMs
    sets: tuple[ValidatorSet, ...]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Evidence)


def encode_evidence(evidence: Evidence) -> bytes:
    return _ENCODER.encode(evidence)


def place_of(height: int, index: int, event: int) -> int:
    """Where on the ledger an event stands, as one number: of two events the later has the larger one."""
    if index >> _INDEX_BITS or event >> _EVENT_BITS or min(height, index, event) < 0:
        raise BadProof("place: no event of a block stands there")
    return (height << _INDEX_BITS | index) << _EVENT_BITS | event


def check_evidence(raw: bytes, chain_id: ChainId, known: Mapping[Epoch, ValidatorSet], verify: Verify) -> Shown:
    """The event, if a set that is known, or that a known one leads to, has certified it.

    Refuses with BadProof, naming the step that fails.
    """
    evidence, judge = _read(raw), _Judge(chain_id, verify)
    sets = _followed(evidence.handovers, known, judge)
    header = judge.certified(evidence.header, evidence.certificate, dict(known) | sets, "block")
    receipt = _parsed(parse_receipt, evidence.receipt, "receipt")
    if not merkle.verify(evidence.receipt, evidence.index, header.receipts, evidence.path, header.receipts_root):
        raise BadProof("receipt: it does not stand under the block's receipts root")
    if not receipt.succeeded or not 0 <= evidence.event < len(receipt.events):
        raise BadProof("event: the receipt has none of this number")
    return Shown(
        event=receipt.events[evidence.event],
        place=place_of(header.height, evidence.index, evidence.event),
        time_ms=header.time_ms,
        sets=tuple(sets.values()),
    )


def _read(raw: bytes) -> Evidence:
    if len(raw) > EVIDENCE_BYTES:
        raise BadProof(f"form: evidence has at most {EVIDENCE_BYTES} bytes, this one {len(raw)}")
    try:
        evidence = _DECODER.decode(raw)
    except UNREADABLE as error:
        raise BadProof(f"form: this is no evidence: {error}") from error
    if encode_evidence(evidence) != raw:
        raise BadProof("form: it is not in the one encoding it has")
    return evidence


class _Judge(NamedTuple):
    """Of one ledger."""

    chain_id: ChainId
    verify: Verify

    def certified(self, raw: bytes, certificate: bytes, sets: Mapping[Epoch, ValidatorSet], step: str) -> Header:
        """The header, if the set of its epoch is here and has signed it."""
        header: Header = _parsed(parse_header, raw, step)
        if header.chain_id != self.chain_id:
            raise BadProof(f"{step}: the header is of another ledger")
        if header.epoch not in sets:
            raise BadProof(f"{step}: the set of epoch {header.epoch} is not known")
        try:
            check_certificate(header, parse_certificate(certificate), sets[header.epoch], self.verify)
        except BadProof as error:
            raise BadProof(f"{step}: {error}") from error
        return header


def _followed(
    handovers: tuple[Handover, ...], known: Mapping[Epoch, ValidatorSet], judge: _Judge
) -> dict[Epoch, ValidatorSet]:
    """The sets after the newest known one."""
    if not known:
        raise BadProof("block: no validators are known")
    newest, sets = known[max(known)], dict[Epoch, ValidatorSet]()
    for number, handover in enumerate(handovers, 1):
        step = f"handover {number}"
        following: ValidatorSet = _parsed(parse_set, handover.next_set, step)
        if following.epoch <= newest.epoch:
            continue
        header = judge.certified(handover.header, handover.certificate, {newest.epoch: newest}, step)
        if header.next_set != set_hash(following) or following.epoch != newest.epoch + 1:
            raise BadProof(f"{step}: the header hands over to another set")
        newest = sets[following.epoch] = following
    return sets


def _parsed(parse: Any, raw: bytes, step: str) -> Any:
    try:
        return parse(raw)
    except (BadProof, DatabaseDamaged) as error:
        raise BadProof(f"{step}: {error}") from error
