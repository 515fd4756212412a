"""What an HTTPS server shows and trusts: read again when its files, or the roots, are others.

Each handshake asks (`sni_callback`), and goes on with the context of that moment. Connections that are open stay. Files
that are half replaced change nothing until they are whole.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ledgernode.errors import KeyFileUnsafe, LedgerError
from ledgernode.identity.encrypted_key import is_encrypted
from ledgernode.identity.key_file import tls_key
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.secret_file import read_secret


class HttpTls(NamedTuple):
    """Files of a TLS server; `roots` (PEM) are those whose client certificates are looked at, none where empty.

    `unlock` gives the passphrase of the key, where it is encrypted.
    """

    certificate: Path
    key: Path
    roots: tuple[str, ...] = ()
    unlock: Unlock = none_given


Roots: TypeAlias = Callable[[], Sequence[str]]
_Seen: TypeAlias = tuple[object, ...]


class Contexts:
    """`first` is what a server listens with; refuses files that make none."""

    def __init__(self, tls: HttpTls, roots: Roots | None = None) -> None:
        self._tls = tls
        self._roots = roots or (lambda: tls.roots)
        self._seen = self._look()
        self._made = tls_context(tls, self._roots())
        self.first = tls_context(tls, self._roots())
        self.first.sni_callback = self._shake

    def _shake(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """A handshake begins."""
        connection.context = self.now()

    def now(self) -> ssl.SSLContext:
        """Of the files as they are; the one before where they do not make one."""
        try:
            seen = self._look()
            if seen != self._seen:
                self._made = tls_context(self._tls, self._roots())
                self._seen = seen
        except (LedgerError, OSError):
            return self._made
        return self._made

    def _look(self) -> _Seen:
        """What changes when a file does."""
        marks = [(found.st_mtime_ns, found.st_size, found.st_ino) for found in map(Path.stat, self._tls[:2])]
        return (*marks, tuple(self._roots()))


def tls_context(tls: HttpTls, roots: Sequence[str]) -> ssl.SSLContext:
    """TLS 1.2 or later. The key must be its owner's alone."""
    tls_key(tls.key, tls.unlock)  # which says better than OpenSSL why it cannot be had
    passphrase = tls.unlock(tls.key) if is_encrypted(read_secret(tls.key)) else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.certificate, tls.key, passphrase)
        if roots:
            context.load_verify_locations(cadata="".join(roots))
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise KeyFileUnsafe(f"{tls.certificate} and {tls.key} do not make a TLS server: {error}") from error
    return context
