"""Commands: once each, answered the same whenever they come again."""

from __future__ import annotations

from chaincode.settled import DUE_AT_ONCE
from devices.meter.events import (
    BlockSupply,
    CloseAccount,
    Deliver,
    EnterToken,
    RegistersRead,
    SetTerms,
    ShareUnits,
    ShowMessage,
)
from devices.meter.settings import ANSWERS, MINUTE_MS, OUTBOX
from tests.devices.meter.house import KWH, OTHER_PAN, House


def test_a_command_that_comes_again_is_answered_and_not_done_again() -> None:
    """Also after a restart, and also when it was refused."""
    house = House()
    assert house.command(5, EnterToken(house.credit_token(10))) == "OK"
    assert house.command(6, EnterToken("123")) == "TOKEN_MALFORMED"
    house.restart()
    assert house.command(5, EnterToken(house.credit_token(20))) == "OK"
    assert house.command(6, EnterToken(house.credit_token(20))) == "TOKEN_MALFORMED"
    assert house.balance_mwh == KWH


def test_a_number_below_all_that_are_remembered_is_old() -> None:
    """Nobody can tell whether it was done; one that arrives late within the memory is."""
    house = House()
    for number in range(10, 10 + 2 * ANSWERS, 2):
        house.command(number, BlockSupply(False))
    assert house.command(11, BlockSupply(True)) == "OK"
    assert house.command(9, BlockSupply(False)) == "COMMAND_OLD"
    assert house.state.supply.blocked
    assert len(house.state.answers) == ANSWERS


def test_numbers_are_of_a_kind() -> None:
    """The ledger numbers deliveries and tokens each for itself."""
    house = House()
    assert house.command(5, EnterToken(house.credit_token(10))) == "OK"
    assert house.command(5, BlockSupply(True)) == "OK"
    assert house.command(5, ShowMessage("hello")) == "OK"
    assert (house.state.supply.blocked, house.state.message, house.balance_mwh) == (True, "hello", KWH)


def test_a_message_is_shown_until_a_key_is_pressed() -> None:
    """Two lines of what the display has letters for; it outlives a restart."""
    house = House()
    house.command(1, ShowMessage("WORKS ON FRIDAY 8 to 10 · no supply, sorry for that"))
    house.restart()
    assert house.display == ("WORKS ON FRIDAY ", "8 to 10 ? no sup")
    house.keys("5")
    assert house.display[0] == "NO CREDIT    OFF"


def test_terms_say_when_credit_is_low() -> None:
    house = House()
    house.recharge(5)
    assert house.command(1, SetTerms(low_mwh=6 * KWH)) == "OK"
    assert house.display[0] == "LOW CREDIT    ON"
    assert house.command(2, SetTerms(low_mwh=-1)) == "AMOUNT"


def test_deliveries_close_ties_and_say_what_flowed() -> None:
    """At the seller's what was exported, at the buyer's what was imported; the relay waits for the last trade."""
    house = House(prepaid=False)
    house.command(1, Deliver(command=11, trade=1, action="start"))
    house.use(0, export_mwh=400)
    house.command(2, Deliver(command=12, trade=2, action="start"))
    house.command(3, Deliver(command=13, trade=3, action="in"))
    house.use(50, export_mwh=600)
    assert (house.relays["tie_out"], house.relays["tie_in"]) == (True, True)
    house.restart()
    assert (house.relays["tie_out"], house.relays["tie_in"]) == (True, True)
    house.command(4, Deliver(command=14, trade=1, action="stop"))
    assert house.relays["tie_out"]
    house.command(5, Deliver(command=15, trade=2, action="stop"))
    house.command(6, Deliver(command=16, trade=3, action="out"))
    assert (house.relays["tie_out"], house.relays["tie_in"]) == (False, False)
    said = [(each["command"], each["measured_mwh"]) for each in house.told("acknowledge")]
    assert said == [(11, 0), (12, 0), (13, 0), (14, 1_000), (15, 600), (16, 50)]
    assert house.command(7, Deliver(command=17, trade=3, action="away")) == "COMMAND_UNKNOWN"


def test_a_curtailed_delivery_opens_the_sellers_relay_too() -> None:
    """The ledger then says `out` at both ends."""
    house = House(prepaid=False)
    house.command(1, Deliver(command=11, trade=1, action="start"))
    house.use(0, export_mwh=400)
    house.command(2, Deliver(command=12, trade=1, action="out"))
    assert not house.relays["tie_out"]
    assert house.state.ties == ()
    assert house.told("acknowledge")[-1] == {"command": 12, "measured_mwh": 400}


def test_one_seller_delivers_to_a_whole_street() -> None:
    """To as many as settlement lets an area have, and to those of the next interval before the last are stopped."""
    house = House(prepaid=False)
    for trade in range(2 * DUE_AT_ONCE):
        assert house.command(trade, Deliver(command=trade, trade=trade, action="start")) == "OK"
        if trade % 100 == 0:
            house.link()
            house.receipt_all()
    refused = house.command(9_999, Deliver(command=9_999, trade=9_999, action="start"))
    assert refused == "TOO_MANY_DELIVERIES"


def test_a_delivery_ends_with_its_window_where_nobody_comes_to_say_so() -> None:
    """At its time, over a restart and a clock that goes back; what flows through the meter later is not the trade's."""
    house = House(prepaid=False)
    until_ms = house.now_ms + 15 * MINUTE_MS
    house.command(1, Deliver(command=11, trade=1, action="in", until_ms=until_ms))
    house.command(2, Deliver(command=12, trade=2, action="in", until_ms=until_ms + MINUTE_MS))
    house.use(400)
    house.wait(15 * MINUTE_MS - 1)
    assert [tie.lasts for tie in house.state.ties] == [True, True]
    house.wait(1)
    assert house.relays["tie_in"], "the other one's is not over"
    house.restart()
    assert house.relays["tie_in"]
    house.wait(MINUTE_MS)
    assert not house.relays["tie_in"]
    house.now_ms -= 10 * MINUTE_MS
    house.restart()
    assert not house.relays["tie_in"]
    house.use(50)
    for number, trade in ((13, 1), (14, 2)):
        house.command(number, Deliver(command=number, trade=trade, action="out"))
    said = [(each["command"], each["measured_mwh"]) for each in house.told("acknowledge")]
    assert said[2:] == [(13, 400), (14, 400)]
    assert house.state.ties == ()


def test_what_flowed_is_told_by_trade_where_it_is_known_which_was_delivered() -> None:
    """Two trades of one interval share a tie in turns: each is told its own, a third nothing."""
    house = House(prepaid=False)
    for number in (1, 2, 3):
        house.command(number, Deliver(command=10 + number, trade=number, action="start"))
    shown = 5_000
    for trade, gained in ((0, 0), (1, 400), (1, 100), (0, 7), (2, 250)):
        shown += gained
        house.do(RegistersRead(house.now_ms, 0, shown, (), trade))
        house.restart()
    house.do(RegistersRead(house.now_ms, 0, shown, (), 2))
    for number in (1, 2, 3):
        house.command(10 + number, Deliver(command=20 + number, trade=number, action="stop"))
    assert not house.relays["tie_out"]
    assert len(house.told("acknowledge")) == 3, "its relay may still be closed"
    house.restart()
    assert not house.relays["tie_out"]
    house.command(13, Deliver(command=23, trade=3, action="stop"))
    house.do(RegistersRead(house.now_ms, 0, shown + 4, (), 2, ("tie_out",)))
    house.do(RegistersRead(house.now_ms, 0, shown + 6, (), 2, ()))
    house.do(RegistersRead(house.now_ms, 0, shown + 6, (), 2, ()))
    said = [(each["command"], each["measured_mwh"]) for each in house.told("acknowledge")]
    assert said[3:] == [(21, 500), (23, 0), (22, 256)]
    assert house.state.registers.export_mwh == 763
    assert house.state.ties == ()


def test_a_full_outbox_refuses_before_any_unit_moves() -> None:
    """Tokens, shares and closing; when there is room again the same command is carried out."""
    house = House()
    house.recharge(5)
    for number in range(OUTBOX - 1):
        house.command(number, Deliver(command=number, trade=1, action="start"))
    assert len(house.state.outbox) == OUTBOX
    digits = house.credit_token(10)
    assert house.command(9_000, EnterToken(digits)) == "OUTBOX_FULL"
    share = ShareUnits(1, OTHER_PAN, KWH, house.now_ms + 60_000)
    assert house.command(9_001, share) == "OUTBOX_FULL"
    assert house.type_token(digits)[0].startswith("E09")
    assert house.balance_mwh == 5 * KWH
    house.link()
    house.receipt_all()
    assert house.command(9_000, EnterToken(digits)) == "OK"
    assert house.balance_mwh == 6 * KWH


def test_an_account_is_closed_in_its_order() -> None:
    """What came and went before it first; credit waits until the ledger has cleared, readings do not wait."""
    house = House(batch_rows=1)
    house.recharge(5)
    digits = house.credit_token(10)
    assert house.command(1, CloseAccount()) == "OK"
    assert house.command(2, CloseAccount()) == "ACCOUNT_CLOSING"
    assert house.type_token(digits)[0].startswith("E26")
    house.link()
    assert [each.function for each in house.sendings] == ["redeem", "record"]
    for function, then in (("redeem", "final_balance"), ("final_balance", "cleared")):
        house.receipt(next(each for each in house.sendings if each.function == function))
        assert house.sendings[-1].function == then
    house.receipt(house.sendings[-1], "prepaid.TOKENS_PENDING")
    assert house.type_token(digits)[0].startswith("E26")
    house.wait(60_000)
    assert house.sendings[-1].function == "cleared"
    house.receipt(house.sendings[-1])
    assert house.type_token(digits)[0].startswith("TOKEN ACCEPTED")
    assert house.balance_mwh == KWH
