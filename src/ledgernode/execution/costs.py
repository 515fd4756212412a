"""What the operations of a context cost, in units of the execution budget.

A unit is about a tenth of a microsecond of the reference machine, so that the declared budgets of a full
block stay under a quarter of the view time-out. The prices are part of the execution version: another
price is another result.
"""

from __future__ import annotations

from typing import Final

READ: Final = 30
READ_BYTES_PER_UNIT: Final = 16
WRITE: Final = 150
WRITTEN_BYTES_PER_UNIT: Final = 8
# results and events travel whole with their block: at this price the receipts of a full block stay below 50 MB
RECEIPT_BYTES_PER_UNIT: Final = 4
SCAN: Final = 50
SCANNED_ITEM: Final = 10
OWN_WRITES_PER_UNIT: Final = 8
NODES_PER_UNIT: Final = 2
EVENT: Final = 50
CALL: Final = 100
TIMER: Final = 400
BATCH_ITEM: Final = 15
LOOKUP: Final = 1_000
