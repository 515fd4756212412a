"""What a person may see, decided without a database."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.scope import NOBODY, Holdings, Home, Let, Scope, organisation_of
from gateway.readmodel.queries.registry import PointRow
from gateway.sessions.tickets import Person
from ledgernode.identity.records import Role

NOW_MS = 1_000_000


def point(**changes: Any) -> PointRow:
    values: dict[str, Any] = {
        "point": "north:p1", "utility": "north", "kind": "house", "premises": "north:h1", "customer": "north:anna",
        "feeder": "grid:f1", "phases": 1, "import_rating_w": 1, "export_rating_w": 1, "prepaid": False, "tariff": "",
        "meter": "m", "height": 1, "position": 0, "transaction": "",
    }  # fmt: skip
    return PointRow(**values | changes)


def scope(role: Role, organisation: str = "north", identity: str = "me", **holdings: Any) -> Scope:
    return Scope(Person(identity, organisation, role), Holdings(issuer="bank", **holdings), NOW_MS)


ANNA = scope(Role.CUSTOMER, customer="north:anna", homes={"north:p1": Home("north:h1", 500)})
OTTO = scope(Role.CUSTOMER, customer="north:otto")
NORTH, SOUTH, GRID, BANK = (scope(Role.OPERATOR, name) for name in ("north", "south", "grid", "bank"))
STATE = scope(Role.REGULATOR, "state")


@pytest.mark.parametrize(
    ("who", "readings", "bills"),
    [
        (ANNA, True, True),
        (OTTO, False, False),
        (NORTH, True, True),
        (SOUTH, False, False),
        (GRID, True, False),
        (STATE, True, True),
        (NOBODY, False, False),
    ],
)
def test_a_point_is_its_tenants_its_utilitys_and_by_readings_its_feeders_operators(
    who: Scope, readings: bool, bills: bool
) -> None:
    assert who.sees_point(point(), "readings") is readings
    assert who.sees_point(point(), "bills") is bills
    assert who.knows_point(point()) is readings


def test_a_point_where_nobody_lives_is_no_customers() -> None:
    nobodys = scope(Role.CUSTOMER, customer="")
    assert not nobodys.knows_point(point(customer=""))
    assert NORTH.knows_point(point(customer=""))


def test_who_moves_in_sees_nothing_of_before() -> None:
    assert ANNA.since_ms(point()) == 500
    assert NORTH.since_ms(point()) == STATE.since_ms(point()) == GRID.since_ms(point()) == 0


def test_a_consent_shows_what_it_names_until_it_ends_or_the_tenant_changes() -> None:
    let = Let("north:anna", frozenset({"readings"}), NOW_MS + 1, 500)
    reader = scope(Role.CUSTOMER, customer="north:otto", lets={"north:p1": let})
    assert reader.sees_point(point(), "readings")
    assert reader.since_ms(point()) == 500
    assert not reader.sees_point(point(), "bills")
    assert not reader.sees_point(point(customer="north:emil"), "readings")
    assert not reader.sees_point(point(customer=""), "readings")
    ended = Scope(reader.person, reader.holdings, NOW_MS + 1)
    assert not ended.sees_point(point(), "readings")


def test_customers_are_seen_by_themselves_their_utility_and_regulators() -> None:
    seen = [who.sees_customer("north:anna") for who in (ANNA, OTTO, NORTH, SOUTH, GRID, STATE, NOBODY)]
    assert seen == [True, False, True, False, False, True, False]
    assert not NORTH.sees_customer("")


def test_accounts_are_read_by_their_owner_the_issuer_and_regulators() -> None:
    assert ANNA.sees_account("me")
    assert not OTTO.sees_account("other", "north", "customer")
    assert BANK.sees_account("other", "north", "customer")
    assert not NORTH.sees_account("other", "north", "customer")
    assert NORTH.sees_account("treasury", "north", "operator")
    assert not SOUTH.sees_account("treasury", "north", "operator")
    assert STATE.sees_account("other")
    assert not NOBODY.sees_account("")


def test_a_calls_content_is_its_creators_its_utilitys_and_regulators_but_for_public_contracts() -> None:
    everybody = (ANNA, OTTO, NORTH, SOUTH, STATE)
    assert [who.sees_call("metering", "me", "north") for who in everybody] == [True, True, True, True, True]
    assert [who.sees_call("metering", "other", "north") for who in everybody] == [False, False, True, False, True]
    assert all(who.sees_call("governance", "other", "south") for who in everybody)
    assert not NOBODY.sees_call("governance", "other", "south")


def test_a_tenant_sees_what_its_meter_has_signed_since_it_lives_there() -> None:
    homes = {"north:p1": Home("north:h1", 500, "meter-1")}
    tenant = scope(Role.CUSTOMER, customer="north:anna", homes=homes)
    assert [tenant.sees_call("metering", "meter-1", "", at_ms) for at_ms in (499, 500)] == [False, True]
    assert [tenant.concerns("north:p1", time_ms=at_ms) for at_ms in (499, 500)] == [False, True]
    assert not tenant.sees_call("metering", "", "", 500)
    assert not OTTO.sees_call("metering", "meter-1", "", 500)


def test_events_are_about_oneself_ones_points_or_ones_organisation() -> None:
    assert ANNA.concerns("north:p1")
    assert ANNA.concerns("north:anna")
    assert ANNA.concerns("me")
    assert not OTTO.concerns("north:p1")
    assert NORTH.concerns("north:p1")
    assert not SOUTH.concerns("north:p1")
    assert not scope(Role.OPERATOR, "trade").concerns("trade:7"), "a number is of no organisation"
    assert not NOBODY.concerns("")
    assert STATE.concerns("")


@pytest.mark.parametrize(("name", "organisation"), [("north:p1", "north"), ("order:5", ""), ("abc", ""), ("", "")])
def test_ids_begin_with_their_organisation(name: str, organisation: str) -> None:
    assert organisation_of(name) == organisation
