"""Bounds of one process: queues, retries, windows. Ledger-wide limits are `wire.parameters`.

Every queue, loop and retry of the node is bounded by a name in this file.
"""

from __future__ import annotations

from typing import Final

# transactions waiting to be ordered, per ledger
MEMPOOL_TRANSACTIONS: Final = 50_000
MEMPOOL_BYTES: Final = 256 * 1024 * 1024

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

# verification writes its scratch chain this many blocks at a time
VERIFY_BLOCKS_PER_WRITE: Final = 64

# PBFT: contents kept of one sequence (different views may propose different things), sequences a lagging
# peer is helped with at once
PROPOSALS_PER_SLOT: Final = 16
HELP_SEQUENCES: Final = 8

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
TIMER_RECHECK_MS: Final = 1_000  # a clock that is set is noticed within this time
DRAIN_MS: Final = 5_000  # a stopping node commits what it admitted for at most this long

# execution
LOADED_PACKAGES: Final = 256

# store
MAP_SIZE_START: Final = 256 * 1024 * 1024
MAP_SIZE_STEP_FACTOR: Final = 2
MAP_SIZE_LIMIT: Final = 1 << 40
MAP_GROWTH_WAIT_MS: Final = 1_000
STORE_READERS: Final = 512
CHECKED_PAGES: Final = 100_000
LATTICE_CHUNK_ELEMENTS: Final = 256
READABLE_PAST_HEIGHTS: Final = 1_024
SNAPSHOT_CHUNK_BYTES: Final = 4 * 1024 * 1024
SNAPSHOT_CHUNK_LIMIT_BYTES: Final = 64 * 1024 * 1024
SNAPSHOT_MANIFEST_LIMIT_BYTES: Final = 256 * 1024 * 1024
RESTORE_INDEX_BATCH: Final = 100_000
STATE_CACHE_RECORDS: Final = 100_000

# client
CLIENT_RETRIES: Final = 8
CLIENT_BACKOFF_START_MS: Final = 50
CLIENT_BACKOFF_LIMIT_MS: Final = 2_000
CLIENT_STREAM_BATCH: Final = 100  # transactions of one message
CLIENT_STREAM_AHEAD: Final = 400  # read from the source and not yet sent
SIGNER_VALIDITY_MS: Final = 120_000  # of a nonce: time enough for every retry
