"""The only conversion between the ledger's values and protobuf messages.

Messages carry what the node answers; nothing in them is signed or hashed, so their encoding may change
with the schema. Whatever a peer sent that makes no value is a `BadRequest` here, before anyone acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final, TypeVar

import msgspec

from ledgernode.errors import BadRequest
from ledgernode.v1 import admin_pb2 as admin
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1 import snapshot_pb2 as snapshot
from ledgernode.v1 import validator_pb2 as peer
from ledgernode.wire.answers import (
    Block,
    IdentityFacts,
    IdentityKey,
    LedgerFacts,
    LedgerStatus,
    LocatedTransaction,
    NodeStatus,
    NumberedEvent,
    Outcome,
    PruneProgress,
    ReadLevel,
    SnapshotFacts,
    SnapshotProgress,
    Stage,
    SyncStatus,
    ValidatorStatus,
    Wait,
)
from ledgernode.wire.frames import (
    CertificateFrame,
    EngineFrame,
    Forwarded,
    Frame,
    HeaderVote,
    Introduction,
    Standing,
)
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import HASH_BYTES, ChainId, Epoch, Height, TimeMs, TransactionId
from ledgernode.wire.unreadable import UNREADABLE

_Kind = TypeVar("_Kind", bound=IntEnum)

CODE_METADATA: Final = "ledgernode-code"
RETRY_METADATA: Final = "ledgernode-retry-ms"
ARCHIVES_METADATA: Final = "ledgernode-archives"
"""Trailing metadata of every refusal: its stable code, advice when to retry, and who has what is pruned here."""
VERSION_METADATA: Final = "ledgernode-version"
CLOCK_METADATA: Final = "ledgernode-clock-ms"
"""Trailing metadata of `GetLedger`: what a node says of itself beside its ledger, its software and its clock."""

# ---------------------------------------------------------------- fields of requests


def read_wait(value: int) -> Wait:
    """How far the caller waits; committed when it does not say."""
    return _member(Wait, value or Wait.COMMITTED, "wait")


def read_level(value: int) -> ReadLevel:
    """Which state answers; the node's own when the caller does not say."""
    return _member(ReadLevel, value or ReadLevel.LOCAL, "level")


def read_transaction_id(value: bytes) -> TransactionId:
    if len(value) != HASH_BYTES:
        raise BadRequest(f"a transaction id has {HASH_BYTES} bytes, not {len(value)}")
    return TransactionId(value)


def number(member: IntEnum) -> Any:
    """A member as the schema's own type for it; the numbers are the same."""
    return int(member)


def _member(kind: type[_Kind], value: int, field: str) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        raise BadRequest(f"{field} has no value {value}") from None


# ---------------------------------------------------------------- outcomes


def outcome_message(outcome: Outcome) -> pb.Outcome:
    return pb.Outcome(
        transaction_id=outcome.transaction_id,
        stage=number(outcome.stage),
        code=outcome.code,
        message=outcome.message,
        height=outcome.height,
        position=outcome.position,
        result=outcome.result,
    )


def outcomes_message(outcomes: Iterable[Outcome]) -> pb.SubmitManyResponse:
    return pb.SubmitManyResponse(outcomes=[outcome_message(outcome) for outcome in outcomes])


def read_outcome(message: pb.Outcome) -> Outcome:
    return Outcome(
        TransactionId(message.transaction_id),
        _member(Stage, message.stage, "stage"),
        message.code,
        message.message,
        Height(message.height),
        message.position,
        message.result,
    )


# ---------------------------------------------------------------- blocks and events


def block_message(block: Block) -> pb.Block:
    return pb.Block(
        header=block.header,
        transactions=block.envelopes,
        receipts=block.receipts,
        certificate=block.certificate,
    )


def read_block(message: pb.Block) -> Block:
    return Block(message.header, tuple(message.transactions), tuple(message.receipts), message.certificate)


def event_message(event: NumberedEvent) -> pb.Event:
    return pb.Event(
        height=event.height,
        number=event.number,
        time_ms=event.time_ms,
        transaction_id=event.transaction_id,
        contract=event.contract,
        name=event.name,
        payload=event.payload,
    )


def events_message(events: Sequence[NumberedEvent], height: Height) -> pb.EventsResponse:
    return pb.EventsResponse(events=[event_message(event) for event in events], height=height)


def read_event(message: pb.Event) -> NumberedEvent:
    return NumberedEvent(
        Height(message.height),
        message.number,
        TimeMs(message.time_ms),
        TransactionId(message.transaction_id),
        message.contract,
        message.name,
        message.payload,
    )


# ---------------------------------------------------------------- look-ups


def transaction_message(found: LocatedTransaction) -> pb.GetTransactionResponse:
    return pb.GetTransactionResponse(
        transaction=found.envelope,
        receipt=found.receipt,
        height=found.height,
        position=found.position,
        time_ms=found.time_ms,
    )


def read_transaction(message: pb.GetTransactionResponse) -> LocatedTransaction:
    return LocatedTransaction(
        message.transaction, message.receipt, Height(message.height), message.position, TimeMs(message.time_ms)
    )


def facts_message(facts: LedgerFacts) -> pb.GetLedgerResponse:
    return pb.GetLedgerResponse(
        ledger=facts.ledger,
        chain_id=facts.chain_id,
        height=facts.height,
        time_ms=facts.time_ms,
        epoch=facts.epoch,
        engine=facts.engine,
        parameters=msgspec.json.encode(facts.parameters, order="deterministic"),
        validators=facts.validators,
        header_hash=facts.header_hash,
        view=facts.view,
        leader=facts.leader,
        protocol_oldest=facts.protocol_oldest,
        protocol_newest=facts.protocol_newest,
    )


def read_facts(message: pb.GetLedgerResponse) -> LedgerFacts:
    try:
        parameters = msgspec.json.decode(message.parameters, type=Parameters)
    except UNREADABLE as error:
        raise BadRequest(f"the ledger's parameters cannot be read: {error}") from error
    return LedgerFacts(
        message.ledger,
        ChainId(message.chain_id),
        Height(message.height),
        TimeMs(message.time_ms),
        Epoch(message.epoch),
        message.engine,
        parameters,
        message.validators,
        message.header_hash,
        message.view,
        message.leader,
        message.protocol_oldest,
        message.protocol_newest,
    )


# ---------------------------------------------------------------- between validators


def introduction_message(introduction: Introduction) -> peer.ExchangeRequest:
    return peer.ExchangeRequest(introduction=peer.Introduction(**msgspec.structs.asdict(introduction)))


def read_introduction(message: peer.Introduction) -> Introduction:
    return Introduction(
        message.ledger, message.public_key, message.signature, message.protocol_oldest, message.protocol_newest
    )


def packed(frame: Frame) -> bytes:
    """The frame as it travels. Several of these one after another are one message: one for many is made once."""
    return peer.ExchangeRequest(frames=[_frame_message(frame)]).SerializeToString()


def _frame_message(frame: Frame) -> peer.Frame:
    match frame:
        case EngineFrame(epoch, message):
            return peer.Frame(engine=peer.EngineMessage(epoch=epoch, message=message))
        case HeaderVote(epoch, height, header_hash, signature):
            vote = peer.HeaderVote(epoch=epoch, height=height, header_hash=header_hash, signature=signature)
            return peer.Frame(vote=vote)
        case CertificateFrame(height, certificate):
            return peer.Frame(certificate=peer.BlockCertificate(height=height, certificate=certificate))
        case Forwarded(envelopes):
            return peer.Frame(transactions=peer.Transactions(envelopes=envelopes))
        case Standing(height, oldest_block):
            return peer.Frame(standing=peer.Standing(height=height, oldest_block=oldest_block))


def read_frame(message: peer.Frame) -> Frame | None:
    """The frame; None for a kind that a later version may know."""
    match message.WhichOneof("kind"):
        case "engine":
            return EngineFrame(Epoch(message.engine.epoch), message.engine.message)
        case "vote":
            vote = message.vote
            return HeaderVote(Epoch(vote.epoch), Height(vote.height), vote.header_hash, vote.signature)
        case "certificate":
            return CertificateFrame(Height(message.certificate.height), message.certificate.certificate)
        case "transactions":
            return Forwarded(tuple(message.transactions.envelopes))
        case "standing":
            return Standing(Height(message.standing.height), message.standing.oldest_block)
        case _:
            return None


# ---------------------------------------------------------------- what operators see


def status_message(status: NodeStatus) -> admin.GetStatusResponse:
    return admin.GetStatusResponse(
        version=status.version,
        organisation=status.organisation,
        started_ms=status.started_ms,
        ledgers=[_ledger_status_message(ledger) for ledger in status.ledgers],
        log_level=status.log_level,
        memory_bytes=status.memory_bytes,
    )


def _ledger_status_message(status: LedgerStatus) -> admin.LedgerStatus:
    fields = msgspec.structs.asdict(status)
    fields["validators"] = [
        admin.ValidatorStatus(**msgspec.structs.asdict(validator)) for validator in status.validators
    ]
    if status.sync is not None:
        fields["sync"] = admin.SyncStatus(**msgspec.structs.asdict(status.sync))
    return admin.LedgerStatus(**fields)


def read_status(message: admin.GetStatusResponse) -> NodeStatus:
    return NodeStatus(
        message.version,
        message.organisation,
        TimeMs(message.started_ms),
        tuple(_read_ledger_status(ledger) for ledger in message.ledgers),
        message.log_level,
        message.memory_bytes,
    )


def _read_ledger_status(message: admin.LedgerStatus) -> LedgerStatus:
    fields = {
        name: getattr(message, name) for name in LedgerStatus.__struct_fields__ if name not in ("validators", "sync")
    }
    validators = tuple(
        ValidatorStatus(**{name: getattr(validator, name) for name in ValidatorStatus.__struct_fields__})
        for validator in message.validators
    )
    sync = None
    if message.HasField("sync"):
        sync = SyncStatus(**{name: getattr(message.sync, name) for name in SyncStatus.__struct_fields__})
    return LedgerStatus(**fields, validators=validators, sync=sync)


def identity_message(record: IdentityFacts) -> admin.Identity:
    return admin.Identity(
        id=record.id,
        organisation=record.organisation,
        role=record.role,
        status=record.status,
        attributes=record.attributes,
        keys=[admin.IdentityKey(**msgspec.structs.asdict(key)) for key in record.keys],
    )


def read_identity(message: admin.Identity) -> IdentityFacts:
    keys = tuple(IdentityKey(key.public_key, key.not_after_ms, key.overlap_until_ms) for key in message.keys)
    return IdentityFacts(message.id, message.organisation, message.role, message.status, dict(message.attributes), keys)


def snapshot_message(progress: SnapshotProgress) -> admin.CreateSnapshotResponse:
    return admin.CreateSnapshotResponse(**msgspec.structs.asdict(progress))


def read_snapshot(message: admin.CreateSnapshotResponse) -> SnapshotProgress:
    return SnapshotProgress(message.chunks_done, message.chunks_total, message.path, Height(message.height))


def prune_message(progress: PruneProgress) -> admin.PruneResponse:
    return admin.PruneResponse(**msgspec.structs.asdict(progress))


def read_prune(message: admin.PruneResponse) -> PruneProgress:
    return PruneProgress(message.blocks_done, message.blocks_total, Height(message.base_height))


# ---------------------------------------------------------------- snapshots that a node gives out


def snapshots_message(found: Iterable[SnapshotFacts]) -> snapshot.ListSnapshotsResponse:
    return snapshot.ListSnapshotsResponse(
        snapshots=[snapshot.Snapshot(**msgspec.structs.asdict(facts)) for facts in found]
    )


def read_snapshots(message: snapshot.ListSnapshotsResponse) -> tuple[SnapshotFacts, ...]:
    return tuple(
        SnapshotFacts(**{name: getattr(found, name) for name in SnapshotFacts.__struct_fields__})
        for found in message.snapshots
    )
