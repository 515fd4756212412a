"""Mutual TLS between nodes, gateways and clients, and who is at the other end.

    a node's HOME/tls/   key.pem      certificate.pem      roots.pem
    an identity's folder tls-key.pem  tls-certificate.pem  roots.pem

`roots.pem` holds the roots of every organisation that was known when it was written. A node also takes the roots
that its ledgers name, as they stand after each block, so that who joins later is let in without touching the file
(`Trust`). What is trusted is asked for with each new connection; open ones stay, and are judged again call by call.

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
from ledgernode.identity.certificates import verify_tls_chain
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

    def renew(self, files: TlsFiles) -> None:
        """These are the files from now on; new connections are made with them."""
        self._own = files.roots
        self._joined(files)

    def _joined(self, files: TlsFiles) -> None:
        named = (root for ledger in sorted(self._named) for root in self._named[ledger])
        self.files = msgspec.structs.replace(files, roots=tuple(dict.fromkeys((*self._own, *named))))


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


def channel_credentials(files: TlsFiles | Trust) -> grpc.ChannelCredentials:
    if isinstance(files, Trust):
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
