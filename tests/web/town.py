"""A town with a console: streets of houses on a ledger whose clock is simulated, and a gateway that serves pages.

It is what the acceptance tests play, by the SDK, before people come: a month of readings, tokens, trades and a pool
(`WholeTown`), which is then billed on the operator's own page; feeders with their samples, alerts and reports; markets
that wait for orders. Nodes and gateway are processes. People enter by the twelve words of a wallet of their own, which
speaks for a house beside that house's first one.

    town       what was played; its bills are open, but for those that are in credit
    market     orders that match as they come          board      offers and requests, within limits
    moving     houses whose code stands on a bill      tokens, relocating     prepaid meters
    strained   a transformer above what it bears       tx-alpha-09   the feeder of the sources
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from ledgernode.identity.authority import build_request
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.phrase import key_from_phrase, new_phrase
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret
from ledgernode.wire.types import identity_id
from tests.acceptance.community import CENT, MINUTE_MS, PURSE_MINOR, Call, Community, Member, SimulatedNetwork
from tests.acceptance.prepayment import Keypad
from tests.acceptance.street import House, Plan, Street
from tests.acceptance.test_source_001_feeder import CONSUMED, EXACT, GENERATED, reported
from tests.acceptance.trading import Market
from tests.acceptance.watching import observe, watch
from tests.acceptance.whole_town import WholeTown
from tests.conditions import until
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.gateway.sessions.openid_provider import SECRET
from tests.gateway.sessions.openid_provider import Place as Provider
from tests.ports import fresh_port

STREETS = {
    "town": Plan(5, prepaid=(1,), solar=(3,)),
    "market": Plan(4),
    "board": Plan(4),
    "moving": Plan(2),
    "tokens": Plan(1, prepaid=(1,)),
    "relocating": Plan(2, prepaid=(1, 2)),
    "strained": Plan(1, head=True, rating_va=12_500, reverse_limit_w=5_000),
    "tx-alpha-09": Plan(10, solar=(1, 3, 4, 6, 8, 9), head=True, rating_va=12_500),
}
BOARD = {"floor_micro": 5 * CENT, "cap_micro": 30 * CENT, "order_limit_wh": 4_000}
GOOD = {"temperature_milli": 60_000, "high_mv": 11_000_000, "distortion_micro": 20_000}
HOT = GOOD | {"temperature_milli": 91_000, "voltage_mv": 206_000}
SEEN_S = 30.0
GROUP = "grid-operators"
"""In which the provider's people are our operators."""
STAFF_FILE = "staff.json"
STAFF = {"operator": Role.OPERATOR, "admin": Role.ADMIN, "regulator": Role.REGULATOR}


class Someone(NamedTuple):
    """Who may enter: by these words, as this identity."""

    phrase: str
    identity: str


class UnbilledTown(WholeTown):
    """The whole way of a kWh up to the bill, which is for people to make and to pay."""

    def _bill(self) -> None:
        self.invoices = {}

    def _pay(self) -> None:
        self.paid_out_minor = 0

    def is_billed(self) -> bool:
        self.community.seen()
        self.invoices = {house.name: self.invoice(house.customer) for house in self.street.houses}
        return all(self.invoices.values())


class Console(GatewayProcess):
    """A gateway that serves the built pages. Its address stays over a restart."""

    def __init__(self, community: Community, directory: Path, name: str = "console", **setting: Any) -> None:
        port = setting.pop("port", 0) or fresh_port(1)
        self.origin = f"http://127.0.0.1:{port}"
        identity = gateway_identity(community.network.founded, name)
        certificate = (identity / "certificate.pem").read_text()
        community.ok(community.admin, "identity", "register", certificate=certificate)
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(
            community.network.founded,
            [],
            directory,
            identity,
            arguments=("--http", f"127.0.0.1:{port}", "--http-plain", "loopback"),
            console={"origin": self.origin, **setting},
            limits={"connects_burst": 1_000},
        )

    def model(self) -> dict[str, Any]:
        """How its read model stands."""
        found: dict[str, Any] = httpx.get(f"{self.origin}/api/v1/ledger", timeout=10).json()["model"]
        return found


class Town:
    """The town with its console, founded by `solo`; a context that ends all of it."""

    def __init__(self, directory: Path, provider: Provider) -> None:
        """Staff may enter by this provider."""
        self.directory = directory
        self._people: dict[str, Someone] = {}
        self._lost = count(1)
        self.network = SimulatedNetwork(directory / "network", "solo", "town")
        try:
            self.community = Community(self.network, STREETS)
            self.played = UnbilledTown(self.community)
            self._prepare()
            _write_staff(directory / "gateway", provider)
            self.console = Console(self.community, directory / "gateway", port=provider.port, staff=STAFF_FILE)
            self.caught_up()
        except BaseException:
            self.network.close()
            raise

    def close(self) -> None:
        self.console.__exit__()
        self.community.close()
        self.network.close()

    @property
    def origin(self) -> str:
        return self.console.origin

    def street(self, name: str) -> Street:
        return self.community.streets[name]

    def house(self, street: str, number: int) -> House:
        return self.street(street).houses[number - 1]

    # ------------------------------------------------------------ what is there before anybody looks

    def _prepare(self) -> None:
        """Markets open and feeders are watched; an hour passes, in which TX-ALPHA-09 is what it is in the sources."""
        community = self.community
        for name in ("market", "board"):
            area = self.street(name).area
            community.ok(community.operator, "settlement", "open_area", area=area)
        self.market = Market(self.street("market"), "continuous")
        self.board = Market(self.street("board"), "board", **BOARD)
        alpha, strained = self.street("tx-alpha-09"), self.street("strained")
        community.ok(community.operator, "feeder", "watch", feeder=strained.feeder)
        watch(alpha, **EXACT)
        moving = self.street("moving")
        for street in (strained, moving):
            street.read_ms = alpha.read_ms
            street.read()
        quarters = [
            (max(used - made, 0) / 4, max(made - used, 0) / 4, made / 4)
            for made, used in zip(GENERATED, CONSUMED, strict=True)
        ]
        for _ in range(4):
            self.alpha_ms = alpha.flow(*quarters, loss_kwh=0.125)
            strained.flow((1, 0), loss_kwh=1)
            moving.flow((0.5, 0), (0.2, 0.4))
        reported(alpha, self.alpha_ms)
        reported(strained, self.alpha_ms)
        observe(alpha, 6, 8_500, **GOOD)
        observe(strained, 4, 5_000, **HOT)

    # ------------------------------------------------------------ people

    def phrase_of(self, who: str) -> str:
        """Of `operator`, `admin` (who approves), `regulator`, or of who lives in a house, as `town-4`."""
        return self.person(who).phrase

    def person(self, who: str) -> Someone:
        if who not in self._people:
            self._people[who] = self._staff(who) if who in STAFF else self._dweller(who)
            self.caught_up()
        return self._people[who]

    def _staff(self, who: str) -> Someone:
        role = STAFF[who]
        return self._member("east" if role is Role.REGULATOR else "north", role, f"{who}-by-phrase")

    def _dweller(self, name: str) -> Someone:
        """With a wallet for browsers, and money in it."""
        street, _, number = name.rpartition("-")
        house, community = self.house(street, int(number)), self.community
        someone = self._member("west", Role.CUSTOMER, f"{name}-phone")
        money = {"account": someone.identity, "amount_minor": PURSE_MINOR, "purpose": "to begin with"}
        community.together(
            [
                Call(house.wallet, "registry", "add_wallet", {"wallet": someone.identity}),
                Call(community.operator, "currency", "mint", money),
            ]
        )
        return someone

    def lost_wallet(self, house: House) -> Someone:
        """A wallet of a house whose words nobody has any more."""
        lost = self._member("north", Role.CUSTOMER, f"lost-{next(self._lost)}")
        self.community.ok(house.wallet, "registry", "add_wallet", wallet=lost.identity)
        self.caught_up()
        return lost

    def _member(self, organisation: str, role: Role, name: str) -> Someone:
        phrase = new_phrase()
        key = key_from_phrase(phrase)
        self.register(organisation, role, build_request(key, organisation=organisation, role=role, name=name))
        return Someone(phrase, identity_id(key.public_key).hex())

    def register(self, organisation: str, role: Role, request: str) -> None:
        """What a utility does with the request that somebody hands in."""
        admin, chain = self._certified(organisation, role, request)
        self.community.ok(admin, "identity", "register_many", certificates=[chain])

    def rekey(self, organisation: str, identity: str, request: str, reason: str) -> None:
        """What it does with the request of somebody whom it knows, and whose key is lost."""
        admin, chain = self._certified(organisation, Role.CUSTOMER, request)
        self.community.ok(admin, "identity", "rekey", identity=identity, certificate=chain, reason=reason)

    def _certified(self, organisation: str, role: Role, request: str) -> tuple[Member, str]:
        home = organisation_directory(self.network.founded.directory, organisation)
        [admin] = [one for one in self.community.admins if one.organisation == organisation]
        return admin, sign_request(home, request, now_ms=time.time_ns() // 1_000_000, role=role)

    def keypad(self, house: House) -> Keypad:
        return Keypad(self.community, house)

    # ------------------------------------------------------------ time, and what the console knows

    def next_quarter(self) -> None:
        """The beginning of an interval of which nobody has taken anything: a quarter of an hour for orders."""
        self.community.to_boundary()
        self.tell()

    def tell(self, minutes: int = 0) -> None:
        """Time goes on, and the ledger says so."""
        self.community.advance(minutes * MINUTE_MS)
        note = {"account": self.community.stranger.id, "amount_minor": 1, "purpose": "time goes on"}
        self.community.ok(self.community.operator, "currency", "mint", **note)
        self.caught_up()

    def caught_up(self) -> None:
        """The console knows what is on the ledger now."""
        if not hasattr(self, "console"):
            return
        head = self.community.head()

        def there() -> bool:
            model = self.console.model()
            return bool(model["height"] >= head and model["state"] == "following")

        until(there, SEEN_S)


def _write_staff(directory: Path, provider: Provider) -> None:
    """Whom the provider's groups make."""
    directory.mkdir()
    create_secret(directory / "staff-secret", SECRET.encode())
    rule = {"claim": "groups", "value": GROUP, "organisation": "north", "role": str(Role.OPERATOR)}
    file = {"issuer": provider.issuer, "client": "ledgernode", "secret_file": "staff-secret", "rules": [rule]}
    (directory / STAFF_FILE).write_bytes(msgspec.json.encode(file))
