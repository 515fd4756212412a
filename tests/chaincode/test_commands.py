"""What a utility tells its meters: who may, in which order, and what the meter says of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.pricing import Levy
from tests.chaincode.test_pricing import flat
from tests.chaincode.town import DAY_MS, INTERVAL_MS, House, Town


@pytest.fixture(scope="module")
def town() -> Town:
    made = Town("commands")
    made.build(0)
    return made


@pytest.fixture
def house(town: Town) -> House:
    [made] = town.settle_in(f"commanded-{len(town.houses)}")
    town.ledger.advance(ms=900_000)
    return made


def told(town: Town, house: House) -> list[tuple[int, str]]:
    events = [one.payload for one in town.ledger.events("commands", "MeterCommanded")]
    return [(one["number"], one["kind"]) for one in events if one["meter"] == house.meter.id]


def test_commands_are_numbered_for_each_meter_and_answered_once(town: Town, house: House) -> None:
    """Without a gap; the meter's first word counts, and nobody speaks for it."""
    [other] = town.settle_in("commanded-other")
    town.ok(town.operator, "commands", "message", point=house.point, text="works on friday")
    town.ok(town.operator, "commands", "message", point=other.point, text="works on monday")
    second = town.ok(town.operator, "commands", "terms", point=house.point, low_mwh=5)
    assert told(town, house) == [(1, "message"), (2, "terms")]
    town.ok(house.meter, "commands", "answer", number=2, code="OK")
    town.ok(house.meter, "commands", "answer", number=2, code="AMOUNT")
    found = town.ask(town.operator, "commands", "commands", meter=house.meter.id)
    assert [(one["order"], one["code"]) for one in found] == [(1, ""), (2, "OK")]
    [answer] = [one.payload for one in town.ledger.events("commands", "CommandAnswered")]
    assert (answer["command"], answer["number"], answer["code"]) == (second["number"], 2, "OK")
    assert town.code(house.meter, "commands", "answer", number=3, code="OK") == "COMMAND_UNKNOWN"
    assert town.code(town.operator, "commands", "answer", number=1, code="OK") == "ROLE_REFUSED"
    assert town.code(house.meter, "commands", "answer", number=1, code="") == "TEXT_OUT_OF_RANGE"


def test_what_moves_credit_or_the_clock_is_decided_by_two(town: Town, house: House) -> None:
    for kind, more in (("clock", {}), ("close", {}), ("unused", {"base": 2014, "tid": 77})):
        proposal = town.ok(town.operator, "commands", "propose_command", point=house.point, kind=kind, **more)
        assert town.code(town.operator, "commands", "approve", proposal=proposal) == "SAME_PERSON"
        assert town.code(house.wallet, "commands", "approve", proposal=proposal) == "NOT_YOUR_ORGANISATION"
        command = town.ok(town.admin, "commands", "approve", proposal=proposal)
        assert (command["kind"], command["values"]) == (kind, more)
        assert town.code(town.admin, "commands", "approve", proposal=proposal) == "PROPOSAL_UNKNOWN"
    assert told(town, house) == [(1, "clock"), (2, "close"), (3, "unused")]


def test_a_customer_key_is_reset_by_the_utility_and_the_tenant(town: Town, house: House) -> None:
    proposal = town.ok(town.operator, "commands", "propose_customer_key", point=house.point)
    assert town.code(town.admin, "commands", "approve", proposal=proposal) == "NOT_THE_TENANT"
    assert town.code(town.stranger, "commands", "agree", proposal=proposal) == "NOT_THE_TENANT"
    assert town.ok(house.wallet, "commands", "agree", proposal=proposal)["kind"] == "customer_key"
    assert town.code(house.wallet, "commands", "agree", proposal=proposal) == "PROPOSAL_UNKNOWN"
    clock = town.ok(town.operator, "commands", "propose_command", point=house.point, kind="clock")
    assert town.code(house.wallet, "commands", "agree", proposal=clock) == "NOT_THE_TENANT"
    town.ok(town.operator, "commands", "withdraw", proposal=clock)
    assert told(town, house) == [(1, "customer_key")]


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("message", {"text": ""}, "TEXT_OUT_OF_RANGE"),
        ("message", {"text": "x" * 33}, "TEXT_OUT_OF_RANGE"),
        ("terms", {"low_mwh": -1}, "OUT_OF_RANGE"),
        ("propose_command", {"kind": "explode"}, "COMMAND_UNKNOWN"),
        ("propose_command", {"kind": "message"}, "COMMAND_UNKNOWN"),
        ("propose_command", {"kind": "unused", "tid": 2**24}, "OUT_OF_RANGE"),
    ],
)
def test_what_no_meter_could_do_is_refused(
    town: Town, house: House, function: str, arguments: dict[str, object], code: str
) -> None:
    assert town.code(town.operator, "commands", function, point=house.point, **arguments) == code
    assert told(town, house) == []


@pytest.mark.parametrize("function", ["message", "terms", "propose_command", "propose_customer_key"])
def test_only_the_utilitys_staff_commands(town: Town, house: House, function: str) -> None:
    more = {"message": {"text": "a"}, "terms": {"low_mwh": 1}, "propose_command": {"kind": "clock"}}.get(function, {})
    for who in (house.wallet, house.meter, town.regulator, town.stranger):
        assert town.code(who, "commands", function, point=house.point, **more) == "NOT_YOUR_ORGANISATION"


def test_the_meter_says_what_became_of_its_supply(town: Town, house: House) -> None:
    town.ok(house.meter, "commands", "answer_supply", height=70, within=3, code="OK")
    [said] = [one.payload for one in town.ledger.events("commands", "SupplyAnswered")]
    assert said == {"height": 70, "within": 3, "meter": house.meter.id, "code": "OK"}
    assert town.code(house.meter, "commands", "answer_supply", height=-1, within=0, code="OK") == "OUT_OF_RANGE"


# ---------------------------------------------------------------- tariffs


def decide(town: Town, price_micro: int, from_ms: int, **changes: Any) -> None:
    """A flat tariff of the utility's, under the one id that the houses here have."""
    tariff = msgspec.structs.replace(flat(price_micro), id="utility:home", utility="utility", **changes)
    town.two("tariff", "propose_tariff", tariff=msgspec.to_builtins(tariff), from_ms=from_ms)


def tables(town: Town, house: House) -> list[tuple[int, str, list[int]]]:
    """(from when, of which tariff, its prices) of each table that this house's meter was told."""
    said = [one.payload for one in town.ledger.events("commands", "MeterCommanded")]
    return [
        (one["from_ms"], one["tariff"], [band[1] for band in one["table"].get("bands", [])])
        for one in said
        if one["meter"] == house.meter.id and one["kind"] == "tariff"
    ]


@pytest.fixture
def priced() -> tuple[Town, House]:
    """A town with a tariff that holds, and one house that has it."""
    town = Town("tariff", "commands")
    town.build(0)
    decide(town, 300_000, town.now_ms + 1_000)
    [house] = town.settle_in("priced", tariff="utility:home")
    town.to_boundary()
    return town, house


def test_a_meter_is_told_the_tariff_that_holds_and_those_that_are_decided_once(priced: tuple[Town, House]) -> None:
    """With fees, levies and tax on each price; what it was told before is not sent again, unless it is asked for."""
    town, house = priced
    since_ms = tables_begin(town, house)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 1
    assert tables(town, house) == [(since_ms, "utility:home", [300_000])]
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 0
    later_ms = town.now_ms + DAY_MS
    taxed = {"grid_fee_micro": 50_000, "levies": (Levy(name="green", price_micro=10_000),), "tax_micro": 190_000}
    decide(town, 340_000, later_ms, **taxed)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 1
    assert tables(town, house)[1:] == [(later_ms, "utility:home", [476_000])]
    town.ledger.advance(ms=DAY_MS)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 0, "it knows what begins now"
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point], again=True) == 1
    [*_, command] = town.ask(town.operator, "commands", "commands", meter=house.meter.id)
    assert command["values"] == {"tariff": "utility:home", "from_ms": later_ms, "version_ms": later_ms}


def tables_begin(town: Town, house: House) -> int:
    [span] = town.ask(town.operator, "registry", "spans", point=house.point)
    begins_ms: int = span["from_ms"]
    return begins_ms


def test_what_a_change_at_the_point_makes_wrong_is_told_anew(priced: tuple[Town, House]) -> None:
    """Another tariff from a boundary on; then none. Who moves in makes no difference."""
    town, house = priced
    decide(town, 320_000, town.now_ms + 10 * DAY_MS)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 2
    other = msgspec.structs.replace(flat(200_000), id="utility:other", utility="utility")
    town.two("tariff", "propose_tariff", tariff=msgspec.to_builtins(other), from_ms=town.now_ms + 1_000)
    at_ms = town.boundary_ms + DAY_MS
    rating = {"import_rating_w": 1, "export_rating_w": 1, "prepaid": False}
    town.ok(town.operator, "registry", "set_point", point=house.point, tariff="utility:other", at_ms=at_ms, **rating)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 1
    assert tables(town, house)[-1] == (at_ms, "utility:other", [200_000]), "and with it the one after is gone"
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 0
    town.ledger.advance(ms=2 * DAY_MS)
    town.ok(town.operator, "registry", "set_point", point=house.point, tariff="", **rating)
    assert town.ok(town.operator, "commands", "tariffs", points=[house.point]) == 1
    assert tables(town, house)[-1][1:] == ("", [])


def test_all_meters_of_a_utility_are_told_by_timers_and_whoever_comes_later_too(priced: tuple[Town, House]) -> None:
    """Nobody has to think of it: a new price, a new house, another meter."""
    town, house = priced
    more = town.settle_in(*(f"more-{number}" for number in range(25)), tariff="utility:home")
    [unpriced] = town.settle_in("unpriced")
    town.ok(town.operator, "commands", "announce", every_ms=INTERVAL_MS)
    town.ledger.advance(ms=1_000)
    assert all(len(tables(town, one)) == 1 for one in (house, *more))
    assert tables(town, unpriced) == []
    [late] = town.settle_in("late", tariff="utility:home")
    decide(town, 310_000, town.now_ms + DAY_MS)
    town.ledger.advance(ms=INTERVAL_MS + 1_000)
    assert [prices for _, _, prices in tables(town, late)] == [[300_000], [310_000]]
    assert [prices for _, _, prices in tables(town, more[20])] == [[300_000], [310_000]]
    town.ledger.advance(ms=3 * INTERVAL_MS)
    rounds = [one.payload["commands"] for one in town.ledger.events("commands", "TariffsAnnounced")]
    assert rounds[:2] == [26, 28]
    assert set(rounds[2:]) == {0}
    town.ok(town.operator, "commands", "announce")
    town.ledger.advance(ms=10 * INTERVAL_MS)
    assert len(town.ledger.events("commands", "TariffsAnnounced")) == len(rounds) + 1, "it is told once, and ends"


def test_a_meter_asks_for_its_prices_and_a_utilitys_rounds_begin_with_it(priced: tuple[Town, House]) -> None:
    """All that holds at its point, once a day; then everybody's news each day. What staff has said goes before."""
    town, house = priced
    assert town.ok(house.meter, "commands", "ask_tariffs") == 1
    assert town.ok(house.meter, "commands", "ask_tariffs") == 0, "it will have them in a moment"
    [silent] = town.settle_in(f"silent-{len(town.houses)}", tariff="utility:home")
    begins_ms = town.now_ms
    town.ledger.advance(ms=DAY_MS)
    assert len(tables(town, silent)) == 1, "by the round that began with another's question"
    assert town.ok(house.meter, "commands", "ask_tariffs") == 1, "it has lost them"
    decide(town, 350_000, begins_ms + 3 * DAY_MS)
    town.ledger.advance(ms=DAY_MS + INTERVAL_MS)
    assert [prices for _, _, prices in tables(town, silent)][1:] == [[350_000]]
    town.ok(town.operator, "commands", "announce")
    rounds = len(town.ledger.events("commands", "TariffsAnnounced"))
    town.ok(silent.meter, "commands", "ask_tariffs")
    town.ledger.advance(ms=3 * DAY_MS)
    assert len(town.ledger.events("commands", "TariffsAnnounced")) == rounds + 1, "once, as staff has said"
    assert town.code(town.operator, "commands", "ask_tariffs") == "ROLE_REFUSED"


def test_only_staff_tells_tariffs_and_only_its_own_utilitys(priced: tuple[Town, House]) -> None:
    town, house = priced
    for who in (house.wallet, house.meter, town.regulator, town.stranger):
        assert town.code(who, "commands", "tariffs", points=[house.point]) == "NOT_YOUR_ORGANISATION"
    assert town.code(house.wallet, "commands", "announce") == "NOT_YOUR_ORGANISATION"
    assert town.code(town.admin, "commands", "tariffs", points=["other:house"]) == "NOT_YOUR_ORGANISATION"
    assert town.code(town.admin, "commands", "tariffs", points=[]) == "OUT_OF_RANGE"
    assert town.code(town.admin, "commands", "announce", every_ms=1) == "OUT_OF_RANGE"
    go_on = {"utility": "utility", "after": "", "every_ms": 0, "told": 0}
    assert town.code(town.admin, "commands", "go_on", **go_on) == "ROLE_REFUSED"
