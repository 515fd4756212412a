"""A permissioned ledger for energy. Open `ARCHITECTURE.md` for the tree; applications import `ledgernode.client`."""

__version__ = "0.1.0"
