"""Certificates of a node that end soon or have ended: what its operator is warned of.

A warning is all there is: a validator whose certificate has ended votes on, and only governance removes it. What
ends with a TLS certificate are connections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ledgernode.errors import LedgerError
from ledgernode.identity.authority import DAY_MS, read_pem_file
from ledgernode.identity.certificate_profile import read_pem
from ledgernode.identity.home import tls_directory, validator_directory

WARN_DAYS: Final = 30
URGENT_DAYS: Final = 7


class Ending(msgspec.Struct, frozen=True):
    """A certificate and how long it still holds; below zero it has ended."""

    what: str
    left_ms: int

    @property
    def urgent(self) -> bool:
        return self.left_ms < URGENT_DAYS * DAY_MS

    def __str__(self) -> str:
        days = abs(self.left_ms) // DAY_MS
        return f"the {self.what} certificate " + (
            f"ended {days} days ago" if self.left_ms < 0 else f"ends in {days} days"
        )


def certificate_ends(home: Path) -> list[tuple[str, int]]:
    """When each certificate of a node's home ends. One that cannot be read is passed over."""
    found: list[tuple[str, int]] = []
    for what, folder in (("validator", validator_directory(home)), ("TLS", tls_directory(home))):
        try:
            leaf, _ = read_pem(read_pem_file(folder / "certificate.pem"), 2)
        except LedgerError:
            continue
        found.append((what, leaf.not_after_ms))
    return found


def endings(home: Path, now_ms: int) -> list[Ending]:
    """The certificates of a node's home that hold for less than `WARN_DAYS`. One that cannot be read is passed over."""
    left = ((what, ends_ms - now_ms) for what, ends_ms in certificate_ends(home))
    return [Ending(what, left_ms) for what, left_ms in left if left_ms < WARN_DAYS * DAY_MS]
