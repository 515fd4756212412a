"""What a node answers, as values: outcomes, blocks as they are sent, numbered events, a ledger's facts.

`wire.protobuf` turns them into messages and back; the node and the client know only these.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import OK
from ledgernode.wire.types import ChainId, Epoch, Height, IdentityId, TimeMs, TransactionId


class Wait(IntEnum):
    """How far a call waits. Numbers as in the schema."""

    ADMITTED = 1
    COMMITTED = 2


class Stage(IntEnum):
    """How far a transaction came. Numbers as in the schema."""

    REFUSED = 1
    ADMITTED = 2
    COMMITTED = 3
    NEVER = 4


class ReadLevel(IntEnum):
    """Which state answers a question. Numbers as in the schema."""

    LOCAL = 1
    AT_LEAST = 2
    LINEARIZABLE = 3
    AT_HEIGHT = 4


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one transaction. Only `COMMITTED` with code OK took effect."""

    transaction_id: TransactionId
    stage: Stage
    code: str
    message: str = ""
    height: Height = Height(0)
    position: int = 0
    result: bytes = b""

    @property
    def succeeded(self) -> bool:
        return self.stage is Stage.COMMITTED and self.code == OK


class Block(msgspec.Struct, frozen=True):
    """A block as it stands in the store; without envelopes and receipts when only headers were asked for."""

    header: bytes
    envelopes: tuple[bytes, ...]
    receipts: tuple[bytes, ...]
    certificate: bytes


class NumberedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and its place: number 1 is its block's first. Place and height are where to resume."""

    height: Height
    number: int
    time_ms: TimeMs
    transaction_id: TransactionId
    contract: str
    name: str
    payload: bytes


class LocatedTransaction(msgspec.Struct, frozen=True):
    """A committed transaction: its envelope, its receipt, and where they stand."""

    envelope: bytes
    receipt: bytes
    height: Height
    position: int
    time_ms: TimeMs


class LedgerFacts(msgspec.Struct, frozen=True):
    """What a client needs to know of a ledger before it signs."""

    ledger: str
    chain_id: ChainId
    height: Height
    time_ms: TimeMs
    epoch: Epoch
    engine: str
    parameters: Parameters
    validators: int
    header_hash: bytes
    view: int = 0
    leader: bytes = b""
    """Of PBFT: the view that this node is in, and the identity of who leads it."""
    protocol_oldest: int = 0
    protocol_newest: int = 0
    """What the node speaks; 0: an older version, which does not say."""


class Answer(msgspec.Struct, frozen=True):
    """A question's result (JSON), and the height whose state gave it."""

    result: bytes
    height: Height


class ValidatorStatus(msgspec.Struct, frozen=True):
    """`contradictions` were noticed by the node since its start, `faults` of it stand on the ledger."""

    identity: IdentityId
    organisation: str
    endpoint: str
    self: bool
    connected: bool = False
    height: Height = Height(0)
    contradictions: int = 0
    faults: int = 0
    ready: int = 0
    """Up to which version of execution its software goes, by its own word on the ledger."""
    refusal: str = ""
    """Why it and this node do not talk to each other, where that is known."""


class SyncStatus(msgspec.Struct, frozen=True):
    """How a node that is behind comes forward, by "snapshot" or by "blocks", and where it will be then."""

    by: str
    height: Height
    chunks_done: int = 0
    chunks_total: int = 0
    idle_ms: int = 0
    """Since anything last came: what tells syncing from stuck."""


class LedgerStatus(msgspec.Struct, frozen=True):
    """What an operator looks at first, of one ledger."""

    ledger: str
    chain_id: ChainId
    engine: str
    height: Height
    certified_height: Height
    time_ms: TimeMs
    epoch: Epoch
    mempool_transactions: int
    mempool_bytes: int
    database_bytes: int
    committed_transactions: int
    halted: bool
    halt_reason: str
    validators: tuple[ValidatorStatus, ...]
    header_hash: bytes
    view: int = 0
    leader: bytes = b""
    branch_height: Height = Height(0)
    lag: int = 0
    sync: SyncStatus | None = None
    base_height: Height = Height(0)
    block_hashes: int = 0
    execution_version: int = 0
    execution_newest: int = 0
    next_execution_version: int = 0
    next_execution_height: int = 0


class NodeStatus(msgspec.Struct, frozen=True):
    """What an operator looks at first, of the whole node."""

    version: str
    organisation: str
    started_ms: TimeMs
    ledgers: tuple[LedgerStatus, ...]
    log_level: str
    memory_bytes: int


class IdentityKey(msgspec.Struct, frozen=True):
    """`overlap_until_ms`: when an earlier key ends after a rotation; 0 for the current one."""

    public_key: bytes
    not_after_ms: int
    overlap_until_ms: int


class IdentityFacts(msgspec.Struct, frozen=True):
    """One registered identity; the current key first."""

    id: str
    organisation: str
    role: str
    status: str
    attributes: dict[str, str]
    keys: tuple[IdentityKey, ...]


class SnapshotProgress(msgspec.Struct, frozen=True):
    """How far a snapshot has come; `path` is set when it is complete."""

    chunks_done: int
    chunks_total: int
    path: str = ""
    height: Height = Height(0)


class PruneProgress(msgspec.Struct, frozen=True):
    """How far old blocks are removed; up to `base_height` they are gone when the last one comes."""

    blocks_done: int
    blocks_total: int
    base_height: Height


class SnapshotFacts(msgspec.Struct, frozen=True):
    """A snapshot that a node has. The id is of its block and its chunks: alike on every node."""

    id: bytes
    height: Height
    chunks: int
    size_bytes: int
    manifest_bytes: int
