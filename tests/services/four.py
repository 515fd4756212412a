"""One node of four, served to real sockets with mutual TLS."""

from __future__ import annotations

import time
from pathlib import Path

import grpc

from ledgernode.identity.founding import found_network, organisation_directory
from ledgernode.identity.home import data_directory, tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.tls import TlsFiles, Trust, channel_credentials, load_tls
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.server import Server
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import TimeMs

LEDGER = "test"
ORGANISATIONS = ("north", "south", "east", "west")


def now_ms() -> TimeMs:
    return TimeMs(time.time_ns() // 1_000_000)


class Four:
    """Four validators are founded; the first is served, and makes no blocks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        found_network(
            directory,
            organisations=ORGANISATIONS,
            ledger=LEDGER,
            engine="pbft",
            base_port=1,
            parameters=Parameters(),
            now_ms=now_ms(),
        )
        self.ledger = ServedLedger(
            data_directory(self.home("north"), LEDGER),
            (directory / "genesis.json").read_bytes(),
            self.key("north"),
            now_ms,
            operators_snapshots=directory / "snapshots",
        )
        self._channels: list[grpc.aio.Channel] = []
        self.server = Server(
            {LEDGER: self.ledger},
            tls=Trust(self.tls("north")),
            listen="127.0.0.1:0",
            organisation="north",
            started_ms=now_ms(),
            snapshots=directory / "snapshots",
        )

    def home(self, organisation: str) -> Path:
        return self.directory / "nodes" / f"{organisation}-1"

    def key(self, organisation: str) -> PrivateKey:
        return PrivateKey.load(validator_directory(self.home(organisation)) / "key.pem")

    def tls(self, organisation: str) -> TlsFiles:
        return load_tls(tls_directory(self.home(organisation)))

    def admin_tls(self, organisation: str) -> TlsFiles:
        return load_tls(identity_directory(organisation_directory(self.directory, organisation), "admin"))

    def dial(self, tls: TlsFiles) -> grpc.aio.Channel:
        """A connection of its own, which `close` ends."""
        self._channels.append(grpc.aio.secure_channel(f"127.0.0.1:{self.server.port}", channel_credentials(tls)))
        return self._channels[-1]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self.server.stop(0)
        self.ledger.close()
