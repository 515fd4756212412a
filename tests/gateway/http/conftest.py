"""A gateway that serves HTTPS, with a ledger behind it and devices before it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from ledgernode.identity.records import Role
from tests.conditions import until
from tests.gateway.http.devices import Device
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, Person, SoloNetwork, deploy, register

CONTRACTS = Path(__file__).parent.parent / "contracts"


class Site(NamedTuple):
    """What a test has before it."""

    node: NodeProcess
    gateway: GatewayProcess
    meter: Person
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.gateway.serving['http_port']}"

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.trust, timeout=30, **options)

    def device(self, name: str, *options: str) -> Device:
        """Let one in, by the command line; the gateway is running."""
        command = [sys.executable, "-m", "ledgernode.cli", "gateway", "device", "add", str(self.gateway.directory)]
        told = subprocess.run([*command, name, *options, "--json"], capture_output=True, check=True).stdout
        return Device(name, json.loads(told)["secret"])

    def rows(self, meter: str, count: int) -> list[list[int]]:
        """What the ledger has of a meter, as soon as it is so much."""
        with self.node.ledger() as ledger:

            def found() -> list[list[int]]:
                answer = ledger.evaluate("metering", "rows", {"meter": meter}, signer=self.node.network.admin.signer)
                return json.loads(answer.result)  # type: ignore[no-any-return]

            until(lambda: len(found()) >= count)
            return found()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("network"))) as node:
        network = node.network
        plugs = [network.newcomer("north", f"edge-{number}", Role.GATEWAY) for number in (1, 2)]
        meter = network.newcomer("north", "meter-1", Role.METER)
        with node.ledger() as ledger:
            for contract in ("metering", "settlement"):
                deploy(ledger, network, CONTRACTS / f"{contract}.py")
            deploy(ledger, network)
            for person in (*plugs, meter):
                register(ledger, network, person)
        edge = [
            {"channel": f"north/{name}/north:{name}", "meter": f"north:{name}", "every_ms": 0}
            | {"identity": str(plug.directory)}
            for name, plug in zip(("plug-1", "plug-2"), plugs, strict=True)
        ]
        directory = tmp_path_factory.mktemp("gateway")
        limits = {"command_again_ms": 1_000, "demand_again_ms": 300}
        with GatewayProcess(
            network,
            [node.endpoint],
            directory,
            gateway_identity(network),
            arguments=("--http", "127.0.0.1:0"),
            edge=edge,
            limits=limits,
        ) as gateway:
            trust = ssl.create_default_context(cadata="".join(trusted(network)))
            yield Site(node, gateway, meter, trust)


def trusted(network: SoloNetwork) -> tuple[str, ...]:
    from ledgernode.identity.tls import load_tls

    return load_tls(network.admin.directory).roots
