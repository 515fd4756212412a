"""A utility that sells: a ledger with every contract, a vending service and a gateway as processes, a kiosk, houses.

All of them go by the ledger's clock.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.http.signature import Request, authorization, key_of
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.records import Role
from ledgernode.sts.keys import KeyParameters, KeyType
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate
from ledgernode.sts.token import Credit, read
from tests.acceptance.community import BASE_YEAR, Community, Member
from tests.acceptance.prepayment import Keypad
from tests.acceptance.street import House
from tests.conditions import until
from tests.devices.running import MeterRunning, commissioned
from tests.gateway.running import gateway_identity
from tests.gateway.vending.keys import SUPPLY_GROUP, VENDING_KEY, key_store, passphrase_file
from tests.running import LEDGER, START_SECONDS

ROOT = Path(__file__).parent.parent.parent.parent
_CLOCKED = (sys.executable, "-m", "tests.gateway.vending.clocked")
PAYMENTS = "/api/v1/payments"
FLOAT_MINOR = 100_000_000
FAST = {"again_ms": 200, "courier_ms": 500, "look_ms": 2_000}


class ClockedProcess:
    """A command of ours that serves; a context that ends it. Its port stays over a restart."""

    def __init__(self, community: Community, log: Path, command: list[str]) -> None:
        self.log = log
        self._command = [*_CLOCKED, str(community.clock.path), *command]
        self._http = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        command = [*self._command, "--http", self._http, "--json"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=dict(os.environ))
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it did not start: {self.log.read_text()[-2_000:]}"
        self.serving = msgspec.json.decode(line)
        self._http = f"127.0.0.1:{self.serving['http_port']}"

    @property
    def url(self) -> str:
        return f"http://{self._http}"

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self._wait()

    def terminate(self) -> int:
        """SIGTERM: drain, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()


class Shop:
    """What a test has before it. `close` ends its processes; the community is not its own."""

    def __init__(
        self,
        community: Community,
        directory: Path,
        *,
        module: str = "",
        hold_keys: Callable[[Path], subprocess.Popen[bytes]] | None = None,
    ) -> None:
        self.community = community
        self.directory = directory
        self.operator = community.member(f"vending-{directory.name}", Role.OPERATOR)
        self.kiosk = community.member(f"kiosk-{directory.name}", Role.CUSTOMER, "west")
        community.register()
        money = {"account": self.kiosk.id, "amount_minor": FLOAT_MINOR, "purpose": "paid in"}
        community.ok(community.operator, "currency", "mint", **money)
        self.gateway = ClockedProcess(community, directory / "gateway.log", self._gateway_command())
        secret = self.cli("gateway", "device", "add", self._gateway, "vending", "--service")["secret"]
        file = directory / "gateway.secret"
        file.write_text(secret)
        file.chmod(0o600)
        self.secret = self.cli("vending", "partner", "add", directory, "kiosk", "--payer", self.folder(self.kiosk))[
            "secret"
        ]
        key_store(directory)
        self.holders = [] if hold_keys is None else [hold_keys(directory)]
        """Processes that hold the keys, where the service does not."""
        settings = {
            "utility": "north",
            "supply_group": SUPPLY_GROUP,
            "module": module,
            "gateways": [{"url": self.gateway.url, "name": "vending", "secret_file": "gateway.secret"}],
            "bounds": FAST,
        }
        (directory / "vending.json").write_bytes(msgspec.json.encode(settings))
        self.vending = ClockedProcess(community, directory / "vending.log", self._vending_command())

    def close(self) -> None:
        self.vending.close()
        self.gateway.close()
        for holder in self.holders:
            holder.kill()
            holder.wait()
            assert holder.stdout is not None
            holder.stdout.close()

    # ------------------------------------------------------------ how it is started

    @property
    def _gateway(self) -> Path:
        return self.directory / "gateway"

    def _gateway_command(self) -> list[str]:
        self._gateway.mkdir()
        (self._gateway / "gateway.json").write_bytes(msgspec.json.encode({"limits": {"command_again_ms": 1_000}}))
        identity = gateway_identity(self.community.network.founded, f"gateway-{self.directory.name}")
        return ["gateway", "run", str(self._gateway), "--listen", "127.0.0.1:0", *self._network(identity)]

    def _vending_command(self) -> list[str]:
        passphrase = ["--passphrase-file", str(passphrase_file(self.directory))]
        return ["vending", "run", str(self.directory), *passphrase, *self._network(self.folder(self.operator))]

    def _network(self, identity: Path) -> list[str]:
        network = self.community.network
        command = ["--identity", str(identity), "--genesis", str(network.founded.directory / "genesis.json")]
        command += ["--ledger", LEDGER, "--http-plain", "loopback"]
        for endpoint in network.endpoints:
            command += ["--endpoint", endpoint]
        return command

    def folder(self, member: Member) -> Path:
        founded = self.community.network.founded
        return identity_directory(organisation_directory(founded.directory, member.organisation), member.name)

    def cli(self, *arguments: Any) -> dict[str, Any]:
        command = [sys.executable, "-m", "ledgernode.cli", *(str(one) for one in arguments), "--json"]
        told = subprocess.run(command, capture_output=True, check=True).stdout
        return json.loads(told)  # type: ignore[no-any-return]

    # ------------------------------------------------------------ what a kiosk does

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.vending.url, timeout=30, verify=False)  # plain: no authorities to load

    def signed(self, method: str, target: str, body: bytes = b"", **changes: Any) -> dict[str, str]:
        request = Request(method, target, body)
        time_ms = changes.get("time_ms", self.community.now_ms)
        nonce, secret = changes.get("nonce", secrets.token_hex(8)), changes.get("secret", self.secret)
        name = changes.get("name", "kiosk")
        return {"authorization": authorization(name, key_of(secret), request, time_ms, nonce)}

    def pay(self, house: House, amount_minor: Any, key: str, **changes: Any) -> httpx.Response:
        """A customer has paid at the kiosk."""
        payment = {"meter": house.pan, "amount_minor": amount_minor, "currency": "EUR", "reference": f"till {key}"}
        payment |= changes.pop("payment", {})
        body = json.dumps(payment).encode()
        headers = self.signed("POST", PAYMENTS, body, **changes) | {"idempotency-key": key}
        with self.client() as client:
            return client.post(PAYMENTS, content=body, headers=headers | {"content-type": "application/json"})

    def get(self, target: str) -> httpx.Response:
        with self.client() as client:
            return client.get(target, headers=self.signed("GET", target))

    def purchases(self) -> list[dict[str, Any]]:
        return self.cli("vending", "purchases", self.directory)["purchases"]  # type: ignore[no-any-return]

    # ------------------------------------------------------------ what became of it

    def credits(self, house: House) -> list[dict[str, Any]]:
        """On the ledger, all of a house's."""
        self.community.seen()
        after, found = 0, []
        while page := self.community.ask(self.community.operator, "prepaid", "credits", point=house.point, after=after):
            found += page
            after = page[-1]["number"]
        return found

    def delivered(self, house: House, number: int) -> dict[str, Any]:
        """The credit, once the ledger has heard that it was delivered."""

        def credit() -> Any:
            [found] = [one for one in self.credits(house) if one["number"] == number]
            return found if found["status"] in ("delivered", "redeemed") else None

        return until(credit)  # type: ignore[no-any-return]


class WiredMeter:
    """A house's meter that asks the gateway for its commands, takes tokens, and signs."""

    def __init__(self, shop: Shop, house: House) -> None:
        self._shop = shop
        name = house.name
        self._secret = shop.cli(
            "gateway", "device", "add", shop.directory / "gateway", name, "--identity", house.meter.id
        )["secret"]
        self._name = name
        self.keypad = Keypad(shop.community, house)

    def told(self, wait_ms: int = 20_000) -> dict[str, Any]:
        """The next command."""
        target = f"/api/v1/commands?wait_ms={wait_ms}"
        headers = self._shop.signed("GET", target, name=self._name, secret=self._secret)
        with httpx.Client(base_url=self._shop.gateway.url, timeout=40, verify=False) as client:
            answer = client.get(target, headers=headers)
        assert answer.status_code == 200, answer.text
        [command] = answer.json()["commands"]
        return command  # type: ignore[no-any-return]

    def received(self, command: dict[str, Any]) -> None:
        target = f"/api/v1/commands/{command['kind']}/{command['number']}/received"
        headers = self._shop.signed("POST", target, name=self._name, secret=self._secret)
        with httpx.Client(base_url=self._shop.gateway.url, timeout=40, verify=False) as client:
            assert client.post(target, headers=headers).status_code == 204

    def take_token(self) -> int:
        """The units of the token that comes by wire, redeemed on the ledger."""
        command = self.told()
        assert command["kind"] == "token"
        units = self.keypad.enter(command["payload"]["digits"])
        self.received(command)
        self.keypad.send()
        return units


class MeterAtHome(MeterRunning):
    """A house's meter as a process on a stream to the shop's gateway, by the ledger's clock."""

    def __init__(self, shop: Shop, house: House) -> None:
        community = shop.community
        self.program = (*_CLOCKED, str(community.clock.path), "meter", "run")
        setting = KeyParameters(
            pan=read_pan(house.pan),
            supply_group=SUPPLY_GROUP,
            tariff_index="01",
            key_revision=1,
            key_type=KeyType.UNIQUE,
            base=BaseDate(BASE_YEAR),
        )
        founded = community.network.founded
        home = commissioned(founded, founded.person("north", house.meter.name), setting, VENDING_KEY, point=house.point)
        host = shop.gateway.serving["host"]
        super().__init__(home, [f"{host}:{shop.gateway.serving['port']}"])


def units_of(digits: str, keypad: Keypad) -> int:
    """What a token says to this meter, without taking it."""
    token = read(digits, keypad.decoder.key)
    assert isinstance(token, Credit)
    return token.units
