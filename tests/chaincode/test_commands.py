"""What a utility tells its meters: who may, in which order, and what the meter says of it."""

from __future__ import annotations

import pytest

from tests.chaincode.town import House, Town


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
