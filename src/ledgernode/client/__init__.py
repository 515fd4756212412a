"""What applications import to use a ledger: a signer, and a client that is asynchronous or plain.

    from ledgernode.client import Ledger, Signer

Failures are the classes of `ledgernode.errors`, by their stable codes.
"""

from ledgernode.client.administration import NodeClient
from ledgernode.client.asynchronous import CERTIFIED, LedgerClient
from ledgernode.client.plain import Ledger, Node
from ledgernode.client.signer import Arguments, Signed, Signer
from ledgernode.wire.answers import Answer, Outcome, ReadLevel, Stage, Wait

__all__ = [
    "CERTIFIED",
    "Answer",
    "Arguments",
    "Ledger",
    "LedgerClient",
    "Node",
    "NodeClient",
    "Outcome",
    "ReadLevel",
    "Signed",
    "Signer",
    "Stage",
    "Wait",
]
