"""A street with real meters: each a process behind a gateway, on four validators; everybody goes by one clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices.bearers import BROKER_FILE
from devices.meter.tokens import digest
from gateway.mqtt.broker_files import Users, rights
from gateway.mqtt.topics import Topics, read_device
from ledgernode.errors import ContractRefused
from ledgernode.identity.secret_file import create_secret
from ledgernode.sts.keys import KeyParameters, KeyType
from ledgernode.sts.pan import Pan
from ledgernode.sts.tid import BaseDate
from tests.acceptance.community import BASE_YEAR, SUPPLY_GROUP, Community, CommunityNetwork, House, kwh
from tests.acceptance.prepayment import VENDING_KEY, VendingService
from tests.acceptance.street import Plan
from tests.conditions import until
from tests.devices.running import MeterRunning, commissioned
from tests.gateway.mqtt.running import GATEWAYS, broker_setting, password
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.running import LEDGER, Person
from tests.terminal import DRAWS, Terminal

STREET = "metered"
CONTRACTS = ("registry", "currency", "tariff", "metering", "prepaid", "settlement", "commands")
FASTER = 20
"""Energy flows so many times faster than the clock goes."""
LIMIT_S = 45.0


def program(network: CommunityNetwork, faster: int = 1) -> tuple[str, ...]:
    """What stands for `ledgernode`."""
    vendor = network.founded.person("north", "operator").directory
    module = "tests.acceptance.clocked_program"
    return (sys.executable, "-m", module, str(network.clock.path), str(vendor), str(faster))


class TownGateway(GatewayProcess):
    """One that goes by the town's clock, and vends."""

    def __init__(self, town: MeteredTown, directory: Path, identity: Path, **settings: object) -> None:
        self._program = program(town.network)
        network = town.network
        limits = {"connects_burst": 1_000, "command_again_ms": 2_000}
        endpoints = [node.endpoint for node in network.nodes]
        super().__init__(network.founded, endpoints, directory, identity, limits=limits, **settings)

    def start(self) -> None:
        if self._command[:3] == [sys.executable, "-m", "ledgernode.cli"]:
            self._command[:3] = self._program
        super().start()


class MeteredTown:
    """Houses of one street, a gateway that vends; meters are started by who needs them."""

    def __init__(self, directory: Path, houses: int) -> None:
        self.network = CommunityNetwork(directory, "pbft")
        self.directory = directory.parent
        try:
            plans = {STREET: Plan(houses, prepaid=tuple(range(1, houses + 1)))}
            self.community = Community(self.network, plans, CONTRACTS)
            self.vending = VendingService(self.community)
            self._left = list(self.community.streets[STREET].houses)
            person = gateway_identity(self.network.founded)
            self._register(person)
            self.gateway = TownGateway(self, self.directory / "gateway", person)
        except BaseException:
            self.network.close()
            raise

    def close(self) -> None:
        self.gateway.__exit__()
        self.community.close()
        self.network.close()

    def _register(self, identity: Path) -> None:
        certificate = (identity / "certificate.pem").read_text()
        self.community.ok(self.community.admin, "identity", "register", certificate=certificate)

    def second_gateway(self, name: str, **settings: object) -> TownGateway:
        identity = gateway_identity(self.network.founded, name)
        self._register(identity)
        return TownGateway(self, self.directory / name, identity, **settings)

    def broker(self, house: House, name: str = "broker") -> Mosquitto:
        """A real one that knows a gateway and this house's meter, which knows its password."""
        identity = gateway_identity(self.network.founded, name)
        device = f"north/{house.name}-meter"
        secret = self.person(house).directory / BROKER_FILE
        create_secret(secret, password(device).encode())
        known = Users(devices=(read_device(device),), gateways=GATEWAYS)
        names = {name: password(name) for name in (*GATEWAYS, device)}
        return Mosquitto(self.directory / name, identity, names, acl=rights(Topics(LEDGER), known))

    def gateway_at(self, broker: Mosquitto, name: str, **settings: object) -> TownGateway:
        return self.second_gateway(name, broker=broker_setting(broker, self.directory / name), **settings)

    # ------------------------------------------------------------ houses and their meters

    def house(self) -> House:
        """One that no other test has."""
        return self._left.pop()

    def home(self, house: House, **changes: Any) -> Path:
        """Its meter, as the utility has hung it there."""
        person = self.network.founded.person("north", f"{house.name}-meter")
        setting = setting_of(house.pan)
        return commissioned(self.network.founded, person, setting, VENDING_KEY, point=house.point, **changes)

    def meter(
        self,
        house: House,
        gateways: Sequence[str] | None = None,
        *,
        load_w: float = 0.0,
        faster: int = 1,
        **changes: Any,
    ) -> MeterRunning:
        """A running one; by this town's gateway, if no other is named."""
        return self.running(self.home(house, **changes), gateways, load_w, faster)

    def running(
        self, home: Path, gateways: Sequence[str] | None = None, load_w: float = 0.0, faster: int = 1
    ) -> MeterRunning:
        found = [self.gateway.endpoint] if gateways is None else gateways
        return MeterRunning(home, found, load_w=load_w, program=program(self.network, faster))

    def unit(self, home: Path) -> Terminal:
        """The customer unit of a meter that does not run, drawn in a terminal, linked by this town's gateway."""
        command = [*program(self.network), "meter", "ciu", str(home), "--gateway", self.gateway.endpoint]
        return Terminal(command, **DRAWS)

    # ------------------------------------------------------------ what people do

    def buy(self, house: House, amount_minor: int, request: str) -> dict[str, Any]:
        """At whatever counter: the vendor mints, the gateway brings it."""
        return self.vending.reserve(house, amount_minor, request)

    def grant(self, house: House, energy_kwh: float) -> None:
        """Units that cost nothing, by wire."""
        asked = {"point": house.point, "energy_mwh": kwh(energy_kwh), "reason": "to begin with"}
        self.community.two("prepaid", "propose_vend", **asked)

    def digits(self, house: House) -> str:
        """Of the newest credit of this house: what somebody reads out to it."""
        [*_, credit] = self.community.ask(self.community.regulator, "prepaid", "credits", point=house.point)
        digits = self.vending.digits(credit)
        assert credit["token_hash"] in ("", digest(digits))
        return digits

    def block(self, house: House, *, on: bool) -> None:
        self.community.two("prepaid", "propose_block", point=house.point, kind="supply", on=on, reason="works")

    # ------------------------------------------------------------ what the ledger knows

    def account(self, house: House) -> dict[str, Any]:
        self.community.seen()
        found: dict[str, Any] = self.community.ask(self.community.regulator, "prepaid", "account", point=house.point)[
            "account"
        ]
        return found

    def credits(self, house: House) -> list[dict[str, Any]]:
        self.community.seen()
        found: list[dict[str, Any]] = self.community.ask(
            self.community.regulator, "prepaid", "credits", point=house.point
        )
        return found

    def rows(self, house: House) -> list[list[int]]:
        """Readings of today and yesterday, as metering has them."""
        self.community.seen()
        days = (self.community.now_ms // 86_400_000 - 1, self.community.now_ms // 86_400_000)
        asked = [self._day(house, day) for day in days]
        assert all(set(chunk["origins"]) <= {"d"} for chunk in asked)
        return [row for chunk in asked for row in chunk["rows"]]

    def _day(self, house: House, day: int) -> dict[str, Any]:
        """Nothing, as long as the meter has not said anything."""
        nothing = {"rows": [], "origins": ""}
        try:
            found = self.community.ask(self.community.operator, "metering", "readings", meter=house.meter.id, day=day)
        except ContractRefused:
            return nothing
        return found or nothing

    def whole_rows(self, house: House, count: int) -> list[list[int]]:
        """So many rows and more: in order, each once."""

        def enough() -> list[list[int]] | None:
            rows = self.rows(house)
            return rows if len(rows) >= count else None

        rows: list[list[int]] = until(enough, LIMIT_S, every_s=0.3)
        assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + len(rows)))
        assert [row[1] for row in rows] == sorted({row[1] for row in rows})
        assert [row[2] for row in rows] == sorted(row[2] for row in rows)
        return rows

    def answers(self, house: House) -> list[tuple[str, str]]:
        """Kind and code of what the meter has said of the utility's commands."""
        self.community.seen()
        found = self.community.ask(self.community.regulator, "commands", "commands", meter=house.meter.id)
        return [(one["kind"], one["code"]) for one in found]

    def person(self, house: House) -> Person:
        return self.network.founded.person("north", f"{house.name}-meter")


def setting_of(pan: str) -> KeyParameters:
    """What the factory and the vendor agree on."""
    return KeyParameters(
        pan=Pan(pan),
        supply_group=SUPPLY_GROUP,
        tariff_index="01",
        key_revision=1,
        key_type=KeyType.UNIQUE,
        base=BaseDate(BASE_YEAR),
    )
