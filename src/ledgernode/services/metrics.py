"""The figures of a node: what they are called and mean, and where each is read when somebody asks.

Every figure of a ledger has the label `ledger`. Nothing here is counted; the parts keep what is read.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ledgernode import __version__
from ledgernode.consensus.jetstream.core import Jetstream
from ledgernode.consensus.pbft.core import Pbft
from ledgernode.consensus.pow.core import ProofOfWork
from ledgernode.consensus.pow.header import work_of
from ledgernode.identity.endings import certificate_ends
from ledgernode.logs import LINES
from ledgernode.node.ledger import PeerFacts, ServedLedger
from ledgernode.observe.figures import Figure, Sheet, counter, gauge, histogram
from ledgernode.observe.tracing import SPANS, Tracing
from ledgernode.observe.turning import LAG, LOG_LINES, Turning
from ledgernode.services.calls import CALLS
from ledgernode.wire.quorum import quorum

_PEER: Final = ("ledger", "organisation", "peer")
BUILD: Final = gauge("ledgernode_build_info", "Always 1; the labels say what runs.", "version", "python")
CERTIFICATE_ENDS: Final = gauge(
    "ledgernode_certificate_ends_timestamp_seconds",
    "When a certificate of this node ends (Unix time): have it renewed weeks before.",
    "certificate",
)
CALLS_ENDED: Final = counter(
    "ledgernode_grpc_calls_total", "Calls of the node's services that have ended, by method and code.", "method", "code"
)

HEIGHT: Final = gauge("ledgernode_block_height", "Height of the newest block that is durable here.", "ledger")
CERTIFIED: Final = gauge(
    "ledgernode_certified_height", "Height of the newest block that stands: durable here, and certified.", "ledger"
)
SINCE_BLOCK: Final = gauge(
    "ledgernode_last_block_age_seconds",
    "Age of the newest block that stands. Without work there is no block: only with waiting transactions "
    "it is a standstill.",
    "ledger",
)
BEHIND: Final = gauge(
    "ledgernode_blocks_behind", "Blocks that are certified elsewhere, or said to be, and not here.", "ledger"
)
HALTED: Final = gauge(
    "ledgernode_halted", "1 when this node has halted the ledger: its status and log say why.", "ledger"
)
READY: Final = gauge("ledgernode_ready", "1 while the ledger is worth asking here, as /health/ready says.", "ledger")
VALIDATORS: Final = gauge("ledgernode_validators", "Members of the set under way.", "ledger")
QUORUM: Final = gauge("ledgernode_quorum", "How many of them must sign for a block to stand.", "ledger")
EPOCH: Final = gauge("ledgernode_epoch", "Number of the validator set under way.", "ledger")
ENGINE: Final = gauge(
    "ledgernode_engine_info",
    "Always 1; the labels say how blocks are ordered, and this node's part in it (leader, backup, miner, "
    "validator, observer).",
    "ledger",
    "engine",
    "role",
)
VIEW: Final = gauge(
    "ledgernode_view", "PBFT: the view of this epoch; it rises whenever a leader is replaced.", "ledger"
)
VIEW_CHANGES: Final = counter(
    "ledgernode_view_changes_total", "PBFT: leaders that were replaced. Now and then is well, often is not.", "ledger"
)
BRANCH: Final = gauge(
    "ledgernode_branch_height", "Proof of work: height of the best branch, not yet deep enough to be final.", "ledger"
)
BLOCK_HASHES: Final = gauge(
    "ledgernode_block_hashes", "Proof of work: hashes that a block takes on average, its difficulty.", "ledger"
)
LOG_HEIGHT: Final = gauge(
    "ledgernode_order_log_height", "Order by a log: the last sequence that it is known to hold.", "ledger"
)
LOG_READ: Final = gauge("ledgernode_order_log_read", "Order by a log: 1 while it is being read.", "ledger")
LOG_UNSEEN: Final = gauge(
    "ledgernode_order_log_unseen_batches",
    "Order by a log: batches published by this node and not seen in it yet.",
    "ledger",
)
LOG_MESSAGES: Final = counter(
    "ledgernode_order_log_messages_total",
    "Order by a log: messages read, published, refused and duplicate ones, readings begun again, reconnections.",
    "ledger",
    "what",
)
VOTES: Final = counter(
    "ledgernode_votes_total", "Votes of other validators for results of blocks that have come.", "ledger"
)
CONTRADICTIONS: Final = counter(
    "ledgernode_contradictions_total",
    "Pairs of votes of one validator that cannot both be honest, noticed here.",
    "ledger",
)

WAITING: Final = gauge("ledgernode_mempool_transactions", "Transactions that wait to be ordered.", "ledger")
WAITING_BYTES: Final = gauge("ledgernode_mempool_bytes", "Bytes of transactions that wait to be ordered.", "ledger")
ROOM: Final = gauge("ledgernode_mempool_limit_transactions", "Transactions that may wait at most.", "ledger")
REFUSED: Final = counter(
    "ledgernode_refused_transactions_total",
    "Transactions that this node did not take from its clients, by code.",
    "ledger",
    "code",
)
FORWARDED_DROPPED: Final = counter(
    "ledgernode_forwarded_dropped_transactions_total",
    "Transactions forwarded by other validators that found no room here; their clients send them again.",
    "ledger",
)
SIGNATURES: Final = counter(
    "ledgernode_signatures_verified_total", "Signatures of transactions that were verified.", "ledger"
)
CLIENTS: Final = gauge(
    "ledgernode_waiting_outcomes", "Transactions whose outcome somebody waits for at this node.", "ledger"
)
EXECUTION: Final = histogram("ledgernode_block_execution_seconds", "Time to execute one block.", "ledger")
BLOCK_SIZE: Final = histogram("ledgernode_block_transactions", "Transactions in one block.", "ledger")
RESULTS: Final = counter(
    "ledgernode_transactions_total",
    "Transactions executed here, by the code of their receipt (OK, or why not).",
    "ledger",
    "code",
)
COMMITTED: Final = counter(
    "ledgernode_committed_transactions_total", "Transactions in blocks that stand, since the start.", "ledger"
)
LATENCY: Final = histogram(
    "ledgernode_submit_commit_seconds",
    "From a client's transaction being admitted here to its block standing here; of each call, or each "
    "hundred of a stream, the first.",
    "ledger",
)

STORE_BYTES: Final = gauge("ledgernode_store_bytes", "What the ledger's database takes of the disk.", "ledger")
STORE_USED: Final = gauge("ledgernode_store_used_bytes", "Of the database's map, up to its last page.", "ledger")
STORE_MAP: Final = gauge("ledgernode_store_map_bytes", "Size of the database's map; it grows by itself.", "ledger")
STORE_LIMIT: Final = gauge("ledgernode_store_limit_bytes", "What the database may grow to.", "ledger")
STORE_VIEWS: Final = gauge(
    "ledgernode_store_views", "Views of the database that are open. Old ones keep freed pages.", "ledger"
)
WRITES: Final = histogram(
    "ledgernode_store_write_seconds",
    "Time of one synced write, to its end on the disk; blocks and promises share them.",
    "ledger",
)
DISK_FREE: Final = gauge("ledgernode_disk_free_bytes", "Free on the disk of the ledger's database.", "ledger")
DISK_SIZE: Final = gauge("ledgernode_disk_size_bytes", "Size of that disk.", "ledger")

SYNC: Final = gauge("ledgernode_syncing", "1 while it comes forward, by blocks or by a snapshot.", "ledger", "by")
SYNC_CHUNKS: Final = gauge(
    "ledgernode_sync_chunks", "Chunks of the snapshot under way that are checked and kept.", "ledger"
)
SYNC_OF: Final = gauge("ledgernode_sync_chunks_needed", "Chunks that the snapshot under way has.", "ledger")
SYNC_IDLE: Final = gauge("ledgernode_sync_idle_seconds", "Time since anything last came of it.", "ledger")

PEER_UP: Final = gauge("ledgernode_peer_up", "1 while a link to this validator stands.", *_PEER)
PEER_HEIGHT: Final = gauge("ledgernode_peer_height", "How far this validator last said to be.", *_PEER)
PEER_QUEUED: Final = gauge(
    "ledgernode_peer_queued_messages",
    "What waits to be sent to this validator: engine messages, votes, transactions.",
    *_PEER,
    "kind",
)
PEER_DROPPED: Final = counter(
    "ledgernode_peer_dropped_messages_total",
    "What was not sent to this validator because too much waited; it is said again, or sent again by clients.",
    *_PEER,
)
PEER_SKEW: Final = gauge(
    "ledgernode_peer_clock_skew_seconds",
    "This validator's clock less ours, as far as its answers tell (half of their time is doubt).",
    *_PEER,
)

FIGURES: Final[tuple[Figure, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Figure))


class NodeFigures:
    """Reads them all for one answer."""

    def __init__(
        self, ledgers: Mapping[str, ServedLedger], home: Path, turning: Turning, traces: Tracing | None = None
    ) -> None:
        self._traces = traces
        self._ledgers = ledgers
        self._home = home
        self._turning = turning

    def sheet(self, ready: Mapping[str, bool], failed: Iterable[str] = ()) -> Sheet:
        """`ready`: which ledgers are, as health says; `failed`: which could not be opened."""
        sheet = Sheet(FIGURES)
        sheet.put(BUILD, 1, __version__, platform.python_version())
        sheet.tally(LAG, self._turning.lag_s)
        sheet.codes(LOG_LINES, LINES)
        if self._traces is not None:
            sheet.codes(SPANS, self._traces.spans)
        for what, ends_ms in certificate_ends(self._home):
            sheet.put(CERTIFICATE_ENDS, ends_ms / 1_000, what)
        for (method, code), times in list(CALLS.items()):
            sheet.put(CALLS_ENDED, times, method, code)
        for name in failed:
            sheet.put(READY, False, name)
            sheet.put(HALTED, True, name)
        for name, ledger in sorted(self._ledgers.items()):
            if not ledger.is_closed:
                sheet.put(READY, ready.get(name, False), name)
                _chain(sheet, name, ledger)
                _consensus(sheet, name, ledger)
                _transactions(sheet, name, ledger)
                _store(sheet, name, ledger)
                for peer in ledger.peer_facts():
                    _peer(sheet, name, peer)
        return sheet


def _chain(sheet: Sheet, name: str, ledger: ServedLedger) -> None:
    seen = ledger.condition()
    sheet.put(HEIGHT, ledger.chain.head.height, name)
    sheet.put(CERTIFIED, seen.height, name)
    sheet.put(SINCE_BLOCK, max(0, ledger.clock_ms() - ledger.progress.time_ms) / 1_000, name)
    sheet.put(BEHIND, seen.lag, name)
    sheet.put(HALTED, bool(seen.halted), name)
    for by in ("blocks", "snapshot"):
        sheet.put(SYNC, seen.sync is not None and seen.sync.by == by, name, by)
    if seen.sync is not None:
        sheet.put(SYNC_CHUNKS, seen.sync.chunks_done, name)
        sheet.put(SYNC_OF, seen.sync.chunks_total, name)
        sheet.put(SYNC_IDLE, seen.sync.idle_ms / 1_000, name)


def _consensus(sheet: Sheet, name: str, ledger: ServedLedger) -> None:
    validators = ledger.endorsement.validators
    sheet.put(VALIDATORS, len(validators.members), name)
    sheet.put(QUORUM, quorum(len(validators.members)), name)
    sheet.put(EPOCH, validators.epoch, name)
    sheet.put(ENGINE, 1, name, ledger.genesis.engine.name, ledger.role)
    sheet.put(VOTES, ledger.measures.votes, name)
    sheet.put(CONTRADICTIONS, ledger.accuser.noticed.total(), name)
    match ledger.driver.engine:
        case Pbft() as replica:
            sheet.put(VIEW, replica.view, name)
            sheet.put(VIEW_CHANGES, ledger.driver.view_changes, name)
        case ProofOfWork() as miner:
            sheet.put(BRANCH, miner.head_height, name)
            sheet.put(BLOCK_HASHES, work_of(miner.target), name)
        case Jetstream() as follower:
            sheet.put(LOG_HEIGHT, follower.log_height, name)
            sheet.put(LOG_UNSEEN, follower.unseen_cuts, name)
    if ledger.log_reader is not None:
        sheet.put(LOG_READ, ledger.log_reader.is_reading, name)
        for what, times in ledger.log_reader.told.items():
            sheet.put(LOG_MESSAGES, times, name, what)


def _transactions(sheet: Sheet, name: str, ledger: ServedLedger) -> None:
    measures = ledger.measures
    sheet.put(WAITING, len(ledger.mempool), name)
    sheet.put(WAITING_BYTES, ledger.mempool.size_bytes, name)
    sheet.put(ROOM, ledger.mempool.limit, name)
    sheet.codes(REFUSED, measures.refused, name)
    sheet.put(FORWARDED_DROPPED, ledger.intake.dropped, name)
    sheet.put(SIGNATURES, ledger.admission.verified, name)
    sheet.put(CLIENTS, len(ledger.waiters), name)
    sheet.tally(EXECUTION, measures.execution_s, name)
    sheet.tally(BLOCK_SIZE, measures.block_transactions, name)
    sheet.codes(RESULTS, ledger.executor.results, name)
    sheet.put(COMMITTED, ledger.announcement.transactions, name)
    sheet.tally(LATENCY, measures.submit_commit_s, name)


def _store(sheet: Sheet, name: str, ledger: ServedLedger) -> None:
    facts, disk = ledger.store_facts(), shutil.disk_usage(ledger.directory)
    sheet.put(STORE_BYTES, ledger.database_bytes(), name)
    sheet.put(STORE_USED, facts.used_bytes, name)
    sheet.put(STORE_MAP, facts.map_bytes, name)
    sheet.put(STORE_LIMIT, facts.limit_bytes, name)
    sheet.put(STORE_VIEWS, facts.views, name)
    sheet.tally(WRITES, ledger.measures.write_s, name)
    sheet.put(DISK_FREE, disk.free, name)
    sheet.put(DISK_SIZE, disk.total, name)


def _peer(sheet: Sheet, name: str, peer: PeerFacts) -> None:
    where = (name, peer.organisation, peer.link.address)
    sheet.put(PEER_UP, peer.link.up, *where)
    sheet.put(PEER_DROPPED, peer.link.dropped, *where)
    for kind, waiting in peer.link.queued.items():
        sheet.put(PEER_QUEUED, waiting, *where, kind)
    if peer.height is not None:
        sheet.put(PEER_HEIGHT, peer.height, *where)
    if peer.skew is not None:
        sheet.put(PEER_SKEW, peer.skew.ahead_ms / 1_000, *where)
