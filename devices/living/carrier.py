"""The gateway of a community: gRPC for meters, HTTP on this machine for services that tell them something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from devices.living.service import Service
from devices.living.visitors import Visitors
from gateway.http.devices import FILE, Device, DeviceFile, new_secret, write_devices
from ledgernode.local.node import free_ports

VENDING = "vending"
"""How the vending service is let in."""


class Carrier(Service):
    """`ledgernode gateway run` beside a network."""

    def __init__(
        self,
        network: Path,
        identity: Path,
        *,
        broker: dict[str, Any] | None = None,
        visitors: Visitors | None = None,
        observe: str = "",
    ) -> None:
        directory = network / "gateway"
        directory.mkdir(exist_ok=True)
        limits = {"connects_burst": 1_000}  # the whole street begins at once
        settings: dict[str, Any] = {"limits": limits, "broker": broker, "observe": observe}
        if visitors is not None:
            settings["console"] = {"origin": visitors.origin}
        (directory / "gateway.json").write_bytes(msgspec.json.encode(settings))
        self.vending_secret, digest = new_secret()
        vending = Device(VENDING, "hmac", digest, service=True)
        write_devices(directory / FILE, DeviceFile((vending,)))
        http = f"127.0.0.1:{free_ports(1) if visitors is None else visitors.port}"
        self.url = f"http://{http}"
        """Known at once, so that who needs it may start beside it."""
        command = ["gateway", "run", str(directory), "--network", str(network), "--identity", str(identity)]
        command += ["--listen", "127.0.0.1:0", "--http", http, "--http-plain", "loopback"]
        super().__init__("gateway", directory, command)

    @property
    def address(self) -> str:
        """For meters, once it serves."""
        return f"{self.serving['host']}:{self.serving['port']}"
