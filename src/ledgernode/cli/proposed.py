"""What a proposal says to those who vote on it: certificates by whom they name, not by their letters."""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import Any, Final

from ledgernode.cli.output import moment
from ledgernode.errors import LedgerError
from ledgernode.identity.certificates import read_certificate

_BEGINS: Final = "-----BEGIN CERTIFICATE-----"
_DIGITS: Final = 16


def in_words(change: Any) -> Any:
    """The same change with each certificate in words; a root, which names nobody, by its fingerprint."""
    if isinstance(change, dict):
        return {name: in_words(value) for name, value in change.items()}
    if isinstance(change, list):
        return [in_words(value) for value in change]
    return _certificate(change) if isinstance(change, str) and change.startswith(_BEGINS) else change


def _certificate(chain: str) -> str:
    try:
        found = read_certificate(chain)
    except LedgerError:
        return f"certificate with SHA-256 {_fingerprint(chain)}"
    return f"{found.role} {found.organisation}/{found.name}, certified until {moment(found.not_after_ms)[:10]}"


def _fingerprint(pem: str) -> str:
    try:
        return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()[:_DIGITS] + "…"
    except ValueError:
        return "of a text that is none"
