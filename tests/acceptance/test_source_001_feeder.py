"""Source 001, energy exchange at a feeder: what of it is rules, on a running ledger."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.community import HOUR_MS, KWH, MINUTE_MS, Community
from tests.acceptance.street import Street
from tests.acceptance.trading import Market
from tests.acceptance.watching import halted, observe, watch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MICRO = 1_000_000
GENERATED = (9, 0, 7, 12, 0, 5, 0, 8, 4, 0)
CONSUMED = (6, 5, 4, 8, 7, 5, 6, 3, 5, 4)
EXACT = {"class_micro": 0, "head_class_micro": 0, "skew_ms": 0}
"""Meters without error, so that figures are round."""


def reported(street: Street, start_ms: int) -> dict[str, Any]:
    """The report on an interval, once its timer has made it."""
    community = street.community
    asked = {"feeder": street.feeder, "interval_ms": start_ms}
    community.to(start_ms + street.read_ms - start_ms + MINUTE_MS + 100)

    def report() -> Any:
        community.seen()
        return community.ask(community.operator, "feeder", "reports", feeder=street.feeder, after_ms=start_ms - 1)

    community.until(report)
    found: dict[str, Any] = community.ask(community.operator, "feeder", "report", **asked)
    return found


def alerts(street: Street, kind: str) -> tuple[int, int]:
    """How often an alert of the feeder has opened, and cleared."""
    opened, cleared = (
        sum(one["kind"] == kind and one["feeder"] == street.feeder for one in street.community.events("feeder", name))
        for name in ("AlertOpened", "AlertCleared")
    )
    return opened, cleared


def test_001_2_a_feeder_shares_what_is_left_over(community: Community) -> None:
    """001-2: per interval G, C, own use min(G, C), what is left over goes to what is still needed in proportion, then
    surplus or deficit; the ledger is updated, and every sum is exact."""
    street = community.streets["sharing-feeder"]
    maker, first, second = street.houses
    rules = {"pool_price_micro": 150_000}
    community.ok(community.operator, "settlement", "open_area", area=street.area)
    from_ms = community.now_ms // 900_000 * 900_000 + 900_000
    community.two("settlement", "propose_rules", area=street.area, from_ms=from_ms, rules=rules)
    for house in street.houses:
        community.ok(house.wallet, "settlement", "enroll", point=house.point, amount_minor=10_000)
    watch(street, **EXACT)
    # the first makes 3.000001 kWh and uses one of them; the others need 2 and 1 kWh
    start_ms = street.settle((0, 2.000001, 3.000001), (2, 0), (1, 0))
    report = reported(street, start_ms)
    sums = ("generation_mwh", "consumption_mwh", "self_mwh", "pool_mwh", "surplus_mwh", "deficit_mwh", "supply_mwh")
    assert [report[name] for name in sums] == [3_000_001, 4_000_000, 1_000_000, 2_000_001, 0, 999_999, 999_999]
    shares = community.ask(community.operator, "feeder", "shares", feeder=street.feeder, interval_ms=start_ms)
    taken = {share["premises"]: share["taken_mwh"] for share in shares}
    # 2,000,001 mWh in proportion 2 : 1 are 1,333,334 and 666,667: not one is lost or made up
    assert taken == {maker.premises: 0, first.premises: 1_333_334, second.premises: 666_667}
    assert street.row(start_ms, maker) == [0, 0, 0, 0, 2.000001, 0]
    assert street.row(start_ms, first) == [0, 1.333334, 0.666666, 0, 0, 0]
    assert street.row(start_ms, second) == [0, 0.666667, 0.333333, 0, 0, 0]


def test_001_3_persistent_loss_is_told_once_and_cleared_once(community: Community) -> None:
    """001-3: loss = transformer supply + generation - consumption, only where every meter has reported; above the limit
    for several intervals it raises an alert, once, and clears, once."""
    street = community.streets["losing"]
    watch(street, persist=2, **EXACT)
    start_ms = street.flow((2, 0), (0, 1, 2), loss_kwh=0.5)
    report = reported(street, start_ms)
    balance = report["supply_mwh"] + report["generation_mwh"] - report["consumption_mwh"]
    assert report["loss_mwh"] == balance == 500_000
    assert alerts(street, "loss") == (0, 0)
    for _ in range(2):
        report = reported(street, street.flow((2, 0), (0, 1, 2), loss_kwh=0.5))
    assert alerts(street, "loss") == (1, 0)
    [alert] = community.ask(community.operator, "feeder", "alerts", feeder=street.feeder, only_open=True)
    assert (alert["kind"], alert["value"]) == ("loss", 200_000)  # of 2.5 kWh that went in
    for _ in range(2):
        assert reported(street, street.flow((2, 0), (0, 1, 2)))["loss_mwh"] == 0
    assert alerts(street, "loss") == (1, 1)
    silent = street.houses[0].shown
    start_ms = street.flow((2, 0), (0, 1, 2), loss_kwh=0.5, but=[silent])
    community.advance(7 * HOUR_MS)
    report = reported(street, start_ms)
    assert (report["state"], report["loss_mwh"]) == ("-", None)


def test_001_4_the_transformers_health_is_watched(community: Community) -> None:
    """001-4: voltages of both sides, temperature, power quality, reverse flow and overload: each alert opens once and
    clears once; loading and load factor are both shown; overload and reverse flow halt new deliveries."""
    street = community.streets["strained"]
    watch(street)
    good = {"temperature_milli": 60_000, "high_mv": 11_000_000, "distortion_micro": 20_000}
    bad = {"voltage_mv": 206_000, "temperature_milli": 91_000, "high_mv": 9_800_000, "distortion_micro": 81_000}
    observe(street, 2, 5_000, **bad)
    kinds = ("voltage_low", "temperature", "high_voltage", "distortion")
    assert {alerts(street, kind) for kind in kinds} == {(0, 0)}
    observe(street, 2, 5_000, **bad)
    assert {alerts(street, kind) for kind in kinds} == {(1, 0)}
    observe(street, 4, 5_000, **good)
    assert {alerts(street, kind) for kind in kinds} == {(1, 1)}
    observe(street, 4, 5_000, **good, voltage_mv=254_000)
    assert alerts(street, "voltage_high") == (1, 0)

    observe(street, 1, 15_000, **good)  # of 12.5 kVA
    assert alerts(street, "overload") == (1, 0)
    health = community.ask(community.operator, "feeder", "health", feeder=street.feeder)
    assert (health["apparent_mva"], health["loading_micro"]) == (15_000_000, 1_200_000)
    observe(street, 1, -6_000, **good)  # 5 kW may flow back
    assert alerts(street, "reverse_flow") == (1, 0)
    community.until(lambda: len(halted(street)) == 2)
    assert [one["direction"] for one in halted(street)] == ["forward", "reverse"]
    for _ in range(3):  # of a batch the newest sample decides about the flow
        observe(street, 1, 2_000, **good)
    assert (alerts(street, "overload"), alerts(street, "reverse_flow")) == ((1, 1), (1, 1))


def test_001_9_a_feeder_above_its_limit_takes_no_new_deliveries(community: Community) -> None:
    """001-9: overload is prevented, not only reported: bids into the feeder are refused, the newest running delivery is
    curtailed and its ties are opened, at the first sample of the meter at the head; when it has passed bids are taken
    again, and what was curtailed is nobody's fault."""
    street = community.streets["overloaded"]
    seller, buyer = street.houses
    community.ok(community.operator, "settlement", "open_area", area=street.area)
    watch(street)
    board = Market(street, "board")
    number = board.buy(buyer, board.order(seller, "offer", 1_000, 20)["number"])
    street.flow((0, 0), (0, 0))  # its delivery begins
    community.until(lambda: community.seen() or board.trade(number)["status"] == "delivering")
    observe(street, 1, 15_000)  # of 12.5 kVA
    assert alerts(street, "overload") == (1, 0)
    community.until(lambda: [one["direction"] for one in halted(street)] == ["forward"])
    assert board.refused(buyer, "request", 1_000, 20) == "HALTED"
    offer = board.order(seller, "offer", 500, 20)["number"]  # out of the feeder it may go
    assert community.code(buyer.wallet, "market", "buy", order=offer, point=buyer.point) == "HALTED"

    def opened() -> bool:
        told = community.events("settlement", "DeliveryCommanded")
        return [one["action"] for one in told if one["trade"] == number][2:] == ["out", "out"]

    community.until(opened)
    for _ in range(3):
        observe(street, 1, 2_000)
    assert alerts(street, "overload") == (1, 1)
    taken = {"order": offer, "point": buyer.point}
    community.until(lambda: community.code(buyer.wallet, "market", "buy", **taken) == "OK")
    street.settle((0, 0), (0, 0))
    curtailed = board.trade(number)
    assert (curtailed["status"], curtailed["missed_mwh"]) == ("done", 0)
    assert curtailed["curtailed_mwh"] > 0


def test_001_5_tx_alpha_09(community: Community) -> None:
    """001-5: feeder TX-ALPHA-09: ten nodes, G 45 kWh, C 53 kWh, so a deficit of 8 kWh; with 8.5 kWh from the
    transformer 0.5 kWh are lost, and at a power factor of 0.97 its 12.5 kVA are loaded to 70.1 %. From signed
    readings."""
    street = community.streets["tx-alpha-09"]
    watch(street)
    quarters = [
        (max(used - made, 0) / 4, max(made - used, 0) / 4, made / 4)
        for made, used in zip(GENERATED, CONSUMED, strict=True)
    ]
    starts = [street.flow(*quarters, loss_kwh=0.125) for _ in range(4)]
    reported(street, starts[-1])
    hour = {"from_ms": starts[0], "until_ms": starts[0] + HOUR_MS}
    found = community.ask(community.operator, "feeder", "summary", feeder=street.feeder, **hour)
    assert found["intervals"] == 4
    assert (found["generation_mwh"], found["consumption_mwh"]) == (45 * KWH, 53 * KWH)
    assert (found["deficit_mwh"], found["surplus_mwh"]) == (8 * KWH, 0)
    assert (found["supply_mwh"], found["loss_mwh"]) == (8_500_000, 500_000)
    assert found["loading_micro"] == 701_031  # 8.5 kW at 0.97 are 8.763 kVA
    assert found["load_factor_micro"] == MICRO
    for start_ms in starts:
        report = community.ask(community.regulator, "feeder", "report", feeder=street.feeder, interval_ms=start_ms)
        assert (report["houses"], report["state"], report["fault"]) == (10, "d", False)
        shares = community.ask(community.operator, "feeder", "shares", feeder=street.feeder, interval_ms=start_ms)
        assert sum(share["taken_mwh"] for share in shares) == sum(share["given_mwh"] for share in shares)
    assert alerts(street, "loss") == (0, 0)
