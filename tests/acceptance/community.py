"""A community on a running ledger: four organisations, every energy contract, streets of houses.

Everything goes through the SDK to node processes. Time is the network's own clock, which tests set forward
(`clocked_node`): windows, intervals and months are what they are in the real world.

    north   the utility: operates the feeders, issues the currency, bills
    south   another utility
    east    the regulator
    west    the community whose people hold wallets

A street is an area of its own with one feeder, so that what happens in one concerns no other. All that tests need are
built at once, from `STREETS`: add a line there for a test that needs houses of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chaincode.calendar import FIXED_UTC, civil, day_number, days_in_month, next_month
from chaincode.pricing import FLAT, NET_BY_ENERGY, STEPS, Band, Levy, Step, Tariff
from ledgernode.client import Ledger, Outcome, ReadLevel, Signed, Signer
from ledgernode.errors import LedgerError
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.home import NodeConfig
from ledgernode.identity.records import Role
from ledgernode.local import simulated
from ledgernode.wire.genesis import SIMULATED
from ledgernode.wire.receipt import Receipt, parse_receipt
from ledgernode.wire.types import TransactionId
from tests.acceptance import clocked_node
from tests.acceptance.clocked_node import Clock
from tests.acceptance.street import FLAT_TARIFF, House, Meter, Plan, Street, pan_of
from tests.conditions import until
from tests.networks import RunningNetwork
from tests.running import NodeProcess, Person

CONTRACTS = Path(__file__).parent.parent.parent / "src" / "chaincode"
ENERGY = (
    "registry", "currency", "tariff", "metering", "prepaid", "settlement", "auction", "market", "feeder", "billing"
)  # fmt: skip
SECOND_MS = 1_000
MINUTE_MS = 60_000
INTERVAL_MS = 900_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
GRACE_MS = 60_000
KWH = 1_000_000
DIGITS = 4
MICRO = 1_000_000
CENT = 10_000
PURSE_MINOR = 10_000_000
"""1,000 of the currency: what each wallet begins with."""
STEP_TARIFF = "north:steps"
CHANGING_TARIFF = "north:changing"
NETTING_TARIFF = "north:netting"
RETAIL_MICRO = 300_000
FEED_IN_MICRO = 80_000
TAX_MICRO = 190_000
LEVY_MICRO = 10_000
SUPPLY_GROUP = "123457"
BASE_YEAR = 2014
LIMIT_S = 45.0


class Member:
    """Somebody or something with a key and an identity on the ledger."""

    def __init__(self, person: Person, name: str, role: Role, organisation: str, clock: Clock) -> None:
        self.name = name
        self.organisation = organisation
        self.role = role
        self.certificate = person.certificate
        self.signer = Signer(person.key, chain_id=person.signer.chain_id, clock_ms=clock.now_ms)
        self.id = self.signer.identity.hex()
        self.sequence = 0

    def next_sequence(self) -> int:
        """A device numbers what it signs, so that it may send it days later."""
        self.sequence += 1
        return self.sequence


class Call(NamedTuple):
    """A call somebody makes; devices number theirs instead of letting them lapse."""

    who: Member
    contract: str
    function: str
    arguments: dict[str, Any]


class Refused(Exception):
    """What was to succeed was refused."""


class CommunityNetwork(RunningNetwork):
    """Four validators that go by one clock, set to the evening of a month's last day."""

    def __init__(self, directory: Path, engine: str, **founding: Any) -> None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.clock = Clock(directory.parent / f"{directory.name}.clock")
        self.clock.advance(evening_of_the_month(self.clock.now_ms()) - self.clock.now_ms())
        super().__init__(directory, engine, 4, **founding)

    def _node(self, home: Path, endpoint: str) -> NodeProcess:
        return ClockedNode(self.founded, home, endpoint, wait=False)


class ClockedNode(NodeProcess):
    """A node that goes by the network's clock."""

    def _command(self) -> list[str]:
        clock = self.network.directory.parent / f"{self.network.directory.name}.clock"
        return [sys.executable, clocked_node.__file__, str(self.home), NodeConfig.read(self.home).listen, str(clock)]


class SimulatedNetwork(CommunityNetwork):
    """One whose ledger says that its clock is simulated, and whose folder has the clock: commands sign by it too."""

    def __init__(self, directory: Path, engine: str, name: str) -> None:
        super().__init__(directory, engine, ledger=f"{SIMULATED}{name}")

    def _node(self, home: Path, endpoint: str) -> NodeProcess:
        clock = self.founded.directory / simulated.CLOCK
        if not clock.exists():
            clock.symlink_to(self.clock.path)
        return SimulatedNode(self.founded, home, endpoint, wait=False)


class SimulatedNode(NodeProcess):
    """A node as simulations run it."""

    def _command(self) -> list[str]:
        clock = self.network.directory / simulated.CLOCK
        return [sys.executable, "-m", simulated.__name__, str(self.home), str(clock)]


def evening_of_the_month(now_ms: int) -> int:
    """20:00 UTC of the last day of this month: four hours later there is a month to bill."""
    year, month, _ = civil(now_ms // DAY_MS)
    for _ in range(2):
        evening_ms = day_number(year, month, days_in_month(year, month)) * DAY_MS + 20 * HOUR_MS
        if evening_ms > now_ms:
            return evening_ms
        year, month = next_month(year, month)
    raise AssertionError("one of two months is not over")


STREETS: dict[str, Plan] = {
    "vending": Plan(3, prepaid=(1, 2, 3)),
    "tokens": Plan(2, prepaid=(1, 2)),
    "kiosk": Plan(2, prepaid=(1, 2)),
    "balance": Plan(1, prepaid=(1,)),
    "sharing": Plan(3, prepaid=(1, 2, 3)),
    "refusing": Plan(3, prepaid=(1, 2, 3)),
    "relocating": Plan(2, prepaid=(1, 2)),
    "onboarding": Plan(1),
    "sharing-feeder": Plan(3, solar=(1,), head=True),
    "losing": Plan(2, solar=(2,), head=True),
    "strained": Plan(1, head=True, rating_va=12_500, reverse_limit_w=5_000),
    "town": Plan(5, prepaid=(1,), solar=(3,)),
    "haggling": Plan(3),
    "four-functions": Plan(3),
    "windows": Plan(2),
    "mechanisms": Plan(4),
    "devices": Plan(2),
    "reporting": Plan(3),
    "told": Plan(2),
    "traffic": Plan(2, solar=(1,)),
    "village": Plan(2, head=True, rating_va=12_500),
    "locked": Plan(2),
    "overloaded": Plan(2, head=True, rating_va=12_500),
    "twelve": Plan(12),
    "pricing": Plan(4),
    "agents": Plan(4),
    "limits": Plan(3),
    "back-test": Plan(4),
    "changing": Plan(1, tariff="north:changing"),
    "tx-alpha-09": Plan(10, solar=(1, 3, 4, 6, 8, 9), head=True, rating_va=12_500),
}
"""One for each test that needs houses."""


class Community:
    """The ledger, its people, and its streets."""

    def __init__(
        self,
        network: CommunityNetwork,
        streets: Mapping[str, Plan] | None = None,
        contracts: Sequence[str] = ENERGY,
    ) -> None:
        self.network = network
        self.contracts = contracts
        self.engine = network.founded.engine
        self.clock = network.clock
        self.height = 0
        self.ledger: Ledger = network.ledger(timeout_ms=60_000)
        self.facts = self.ledger.facts()
        self.streets: dict[str, Street] = {}
        self._meters_made = 0
        self.admin, self.south_admin, self.east_admin, self.west_admin = (
            Member(person, f"{organisation}-admin", Role.ADMIN, organisation, self.clock)
            for person, organisation in zip(network.founded.admins, ("north", "south", "east", "west"), strict=True)
        )
        self.members = [*self.admins]
        self._newcomers: list[Member] = []
        self.calls: list[tuple[str, TransactionId]] = []
        """What was asked of the ledger, and in which transaction, in order."""
        self.operator = self.member("operator", Role.OPERATOR)
        self.treasury = self.member("treasury", Role.OPERATOR)
        self.taxes = self.member("taxes", Role.OPERATOR)
        self.levies = self.member("levies", Role.OPERATOR)
        self.gateway = self.member("gateway", Role.GATEWAY)
        self.regulator = self.member("regulator", Role.REGULATOR, "east")
        self.stranger = self.member("stranger", Role.CUSTOMER, "west")
        self._install()
        self._establish()
        self.build(STREETS if streets is None else streets)
        self.founding = list(self.calls)
        self.founded_height = self.head()

    def close(self) -> None:
        self.ledger.close()

    # ------------------------------------------------------------ people

    def member(self, name: str, role: Role = Role.CUSTOMER, organisation: str = "north", **attributes: str) -> Member:
        """Someone with certificates; on the ledger once `register` has been called."""
        person = self.network.founded.newcomer(organisation, name, role, **attributes)
        member = Member(person, name, role, organisation, self.clock)
        self._newcomers.append(member)
        self.members.append(member)
        return member

    def register(self) -> None:
        """Their organisations' admins register all who are new."""
        admins = {admin.organisation: admin for admin in self.admins}
        calls = []
        for organisation, admin in admins.items():
            chains = [one.certificate for one in self._newcomers if one.organisation == organisation]
            parts = [chains[start : start + 25] for start in range(0, len(chains), 25)]
            calls += [Call(admin, "identity", "register_many", {"certificates": part}) for part in parts]
        self._newcomers.clear()
        self.together(calls)

    @property
    def admins(self) -> tuple[Member, ...]:
        return (self.admin, self.south_admin, self.east_admin, self.west_admin)

    # ------------------------------------------------------------ calling

    def attempt(self, who: Member, contract: str, function: str, **arguments: Any) -> Outcome:
        """What became of it, whether it took effect or not."""
        outcome = self.ledger.submit(contract, function, arguments, signer=who.signer, raise_refused=False)
        self.height = max(self.height, int(outcome.height))
        self.calls.append((f"{who.name}: {contract}.{function}", outcome.transaction_id))
        return outcome

    def ok(self, who: Member, contract: str, function: str, **arguments: Any) -> Any:
        """Its result. Raises when it was refused."""
        return result_of(self.attempt(who, contract, function, **arguments), f"{contract}.{function}")

    def code(self, who: Member, contract: str, function: str, **arguments: Any) -> str:
        """The receipt's code without its contract's name, or that of the node's own refusal."""
        try:
            return self.attempt(who, contract, function, **arguments).code.rpartition(".")[2]
        except LedgerError as refusal:
            return refusal.code

    def ask(self, who: Member, contract: str, function: str, **arguments: Any) -> Any:
        """A question, answered by a node that has seen all that we know of."""
        answer = self.ledger.evaluate(
            contract, function, arguments, signer=who.signer, level=ReadLevel.AT_LEAST, height=self.height
        )
        return json.loads(answer.result)

    def refusal(self, who: Member, contract: str, function: str, **arguments: Any) -> str:
        """The code with which a question is refused."""
        try:
            self.ask(who, contract, function, **arguments)
        except LedgerError as refusal:
            return str(refusal.facts.get("code", refusal.code)).rpartition(".")[2]
        raise AssertionError(f"{contract}.{function} was answered")

    def together(self, calls: Iterable[Call]) -> list[Any]:
        """Calls that need not wait for one another; their results, in the order given. Raises what is refused."""
        calls = list(calls)
        signed = [self._signed(call) for call in calls]
        outcomes = {outcome.transaction_id: outcome for outcome in self.ledger.submit_many(signed)}
        self.height = max([self.height, *(int(outcome.height) for outcome in outcomes.values())])
        self.calls += [
            (f"{call.who.name}: {call.contract}.{call.function}", one.id)
            for one, call in zip(signed, calls, strict=True)
        ]
        return [
            result_of(outcomes[one.id], f"{call.contract}.{call.function}")
            for one, call in zip(signed, calls, strict=True)
        ]

    def signed_by_device(self, call: Call) -> Signed:
        """As a device signs: numbered, and without an end of its validity."""
        budget, number = self.facts.parameters.budget, call.who.next_sequence()
        return call.who.signer.transaction(call.contract, call.function, call.arguments, budget=budget, sequence=number)

    def _signed(self, call: Call) -> Signed:
        device = call.function == "record" and call.contract == "metering"
        return call.who.signer.transaction(
            call.contract,
            call.function,
            call.arguments,
            budget=self.facts.parameters.budget,
            sequence=call.who.next_sequence() if device else None,
        )

    def two(self, contract: str, function: str, **arguments: Any) -> Any:
        """Proposed by the operator, approved by the admin."""
        proposal = self.ok(self.operator, contract, function, **arguments)
        return self.ok(self.admin, contract, "approve", proposal=proposal)

    def two_of_each(self, calls: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """The same for several at once."""
        calls = list(calls)
        proposals = self.together(Call(self.operator, *call) for call in calls)
        self.together(
            Call(self.admin, call[0], "approve", {"proposal": proposal})
            for call, proposal in zip(calls, proposals, strict=True)
        )

    def events(self, contract: str, name: str, since: int = 0) -> list[dict[str, Any]]:
        """What a contract has told, from a height on up to now."""
        found = self.ledger.events(since, contract=contract, names=[name], to_height=self.head())
        return [json.loads(event.payload) for event in found]

    def receipts(self, first: int, last: int) -> list[Receipt]:
        """All of these blocks, in order."""
        return [parse_receipt(raw) for block in self.ledger.blocks(first, to_height=last) for raw in block.receipts]

    # ------------------------------------------------------------ time

    @property
    def now_ms(self) -> int:
        return int(self.clock.now_ms())

    def advance(self, ms: int) -> None:
        """The clock goes forward by so much. What is due then happens soon: wait for it with `until`."""
        self.clock.advance(ms)

    def to(self, time_ms: int) -> int:
        """Forward to an instant, if it is not past; answers it."""
        self.advance(max(time_ms - self.now_ms, 0))
        return time_ms

    def to_boundary(self) -> int:
        """A little beyond the next boundary of the ledger's intervals; answers the boundary."""
        boundary_ms = (self.now_ms // INTERVAL_MS + 1) * INTERVAL_MS
        self.to(boundary_ms + 100)
        return boundary_ms

    def to_minute(self, minute: int) -> int:
        """To the next time a day shows this minute (UTC); answers the start of that day."""
        day_ms = self.now_ms // DAY_MS * DAY_MS
        at_ms = day_ms + minute * MINUTE_MS
        if at_ms < self.now_ms:
            at_ms += DAY_MS
        self.to(at_ms)
        return at_ms - minute * MINUTE_MS

    def until(self, condition: Callable[[], Any]) -> Any:
        """What the condition gives once it is true. Time goes on by itself meanwhile."""
        return until(condition, LIMIT_S, every_s=0.1)

    def seen(self) -> None:
        """Ask from now on about all that has happened, timers included."""
        self.height = max(self.height, int(self.ledger.facts().height))

    def head(self) -> int:
        """The newest height that we know of, whichever node is asked."""
        self.seen()
        return self.height

    # ------------------------------------------------------------ money

    def money(self, who: Member) -> tuple[int, int]:
        """(available, in escrow)."""
        found = self.ask(self.admin, "currency", "balance", account=who.id)
        return found["available_minor"], found["escrow_minor"]

    # ------------------------------------------------------------ founding

    def _install(self) -> None:
        """Every contract, approved by all four organisations."""
        packages = {name: pack(CONTRACTS / f"{name}.py") for name in self.contracts}
        self.hashes = {name: package_hash(raw) for name, raw in packages.items()}
        for start in range(0, len(self.contracts), 5):
            self.together(
                Call(self.admin, "lifecycle", "install", {"package": base64.b64encode(packages[name]).decode()})
                for name in self.contracts[start : start + 5]
            )
        named = [{"name": name, "package_hash": found} for name, found in self.hashes.items()]
        self.together(Call(admin, "lifecycle", "approve", one) for one in named for admin in self.admins)
        self.together(Call(self.admin, "lifecycle", "commit", one) for one in named)
        # who is asked next knows the contracts; checking all of them takes seconds of each node's core
        self.network.wait_for_equal_heads(4 * LIMIT_S)

    def _establish(self) -> None:
        """Ground rules, money, the utility with its tariffs."""
        self.register()
        ground = {"interval_ms": INTERVAL_MS, "digits": DIGITS}
        money = {"code": "EUR", "digits": DIGITS, "approval_above_minor": 2**53 - 1}
        self.together(
            [Call(self.admin, "registry", "establish", ground), Call(self.admin, "currency", "establish", money)]
        )
        accounts = {"treasury": self.treasury.id, "tax_account": self.taxes.id, "levy_account": self.levies.id}
        self.ok(self.admin, "registry", "enlist", zone=msgspec.to_builtins(FIXED_UTC), **accounts)
        begins_ms = self.now_ms + 30 * SECOND_MS
        peer = {"levies": [{"name": "green", "price_micro": LEVY_MICRO}], "tax_micro": TAX_MICRO}
        self.two_of_each(
            [
                *(
                    ("tariff", "propose_tariff", {"tariff": msgspec.to_builtins(tariff), "from_ms": begins_ms})
                    for tariff in tariffs()
                ),
                ("tariff", "propose_peer_charges", {"utility": "north", "charges": peer, "from_ms": begins_ms}),
            ]
        )
        self.together(self._mint(who) for who in (self.treasury, self.stranger))
        self.to(begins_ms + SECOND_MS)

    def build(self, plans: Mapping[str, Plan]) -> None:
        """Streets with their houses, inhabited when this returns; every wallet has money."""
        streets = [self._street(name, plan) for name, plan in plans.items()]
        self.register()
        by_operator = partial(Call, self.operator, "registry")
        voltages = {"low_mv": 230_000, "high_mv": 11_000_000}
        self.together(
            [
                *(by_operator("add_area", {"id": street.area}) for street in streets),
                *(
                    by_operator(
                        "add_transformer", {"id": street.transformer, "rating_va": street.plan.rating_va, **voltages}
                    )
                    for street in streets
                ),
            ]
        )
        self.together(
            by_operator(
                "add_feeder",
                {
                    "id": street.feeder,
                    "transformer": street.transformer,
                    "area": street.area,
                    "limit_w": street.plan.limit_w,
                    "reverse_limit_w": street.plan.reverse_limit_w,
                },
            )
            for street in streets
        )
        self.together(call for street in streets for call in self._houses(street))
        self.together(call for street in streets for call in self._points(street))
        self.to_boundary()
        self.together(call for street in streets for call in self._meters(street))
        self.streets |= {street.name: street for street in streets}

    def _street(self, name: str, plan: Plan) -> Street:
        houses = [self._house(f"{name}-{number}") for number in range(1, plan.houses + 1)]
        solar = {number: self._meter(f"{name}-{number}-solar") for number in plan.solar}
        head = self._meter(f"{name}-head") if plan.head else None
        return Street(self, name, plan, houses, solar, head)

    def _house(self, name: str) -> House:
        return House(name, self._meter(name), self.member(f"{name}-wallet", Role.CUSTOMER, "west"))

    def _meter(self, name: str) -> Meter:
        self._meters_made += 1
        return Meter(f"north:{name}", self.member(f"{name}-meter", Role.METER), pan_of(self._meters_made))

    def _houses(self, street: Street) -> Iterator[Call]:
        plan = street.plan
        alike = {"import_rating_w": plan.rating_w, "export_rating_w": plan.rating_w, "tariff": plan.tariff}
        for prepaid in (False, True):
            houses = [
                {
                    "premises": house.premises,
                    "point": house.point,
                    "customer": house.customer,
                    "wallet": house.wallet.id,
                    "meter": {"id": house.meter.id, "pan": house.pan},
                }
                for number, house in enumerate(street.houses, 1)
                if (number in plan.prepaid) == prepaid
            ]
            if houses:
                rows = {"feeder": street.feeder, "houses": houses, "prepaid": prepaid}
                yield Call(self.operator, "registry", "add_houses", rows | alike)
        for house in street.houses:
            yield self._mint(house.wallet)

    def _points(self, street: Street) -> Iterator[Call]:
        """Where meters hang beside those of the houses."""
        alike = {"feeder": street.feeder, "import_rating_w": 100_000, "export_rating_w": 100_000}
        for number, meter in street.solar.items():
            point = {"id": meter.point, "kind": "generation", "premises": street.houses[number - 1].premises}
            yield Call(self.operator, "registry", "add_point", point | alike)
        if street.head:
            point = {"id": street.head.point, "kind": "transformer"}
            yield Call(self.operator, "registry", "add_point", point | alike)

    def _meters(self, street: Street) -> Iterator[Call]:
        """Those meters, and what the factory has set prepayment meters to."""
        for meter in (*street.solar.values(), *([street.head] if street.head else [])):
            yield Call(self.operator, "registry", "install", {"point": meter.point, "meter": {"id": meter.member.id}})
        key = {"supply_group": SUPPLY_GROUP, "base": BASE_YEAR, "key_revision": 1, "tariff_index": 1, "key_expiry": 255}
        for number in street.plan.prepaid:
            yield Call(self.operator, "prepaid", "set_key", {"point": street.houses[number - 1].point, **key})

    def _mint(self, who: Member) -> Call:
        money = {"account": who.id, "amount_minor": PURSE_MINOR, "purpose": "to begin with"}
        return Call(self.operator, "currency", "mint", money)


# ---------------------------------------------------------------- what things cost


def tariffs() -> list[Tariff]:
    common: dict[str, Any] = {
        "utility": "north",
        "zone": FIXED_UTC,
        "feed_in": (Band(name="feed-in", price_micro=FEED_IN_MICRO),),
        "tax_micro": TAX_MICRO,
        "prepaid_class": 1,
    }
    flat = {
        "kind": FLAT,
        "bands": (Band(name="all", price_micro=RETAIL_MICRO),),
        "levies": (Levy(name="green", price_micro=LEVY_MICRO),),
    }
    steps = (Step(up_to_wh=50_000, price_micro=100_000), Step(up_to_wh=0, price_micro=400_000))
    return [
        Tariff(id=FLAT_TARIFF, **flat, **common),
        Tariff(id=CHANGING_TARIFF, **flat, **common),
        Tariff(id=NETTING_TARIFF, net_metering=NET_BY_ENERGY, **flat, **common),
        Tariff(id=STEP_TARIFF, kind=STEPS, steps=steps, **common | {"tax_micro": 0}),
    ]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def kwh(number: float) -> int:
    return round(number * KWH)


def result_of(outcome: Outcome, what: str) -> Any:
    if not outcome.succeeded:
        raise Refused(f"{what}: {outcome.code} {outcome.message}")
    return json.loads(outcome.result) if outcome.result else None
