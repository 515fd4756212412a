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

# gRPC
MESSAGE_BYTES: Final = 16 * 1024 * 1024
STREAM_BATCH_TRANSACTIONS: Final = 1_000
SUBSCRIBERS: Final = 1_000
SUBSCRIBER_QUEUE_BLOCKS: Final = 256
DEFAULT_WAIT_MS: Final = 30_000
RETRY_ADVICE_MS: Final = 250
QUERY_BUDGET: Final = 5_000_000
LOOKUP_PAGE: Final = 1_000

# store
MAP_SIZE_START: Final = 256 * 1024 * 1024
MAP_SIZE_STEP_FACTOR: Final = 2
READABLE_PAST_HEIGHTS: Final = 1_024
SNAPSHOT_CHUNK_BYTES: Final = 4 * 1024 * 1024
STATE_CACHE_RECORDS: Final = 100_000

# client
CLIENT_RETRIES: Final = 8
CLIENT_BACKOFF_START_MS: Final = 50
CLIENT_BACKOFF_LIMIT_MS: Final = 2_000
