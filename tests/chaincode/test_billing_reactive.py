"""Reactive energy: four registers that are never netted, and a penalty only where a tariff says so."""

from __future__ import annotations

from typing import Any

import pytest

from chaincode.calendar import DAY_MS, HOUR_MS, day_number
from chaincode.periods import GRID_IMPORT, TRADE_IMPORT
from chaincode.pricing import TariffInvalid, check
from tests.chaincode.bills import Billed, spread
from tests.chaincode.test_billing import cost, month_mwh
from tests.chaincode.test_pricing import flat
from tests.chaincode.town import House, package

KWH = 1_000_000
QUADRANTS = ["q1_mvarh", "q2_mvarh", "q3_mvarh", "q4_mvarh"]
PRICE = 20_000
PENALTY = {"reactive_micro": PRICE, "reactive_free_micro": 500_000}
MIDDLE_MS = day_number(2026, 1, 16) * DAY_MS
END_MS = day_number(2026, 2, 1) * DAY_MS - HOUR_MS


class Reactive(Billed):
    """Billing over real readings of the reactive registers; the energy itself is what settlement's stand-in says."""

    def build(self, houses: int = 0, **arguments: Any) -> list[House]:
        self.ledger.deploy(package("metering"))
        self.sequence = 0
        return super().build(houses, **arguments)

    def show(self, house: House, time_ms: int, *kvarh: int, columns: list[str] | None = None, flags: int = 0) -> str:
        """A reading of this time, which comes when it is not ahead of the ledger's."""
        if self.now_ms < time_ms:
            self.ledger.advance(ms=time_ms - self.now_ms)
        self.sequence += 1
        row = [self.sequence, time_ms, 0, 0, flags, *(one * KWH for one in kvarh)]
        names = QUADRANTS if columns is None else columns
        return self.code(house.meter, "metering", "record", rows=[row], columns=names)

    def begin(self, *kvarh: int) -> House:
        """The house's first reading."""
        [house] = self.houses
        assert self.show(house, self.now_ms, *kvarh) == "OK"
        return house

    def told(self, house: House, from_ms: int, until_ms: int) -> list[dict[str, Any]]:
        arguments = {"point": house.point, "from_ms": from_ms, "until_ms": until_ms}
        found: list[dict[str, Any]] = self.ask(self.operator, "metering", "quadrants", **arguments)
        return found


def test_reactive_energy_is_billed_only_where_the_tariff_says_so() -> None:
    """Four-quadrant registers are kept whatever the tariff; without a price there is no line."""
    town = Reactive()
    house = town.begin(0, 0, 0, 0)
    town.flows(house)
    town.show(house, END_MS, 900, 800, 700, 600)
    town.bill()
    assert set(town.lines()) == {"import all"}


def test_quadrants_are_added_up_and_never_set_against_one_another() -> None:
    """Inductive and capacitive do not cancel, nor do those of export, nor kvarh and kWh; above the free part of all
    that was taken, trades too."""
    town = Reactive(tariff=flat(**PENALTY))
    house = town.begin(100, 5, 5, 10)
    town.flows(house, {GRID_IMPORT: spread(10_000), TRADE_IMPORT: spread(4_000)})
    town.show(house, END_MS, 160, 905, 905, 30)
    town.bill()
    whole = month_mwh(town)
    free = (whole + whole * 4 // 10) // 2
    above = (60 + 20) * KWH - free
    made = town.lines()
    assert made["reactive"] == (above, cost(PRICE, above))
    assert made["import all"] == (whole, cost(300_000, whole))


def test_a_tariff_names_the_quadrants_that_count() -> None:
    """Data of the tariff: here the inductive one alone."""
    town = Reactive(tariff=flat(reactive_micro=PRICE, reactive_quadrants=(1,)))
    house = town.begin(100, 5, 5, 10)
    town.flows(house)
    town.show(house, END_MS, 160, 905, 905, 30)
    town.bill()
    assert town.lines()["reactive"] == (60 * KWH, cost(PRICE, 60 * KWH))
    for wrong in ((0,), (5,), (4, 1), (1, 1)):
        with pytest.raises(TariffInvalid, match="quadrants"):
            check(flat(reactive_quadrants=wrong))


def test_reactive_energy_goes_to_the_tariff_in_which_it_flowed() -> None:
    """A tariff that changes within the month: each part by the registers at its own ends, and by its own free part."""
    town = Reactive(tariff=flat(**PENALTY))
    house = town.begin(0, 0, 0, 0)
    town.decide(flat(reactive_micro=3 * PRICE, reactive_free_micro=500_000), MIDDLE_MS)
    town.flows(house)
    town.show(house, MIDDLE_MS - HOUR_MS, 40, 0, 0, 0)
    town.show(house, END_MS, 130, 0, 0, 0)
    town.bill()
    rows = [(line["quantity"], line["price_micro"]) for line in town.invoice()["lines"] if line["kind"] == "reactive"]
    first = month_mwh(town, day=(2026, 1, 16)) + 4 * 10_000
    second = month_mwh(town) - first
    assert rows == [(40 * KWH - first // 2, PRICE), (90 * KWH - second // 2, 3 * PRICE)]


def test_reactive_energy_that_comes_late_is_in_the_next_bill() -> None:
    """An invoice recomputes as it was; the month after it goes on from what was billed, so nothing is lost or twice."""
    town = Reactive(tariff=flat(reactive_micro=PRICE))
    house = town.begin(0, 0, 0, 0)
    town.flows(house)
    town.show(house, END_MS - DAY_MS, 100, 0, 0, 0)
    town.bill()
    assert town.lines()["reactive"][0] == 100 * KWH
    late = town.now_ms
    town.show(house, END_MS, 150, 0, 0, 0)
    assert late > END_MS
    assert town.lines()["reactive"][0] == 100 * KWH, "it stands, and recomputes"
    town.flows(house, month=(2026, 2))
    town.show(house, day_number(2026, 3, 1) * DAY_MS - HOUR_MS, 180, 0, 0, 0)
    town.bill(2026, 2)
    assert town.lines(2)["reactive"][0] == 80 * KWH


def test_a_meter_without_reactive_registers_costs_nothing() -> None:
    """What no register shows is not billed, nor what a register that was set back does not show any more."""
    town = Reactive(tariff=flat(reactive_micro=PRICE))
    [house] = town.houses
    town.show(house, town.now_ms, columns=[])
    town.flows(house)
    town.show(house, MIDDLE_MS, 500, 0, 0, 0)
    town.show(house, END_MS, 20, 30, 0, 0)
    town.bill()
    assert town.told(house, MIDDLE_MS, END_MS)[0]["last_mvarh"] == [20 * KWH, 30 * KWH, 0, 0]
    assert "reactive" not in town.lines()


def test_a_prepaid_point_bears_no_reactive_penalty_on_a_bill() -> None:
    """Prepaid points get no charges by invoice."""
    town = Reactive(tariff=flat(reactive_micro=PRICE), prepaid=True)
    house = town.begin(0, 0, 0, 0)
    town.flows(house)
    town.show(house, END_MS, 900, 0, 0, 0)
    town.bill()
    assert set(town.lines()) == {"listed prepaid import"}


def test_a_new_meter_begins_where_it_was_hung() -> None:
    """Registers belong to meters: what the old one showed last and the new one showed first are not compared."""
    town = Reactive(tariff=flat(reactive_micro=PRICE))
    house = town.begin(7_000, 0, 0, 0)
    town.flows(house)
    town.show(house, MIDDLE_MS, 7_050, 0, 0, 0)
    device = town.meter("another")
    finals = {"final_import_mwh": 0, "final_export_mwh": 0}
    swap = {"point": house.point, "meter": {"id": device.id}, "replaced_ms": MIDDLE_MS, **finals}
    town.ok(town.operator, "registry", "replace", **swap)
    house.meter, town.sequence = device, 0
    town.show(house, MIDDLE_MS + HOUR_MS, 3, 0, 0, 0)
    town.show(house, END_MS, 33, 0, 0, 0)
    town.bill()
    assert [one["first_mvarh"][0] // KWH for one in town.told(house, 0, END_MS)] == [3, 7_000]
    assert town.lines()["reactive"][0] == (50 + 30) * KWH
    assert town.code(town.stranger, "metering", "quadrants", point=house.point, from_ms=0, until_ms=1) != "OK"
