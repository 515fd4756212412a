"""Bounds of one process: queues, retries, windows. Ledger-wide limits are `wire.parameters`.

Every queue, loop and retry of the node is bounded by a name in this file.
"""

from __future__ import annotations

from typing import Final

# transactions waiting to be ordered, per ledger
MEMPOOL_TRANSACTIONS: Final = 50_000
MEMPOOL_BYTES: Final = 256 * 1024 * 1024
MEMPOOL_GONE: Final = 100_000  # ids remembered after they have left
ENTRY_TURN: Final = 16  # taken from one entry before the next one's turn

# signatures are checked inline, this many between two turns of the event loop
VERIFY_CHUNK: Final = 100
# parsed public keys kept, and verdicts on envelopes kept, per process
KEY_CACHE: Final = 100_000
VERDICT_CACHE: Final = 200_000
# issuing authorities whose own chain was checked, and peers whose certificate was read, per process
AUTHORITY_CACHE: Final = 256
PEER_CACHE: Final = 4_096
# requests or names enrolled in one go
ENROL_ENTRIES: Final = 1_000_000

# votes of one validator that wait for our own result, or for more of their kind
VOTES_HELD_PER_VALIDATOR: Final = 1_024
# certified heights whose votes are remembered, so that a second, other vote that comes late is noticed
VOTES_REMEMBERED_HEIGHTS: Final = 64
# contradictions of one validator that are looked for in an epoch: more of the same prove nothing new
CONTRADICTIONS_NOTICED: Final = 16

# verification writes its scratch chain this many blocks at a time
VERIFY_BLOCKS_PER_WRITE: Final = 64

# PBFT: contents kept of one sequence (different views may propose different things), sequences a lagging
# peer is helped with at once
PROPOSALS_PER_SLOT: Final = 16
HELP_SEQUENCES: Final = 8

# process: collections are rare, because what a block allocates is freed by counting references
COLLECT_AFTER_OBJECTS: Final = 100_000

# gRPC
MESSAGE_BYTES: Final = 16 * 1024 * 1024
# an answer holds at most a block with all that its calls returned and published; the block's budget bounds it
ANSWER_BYTES: Final = 64 * 1024 * 1024
KEEPALIVE_MS: Final = 30_000
STREAMS_PER_CONNECTION: Final = 1_000
STOP_GRACE_MS: Final = 2_000  # open calls of a stopping node are given this long
STREAM_BATCH_TRANSACTIONS: Final = 1_000
SUBSCRIBERS: Final = 1_000
RECENT_BLOCKS: Final = 256  # whose events live subscribers share
EVENTS_MARKER_BLOCKS: Final = 1_000  # a subscriber without matching events hears its height this often
STREAM_IN_FLIGHT: Final = 10_000  # unanswered transactions of one stream; then it is not read on
DEADLINE_MARGIN_MS: Final = 50  # an answer leaves this long before the caller's deadline
DEFAULT_WAIT_MS: Final = 30_000
RETRY_ADVICE_MS: Final = 250
QUERY_BUDGET: Final = 5_000_000
QUERY_INLINE_BUDGET: Final = 100_000  # a query that needs more runs again, beside the event loop
QUERY_THREADS: Final = 2
LOOKUP_PAGE: Final = 1_000

# driver
PBFT_WINDOW: Final = 32  # sequences above the last stable one that are voted on
EVENTS_WAITING: Final = 10_000  # of the engine; beyond, peers are not read on
FORMER_LIMITS: Final = 16  # a proposal made under limits that changed so many blocks ago is still accepted
OPEN_BLOCKS_REPEATED: Final = 8  # blocks without certificate whose votes are said again at once
OPEN_BLOCKS_HELD: Final = 256  # blocks without certificate that are kept in memory
PASSED_OVER_BLOCKS: Final = 8  # fewer blocks without a transaction that waits longest are no sign of anything
PROPOSAL_LINGER_MS: Final = 250  # while others are under way, a proposal waits at most so long to be worth its cost
OFFER_AGAIN_MS: Final = 200  # a miner's job is not changed more often for new transactions
WATCH_MS: Final = 1_000  # how often a node compares its height with its peers'
FRONTIER_GRACE_MS: Final = 20  # a linearizable read waits so long for more answers than it needs
FRONTIER_ASK_MS: Final = 2_000
CATCH_UP_PAUSE_MS: Final = 300  # between two tries to fetch blocks
CATCH_UP_BLOCKS: Final = 64  # fetched and not yet executed
CATCH_UP_TIMEOUT_MS: Final = 5_000  # a peer that sends no block for this long is left

# snapshots that a node makes for its peers, and gives out
SNAPSHOT_SHARE_PERCENT: Final = 25  # of one core, while one is made
SNAPSHOT_LATE_BLOCKS: Final = 256  # further back, a height is not made a snapshot of
SNAPSHOT_PIECE_BYTES: Final = 1024 * 1024
SNAPSHOT_GIVEN_BYTES_PER_S: Final = 16 * 1024 * 1024  # to all callers together
SNAPSHOT_GIVEN_WAIT_MS: Final = 2_000  # a piece that would wait longer is refused

# backups
BACKUP_SEGMENT_BLOCKS: Final = 1_024
BACKUP_SEGMENT_BYTES: Final = 32 * 1024 * 1024  # beyond, a segment takes no further block
BACKUP_SEGMENT_LIMIT_BYTES: Final = 256 * 1024 * 1024  # no segment is read that is larger
BACKUP_INDEX_LIMIT_BYTES: Final = 256 * 1024 * 1024
BACKUP_SHARE_PERCENT: Final = 25  # of one core, while one is made beside a running node
BACKUP_BLOCKS_PER_WRITE: Final = 64  # a restore makes so many durable at once

# state sync: being brought forward by a peer's snapshot
SYNC_ASK_MS: Final = 10_000  # peers are not asked more often what they have
SYNC_ANSWER_MS: Final = 10_000  # a peer that does not answer within this time is left for the next one
SYNC_OFFER_MS: Final = 3_000  # all are asked at once what they have, and waited for so long
SYNC_OFFERS: Final = 16  # looked at, of one peer
SYNC_FAILURES: Final = 3  # one after another, then a peer is not asked for this snapshot again
SYNC_REFUSALS: Final = 120  # likewise of a peer that has more to do than to give
SYNC_PAUSE_MS: Final = 500  # between two tries, when a peer wants its peace
SYNC_TOLD_MS: Final = 5_000  # progress is logged so often

MINING_NICENESS: Final = 5
MINING_SHARE_PERCENT: Final = 25  # of one core
MINING_SLICE_HASHES: Final = 5_000  # between two looks for another job: a few milliseconds

TLS_LOOK_MS: Final = 10_000  # how often a node looks whether its TLS files were replaced
ROSTER_LOOK_MS: Final = 1_000  # and which ledgers it is to serve

# the log that orders a ledger (engine jetstream)
LOG_ANSWER_MS: Final = 5_000
LOG_BACKOFF_START_MS: Final = 100
LOG_BACKOFF_LIMIT_MS: Final = 2_000
LOG_HEARTBEAT_MS: Final = 1_000  # a reading that is silent for three of these is begun again
LOG_WAIT_MS: Final = 10_000  # one request for messages waits at most so long
LOG_READ_MESSAGES: Final = 64
LOG_READ_BYTES: Final = 32 * 1024 * 1024
LOG_STANDING_MS: Final = 2_000  # how often it is asked how far it is
LOG_REMEMBERS_S: Final = 120  # two messages with one id within this time are one
LOG_QUEUED_PUBLICATIONS: Final = 64
OWN_FIRST_MS: Final = 2_000  # what another validator has admitted is left to it for so long

# links between validators
LINK_ENGINE_MESSAGES: Final = 1_024  # queued for one peer; beyond, the oldest is dropped: engines say it again
LINK_VOTES: Final = 1_024  # and certificates likewise
LINK_TRANSACTIONS: Final = 20_000  # beyond, the newest is dropped: clients send it again
LINK_MESSAGE_BYTES: Final = 4 * 1024 * 1024  # what is queued goes out in messages of about this size
LINK_BACKOFF_START_MS: Final = 50
LINK_BACKOFF_LIMIT_MS: Final = 1_000
LINK_ANSWER_MS: Final = 5_000  # a peer that does not take us within this time is dialled again
GOSSIP_LINGER_MS: Final = 2  # single transactions gather this long before they are forwarded
GOSSIP_BATCH: Final = 100
GOSSIP_BYTES: Final = 1024 * 1024  # of one batch
HANDED_ON_CALLS: Final = 16  # of an observer, to members, under way at once
HAND_ON_MS: Final = 10_000
GOSSIP_WAITING: Final = 10_000  # forwarded by one peer and not yet checked
MISCONDUCT_TOKENS: Final = 100  # bad transactions that one peer may forward
MISCONDUCT_REFILL_MS: Final = 1_000  # for each token

# several ledgers in one process
NEIGHBOUR_ACTIVE_MS: Final = 2_000  # one that had work so lately is left its share
SHARED_PAUSE_MS: Final = 2  # shorter ones are saved up
SHARED_PAUSE_LIMIT_MS: Final = 250
SHARED_BLOCK_TRANSACTIONS: Final = 200  # offered at once beside a neighbour that works: some 20 ms
SHARED_BLOCK_BUDGET_PERCENT: Final = 25  # of the ledger's own, likewise

TIMER_RECHECK_MS: Final = 1_000  # a clock that is set is noticed within this time
DRAIN_MS: Final = 5_000  # a stopping node commits what it admitted for at most this long

# faults of validators, reported to the ledger
REPORT_TURN_MS: Final = 1_000  # a member whose turn comes later leaves the earlier ones this long each
REPORT_WAIT_MS: Final = 30_000
REPORT_PAUSE_MS: Final = 1_000  # between two tries, doubled up to the limit
REPORT_PAUSE_LIMIT_MS: Final = 60_000
REPORT_TRIES: Final = 100
REPORT_BUDGET: Final = 50_000

# what a validator says of its own software
READY_LOOK_MS: Final = 2_000
READY_PAUSE_LIMIT_MS: Final = 60_000  # between two tries, doubled up to it
READY_BUDGET: Final = 50_000

# a market's book on the command line
BOOK_BYTES: Final = 256 * 1024 * 1024
BOOK_DEPTH: Final = 8

# execution
LOADED_PACKAGES: Final = 256
REWRITTEN_FILES: Final = 1_024
"""Modules of packages whose code is kept, so that a module that several packages share is rewritten once."""

# store
MAP_SIZE_START: Final = 256 * 1024 * 1024
MAP_SIZE_STEP_FACTOR: Final = 2
MAP_SIZE_LIMIT: Final = 1 << 40
MAP_GROWTH_WAIT_MS: Final = 1_000
STORE_READERS: Final = 512
CHECKED_PAGES: Final = 100_000
LATTICE_CHUNK_ELEMENTS: Final = 256
READABLE_PAST_HEIGHTS: Final = 1_024
PRUNED_AT_ONCE: Final = 64  # blocks that one write removes
PRUNING_SHARE_PERCENT: Final = 25  # of one core and of the disk's writer, while blocks are removed
PRUNING_SLACK_BLOCKS: Final = 1_000  # a node that keeps so many blocks only lets at most so many more gather
SNAPSHOT_CHUNK_BYTES: Final = 4 * 1024 * 1024
SNAPSHOT_CHUNK_LIMIT_BYTES: Final = 64 * 1024 * 1024
SNAPSHOT_MANIFEST_LIMIT_BYTES: Final = 256 * 1024 * 1024
RESTORE_INDEX_BATCH: Final = 100_000
STATE_CACHE_RECORDS: Final = 100_000

# the operator's listener
OBSERVE_CONNECTIONS: Final = 32
OBSERVE_REQUESTS: Final = 10_000  # of one connection
OBSERVE_HEAD_BYTES: Final = 8 * 1024
OBSERVE_HEAD_MS: Final = 5_000  # a request comes whole within this time
OBSERVE_IDLE_MS: Final = 120_000  # between two requests of a connection
OBSERVE_ANSWER_MS: Final = 10_000
# traces
TRACE_ONE_IN: Final = 100  # transactions, where nothing else is set
TRACED_TRANSACTIONS: Final = 10_000  # under way at once; beyond, the oldest is forgotten
TRACE_SPANS_WAITING: Final = 16_384  # to be sent; beyond, they are dropped
TRACE_SPANS_OF_MESSAGE: Final = 512
TRACE_EVERY_MS: Final = 1_000  # spans gather so long
TRACE_SHARE_PERCENT: Final = 10  # of one core, for sending them
TRACE_ANSWER_MS: Final = 3_000  # a collector that is slower loses what it was sent
TRACE_PAUSE_LIMIT_MS: Final = 30_000
TRACE_STOP_MS: Final = 2_000  # a process that ends sends what waits within this time
LATENCIES_WATCHED: Final = 10_000  # groups of transactions whose way to the certificate is timed
SKEW_EVERY_MS: Final = 30_000  # the others' clocks are asked so often
# health: a node becomes ready this near to the others, and stays so until it is that far behind
READY_BLOCKS: Final = 4
UNREADY_BLOCKS: Final = 64
STUCK_AFTER_MS: Final = 300_000  # nothing moved for so long although it should have: restart it

# client
CLIENT_RETRIES: Final = 8
CLIENT_CONNECT_MS: Final = 5_000  # one attempt to connect: far and slow nodes need several round trips
CLIENT_RESUBMIT_MS: Final = 3_000  # without an outcome for so long, f more nodes are given the transaction
CLIENT_RESUBMISSIONS: Final = 8  # of one stream to other nodes, each of several batches, under way at once
CLIENT_PATIENCE_LIMIT_MS: Final = 48_000  # a stream without any answer is moved to the next node after this at most
CLIENT_ANSWERS_AHEAD: Final = 16  # messages of outcomes read and not yet asked for
CLIENT_BACKOFF_START_MS: Final = 50
CLIENT_BACKOFF_LIMIT_MS: Final = 2_000
CLIENT_STREAM_BATCH: Final = 100  # transactions of one message
CLIENT_STREAM_AHEAD: Final = 400  # read from the source and not yet sent
SIGNER_VALIDITY_MS: Final = 120_000  # of a nonce: time enough for every retry
SIMULATED_VALIDITY_MS: Final = 300_000  # where an hour takes a minute: five seconds, and room for a chain behind
