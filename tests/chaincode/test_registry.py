"""The registry keeps its rules: who lives where, which meter hangs where, who may read what."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ledgernode.testing import Member, TestLedger
from tests.chaincode.town import (
    AREA,
    CONTRACTS,
    DAY_MS,
    FEEDER,
    INTERVAL_MS,
    RATING_W,
    TRANSFORMER,
    House,
    Town,
    package,
    plain_zone,
)

PAN = "600727000000000009"
OTHER_PAN = "000001000000000082"


@pytest.fixture
def empty() -> Town:
    return Town()


@pytest.fixture
def town() -> Town:
    """Two houses on a feeder, inhabited since the first boundary."""
    town = Town()
    town.build(2)
    town.to_boundary()
    return town


def code(town: Town, signer: Member, function: str, **arguments: Any) -> str:
    return town.code(signer, "registry", function, **arguments)


def ok(town: Town, signer: Member, function: str, **arguments: Any) -> Any:
    return town.ok(signer, "registry", function, **arguments)


def ask(town: Town, signer: Member, function: str, **arguments: Any) -> Any:
    return town.ask(signer, "registry", function, **arguments)


# ---------------------------------------------------------------- the ledger and its organisations


def test_the_ground_rules_are_said_once(empty: Town) -> None:
    """One length of interval and one currency for the whole ledger; the length divides a day."""
    assert ask(empty, empty.stranger, "ground")["interval_ms"] == INTERVAL_MS
    again = {"interval_ms": 60_000, "digits": 2}
    assert code(empty, empty.ledger.admin("community"), "establish", **again) == "ALREADY_ESTABLISHED"
    assert code(empty, empty.operator, "establish", **again) == "ROLE_REFUSED"


def test_an_interval_is_of_whole_minutes_that_divide_a_day() -> None:
    """So that days and boundaries are the same for everyone; before that nothing is built."""
    ledger = TestLedger()
    ledger.deploy(package("registry"), folder=CONTRACTS)
    for interval_ms, digits in ((59_999, 2), (7 * 60_000, 2), (90_000, 2), (900_000, 7)):
        ground = {"interval_ms": interval_ms, "digits": digits}
        assert ledger.attempt(ledger.admin(), "registry", "establish", **ground).code == "registry.OUT_OF_RANGE"
    assert ledger.attempt(ledger.admin(), "registry", "add_area", id="utility:a").code == "registry.UNKNOWN"


def test_a_utilitys_accounts_are_its_own_identities(empty: Town) -> None:
    """Money never goes to another organisation by mistake; only an admin says where."""
    accounts = dict.fromkeys(("treasury", "tax_account", "levy_account"), empty.treasury.id)
    wrong = {**accounts, "tax_account": empty.stranger.id}
    assert code(empty, empty.admin, "enlist", zone=plain_zone(), **wrong) == "WRONG_IDENTITY"
    assert code(empty, empty.operator, "enlist", zone=plain_zone(), **accounts) == "ROLE_REFUSED"
    assert ask(empty, empty.stranger, "utility", organisation="utility")["treasury"] == empty.treasury.id
    assert code(empty, empty.ledger.admin("community"), "add_area", id="community:a") == "UNKNOWN"


# ---------------------------------------------------------------- ids


def test_an_id_says_whose_it_is(empty: Town) -> None:
    """<organisation>:<name>, of the organisation that gives it."""
    too_long = "utility:" + "a" * 41
    for wrong in ("area", "utility:", "utility:A", "utility:a b", too_long, "community:a", "utility:a/b", "", ":a"):
        assert code(empty, empty.operator, "add_area", id=wrong) == "ID_INVALID"


def test_an_id_is_given_once_by_staff(town: Town) -> None:
    """Not by customers, and not twice."""
    for function, arguments in (
        ("add_area", {"id": AREA}),
        ("add_premises", {"id": town.houses[0].premises}),
        ("add_customer", {"id": town.houses[0].customer}),
        ("add_point", {"id": town.houses[0].point, "kind": "connection", "feeder": FEEDER}),
        ("add_feeder", {"id": FEEDER, "transformer": TRANSFORMER, "area": AREA}),
        ("add_transformer", {"id": TRANSFORMER, "rating_va": 1, "low_mv": 1, "high_mv": 1}),
    ):
        assert code(town, town.operator, function, **arguments) == "EXISTS"
        fresh = {**arguments, "id": "utility:new"}
        customer = town.ledger.identity("c-" + function, organisation="utility")
        assert code(town, customer, function, **fresh) == "NOT_YOUR_ORGANISATION"


# ---------------------------------------------------------------- the network


def test_an_area_takes_only_whom_its_operator_admits(town: Town) -> None:
    """Several utilities may share one, once they are let in."""
    other = town.ledger.admin("community")
    accounts = dict.fromkeys(("treasury", "tax_account", "levy_account"), other.id)
    assert code(town, town.operator, "admit", area=AREA, organisation="community") == "UNKNOWN"
    ok(town, other, "enlist", zone=plain_zone(), **accounts)
    ok(town, other, "add_premises", id="community:p")
    point = {"id": "community:p", "kind": "connection", "feeder": FEEDER, "premises": "community:p"}
    assert code(town, other, "add_point", **point) == "NOT_ADMITTED"
    assert code(town, other, "admit", area=AREA, organisation="community") == "NOT_YOUR_ORGANISATION"
    ok(town, town.operator, "admit", area=AREA, organisation="community")
    ok(town, other, "add_point", **point)
    town.ledger.advance(minutes=15)
    rows = ask(town, town.operator, "members", area=AREA, interval_ms=town.now_ms)
    assert [row[2] for row in rows] == ["community", "utility", "utility"]


def test_an_area_has_at_most_200_connection_points() -> None:
    """So that its interval closes in one call; a call's budget is enough to list them."""
    town = Town()
    town.build()
    for block in range(4):
        houses = [
            {
                "premises": f"utility:h{block}-{number}",
                "point": f"utility:h{block}-{number}",
                "customer": f"utility:h{block}-{number}",
                "meter": {"id": f"utility:m{block}-{number}", "gateway_signed": True},
            }
            for number in range(50)
        ]
        ratings = {"import_rating_w": RATING_W, "export_rating_w": 0}
        done = town.ledger.submit(town.operator, "registry", "add_houses", feeder=FEEDER, houses=houses, **ratings)
        assert done.receipt.budget_used < 400_000
    meter = {"id": "utility:x", "gateway_signed": True}
    one = {"premises": "utility:x", "point": "utility:x", "customer": "utility:x", "meter": meter}
    more = {"feeder": FEEDER, "houses": [one], "import_rating_w": 1, "export_rating_w": 0}
    assert code(town, town.operator, "add_houses", **more) == "AREA_FULL"
    assert code(town, town.operator, "add_houses", **{**more, "houses": []}) == "OUT_OF_RANGE"
    town.to_boundary()
    rows = ask(town, town.operator, "members", area=AREA, interval_ms=town.boundary_ms)
    assert len(rows) == 200
    assert rows == sorted(rows)


def test_the_head_of_a_feeder_is_its_operators_and_one(town: Town) -> None:
    """A transformer's point has no premises, and does not move."""
    head = {"kind": "transformer", "feeder": FEEDER}
    assert (
        code(town, town.operator, "add_point", id="utility:t", premises=town.houses[0].premises, **head)
        == "OUT_OF_RANGE"
    )
    ok(town, town.operator, "add_point", id="utility:t", **head)
    assert ask(town, town.stranger, "feeder", feeder=FEEDER)["head"] == "utility:t"
    assert code(town, town.operator, "add_point", id="utility:t2", **head) == "EXISTS"
    assert code(town, town.operator, "move_feeder", point="utility:t", feeder=FEEDER) == "OUT_OF_RANGE"
    town.ledger.advance(minutes=15)
    kinds = [kind for kind, _ in ask(town, town.stranger, "on_feeder", feeder=FEEDER, interval_ms=town.now_ms)]
    assert kinds == ["connection", "connection", "transformer"]


def test_what_makes_no_network_is_refused(town: Town) -> None:
    """Unknown parts, and numbers that are none."""
    feeder = {"id": "utility:f", "transformer": TRANSFORMER, "area": AREA}
    for changes, expected in (
        ({"transformer": "utility:no"}, "UNKNOWN"),
        ({"area": "utility:no"}, "UNKNOWN"),
        ({"phases": 4}, "OUT_OF_RANGE"),
        ({"limit_w": -1}, "OUT_OF_RANGE"),
    ):
        assert code(town, town.operator, "add_feeder", **{**feeder, **changes}) == expected
    gateway = town.ledger.identity("gateway-1", role="gateway", organisation="utility")
    assert code(town, town.operator, "add_concentrator", id="utility:c", gateway=town.operator.id) == "WRONG_IDENTITY"
    ok(town, town.operator, "add_concentrator", id="utility:c", gateway=gateway.id)
    volts = {"rating_va": 1, "low_mv": 1, "high_mv": 1}
    assert code(town, town.operator, "add_transformer", id="utility:t", concentrator="utility:no", **volts) == "UNKNOWN"
    ok(town, town.operator, "add_transformer", id="utility:t", concentrator="utility:c", **volts)
    point = {"id": "utility:q", "kind": "connection", "feeder": FEEDER, "premises": town.houses[0].premises}
    for changes, expected in (
        ({"kind": "roof"}, "OUT_OF_RANGE"),
        ({"premises": ""}, "OUT_OF_RANGE"),
        ({"premises": "utility:no"}, "UNKNOWN"),
        ({"feeder": "utility:no"}, "UNKNOWN"),
        ({"import_rating_w": -5}, "OUT_OF_RANGE"),
    ):
        assert code(town, town.operator, "add_point", **{**point, **changes}) == expected


# ---------------------------------------------------------------- spans


def test_what_concerns_billing_changes_at_a_boundary_ahead(town: Town) -> None:
    """Never backwards, never within an interval, and in order."""
    house = town.houses[0]
    change = {"point": house.point, "import_rating_w": 1, "export_rating_w": 2, "prepaid": True, "tariff": "utility:t"}
    boundary = town.boundary_ms
    for at_ms in (boundary - INTERVAL_MS, boundary + 1, boundary + 367 * DAY_MS):
        assert code(town, town.operator, "set_point", at_ms=at_ms, **change) == "NOT_ON_BOUNDARY"
    ok(town, town.operator, "set_point", at_ms=boundary + 4 * INTERVAL_MS, **change)
    assert code(town, town.operator, "set_point", at_ms=boundary + INTERVAL_MS, **change) == "BACKDATED"
    spans = ask(town, house.wallet, "spans", point=house.point)
    assert [(span["prepaid"], span["tariff"]) for span in spans] == [(False, ""), (True, "utility:t")]
    assert spans[0]["until_ms"] == spans[1]["from_ms"] == boundary + 4 * INTERVAL_MS
    at_change = [
        ask(town, house.wallet, "span", point=house.point, time_ms=spans[1]["from_ms"] + offset)["prepaid"]
        for offset in (-1, 0)
    ]
    assert at_change == [False, True]
    assert ask(town, house.wallet, "span", point=house.point, time_ms=spans[0]["from_ms"] - 1) is None
    assert ask(town, house.wallet, "point", point=house.point)["export_rating_w"] == 2


def test_a_house_moved_between_feeders_is_on_one_at_a_time(town: Town) -> None:
    """In each interval exactly one feeder has it: its energy is nowhere twice, and nowhere missing."""
    house = town.houses[0]
    ok(town, town.operator, "add_area", id="utility:area-2")
    ok(town, town.operator, "add_feeder", id="utility:feeder-2", transformer=TRANSFORMER, area="utility:area-2")
    moved_ms = town.boundary_ms + INTERVAL_MS
    ok(town, town.operator, "move_feeder", point=house.point, feeder="utility:feeder-2", at_ms=moved_ms)
    for interval_ms, areas in ((moved_ms - INTERVAL_MS, [True, False]), (moved_ms, [False, True])):
        found = [
            house.point in [row[0] for row in ask(town, town.operator, "members", area=area, interval_ms=interval_ms)]
            for area in (AREA, "utility:area-2")
        ]
        assert found == areas
    asked = {"from_ms": moved_ms - INTERVAL_MS, "until_ms": moved_ms + INTERVAL_MS}
    assert ask(town, town.operator, "points", area=AREA, **asked)[1] == moved_ms
    assert ask(town, town.operator, "points", area="utility:area-2", **asked) == [[], moved_ms]
    assert ask(town, town.operator, "points", area="utility:area-2", from_ms=moved_ms, until_ms=moved_ms + 5) == [
        [house.point],
        moved_ms + 5,
    ]
    assert [ask(town, town.stranger, "area", area=area)["points"] for area in (AREA, "utility:area-2")] == [1, 1]


def test_tenants_follow_one_another(town: Town) -> None:
    """Each interval is the one's or the other's; nobody moves in where somebody lives."""
    house, (other, *_) = town.houses[0], town.houses[1:]
    ok(town, town.operator, "add_customer", id="utility:new")
    move = {"premises": house.premises}
    assert code(town, town.operator, "move_in", customer="utility:new", **move) == "OCCUPIED"
    out_ms = town.boundary_ms + INTERVAL_MS
    ok(town, town.operator, "move_out", at_ms=out_ms, **move)
    assert code(town, town.operator, "move_out", at_ms=out_ms, **move) == "VACANT"
    in_ms = out_ms + INTERVAL_MS
    assert code(town, town.operator, "move_in", customer="utility:nobody", at_ms=in_ms, **move) == "UNKNOWN"
    assert code(town, other.wallet, "move_in", customer="utility:new", **move) == "NOT_YOUR_ORGANISATION"
    ok(town, town.operator, "move_in", customer="utility:new", at_ms=in_ms, **move)
    living = [
        next(
            row[3] for row in ask(town, town.operator, "members", area=AREA, interval_ms=at_ms) if row[0] == house.point
        )
        for at_ms in (out_ms - INTERVAL_MS, out_ms, in_ms)
    ]
    assert living == [house.customer, "", "utility:new"]
    for from_ms, until_ms in ((out_ms - INTERVAL_MS, out_ms), (out_ms, in_ms), (in_ms, in_ms + INTERVAL_MS)):
        points = ask(town, town.operator, "points", area=AREA, from_ms=from_ms, until_ms=in_ms + INTERVAL_MS)
        assert points == [sorted(each.point for each in town.houses), until_ms]


def test_a_new_point_of_a_premises_has_its_tenant(town: Town) -> None:
    """A PV meter that is added later informs about the same customer's house."""
    house = town.houses[0]
    pv = {"id": "utility:pv", "kind": "generation", "feeder": FEEDER, "premises": house.premises}
    ok(town, town.operator, "add_point", **pv)
    assert ask(town, house.wallet, "spans", point=house.point)[-1]["customer"] == house.customer
    town.ledger.advance(minutes=15)
    assert ask(town, house.wallet, "span", point="utility:pv", time_ms=town.now_ms)["customer"] == house.customer
    assert len(ask(town, town.operator, "members", area=AREA, interval_ms=town.now_ms)) == 2


# ---------------------------------------------------------------- meters


def test_a_meter_hangs_once(town: Town) -> None:
    """It is of the point's organisation, has a PAN of its own, and comes with the registers it shows."""
    house = town.houses[0]
    ok(town, town.operator, "add_point", id="utility:pv", kind="generation", feeder=FEEDER, premises=house.premises)
    meter, foreign = town.meter("m"), town.ledger.identity("f", role="meter", organisation="community")
    install = {"point": "utility:pv"}
    for device, expected in (
        ({"id": house.meter.id}, "METER_IN_USE"),
        ({"id": foreign.id}, "WRONG_IDENTITY"),
        ({"id": house.wallet.id}, "WRONG_IDENTITY"),
        ({"id": "utility:old"}, "IDENTITY_UNKNOWN"),
        ({"id": meter.id, "pan": "600727000000000008"}, "PAN_INVALID"),
        ({"id": meter.id, "pan": "60072700000000000"}, "PAN_INVALID"),
        ({"id": meter.id, "import_mwh": -1}, "OUT_OF_RANGE"),
        ({"id": meter.id, "import_mwh": 1_000, "modulus_mwh": 1_000}, "OUT_OF_RANGE"),
        ({"id": meter.id, "serial_hash": "12"}, "TEXT_OUT_OF_RANGE"),
    ):
        assert code(town, town.operator, "install", meter=device, **install) == expected
    good = {"id": meter.id, "pan": PAN, "import_mwh": 77}
    for at_ms in (town.now_ms + 60_000, town.now_ms - 31 * DAY_MS):
        assert code(town, town.operator, "install", meter=good, installed_ms=at_ms, **install) == "OUT_OF_RANGE"
    assert ok(town, town.operator, "install", meter=good, **install)["import_mwh"] == 77
    assert ask(town, town.stranger, "meter_by_pan", pan=PAN)["id"] == meter.id
    assert code(town, town.operator, "install", meter={"id": town.meter("m2").id}, **install) == "POINT_OCCUPIED"


def test_two_meters_never_have_one_pan(town: Town) -> None:
    """A token is for one meter."""
    for number, pan, expected in ((1, OTHER_PAN, "OK"), (2, OTHER_PAN, "PAN_INVALID")):
        point = f"utility:pv-{number}"
        ok(
            town,
            town.operator,
            "add_point",
            id=point,
            kind="generation",
            feeder=FEEDER,
            premises=town.houses[0].premises,
        )
        device = {"id": town.meter(f"pv-{number}").id, "pan": pan}
        assert code(town, town.operator, "install", point=point, meter=device) == expected


def test_a_meter_is_replaced_at_one_instant(town: Town) -> None:
    """Final register of the old, initial register of the new, the same time: no gap, no invented use."""
    house, new = town.houses[0], town.meter("new")
    town.ledger.advance(hours=3)
    swap = {"point": house.point, "final_import_mwh": 5_000, "final_export_mwh": 0}
    device = {"id": new.id, "import_mwh": 40}
    assert code(town, house.wallet, "replace", meter=device, **swap) == "NOT_YOUR_ORGANISATION"
    assert code(town, town.operator, "replace", meter={"id": house.meter.id}, **swap) == "METER_IN_USE"
    backwards = {**swap, "final_import_mwh": 200_000_000_000}
    assert code(town, town.operator, "replace", meter=device, **backwards) == "OUT_OF_RANGE"
    at_ms = town.now_ms - 60_000
    ok(town, town.operator, "replace", meter=device, replaced_ms=at_ms, **swap)
    old = ask(town, town.operator, "meter", meter=house.meter.id)
    hung = ask(town, town.operator, "meter", meter=new.id)
    assert (old["removed_ms"], old["final_import_mwh"]) == (at_ms, 5_000)
    assert (hung["installed_ms"], hung["import_mwh"], hung["predecessor"]) == (at_ms, 40, house.meter.id)
    assert ask(town, house.wallet, "point", point=house.point)["meter"] == new.id


def test_a_meter_that_was_taken_away_leaves_its_point_empty(town: Town) -> None:
    """Another one comes later, not before the old one has left."""
    house = town.houses[0]
    town.ledger.advance(hours=1)
    gone = {"point": house.point, "removed_ms": town.now_ms, "final_import_mwh": 9, "final_export_mwh": 0}
    ok(town, town.operator, "remove", **gone)
    assert code(town, town.operator, "remove", **gone) == "POINT_EMPTY"
    early = {"point": house.point, "meter": {"id": town.meter("next").id}, "installed_ms": gone["removed_ms"] - 1}
    assert code(town, town.operator, "install", **early) == "OUT_OF_RANGE"
    assert code(town, town.operator, "install", **{**early, "installed_ms": 0}) == "OK"


def test_a_customer_key_takes_the_tenant_and_the_operator(town: Town) -> None:
    """Neither alone; it ends when another tenant moves in."""
    house, key = town.houses[0], town.ledger.identity("key")
    ask_key = {"point": house.point, "key": key.id}
    assert code(town, town.houses[1].wallet, "ask_customer_key", **ask_key) == "NOT_YOURS"
    assert code(town, town.operator, "confirm_customer_key", point=house.point) == "UNKNOWN"
    ok(town, house.wallet, "ask_customer_key", **ask_key)
    assert code(town, house.wallet, "confirm_customer_key", point=house.point) == "NOT_YOUR_ORGANISATION"
    ok(town, town.operator, "confirm_customer_key", point=house.point)
    assert ask(town, key, "meter", meter=house.meter.id)["customer_key"] == key.id
    ok(town, town.operator, "add_customer", id="utility:new")
    ok(town, town.operator, "move_out", premises=house.premises)
    ok(town, town.operator, "move_in", premises=house.premises, customer="utility:new")
    assert ask(town, town.operator, "meter", meter=house.meter.id)["customer_key"] == ""


# ---------------------------------------------------------------- claims and wallets


def test_a_claim_shows_a_digest_and_waits_for_the_utility(town: Town) -> None:
    """The code never stands on the ledger; the digest binds it to one wallet, so nobody can copy the claim."""
    house, anna = town.houses[0], town.ledger.identity("anna")
    digest = hashlib.sha256(f"code-7{anna.id}".encode()).hexdigest()
    claim = {"premises": house.premises}
    assert code(town, anna, "claim", code_hash="code-7", **claim) == "TEXT_OUT_OF_RANGE"
    ok(town, anna, "claim", code_hash=digest, **claim)
    assert ask(town, town.operator, "claims", **claim)[0]["code_hash"] == digest
    approval = {"wallet": anna.id, **claim}
    assert code(town, anna, "approve_claim", **approval) == "NOT_YOUR_ORGANISATION"
    assert ok(town, town.operator, "approve_claim", **approval)["id"] == house.customer
    assert ask(town, anna, "customer_of_wallet", wallet=anna.id) == house.customer
    assert ask(town, anna, "speaks_for", point=house.point) == house.customer
    assert code(town, town.operator, "approve_claim", **approval) == "UNKNOWN"
    assert code(town, anna, "claim", code_hash=digest, **claim) == "WALLET_IN_USE"


def test_names_are_whose_they_are_since_they_are(town: Town) -> None:
    """A customer's own id, its points and meters while it lives there; of two things of one name both must be its."""
    house, other = town.houses[:2]
    names = [house.point, house.meter.id, other.point, "utility:new", "feeder", "2"]

    def whose(signer: Member) -> dict[str, int]:
        return dict(ask(town, signer, "whose", names=names))

    anna = town.ledger.identity("anna")
    ok(town, town.operator, "add_customer", id="utility:new", wallet=anna.id)
    since_ms = whose(house.wallet)[house.point]
    assert since_ms > 0
    assert whose(house.wallet) == {
        house.point: since_ms,
        house.meter.id: since_ms,
        other.point: -1,
        "utility:new": -1,
    }
    assert set(whose(town.operator).values()) == {-1}
    assert whose(anna) == {house.point: -1, house.meter.id: -1, other.point: -1, "utility:new": 0}
    ok(town, town.operator, "move_out", premises=house.premises)
    ok(town, town.operator, "move_in", premises=house.premises, customer="utility:new")
    town.to_boundary()
    ok(town, town.operator, "add_customer", id="utility:third")
    assert whose(anna)[house.meter.id] > since_ms
    assert whose(anna)[house.point] == -1, "it is the id of the customer before, too"
    assert set(whose(house.wallet).values()) == {-1}


def test_a_claim_can_be_refused_and_they_are_few(town: Town) -> None:
    """Nobody fills the list, and nothing is left of one that is refused."""
    house = town.houses[0]
    people = [town.ledger.identity(f"p{number}") for number in range(11)]
    codes = [code(town, who, "claim", premises=house.premises, code_hash="ab" * 32) for who in people]
    assert codes == ["OK"] * 10 + ["CLAIMS_PENDING"]
    ok(town, town.operator, "refuse_claim", premises=house.premises, wallet=people[0].id)
    assert code(town, people[10], "claim", premises=house.premises, code_hash="ab" * 32) == "OK"
    assert ask(town, people[0], "customer_of_wallet", wallet=people[0].id) == ""


def test_a_wallet_speaks_for_one_customer(town: Town) -> None:
    """So that nobody trades with himself over two wallets unseen."""
    one, other = town.houses
    spare = town.ledger.identity("spare")
    assert code(town, one.wallet, "add_wallet", wallet=other.wallet.id) == "WALLET_IN_USE"
    assert code(town, one.wallet, "add_wallet", wallet=other.meter.id) == "WRONG_IDENTITY"
    assert code(town, spare, "add_wallet", wallet=spare.id) == "NOT_YOURS"
    ok(town, one.wallet, "add_wallet", wallet=spare.id)
    assert ask(town, spare, "customer", customer=one.customer)["wallets"] == sorted([one.wallet.id, spare.id])
    assert code(town, other.wallet, "remove_wallet", wallet=spare.id) == "NOT_YOURS"
    ok(town, spare, "remove_wallet", wallet=one.wallet.id)
    assert code(town, spare, "remove_wallet", wallet=spare.id) == "NOT_YOURS"
    assert ask(town, one.wallet, "customer_of_wallet", wallet=one.wallet.id) == ""


# ---------------------------------------------------------------- who may read


def may(town: Town, reader: Member, house: House, scope: str = "readings") -> bool:
    found: bool = ask(town, reader, "may_read", point=house.point, scope=scope)
    return found


def test_readings_are_the_tenants_to_show(town: Town) -> None:
    """Tenant, utility, regulator and the meter itself read; anybody else with consent, for its scope and time."""
    house, friend = town.houses[0], town.ledger.identity("friend")
    for reader in (house.wallet, town.operator, town.regulator, house.meter):
        assert may(town, reader, house)
    for reader in (town.houses[1].wallet, friend, town.ledger.admin("community")):
        assert not may(town, reader, house)
    until_ms = town.now_ms + 3_600_000
    given = {"point": house.point, "reader": friend.id, "until_ms": until_ms}
    assert code(town, friend, "consent", scopes=["readings"], **given) == "NOT_YOURS"
    assert code(town, house.wallet, "consent", scopes=["all"], **given) == "OUT_OF_RANGE"
    past = {**given, "until_ms": town.now_ms}
    assert code(town, house.wallet, "consent", scopes=["bills"], **past) == "OUT_OF_RANGE"
    ok(town, house.wallet, "consent", scopes=["readings"], **given)
    assert may(town, friend, house)
    assert not may(town, friend, house, "bills")
    town.ledger.advance(hours=2)
    town.ledger.block()
    assert not may(town, friend, house)


def test_a_consent_ends_when_it_is_withdrawn_or_the_tenant_leaves(town: Town) -> None:
    """A new tenant's data is not the old one's to show."""
    house, friend = town.houses[0], town.ledger.identity("friend")
    given = {"point": house.point, "reader": friend.id}
    until_ms = town.now_ms + DAY_MS
    ok(town, house.wallet, "consent", scopes=["readings"], until_ms=until_ms, **given)
    assert code(town, town.houses[1].wallet, "withdraw_consent", **given) == "NOT_YOURS"
    ok(town, house.wallet, "withdraw_consent", **given)
    assert not may(town, friend, house)
    assert code(town, house.wallet, "withdraw_consent", **given) == "UNKNOWN"
    ok(town, house.wallet, "consent", scopes=["readings"], until_ms=until_ms, **given)
    ok(town, town.operator, "add_customer", id="utility:new")
    ok(town, town.operator, "move_out", premises=house.premises)
    ok(town, town.operator, "move_in", premises=house.premises, customer="utility:new")
    town.ledger.advance(minutes=15)
    town.ledger.block()
    assert not may(town, friend, house)
    assert not may(town, house.wallet, house)
    assert code(town, house.wallet, "consent", scopes=["readings"], until_ms=until_ms, **given) == "NOT_YOURS"


def test_strangers_read_no_customers(town: Town) -> None:
    """Pseudonyms and wallets belong together only for whom it concerns."""
    house = town.houses[0]
    for function, arguments in (
        ("customer", {"customer": house.customer}),
        ("spans", {"point": house.point}),
        ("span", {"point": house.point, "time_ms": town.now_ms}),
        ("meter", {"meter": house.meter.id}),
        ("metered", {"meter": house.meter.id}),
        ("claims", {"premises": house.premises}),
        ("page", {"kind": "customer", "organisation": "utility"}),
    ):
        with pytest.raises(Exception, match="read by"):
            ask(town, town.stranger, function, **arguments)


def test_lists_are_read_in_pages_without_a_gap(town: Town) -> None:
    """Each id once, in order, and only those of the organisation."""
    for number in range(7):
        ok(town, town.operator, "add_customer", id=f"utility:c{number}")
    ids, after = [], ""
    while True:
        page = ask(town, town.regulator, "page", kind="customer", organisation="utility", after=after, size=4)
        ids += page["ids"]
        after = page["after"]
        if not after:
            break
    assert ids == sorted({f"utility:c{number}" for number in range(7)} | {house.customer for house in town.houses})
    for wrong in ({"kind": "money"}, {"size": 0}, {"size": 101}):
        arguments = {"kind": "customer", "organisation": "utility", **wrong}
        with pytest.raises(Exception, match="a page has"):
            ask(town, town.operator, "page", **arguments)
