"""The controller at a feeder, as it is deployed: a Mosquitto that knows the enrolled meters, and a gateway."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access
from ledgernode.identity.secret_file import read_secret
from tests.acceptance.community import Community
from tests.acceptance.street import House
from tests.cli.command_line import done
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import RunningMosquitto, as_written
from tests.ports import fresh_port
from tests.running import LEDGER


def clocked(community: Community) -> tuple[str, ...]:
    """What stands for `ledgernode` where it goes by the community's clock."""
    return (sys.executable, "-m", "tests.acceptance.clocked_home", str(community.clock.path))


class ClockedGateway(GatewayProcess):
    """One that goes by the community's clock."""

    def __init__(self, community: Community, *arguments: Any, **settings: Any) -> None:
        self._program = clocked(community)
        super().__init__(*arguments, **settings)

    def start(self) -> None:
        if self._command[:3] == [sys.executable, "-m", "ledgernode.cli"]:
            self._command[:3] = self._program
        super().start()


class Feeder:
    """The controller at the feeder: a broker that knows the enrolled meters, and a gateway to the ledger."""

    def __init__(self, community: Community, directory: Path, *, by_clock: bool = False) -> None:
        network = community.network.founded
        name = directory.name.replace("_", "-")[-40:].strip("-")
        broker_identity = gateway_identity(network, f"broker-{name}")
        self.files = directory / "broker"
        port = fresh_port(1)
        nodes = [node.endpoint for node in community.network.nodes]
        at = ["--network", network.directory, "--offline"]  # the command does not go by the network's clock
        org = ["--org", network.directory / "organisations" / "north", "--broker-identity", broker_identity]
        named = ["--gateway", "controller", "--controller", "screen", "--port", port]
        self.written = done("gateway", "broker-files", self.files, *at, *org, *named, "--json").document
        self.broker = RunningMosquitto(as_written(self.files), port, broker_identity / "roots.pem")
        setting = {
            "address": self.broker.endpoint,
            "username": "controller",
            "password_file": str(self.files / "secrets" / "controller.password"),
        }
        identity = gateway_identity(network, f"controller-{name}")
        running = partial(ClockedGateway, community) if by_clock else GatewayProcess
        self.gateway: GatewayProcess = running(network, nodes, directory / "gateway", identity, broker=setting)

    def password(self, user: str) -> str:
        return read_secret(self.files / "secrets" / f"{user}.password").decode()

    def access(self, user: str, **changes: Any) -> Access:
        """To the broker, as this user."""
        arguments = {"client": user, "tls": self.broker.tls(), "username": user, "session_s": 600}
        arguments["password"] = changes.pop("password", None) or self.password(user)
        return Access("localhost", self.broker.port, **(arguments | changes))

    def meter(self, house: House, **changes: Any) -> BrokerClient:
        user = f"north/{house.meter.name}"
        return BrokerClient(self.access(user, **changes), LEDGER, user)

    def __enter__(self) -> Feeder:
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.__exit__()
        self.broker.__exit__()
