"""TLS files that are replaced while a gateway or a node runs: renewed keys and certificates, roots that join or leave.

Files are looked at now and then; what is whole and new is what connections are made with from then on. Connections that
are open stay, and are judged again call by call. What cannot be read, or lies there half replaced (a key with another's
certificate), changes nothing: it is said in the log, and looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledgernode import logs
from ledgernode.errors import BadCertificate, LedgerError
from ledgernode.identity.tls import TlsFiles, Trust


class Renewal:
    """Runs until it is cancelled. `renewed` is called when there are others."""

    def __init__(
        self, read: Callable[[], TlsFiles], trust: Trust, every_ms: int, renewed: Callable[[], None] = lambda: None
    ) -> None:
        self._read = read
        self._trust = trust
        self._every_s = every_ms / 1_000
        self._renewed = renewed
        self._known = trust.files
        self._complaint = ""
        self._log: Any = logs.logger()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self.look()

    def look(self) -> None:
        """Take what is new and whole."""
        try:
            files = self._read()
            if files != self._known:
                require_pair(files)
        except (LedgerError, OSError) as error:
            if str(error) != self._complaint:
                self._log.warning("the TLS files cannot be taken as they are", reason=str(error))
            self._complaint = str(error)
            return
        self._complaint = ""
        if files != self._known:
            self._known = files
            self._trust.renew(files)
            self._log.info("other TLS files", roots=len(files.roots))
            self._renewed()


def require_pair(files: TlsFiles) -> None:
    """Refuses a key with another's certificate."""
    try:
        leaf = x509.load_pem_x509_certificates(files.certificate.encode())[0]
        matches = load_pem_private_key(files.key, None).public_key() == leaf.public_key()
    except (ValueError, TypeError) as error:
        raise BadCertificate(f"the TLS key or certificate cannot be read: {error}") from error
    if not matches:
        raise BadCertificate("the TLS certificate is not of the TLS key")
