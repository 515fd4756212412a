"""What flows moves the balance at once; readings are kept, and sent in order, once."""

from __future__ import annotations

import msgspec
import pytest

from devices.meter.energy import CLOCK_SET, POWER_FAILED, RELAY_OPEN, columns_of, power_factor_milli, thinned
from devices.meter.events import Phase, PowerLost, PowerRestored, RegistersRead, Tampered
from devices.meter.settings import EXTRA_A_DAY, MINUTE_MS
from devices.meter.state import Reading
from tests.devices.meter.house import KWH, PHASE, House

CEILING = 100_000_000_000


def rows(house: House) -> list[tuple[int, ...]]:
    return [reading.row for reading in house.state.readings]


def batches(house: House) -> list[list[list[int]]]:
    """Rows of every batch that was ever sent, each once."""
    return [msgspec.json.decode(each.arguments)["rows"] for each in house.sent.values() if each.function == "record"]


def test_the_balance_falls_with_all_import_at_once() -> None:
    """Export moves its register, and no balance: it earns money, never units."""
    house = House()
    house.recharge(10)
    house.use(2_345_678, export_mwh=5_000)
    assert house.balance_mwh == 10 * KWH - 2_345_678
    assert (house.state.registers.import_mwh, house.state.registers.export_mwh) == (2_345_678, 5_000)


def test_registers_of_the_measuring_part_are_counted_once() -> None:
    """What comes twice adds nothing, what was lost is made up for; where they stand lower, they begin anew."""
    house = House()
    house.recharge(10)

    def read(import_mwh: int, export_mwh: int = 0) -> None:
        house.do(RegistersRead(house.now_ms, import_mwh, export_mwh))

    for register_mwh in (7_000_000, 7_000_500, 7_000_500, 7_002_000):
        read(register_mwh, 10)
    house.restart()
    read(7_002_000, 25)
    assert (house.state.registers.import_mwh, house.state.registers.export_mwh) == (2_000, 15)
    read(100)
    read(160)
    assert house.balance_mwh == 10 * KWH - 2_060
    assert [alarm.kind for alarm in house.alarms].count("REGISTERS_BACK") == 1


def test_the_relay_opens_at_zero_and_closes_after_a_recharge_by_itself() -> None:
    """What flowed in the meantime is below zero, and paid by the next token."""
    house = House()
    assert (house.supplied, house.display[0]) == (False, "NO CREDIT    OFF")
    house.recharge(1)
    assert house.supplied
    house.use(KWH + 7)
    assert (house.supplied, house.balance_mwh) == (False, -7)
    house.recharge(1)
    assert (house.supplied, house.balance_mwh) == (True, KWH - 7)


def test_low_credit_is_warned_of_once() -> None:
    """And again after a recharge that went above it."""
    house = House()
    house.recharge(5)
    for _ in range(4):
        house.use(KWH)
        house.wait(1_000)
    assert house.display[0] == "LOW CREDIT    ON"
    house.recharge(5)
    assert house.display[0] == "CREDIT        ON"
    house.use(5 * KWH)
    assert [alarm.kind for alarm in house.alarms].count("LOW_CREDIT") == 3  # new, after four, after five more


def test_a_meter_that_is_not_prepaid_always_supplies() -> None:
    """It shows its register."""
    house = House(prepaid=False)
    house.use(3 * KWH)
    house.wait(1_000)
    assert house.supplied
    assert house.display == ("IMPORT        ON", "        3.00 kWh")


def test_a_register_rolls_over() -> None:
    """As the ledger knows its modulus."""
    house = House(prepaid=False, modulus_mwh=1_000)
    house.use(990)
    house.use(25)
    assert house.state.registers.import_mwh == 15


def test_a_reading_is_a_row_of_the_registers() -> None:
    """One in each period, with what the meter measures then."""
    house = House()
    house.recharge(5)
    house.use(1_000)
    house.wait(MINUTE_MS)
    house.wait(1_000)
    house.wait(MINUTE_MS)
    first, second, third = rows(house)
    assert first[:5] == (0, house.now_ms - 2 * MINUTE_MS - 1_000, 0, 0, RELAY_OPEN)
    assert second == (1, house.now_ms - MINUTE_MS - 1_000, 1_000, 0, 0, 230_000, 2_000, 450_000, 20_000, 978)
    assert third[:2] == (2, house.now_ms)


def test_flags_say_what_happened_since() -> None:
    """Power failure and a clock that was set, each in one reading."""
    house = House()
    house.do(PowerLost(house.now_ms))
    house.do(PowerRestored(house.now_ms))
    house.wait(MINUTE_MS)
    house.wait(MINUTE_MS)
    assert [row[4] & (POWER_FAILED | CLOCK_SET) for row in rows(house)] == [0, POWER_FAILED, 0]


def test_readings_wait_while_there_is_no_link_and_are_sent_in_order_once() -> None:
    """One batch at a time, each row in one batch; what is sent again is the same transaction."""
    house = House(batch_rows=10)
    for _ in range(35):
        house.wait(MINUTE_MS)
    assert house.sendings == []
    house.link()
    for _ in range(6):
        house.wait(house.settings.resend_ms)
        assert len([each for each in house.state.outbox if each.function == "record"]) <= 1
        house.receipt_all()
    sent = [row for batch in batches(house) for row in batch]
    assert [row[0] for row in sent] == list(range(len(sent)))
    assert len(sent) >= 36


def test_what_has_no_receipt_is_sent_again_with_the_same_bytes() -> None:
    """Until the ledger has spoken."""
    house = House(batch_rows=1)
    house.link()
    house.wait(house.settings.resend_ms)
    house.link(up=False)
    house.wait(house.settings.resend_ms)
    house.link()
    records = [each for each in house.sendings if each.function == "record"]
    assert len(records) == 3
    assert len(set(records)) == 1


def test_a_batch_that_was_refused_for_now_is_sent_under_a_new_number() -> None:
    """The same rows, before any other; a refusal for good raises an alarm."""
    house = House(batch_rows=1)
    house.link()
    [first] = house.sendings
    house.receipt(first, "metering.IN_FUTURE")
    house.wait(MINUTE_MS)
    again = house.sendings[-1]
    assert (again.arguments, again.sequence > first.sequence, again.tries) == (first.arguments, True, 1)
    house.receipt(again, "metering.ROW_INVALID")
    assert house.alarms[-1].kind == "TRANSACTION_REFUSED"
    assert house.state.numbers.refused == 1


def test_what_waits_for_long_raises_an_alarm() -> None:
    """Tried again and again, each time under a new number, later, and with more budget."""
    house = House(batch_rows=1)
    house.link()
    budgets = []
    for _ in range(6):
        house.wait(3 * MINUTE_MS)
        batch = next(each for each in reversed(house.sendings) if each.function == "record")
        budgets.append(batch.budget)
        house.receipt(batch, "BUDGET_EXCEEDED")
    assert budgets == sorted(set(budgets))
    assert [alarm.kind for alarm in house.alarms if alarm.kind.startswith("TRANSACTION")] == ["TRANSACTION_WAITS"]


def test_a_full_ring_loses_resolution_and_no_energy() -> None:
    """Every second reading of the older half goes; its flags go to the next; the newest stay as they are."""
    readings = tuple(Reading((at, at * 1_000, at * 10, 0, at % 3)) for at in range(40))
    kept = thinned(readings)
    assert len(kept) == 30
    assert [reading.sequence for reading in kept[:10]] == list(range(1, 20, 2))
    assert kept[10:] == readings[20:]
    assert all(late.flags == late.row[0] % 3 | (late.row[0] - 1) % 3 for late in kept[:10])
    house = House(ring=20)
    for _ in range(200):
        house.wait(MINUTE_MS)
    assert len(house.state.readings) <= 20
    assert house.state.numbers.thinned == 201 - len(house.state.readings)
    assert rows(house)[-1][0] == 200


def test_tampering_is_said_at_once_and_opens_the_supply() -> None:
    """By a reading of its own with the flag, sent before a batch is full."""
    house = House()
    house.recharge(5)
    house.link()
    house.wait(1_000)
    house.do(Tampered(house.now_ms, "cover"))
    [[*_, last]] = batches(house)
    assert (last[1], last[4]) == (house.now_ms, 1)
    assert not house.supplied
    assert house.display[0] == "TAMPER     COVER"


def test_import_through_an_open_relay_is_a_bypass() -> None:
    """The first increment after it opened may still be the load's; a trickle adds up."""
    house = House()
    house.recharge(1)
    house.use(KWH)
    house.use(5_000)
    assert house.state.supply.tamper == ()
    for _ in range(3):
        house.use(300)
    assert house.state.supply.tamper == ()
    house.use(300)
    assert house.state.supply.tamper == ("bypass",)


def test_readings_beyond_their_periods_are_bounded_a_day() -> None:
    """A cover that is opened again and again does not fill the meter's day on the ledger."""
    house = House()
    for _ in range(EXTRA_A_DAY + 10):
        house.wait(100)
        house.do(Tampered(house.now_ms, "cover"))
        house.meter.state = msgspec.structs.replace(
            house.state, supply=msgspec.structs.replace(house.state.supply, tamper=())
        )
    assert len(rows(house)) == EXTRA_A_DAY + 1


def test_three_phases_have_columns_each() -> None:
    """Named as the ledger names them."""
    assert columns_of(3)[:6] == [
        "voltage_mv_1",
        "current_ma_1",
        "power_mw_1",
        "reactive_mvar_1",
        "power_factor_milli_1",
        "voltage_mv_2",
    ]
    house = House(phases=3)
    house.use(1_000, (PHASE, PHASE, PHASE))
    house.wait(MINUTE_MS)
    assert len(rows(house)[-1]) == 5 + 15


@pytest.mark.parametrize(
    ("phase", "factor"),
    [
        (Phase(230_000, 1_000, 230_000, 0), 1_000),
        (Phase(230_000, 1_000, 115_000, 0), 500),
        (Phase(230_000, 1_000, -115_000, 0), -500),
        (Phase(230_000, 1_000, 230_001, 0), 1_000),
        (Phase(0, 1_000, 0, 0), 0),
    ],
)
def test_power_factor(phase: Phase, factor: int) -> None:
    """Active by apparent power, with the sign of the flow."""
    assert power_factor_milli(phase) == factor
