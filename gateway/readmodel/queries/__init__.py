"""What pages ask, as functions with bounded answers: `await blocks(connection, size=50)`.

Each takes a connection that reads, and answers structs. A list comes in pages, which go on after a key and never
count rows; each row names its height, its position there, and the id of the transaction. Who may see what is decided
by whoever calls.
"""

from gateway.readmodel.queries import (
    accounts,
    billing,
    exports,
    feeders,
    governance,
    ledger,
    market,
    metering,
    prepaid,
    registry,
    search,
)
from gateway.readmodel.queries.pages import Page

__all__ = [
    "Page",
    "accounts",
    "billing",
    "exports",
    "feeders",
    "governance",
    "ledger",
    "market",
    "metering",
    "prepaid",
    "registry",
    "search",
]
