"""A community is founded: organisations, nodes, contracts, tariffs, feeders, houses, meters, a market."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from chaincode.calendar import FIXED_UTC
from chaincode.pricing import FLAT, Band, Levy, Tariff
from devices.community.scenario import House, Scenario
from devices.meter.core import new_state
from devices.meter_shell import Facts, create_home
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.founding import ADMIN, found_network
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.records import Role
from ledgernode.local.node import free_ports
from ledgernode.local.simulated import CLOCK, SimulatedClock
from ledgernode.sts.tid import BaseDate
from ledgernode.wire.genesis import SIMULATED, parse_genesis
from ledgernode.wire.parameters import Parameters
from living.folder import Founded
from living.people import LARGE, Call, Member
from living.place import BASE_YEAR, CURRENCY, KEY_REVISION, ORGANISATIONS, SUPPLY_GROUP, TARIFF, Place, key_of
from living.units import DAY_MS, DIGITS, INTERVAL_MS, MICRO_PER_CENT, MINOR_PER_CENT, MINUTE_MS
from living.vending import found_vending

CONTRACTS: Final = (
    "registry", "currency", "tariff", "metering", "prepaid", "settlement", "auction", "market", "feeder", "billing"
)  # fmt: skip
GRACE_MS: Final = 6 * MINUTE_MS
"""How long after an interval meters may still tell, at any pace."""
KIOSK_CENTS: Final = 1_000_000
"""What it has paid in: what it sells, it pays at once, and has from its customers."""
POW_INTERVAL_MS: Final = 300
_SKEW_MS: Final = 1_000
_VIEW_MS: Final = 8_000
"""Of our own time; a simulated clock makes more of it."""
_INSTALLED_AT_ONCE: Final = 5

Say = Callable[[str], None]


def found_nodes(directory: Path, scenario: Scenario, now_ms: int) -> SimulatedClock:
    """Organisations, genesis and nodes in a new folder, and the clock they go by. Nothing of it runs yet."""
    pace = scenario.pace
    found_network(
        directory,
        organisations=ORGANISATIONS,
        ledger=f"{SIMULATED}{scenario.name}"[:32],
        engine=scenario.engine,
        base_port=free_ports(len(ORGANISATIONS)),
        parameters=Parameters(
            clock_skew_ms=min(_SKEW_MS * pace, 60_000), view_timeout_ms=min(_VIEW_MS * pace, 600_000)
        ),
        now_ms=now_ms,
        options=_options(scenario),
    )
    return SimulatedClock(directory / CLOCK)


def _options(scenario: Scenario) -> dict[str, int] | None:
    if scenario.engine != "pow":
        return None
    # blocks come this often while it is played; founding, at our own pace, is over before the target moves
    interval_ms = min(POW_INTERVAL_MS * scenario.pace, 600_000)
    return {"interval_ms": interval_ms, "window_blocks": 1_024, "depth_blocks": 2, "first_target_bits": 15}


def begins_ms(scenario: Scenario, now_ms: int) -> int:
    """The next time (UTC) that a day shows the scenario's hour, with room to found it before."""
    earliest_ms = now_ms + 5 * MINUTE_MS
    at_ms = earliest_ms // DAY_MS * DAY_MS + scenario.begins_minute * MINUTE_MS
    return at_ms if at_ms >= earliest_ms else at_ms + DAY_MS


class Founding:
    """Everything that has to stand before the first minute, in steps that are told."""

    def __init__(self, place: Place, clock: SimulatedClock, *, real_ms: int, say: Say) -> None:
        self.place = place
        self.people = place.people
        self.scenario = place.scenario
        self.clock = clock
        self._real_ms = real_ms
        self._say = say

    async def run(self) -> Founded:
        """All of it; answers what is then written down."""
        self._say("keys and certificates are made")
        members = list(self._newcomers())
        self._vending_key = found_vending(self.people.network, self.place.kiosk.directory)
        self._say(f"{len(CONTRACTS)} contracts are installed, approved by {len(ORGANISATIONS)} organisations")
        await self._install()
        self._say(f"{len(members)} identities are registered: people, meters, a gateway")
        await self.people.register(members)
        self._say("money, tariffs, rules")
        await self._ground()
        self._say(f"{len(self.scenario.houses)} houses, their feeders and meters")
        await self._houses()
        starts_ms = begins_ms(self.scenario, int(self.clock.now_ms()))
        await self._meters(starts_ms)
        self._say("the market opens, the feeders are watched")
        await self._open(starts_ms)
        return Founded(self.scenario, starts_ms)

    # ------------------------------------------------------------ people and contracts

    def _newcomers(self) -> Iterator[Member]:
        new, at = self.people.newcomer, self._real_ms
        for name in ("operator", "vending", "treasury", "taxes", "levies"):
            yield new("north", name, Role.OPERATOR, at)
        yield new("north", "gateway", Role.GATEWAY, at, tls_names=("localhost", "127.0.0.1"))
        yield new("east", "regulator", Role.REGULATOR, at)
        yield new("west", "kiosk", Role.CUSTOMER, at)
        for feeder in self.scenario.feeders:
            if feeder.rating_va:
                yield new("north", f"head-{feeder.name}", Role.METER, at)
        for house in self.scenario.houses:
            yield new("west", house.name, Role.CUSTOMER, at)
            yield new("north", f"meter-{house.name}", Role.METER, at)
            if house.panels is not None:
                yield new("north", f"sun-{house.name}", Role.METER, at)

    async def _install(self) -> None:
        import chaincode

        assert chaincode.__file__ is not None, "contracts are installed as files"
        sources = Path(chaincode.__file__).parent
        packages = {name: pack(sources / f"{name}.py") for name in CONTRACTS}
        admins = [self.people.member(organisation, ADMIN) for organisation in ORGANISATIONS]
        for start in range(0, len(CONTRACTS), _INSTALLED_AT_ONCE):
            await self.people.together(
                Call(
                    self.place.admin,
                    "lifecycle",
                    "install",
                    {"package": base64.b64encode(packages[name]).decode()},
                    LARGE,
                )
                for name in CONTRACTS[start : start + _INSTALLED_AT_ONCE]
            )
        named = [{"name": name, "package_hash": package_hash(raw)} for name, raw in packages.items()]
        await self.people.together(Call(admin, "lifecycle", "approve", one) for one in named for admin in admins)
        await self.people.together(Call(self.place.admin, "lifecycle", "commit", one) for one in named)

    # ------------------------------------------------------------ ground

    async def _ground(self) -> None:
        place, prices, accounts = self.place, self.scenario.prices, self.place.accounts
        ground = {"interval_ms": INTERVAL_MS, "digits": DIGITS}
        money = {"code": CURRENCY, "digits": DIGITS, "approval_above_minor": 2**53 - 1}
        await self.people.together(
            [Call(place.admin, "registry", "establish", ground), Call(place.admin, "currency", "establish", money)]
        )
        await self.people.do(
            place.admin,
            "registry",
            "enlist",
            zone=msgspec.to_builtins(FIXED_UTC),
            treasury=accounts["treasury"].id,
            tax_account=accounts["taxes"].id,
            levy_account=accounts["levies"].id,
        )
        from_ms = int(self.clock.now_ms()) + MINUTE_MS
        levies = [{"name": "green", "price_micro": prices.levy_cents * MICRO_PER_CENT}]
        peer = {"levies": levies, "tax_micro": prices.tax_percent * 10_000}
        await self.people.two(
            place.operator,
            place.admin,
            [
                ("tariff", "propose_tariff", {"tariff": msgspec.to_builtins(self._tariff()), "from_ms": from_ms}),
                ("tariff", "propose_peer_charges", {"utility": "north", "charges": peer, "from_ms": from_ms}),
                (
                    "prepaid",
                    "propose_rules",
                    {
                        "utility": "north",
                        "from_ms": from_ms,
                        "rules": {"share_wait_ms": GRACE_MS, "return_least_mwh": 100_000, "hold_ms": 60 * MINUTE_MS},
                    },
                ),
            ],
        )
        self.clock.forward_to(from_ms + 1_000)

    def _tariff(self) -> Tariff:
        prices = self.scenario.prices
        return Tariff(
            id=TARIFF,
            utility="north",
            zone=FIXED_UTC,
            kind=FLAT,
            bands=(Band(name="all", price_micro=prices.retail_cents * MICRO_PER_CENT),),
            feed_in=(Band(name="feed-in", price_micro=prices.feed_in_cents * MICRO_PER_CENT),),
            levies=(Levy(name="green", price_micro=prices.levy_cents * MICRO_PER_CENT),),
            tax_micro=prices.tax_percent * 10_000,
            prepaid_class=1,
        )

    # ------------------------------------------------------------ houses

    async def _houses(self) -> None:
        place, operator = self.place, self.place.operator
        registry = [Call(operator, "registry", "add_area", {"id": place.area})]
        for feeder in self.scenario.feeders:
            rating = {"rating_va": feeder.rating_va or 1_000, "low_mv": feeder.voltage_v * 1_000, "high_mv": 11_000_000}
            registry.append(Call(operator, "registry", "add_transformer", {"id": f"north:{feeder.name}-t", **rating}))
        await self.people.together(registry)
        await self.people.together(
            Call(
                operator,
                "registry",
                "add_feeder",
                {"id": f"north:{feeder.name}", "transformer": f"north:{feeder.name}-t", "area": place.area},
            )
            for feeder in self.scenario.feeders
        )
        await self.people.together([*self._house_calls(), *self._money()])
        await self.people.together(self._point_calls())

    def _house_calls(self) -> Iterator[Call]:
        for feeder in self.scenario.feeders:
            for prepaid in (False, True):
                houses = [
                    {
                        "premises": self.place.point(house.name),
                        "point": self.place.point(house.name),
                        "customer": self.place.point(house.name),
                        "wallet": self.place.wallet(house.name).id,
                        "meter": {"id": self.place.meter(house.name).id, "pan": self.place.pans[house.name]},
                    }
                    for house in feeder.houses
                    if (house.payment == "prepaid") == prepaid
                ]
                for start in range(0, len(houses), 20):
                    arguments = {
                        "feeder": f"north:{feeder.name}",
                        "houses": houses[start : start + 20],
                        "prepaid": prepaid,
                        "import_rating_w": 100_000,
                        "export_rating_w": 100_000,
                        "tariff": TARIFF,
                    }
                    yield Call(self.place.operator, "registry", "add_houses", arguments, LARGE)

    def _money(self) -> Iterator[Call]:
        purses = {self.place.wallet(house.name).id: house.purse_cents for house in self.scenario.houses}
        purses[self.place.accounts["treasury"].id] = 100_000
        purses[self.place.kiosk.id] = KIOSK_CENTS
        for account, cents in purses.items():
            if cents:
                money = {"account": account, "amount_minor": cents * MINOR_PER_CENT, "purpose": "to begin with"}
                yield Call(self.place.operator, "currency", "mint", money)

    def _point_calls(self) -> Iterator[Call]:
        alike = {"import_rating_w": 1_000_000, "export_rating_w": 1_000_000}
        operator = self.place.operator
        for feeder in self.scenario.feeders:
            at = {"feeder": f"north:{feeder.name}"}
            if feeder.rating_va:
                head = {"id": f"north:{feeder.name}-head", "kind": "transformer"}
                yield Call(operator, "registry", "add_point", head | alike | at)
            for house in feeder.houses:
                if house.panels is not None:
                    sun = {"id": f"north:{house.name}-sun", "kind": "generation"}
                    premises = {"premises": self.place.point(house.name)}
                    yield Call(operator, "registry", "add_point", sun | premises | alike | at)

    async def _meters(self, starts_ms: int) -> None:
        """Those beside the houses' own; prepaid meters leave the factory with a key. Then it is an interval before."""
        operator = self.place.operator
        calls = []
        for feeder in self.scenario.feeders:
            if feeder.rating_va:
                head = {"point": f"north:{feeder.name}-head", "meter": {"id": self.place.head(feeder.name).id}}
                calls.append(Call(operator, "registry", "install", head))
            for house in feeder.houses:
                if house.panels is not None:
                    sun = {"point": f"north:{house.name}-sun", "meter": {"id": self.place.sun(house.name).id}}
                    calls.append(Call(operator, "registry", "install", sun))
        self.clock.forward_to(starts_ms - INTERVAL_MS + 2 * MINUTE_MS)
        await self.people.together(calls)
        key = {
            "supply_group": SUPPLY_GROUP,
            "base": BASE_YEAR,
            "key_revision": KEY_REVISION,
            "tariff_index": 1,
            "key_expiry": 255,
        }
        await self.people.together(
            Call(operator, "prepaid", "set_key", {"point": self.place.point(house.name), **key})
            for house in self.place.prepaid
        )
        for house in self.scenario.houses:
            self._make_meter(house)

    def _make_meter(self, house: House) -> None:
        """What it is set to, beside the key that is certified already."""
        home = self.place.meter_home(house.name)
        pan = self.place.pans[house.name]
        facts = Facts(
            pan=pan,
            point=self.place.point(house.name),
            chain_id=self.place.meter(house.name).signer.chain_id.hex(),
            prepaid=house.payment == "prepaid",
            reading_ms=self.scenario.reading_seconds * 1_000,
            send_ms=0,
        )
        validators = founding_set(parse_genesis((self.people.network / "genesis.json").read_bytes()))
        create_home(home, facts, new_state(key_of(pan, self._vending_key), BaseDate(BASE_YEAR), validators=validators))

    # ------------------------------------------------------------ market, pool, watch

    async def _open(self, starts_ms: int) -> None:
        """In the interval before the first one: settlement, pool, market and reports begin with it."""
        place, scenario, people = self.place, self.scenario, self.people
        await people.do(place.operator, "settlement", "open_area", area=place.area)
        rules = {
            "grace_ms": GRACE_MS,
            "command_wait_ms": GRACE_MS,
            "pool_price_micro": scenario.prices.pool_cents * MICRO_PER_CENT,
            # a house sells to several at once: what leaves it is no single trade's, so ends are not compared
            "tie_tolerance_micro": 1_000_000,
        }
        two = [("settlement", "propose_rules", {"area": place.area, "from_ms": starts_ms, "rules": rules})]
        if scenario.market.mechanism != "none":
            two.append(("market", "propose_market", {"market": self._market(), "from_ms": 0}))
        feeders = [feeder.name for feeder in scenario.feeders if feeder.rating_va]
        await people.together(
            Call(place.operator, "feeder", "watch", {"feeder": f"north:{feeder}"}) for feeder in feeders
        )
        watched = {"grace_ms": GRACE_MS, "persist": 2, "skew_ms": 0}
        if any(feeder.loss_w is not None for feeder in scenario.feeders):
            watched |= {"class_micro": 0, "head_class_micro": 0}
        two += [
            ("feeder", "propose_rules", {"feeder": f"north:{feeder}", "from_ms": starts_ms, "rules": watched})
            for feeder in feeders
        ]
        await people.two(place.operator, place.admin, two)
        if scenario.market.pool:
            await people.together(
                Call(
                    place.wallet(house.name),
                    "settlement",
                    "enroll",
                    {
                        "point": place.point(house.name),
                        "amount_minor": house.purse_cents * MINOR_PER_CENT // 4,
                    },
                )
                for house in scenario.houses
            )

    def _market(self) -> dict[str, Any]:
        prices, accounts = self.scenario.prices, self.place.accounts
        return {
            "id": self.place.market,
            "operator": "north",
            "area": self.place.area,
            "mechanism": self.scenario.market.mechanism,
            "zone": msgspec.to_builtins(FIXED_UTC),
            "cap_micro": 10 * prices.retail_cents * MICRO_PER_CENT,
            "windows": [],
            "fee_micro": prices.fee_cents * MICRO_PER_CENT,
            "fee_account": accounts["treasury"].id if prices.fee_cents else "",
            "surplus_account": accounts["treasury"].id,
            "retail_micro": prices.retail_cents * MICRO_PER_CENT,
            "feed_in_micro": prices.feed_in_cents * MICRO_PER_CENT,
        }
