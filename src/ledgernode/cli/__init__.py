"""The command line: one file per command group, each a thin shell around a package below it."""

from ledgernode.cli.root import main

__all__ = ["main"]
