"""How a command finds its network, and who it speaks as.

    --network DIR      or LEDGERNODE_NETWORK, else ./network.json's folder, else ./ledgernode-network:
                       the layout of `network init` (network.json, genesis.json, organisations/…)
    --as ORG/NAME      an identity of that network; the first organisation's admin when left out
    --endpoint …       and --ledger, --genesis, --identity DIR name the four parts one by one;
                       each wins over the network's own, and all four together need no network

The chain id that is signed and the roots that a node must show come from the genesis file, never from
the node. Nothing is read before it is needed.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from ledgernode.cli.passphrases import passphrase_option
from ledgernode.config import SIMULATED_VALIDITY_MS
from ledgernode.errors import KeyFileUnsafe, NetworkNotFound

if TYPE_CHECKING:  # the client costs a quarter of a second, and `--help` needs none of it
    import grpc

    from ledgernode.client import Ledger, Node, Signer
    from ledgernode.identity.founding import Network, NetworkNode
    from ledgernode.identity.passphrase import Unlock
    from ledgernode.identity.tls import TlsFiles
    from ledgernode.wire.genesis import Genesis

VARIABLE: Final = "LEDGERNODE_NETWORK"
FOLDER: Final = "ledgernode-network"
ADMIN: Final = "admin"
ID_FILE: Final = "identity"
"""In an identity's directory after a rotation: the permanent id, hex; before, the key itself names it."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Connection:
    """The options as given; what they lead to is looked up when asked for."""

    network_option: Path | None = None
    who: str = ""
    identity_option: Path | None = None
    endpoints_option: tuple[str, ...] = ()
    ledger_option: str = ""
    genesis_option: Path | None = None
    passphrase_file_option: Path | None = None

    # ------------------------------------------------------------ where

    @cached_property
    def network(self) -> Network:
        """The network's own description. Raises NetworkNotFound where none is."""
        from ledgernode.identity.founding import read_network

        return read_network(self.directory)

    @cached_property
    def directory(self) -> Path:
        named = self.network_option or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        candidates = [named] if named else [Path(), Path(FOLDER)]
        for candidate in candidates:
            if (candidate / "network.json").is_file():
                return candidate
        if named:
            raise NetworkNotFound(f"{named} holds no network.json")
        raise NetworkNotFound(f"there is no network.json here nor in ./{FOLDER}, and no --network was given")

    @cached_property
    def endpoints(self) -> tuple[str, ...]:
        """Every node, those of the speaker's organisation first."""
        if self.endpoints_option:
            return self.endpoints_option
        return (*self.own_endpoints, *(node.endpoint for node in self.network.nodes if not self._is_own(node)))

    @cached_property
    def own_endpoints(self) -> tuple[str, ...]:
        """The nodes of the speaker's organisation: it administers no others."""
        return self.endpoints_option or tuple(node.endpoint for node in self.network.nodes if self._is_own(node))

    @cached_property
    def genesis_bytes(self) -> bytes:
        return (self.genesis_option or self.directory / "genesis.json").read_bytes()

    @cached_property
    def genesis(self) -> Genesis:
        from ledgernode.wire.genesis import parse_genesis

        return parse_genesis(self.genesis_bytes)

    @cached_property
    def ledger(self) -> str:
        """The ledger's name: as given, or the genesis file's own."""
        return self.ledger_option or self.genesis.name

    # ------------------------------------------------------------ who

    @cached_property
    def organisation_name(self) -> str:
        """Of the --identity, or before the / of --as; the network's first organisation when neither says."""
        if self.identity_option is not None:
            from ledgernode.identity.authority import read_pem_file
            from ledgernode.identity.certificates import read_certificate

            return read_certificate(read_pem_file(self.identity_option / "certificate.pem")).organisation
        organisation, slash, _ = self.who.partition("/")
        return organisation if slash else self.network.organisations[0]

    @cached_property
    def organisation_directory(self) -> Path:
        """The organisation's own directory, where the network has it."""
        directory = self.directory / "organisations" / self.organisation_name
        if not directory.is_dir():
            raise NetworkNotFound(f"{self.directory} has no organisation {self.organisation_name}")
        return directory

    @cached_property
    def identity_directory(self) -> Path:
        """Where the keys of the identity are that this command speaks as."""
        if self.identity_option is not None:
            return self.identity_option
        name = self.who.rpartition("/")[2] or ADMIN
        directory = self.organisation_directory / "identities" / name
        if not directory.is_dir():
            raise NetworkNotFound(f"{self.organisation_name} has no identity {name} in {self.directory}")
        return directory

    def speaking_as(self, organisation: str, name: str = ADMIN) -> Connection:
        """The same network, another identity of it."""
        return replace(self, who=f"{organisation}/{name}", identity_option=None)

    @cached_property
    def unlock(self) -> Unlock:
        """Gives the passphrase of encrypted keys."""
        from ledgernode.cli.passphrases import unlock_by

        return unlock_by(self.passphrase_file_option)

    def unlocked_by(self, directory: Path, file: str) -> Connection:
        """The same, with the passphrase file that settings in `directory` name, where the command named none."""
        if not file or self.passphrase_file_option is not None:
            return self
        return replace(self, passphrase_file_option=directory / file)

    # ------------------------------------------------------------ what to work with

    def signer(self) -> Signer:
        """Signs as this identity, for the ledger of the genesis file."""
        from ledgernode.client import Signer
        from ledgernode.identity.identity_files import load_identity
        from ledgernode.wire.genesis import chain_id

        key, _ = load_identity(self.identity_directory, self.unlock)
        signer = functools.partial(
            Signer, key, recorded_identity(self.identity_directory), chain_id=chain_id(self.genesis_bytes)
        )
        clock_ms = self._simulated_clock()
        return signer() if clock_ms is None else signer(clock_ms=clock_ms, validity_ms=SIMULATED_VALIDITY_MS)

    def open(self) -> Ledger:
        """A connection to the nodes; close it, or use it in `with`."""
        from ledgernode.client import Ledger

        return Ledger(self.endpoints, self.ledger, self.credentials())

    def open_node(self, endpoint: str) -> Node:
        """A connection to one node's administration."""
        from ledgernode.client import Node

        return Node([endpoint], self.credentials())

    def credentials(self) -> grpc.ChannelCredentials:
        """Mutual TLS: this identity's own TLS key; a node shows a certificate under a root of the genesis."""
        from ledgernode.identity.tls import channel_credentials

        return channel_credentials(self.tls_files())

    def tls_files(self) -> TlsFiles:
        """This identity's TLS key and certificate, and the roots it trusts.

        Refuses (BadCertificate) a certificate of our own that has ended: others could only hang up on it.
        """
        from ledgernode.identity import tls
        from ledgernode.identity.authority import read_pem_file
        from ledgernode.identity.certificate_profile import read_pem
        from ledgernode.identity.key_file import tls_key

        directory = self.identity_directory
        if not (directory / "tls-certificate.pem").exists():
            raise KeyFileUnsafe(f"{directory} has no TLS certificate, and nodes talk over mutual TLS only")
        founding = [root for organisation in self.genesis.organisations for root in organisation.roots]
        certificate = read_pem_file(directory / "tls-certificate.pem")
        read_pem(certificate, 2)[0].require_valid(time.time_ns() // 1_000_000, f"TLS certificate of {directory.name}")
        joined = tls.split_roots((directory / tls.ROOTS).read_text()) if (directory / tls.ROOTS).exists() else ()
        return tls.TlsFiles(
            key=tls_key(directory / "tls-key.pem", self.unlock),
            certificate=certificate,
            roots=tuple(dict.fromkeys((*founding, *joined))),
        )

    def clock(self) -> Callable[[], int]:
        """The time that this ledger goes by, in ms."""
        return self._simulated_clock() or (lambda: time.time_ns() // 1_000_000)

    def _simulated_clock(self) -> Callable[[], int] | None:
        """What a ledger of a simulation on this machine goes by; whoever signs for it must know its time."""
        from ledgernode.wire.genesis import SIMULATED

        if not self.genesis.name.startswith(SIMULATED):
            return None
        from ledgernode.local.simulated import clock_of

        try:
            return clock_of(self.directory, self.genesis.name)
        except NetworkNotFound:  # its nodes are elsewhere: they were named one by one
            return None

    def _is_own(self, node: NetworkNode) -> bool:
        return node.organisation == self.organisation_name


def recorded_identity(directory: Path) -> Any:
    """The permanent id kept beside rotated keys; None where the key itself names the identity."""
    from ledgernode.wire.types import IdentityId

    path = directory / ID_FILE
    return IdentityId(bytes.fromhex(path.read_text(encoding="ascii").strip())) if path.exists() else None


def network_options(command: Callable[..., _R]) -> Callable[..., _R]:
    """Give a command the options above; it takes what they lead to as its argument `at`."""

    @functools.wraps(command)
    def with_connection(
        *arguments: Any,
        network: Path | None,
        who: str,
        identity: Path | None,
        endpoints: tuple[str, ...],
        ledger: str,
        genesis: Path | None,
        passphrase_file: Path | None,
        **others: Any,
    ) -> _R:
        at = Connection(network, who, identity, endpoints, ledger, genesis, passphrase_file)
        return command(*arguments, at=at, **others)

    for option in reversed(_OPTIONS):
        with_connection = option(with_connection)
    return with_connection


_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_OPTIONS: Final = (
    click.option("--network", type=_FOLDER, help=f"The network's folder.  [env: {VARIABLE}; here, ./{FOLDER}]"),
    click.option("--as", "who", default="", metavar="ORG/NAME", help="Who to speak as (default: the first admin)."),
    click.option("--identity", type=_FOLDER, help="The same, as an identity's own folder."),
    click.option("--endpoint", "endpoints", multiple=True, metavar="HOST:PORT", help="A node; may be repeated."),
    click.option("--ledger", default="", help="The ledger's name, where a node serves several."),
    click.option(
        "--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The ledger's genesis file."
    ),
    passphrase_option,
)
