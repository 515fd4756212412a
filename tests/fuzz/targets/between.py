"""What nodes and clients tell each other by gRPC, and engines in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.message import DecodeError, Message

from ledgernode.client.connection import read_error
from ledgernode.consensus.jetstream import messages as log
from ledgernode.consensus.pbft import messages as pbft
from ledgernode.consensus.pow import messages as pow_messages
from ledgernode.errors import BadRequest
from ledgernode.v1 import admin_pb2 as admin
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1 import snapshot_pb2 as snapshot
from ledgernode.v1 import validator_pb2 as peer
from ledgernode.wire import protobuf
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.voting import Phase
from tests.fuzz.target import Form, Target, constant

_HASH: Final = bytes(range(32))
_SIGNATURE: Final = bytes(range(64))


def _message(form: type[Message], read: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """gRPC itself refuses what is no message of the form; a conversion sees the rest."""

    def call(raw: bytes) -> Any:
        try:
            message = form.FromString(raw)
        except DecodeError as error:
            raise BadRequest("no message of this form") from error
        return read(message)

    return call


def _pbft_messages() -> Sequence[bytes]:
    vote = pbft.Vote(Phase.PREPARE, 1, 2, _HASH, 3, _SIGNATURE)
    proposal = pbft.Proposal(2, 1_767_225_600_000, (b"one", b"two"))
    stable = pbft.Stable(7, _HASH, b"certificate")
    prepared = pbft.Prepared(1, 2, _HASH, (vote, vote))
    change = pbft.ViewChange(2, 1, stable, (prepared,), _SIGNATURE)
    new_view = pbft.NewView(2, 2, (change, change), _SIGNATURE)
    every: tuple[pbft.Message, ...] = (
        proposal,
        vote,
        pbft.PrePrepare(vote, proposal),
        prepared,
        stable,
        change,
        new_view,
        pbft.Fetch(2, _HASH),
        pbft.Standing(1, True, 5),
        pbft.Relayed((vote,)),
        pbft.Recall(5),
        pbft.Recalled(5, stable, (vote,), change, new_view),
        pbft.Muted(3, 2),
    )
    return [pbft.encode(one) for one in every]


def _pow_messages() -> Sequence[bytes]:
    every: tuple[pow_messages.Message, ...] = (
        pow_messages.Ask(_HASH),
        pow_messages.HeadAt(_HASH, 7, True),
        pow_messages.BelowAt(6),
        pow_messages.Below(_HASH, 7, 1_767_225_600_000, ()),
    )
    return [pow_messages.encode(one) for one in every]


def _log_messages() -> Sequence[bytes]:
    every: tuple[log.Message, ...] = (
        log.Cut(_HASH, 1, 2, 7, 1_767_225_600_000, (b"one", b"two"), _SIGNATURE),
        log.Entry(8, 1_767_225_600_000, b"payload"),
        log.Opened(_HASH, 1, 8, 1_048_576, True),
        log.Read(7),
        log.Publish(_HASH, b"payload"),
    )
    return [log.encode(one) for one in every]


def _engine(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> Callable[[bytes], Any]:
    """What is no message is nobody's; what is one says the same when it is passed on."""

    def call(raw: bytes) -> Any:
        found = decode(raw)
        assert found is None or decode(encode(found)) == found, "a message is another one when it is passed on"
        return found

    return call


class _Refused(grpc.aio.AioRpcError):
    def __init__(self, raw: bytes) -> None:
        code, _, advice = raw.partition(b"\n")
        metadata = grpc.aio.Metadata(
            (protobuf.CODE_METADATA, code.decode("latin-1")), (protobuf.RETRY_METADATA, advice.decode("latin-1"))
        )
        super().__init__(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), metadata, details="no")


_PARAMETERS: Final = msgspec.json.encode(Parameters())
_OUTCOME: Final = pb.Outcome(transaction_id=_HASH, stage=pb.STAGE_COMMITTED, code="OK", height=7, result=b"{}")
_BLOCK: Final = pb.Block(header=b"header", transactions=[b"1", b"2"], receipts=[b"3"], certificate=b"4")
_FRAMES: Final = (
    peer.Frame(engine=peer.EngineMessage(epoch=1, message=b"message")),
    peer.Frame(vote=peer.HeaderVote(epoch=1, height=2, header_hash=_HASH, signature=_SIGNATURE)),
    peer.Frame(certificate=peer.BlockCertificate(height=2, certificate=b"certificate")),
    peer.Frame(transactions=peer.Transactions(envelopes=[b"1", b"2"])),
    peer.Frame(standing=peer.Standing(height=9)),
)
_STATUS: Final = admin.GetStatusResponse(
    version="1", organisation="north", ledgers=[admin.LedgerStatus(validators=[admin.ValidatorStatus()])]
)
_IDENTITY: Final = admin.Identity(id="ab", attributes={"a": "b"}, keys=[admin.IdentityKey(public_key=_HASH)])


def _conversion(name: str, form: type[Message], read: Callable[[Any], Any], *seeds: Message) -> Target:
    return Target(
        f"message-{name}",
        ("ledgernode.wire.protobuf",),
        _message(form, read),
        (BadRequest,),
        constant(*(seed.SerializeToString() for seed in seeds)),
        Form.PROTOBUF,
    )


TARGETS: Final = (
    _conversion("submit", pb.SubmitRequest, lambda m: protobuf.read_wait(m.wait), pb.SubmitRequest(ledger="l", wait=2)),
    _conversion(
        "evaluate", pb.EvaluateRequest, lambda m: protobuf.read_level(m.level), pb.EvaluateRequest(query=b"q", level=3)
    ),
    _conversion(
        "transaction-id",
        pb.GetTransactionRequest,
        lambda m: protobuf.read_transaction_id(m.transaction_id),
        pb.GetTransactionRequest(transaction_id=_HASH),
    ),
    _conversion("outcome", pb.Outcome, protobuf.read_outcome, _OUTCOME),
    _conversion("block", pb.Block, protobuf.read_block, _BLOCK),
    _conversion("event", pb.Event, protobuf.read_event, pb.Event(height=1, number=2, contract="c", payload=b"{}")),
    _conversion(
        "transaction", pb.GetTransactionResponse, protobuf.read_transaction, pb.GetTransactionResponse(height=4)
    ),
    _conversion(
        "facts", pb.GetLedgerResponse, protobuf.read_facts, pb.GetLedgerResponse(ledger="l", parameters=_PARAMETERS)
    ),
    _conversion(
        "introduction",
        peer.Introduction,
        protobuf.read_introduction,
        peer.Introduction(ledger="l", public_key=b"k", signature=_SIGNATURE),
    ),
    _conversion("frame", peer.Frame, protobuf.read_frame, *_FRAMES),
    _conversion("status", admin.GetStatusResponse, protobuf.read_status, _STATUS),
    _conversion("identity", admin.Identity, protobuf.read_identity, _IDENTITY),
    _conversion("snapshot", admin.CreateSnapshotResponse, protobuf.read_snapshot, admin.CreateSnapshotResponse()),
    _conversion(
        "snapshots",
        snapshot.ListSnapshotsResponse,
        protobuf.read_snapshots,
        snapshot.ListSnapshotsResponse(snapshots=[snapshot.Snapshot()]),
    ),
    Target(
        "facts-parameters",
        ("ledgernode.wire.protobuf",),
        lambda raw: protobuf.read_facts(pb.GetLedgerResponse(ledger="l", parameters=raw)),
        (BadRequest,),
        constant(_PARAMETERS),
        Form.JSON,
    ),
    Target(
        "refusal-of-a-node",
        ("ledgernode.client.connection",),
        lambda raw: read_error(_Refused(raw)),
        (),
        constant("MEMPOOL_FULL\n200", "RATE_LIMITED\n", "market.LATE\n5"),
        Form.TEXT,
        silent=True,
    ),
    Target(
        "pbft-message",
        ("ledgernode.consensus.pbft.messages",),
        _engine(pbft.decode, pbft.encode),
        (),
        _pbft_messages,
        Form.MSGPACK,
        silent=True,
    ),
    Target(
        "pow-message",
        ("ledgernode.consensus.pow.messages",),
        _engine(pow_messages.decode, pow_messages.encode),
        (),
        _pow_messages,
        Form.MSGPACK,
        silent=True,
    ),
    Target(
        "log-message",
        ("ledgernode.consensus.jetstream.messages",),
        _engine(log.decode, log.encode),
        (),
        _log_messages,
        Form.MSGPACK,
        silent=True,
    ),
)
