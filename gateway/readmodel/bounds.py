"""Every bound of the read model, named once."""

from __future__ import annotations

from typing import Final

BLOCKS_AHEAD: Final = 256
"""Fetched and not yet written."""
BATCH_BLOCKS: Final = 500
BATCH_RECEIPTS: Final = 5_000
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Of one SQL transaction while catching up; then each block is one. A block is never divided."""
PAUSE_START_S: Final = 0.2
PAUSE_LIMIT_S: Final = 10.0
"""Between two attempts at a database or ledger that is away."""
HEAD_EVERY_S: Final = 2.0
"""So often the ledger is asked how far it is, for the lag."""
TAILS_KEPT: Final = 200_000
"""Meters whose last reading is kept at hand."""
POOL: Final = 8
"""Connections that read, at most."""
SQLITE_CACHE_KIB: Final = 65_536
BUSY_MS: Final = 10_000
CONNECT_S: Final = 10
PAGE_LIMIT: Final = 500
"""Rows of one page at most; a query that is asked for more gives so many."""
SERIES_LIMIT: Final = 10_000
"""Points of one series at most."""
EXPORT_LIMIT: Final = 1_000_000
"""Rows of one export at most; who wants more takes one stretch of time after the other."""
EXPORT_BATCH: Final = 2_500
