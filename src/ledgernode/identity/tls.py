"""Mutual TLS between nodes, gateways and clients, and who is at the other end.

    a node's HOME/tls/   key.pem      certificate.pem      roots.pem
    an identity's folder tls-key.pem  tls-certificate.pem  roots.pem

`roots.pem` holds the roots of every organisation that was known when it was written. A node also takes the roots
that its ledgers name, as they stand after each block, so that who joins later is let in without touching the file
(`Trust`). A handshake knows no ledger, so any of these opens a connection; what a ledger gives out, and whom its
validators talk to, is judged by the roots of that ledger alone (`roots_of`, `LedgerTrust`). What is trusted is asked
for with each new connection; open ones stay, and are judged again call by call.

TLS itself only asks that a chain ends in one of
them: any organisation's authority could write another's name into a certificate. So the peer's chain
is checked again here, and its name counts only under its own organisation's root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import grpc
import msgspec

from ledgernode import config
from ledgernode.errors import BadCertificate, UnknownSigner
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificates import issued_under, verify_tls_chain
from ledgernode.identity.key_file import tls_key
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import Role

ROOTS: Final = "roots.pem"
_LEAF: Final = "x509_pem_cert"
_ABOVE: Final = "x509_pem_cert_chain"
_MINUTE_MS: Final = 60_000
_END: Final = "-----END CERTIFICATE-----\n"


class TlsFiles(msgspec.Struct, frozen=True):
    """What one end brings to a connection. Its printed form shows no key.

    `key` is PEM without a passphrase: gRPC takes no other, so an encrypted file is opened in memory.
    """

    key: bytes
    certificate: str
    roots: tuple[str, ...]

    def __repr__(self) -> str:
        return f"TlsFiles({len(self.roots)} roots)"


class Trust:
    """Whose certificates a node takes now: under the roots of its own file, and under those its ledgers name; and what
    it shows of itself. `files` is one value, so that another thread never sees a key with another's certificate."""

    def __init__(self, files: TlsFiles) -> None:
        self._own = files.roots
        self._named: dict[str, tuple[str, ...]] = {}
        self._known_by = files.roots
        self.files = files

    def __repr__(self) -> str:
        return f"Trust({len(self.roots)} roots)"

    @property
    def key(self) -> bytes:
        return self.files.key

    @property
    def certificate(self) -> str:
        return self.files.certificate

    @property
    def roots(self) -> tuple[str, ...]:
        return self.files.roots

    def name(self, ledger: str, roots: Sequence[str]) -> None:
        """A ledger names these roots from now on, and no others."""
        self._named[ledger] = tuple(roots)
        self._joined(self.files)

    def forget(self, ledger: str) -> None:
        """It is served no more: what only it named opens no connection."""
        self._named.pop(ledger, None)
        self._joined(self.files)

    def renew(self, files: TlsFiles) -> None:
        """These are the files from now on; new connections are made with them."""
        self._own = files.roots
        self._joined(files)

    def roots_of(self, ledger: str) -> tuple[str, ...]:
        """Of the organisations of this ledger, as it stands now: nobody else is told anything of it."""
        return self._named.get(ledger, ())

    def files_of(self, ledger: str) -> TlsFiles:
        """What this ledger's validators are dialled with: its own roots, and those of the file that are of no other
        ledger. The file holds the roots of who joined while this node was away.
        """
        others = {root for name, roots in self._named.items() if name != ledger for root in roots}
        own = self.roots_of(ledger)
        roots = (*own, *(root for root in self._own if root not in others and root not in own))
        return msgspec.structs.replace(self.files, roots=roots)

    @property
    def own_roots(self) -> tuple[str, ...]:
        """Those of the ledgers that know this node's organisation by the root above its own certificate.

        Another body may bear its name on another ledger. Where no ledger knows it, all roots.
        """
        return self._known_by

    def _joined(self, files: TlsFiles) -> None:
        named = (root for ledger in sorted(self._named) for root in self._named[ledger])
        self.files = msgspec.structs.replace(files, roots=tuple(dict.fromkeys((*self._own, *named))))
        knowing = [roots for roots in self._named.values() if is_under(files.certificate, roots)]
        self._known_by = tuple(dict.fromkeys(root for roots in knowing for root in roots)) or self.files.roots


class LedgerTrust:
    """What one ledger's links go by, out of a node's `Trust`."""

    def __init__(self, trust: Trust, ledger: str) -> None:
        self._trust = trust
        self._ledger = ledger

    @property
    def files(self) -> TlsFiles:
        return self._trust.files_of(self._ledger)


class Peer(NamedTuple):
    """Who is at the other end, by a certificate of its own organisation."""

    organisation: str
    role: Role
    name: str


def load_tls(directory: Path, unlock: Unlock = none_given) -> TlsFiles:
    """Read a node's TLS folder or an identity's folder; refuses missing files and loose modes."""
    prefix = "tls-" if (directory / "tls-key.pem").exists() else ""
    return TlsFiles(
        key=tls_key(directory / f"{prefix}key.pem", unlock),
        certificate=read_pem_file(directory / f"{prefix}certificate.pem"),
        roots=split_roots(read_pem_file(directory / ROOTS)),
    )


def write_roots(directory: Path, roots: Iterable[str]) -> None:
    """Write `roots.pem`: the roots of every organisation of the ledgers that are served or used."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / ROOTS).write_text("".join(roots))


def split_roots(text: str) -> tuple[str, ...]:
    """The single certificates of a `roots.pem`; refuses an empty file."""
    parts = [part + _END for part in text.split(_END)[:-1]]
    if not parts:
        raise BadCertificate(f"{ROOTS} holds no certificate")
    return tuple(parts)


def server_credentials(trust: Trust) -> grpc.ServerCredentials:
    """Credentials of a server that talks to certified peers only; each handshake asks what is shown and trusted."""
    shown: list[TlsFiles] = [trust.files]

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC, on a thread of its own, before a handshake; None where nothing has changed."""
        files = trust.files
        if files == shown[0]:
            return None
        shown[0] = files
        return _configuration(files)

    return grpc.dynamic_ssl_server_credentials(_configuration(shown[0]), fetch, require_client_authentication=True)


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.certificate.encode())], root_certificates="".join(files.roots).encode()
    )


def channel_credentials(files: TlsFiles | Trust | LedgerTrust) -> grpc.ChannelCredentials:
    if not isinstance(files, TlsFiles):
        files = files.files
    return grpc.ssl_channel_credentials(
        root_certificates="".join(files.roots).encode(),
        private_key=files.key,
        certificate_chain=files.certificate.encode(),
    )


def peer_identity(auth_context: Mapping[str, Sequence[bytes]], roots: Sequence[str], now_ms: int) -> Peer:
    """Who this connection's peer is; refuses one without a chain that holds now (checked once a minute)."""
    leaf, above = auth_context.get(_LEAF), auth_context.get(_ABOVE)
    if not leaf or not above:
        raise UnknownSigner("the peer has shown no certificate")
    # gRPC's chain leaves the leaf out at the server's end and has it at the client's
    chain = above[0] if above[0].startswith(leaf[0]) else leaf[0] + above[0]
    return _peer(chain, tuple(roots), now_ms // _MINUTE_MS)


def is_under(certificate_pem: str, roots: Sequence[str]) -> bool:
    """Did one of these roots issue what issued this certificate? Whether it holds at some time is not asked."""
    try:
        return issued_under(certificate_pem, tuple(roots))
    except BadCertificate:
        return False


def peer_certificate(auth_context: Mapping[str, Sequence[bytes]]) -> str:
    """The peer's own certificate, PEM; refuses a connection without one."""
    leaf = auth_context.get(_LEAF)
    if not leaf:
        raise UnknownSigner("the peer has shown no certificate")
    return leaf[0].decode("ascii", "replace")


@lru_cache(maxsize=config.PEER_CACHE)
def _peer(chain: bytes, roots: tuple[str, ...], minute: int) -> Peer:
    found = verify_tls_chain(chain.decode("ascii"), roots, minute * _MINUTE_MS)
    return Peer(found.organisation, found.role, found.name)
