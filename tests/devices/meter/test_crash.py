"""The power goes at every point of a day: nothing that was shown, switched, sent or signed is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.meter.core import Meter
from devices.meter.events import BlockSupply, CloseAccount, Deliver, EnterToken, PowerLost, PowerRestored, Receipted
from devices.meter.records import changes, restored
from devices.meter.settings import MINUTE_MS
from tests.devices.meter.house import KWH, OTHER_PAN, PHASE, House, PowerCut

Act = Callable[[House], object]

FIRST, SECOND = 100, 250
"""Units of two tokens."""


def story(tokens: list[str]) -> list[Act]:
    """A day, an event at a time; acts may be tried again after a cut, as keys, gateways and ledgers do."""

    def keys(keys: str) -> list[Act]:
        return [lambda house, key=key: house.keys(key) for key in keys]  # type: ignore[misc]

    def oldest_receipt(house: House) -> None:
        if house.state.outbox and house.state.outbox[0].sequence in {each for _, each in house.sent}:
            first = house.state.outbox[0]
            house.do(Receipted(house.now_ms, first.sequence, "OK", first.key))

    return [
        *keys(f"{tokens[0]}#*"),
        *keys("#31234#1234#*"),
        lambda house: house.use(1_234_567),
        lambda house: house.wait(MINUTE_MS),
        lambda house: house.command(1, EnterToken(tokens[1])),
        *keys(f"#1{OTHER_PAN}#50##0000#*"),
        *keys(f"#1{OTHER_PAN}#50##1234#*"),
        lambda house: house.link(),
        oldest_receipt,
        oldest_receipt,
        lambda house: house.command(2, Deliver(command=21, trade=4, action="start")),
        lambda house: house.use(500_000, (PHASE,), export_mwh=77),
        lambda house: house.wait(6 * MINUTE_MS),
        oldest_receipt,
        lambda house: house.do(PowerLost(house.now_ms)),
        lambda house: house.do(PowerRestored(house.now_ms)),
        lambda house: house.wait(6 * MINUTE_MS),
        lambda house: house.command(3, BlockSupply(True)),
        *keys("#41234#*"),
        lambda house: house.command(4, CloseAccount()),
        lambda house: house.wait(6 * MINUTE_MS),
        oldest_receipt,
    ]


def tokens_of(house: House) -> list[str]:
    return [house.credit_token(FIRST), house.credit_token(SECOND)]


ACTS = len(story(["", ""])) + 40


def told(house: House) -> None:
    """What anybody outside has learnt is on the disk."""
    state = restored(house.disk)
    assert state == house.state
    known = {(each.key, each.sequence): each for each in state.outbox}
    for key, outgoing in known.items():
        if key in house.sent:
            assert house.sent[key] == outgoing
    assert all(sequence < state.numbers.transaction for key, sequence in house.sent if key == "meter")
    for answer in house.answers:
        assert answer in state.answers
    assert house.relays["supply"] == state.supply.closed


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(0, ACTS, 3))
def test_a_cut_at_any_point_loses_nothing_that_was_told(when: str, at: int) -> None:
    """A step that was not written has not happened; one that was is finished by the start."""
    house = House()
    acts = story(tokens_of(house))
    for number, act in enumerate(acts):
        if number in (at, at + 1, at + 2):
            house.cut = when
            shown, signed = house.display, dict(house.sent)
            try:
                act(house)
            except PowerCut:
                assert (house.display, house.sent) == (shown, signed), "nobody has learnt of it"
                house.restart()
            house.cut = ""
        else:
            act(house)
        told(house)
    credit = house.state.credit
    assert credit.credited_mwh in (0, FIRST * 100_000, SECOND * 100_000, (FIRST + SECOND) * 100_000)
    assert credit.credited_mwh - credit.sent_mwh - credit.cleared_mwh - credit.consumed_mwh == credit.balance_mwh


def test_digits_that_were_taken_are_taken_once_wherever_the_power_goes() -> None:
    """Typed again after the cut: credited exactly once, and told to the ledger exactly once."""
    for when in ("before", "after"):
        house = House()
        digits = house.credit_token(FIRST)
        house.keys(digits)
        house.cut = when
        with pytest.raises(PowerCut):
            house.keys("#")
        house.restart()
        house.type_token(digits)
        assert house.balance_mwh == FIRST * 100_000
        assert len(house.told("redeem")) == 1
        assert house.supplied


def test_a_receipt_number_that_was_shown_is_the_ledgers() -> None:
    """And one that nobody saw, but that is on the disk, is sent all the same: its units have left."""
    house = House()
    house.recharge(50)
    house.set_pin()
    house.keys(f"#1{OTHER_PAN}#100##1234")
    house.cut = "after"
    with pytest.raises(PowerCut):
        house.keys("#")
    assert not house.display[0].startswith("SENT")
    house.restart()
    house.link()
    [debit] = [each for each in house.sendings if each.function == "debit"]
    assert house.told("debit")[0]["balance_mwh"] == house.balance_mwh == 40 * KWH
    house.restart()
    house.link()
    assert [each for each in house.sendings if each.function == "debit"] == [debit, debit]


def test_the_state_of_a_whole_day_is_the_same_bytes_again() -> None:
    """Deterministic: written, read and written again; and steps from a copy lead to the same."""
    house = House()
    for act in story(tokens_of(house)):
        act(house)
    records = {record.key: record.content for record in changes(None, house.state)}
    assert records == house.disk
    assert restored(records) == house.state
    twin = House()
    for act in story(tokens_of(twin)):
        act(twin)
    assert (twin.disk, twin.sendings) == (house.disk, house.sendings)


def test_a_step_writes_what_it_changed_alone() -> None:
    """A measurement writes registers and credit, however much else the meter knows."""
    house = House()
    house.recharge(50)
    written = {record.key for record in house.use(1_000).persist}
    assert written == {"registers", "credit"}
    assert house.wait(1).persist == ()


def test_a_meter_that_cannot_account_for_its_units_stops() -> None:
    """A damaged disk gives no credit."""
    house = House()
    house.recharge(5)
    house.disk["credit"] = House().disk["credit"].replace(b"\x00", b"\x01", 1)
    house.meter = Meter.from_records(house.settings, house.disk)
    with pytest.raises(AssertionError, match="the balance is what came less what went"):
        house.wait(1)
