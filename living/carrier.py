"""The gateway of a community: gRPC for meters, HTTP on this machine for services that tell them something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gateway.http.devices import FILE, Device, DeviceFile, new_secret, write_devices
from ledgernode.local.node import free_ports
from living.service import Service

VENDING = "vending"
"""How the vending service is let in."""


class Carrier(Service):
    """`ledgernode gateway run` beside a network."""

    def __init__(
        self, network: Path, nodes: list[str], identity: Path, ledger: str, broker: dict[str, Any] | None = None
    ) -> None:
        directory = network / "gateway"
        directory.mkdir(exist_ok=True)
        limits = {"connects_burst": 1_000}  # the whole street begins at once
        (directory / "gateway.json").write_bytes(msgspec.json.encode({"limits": limits, "broker": broker}))
        self.vending_secret, digest = new_secret()
        vending = Device(VENDING, "hmac", digest, service=True)
        write_devices(directory / FILE, DeviceFile((vending,)))
        http = f"127.0.0.1:{free_ports(1)}"
        self.url = f"http://{http}"
        """Known at once, so that who needs it may start beside it."""
        command = ["gateway", "run", str(directory), "--identity", str(identity)]
        command += ["--genesis", str(network / "genesis.json"), "--ledger", ledger, "--listen", "127.0.0.1:0"]
        command += ["--http", http, "--http-plain", "loopback"]
        for node in nodes:
            command += ["--endpoint", node]
        super().__init__("gateway", directory, command)

    @property
    def address(self) -> str:
        """For meters, once it serves."""
        return f"{self.serving['host']}:{self.serving['port']}"
