"""Commands: numbered, in turns, told until the device has them, and the same after a crash."""

from __future__ import annotations

from itertools import count

import msgspec

from gateway.commands.inbox import COMMANDS, POSITION, Command, Facts, Inbox, Status
from gateway.limits import Limits
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.types import Height, TimeMs, TransactionId

LIMITS = Limits(command_again_ms=100, command_life_ms=10_000, acknowledged_kept=2, commands_kept=4)
A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


class Ledger:
    """Events as they come, one a block."""

    def __init__(self) -> None:
        self._height = count(1)

    def event(self, name: str, at_ms: int = 0, *, contract: str = "settlement", **payload: object) -> NumberedEvent:
        raw = msgspec.json.encode(payload)
        height, transaction = Height(next(self._height)), TransactionId(bytes(32))
        return NumberedEvent(height, 1, TimeMs(at_ms), transaction, contract, name, raw)

    def command(self, number: int, device: str = A, action: str = "start", at_ms: int = 0) -> NumberedEvent:
        text = f"New Transaction #{number}: energy from a → b"
        return self.event("DeliveryCommanded", at_ms, command=number, device=device, action=action, text=text)


def told(inbox: Inbox, listener: int = 1, now_ms: int = 0) -> list[int]:
    return [one.number for one in inbox.turns() if inbox.due(one, listener, now_ms)]


def statuses(inbox: Inbox) -> dict[int, Status]:
    return {one.number: one.status for one in inbox}


def test_a_command_is_told_again_until_the_device_has_it() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.command(1))
    assert (told(inbox), told(inbox, now_ms=99), told(inbox, now_ms=100)) == ([1], [], [1])
    assert inbox.received("delivery", 1, A, 1)
    assert (told(inbox, now_ms=9_000), statuses(inbox)) == ([], {1: Status.DELIVERED})
    inbox.event(ledger.event("DeliveryAcknowledged", command=1))
    assert statuses(inbox) == {1: Status.ACKNOWLEDGED}


def test_who_says_it_has_anothers_command_silences_itself_only() -> None:
    """Nobody proves by a stream which device it is: only the ledger ends a command."""
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.command(1))
    assert inbox.received("delivery", 1, B, 2) == {}
    inbox.received("delivery", 1, A, 2)
    assert (told(inbox, listener=2), told(inbox, listener=1)) == ([], [1])
    inbox.left(2)
    assert told(inbox, listener=2) == [1], "a new stream is told everything that is open"


def test_devices_on_one_bus_take_turns_and_others_do_not_wait() -> None:
    inbox, ledger = Inbox(LIMITS, {"twelve volts": [A, B]}), Ledger()
    for event in (ledger.command(1, A), ledger.command(2, B), ledger.command(3, C)):
        inbox.event(event)
    assert told(inbox) == [1, 3]
    inbox.received("delivery", 1, A, 1)
    assert told(inbox, now_ms=200) == [3], "having is not doing"
    inbox.event(ledger.event("DeliveryTimedOut", command=1))
    assert told(inbox, now_ms=400) == [2, 3]


def test_what_the_ledger_gave_up_is_not_told_and_a_late_acknowledgement_counts() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.command(1))
    inbox.event(ledger.event("DeliveryTimedOut", command=1))
    assert told(inbox) == []
    inbox.event(ledger.event("DeliveryAcknowledged", command=1))
    inbox.event(ledger.event("DeliveryTimedOut", command=1))
    assert statuses(inbox) == {1: Status.ACKNOWLEDGED}


def test_a_command_of_yesterday_closes_no_relay() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.command(1, at_ms=5_000))
    assert (told(inbox, now_ms=15_000), told(inbox, now_ms=14_999)) == ([], [1])


def test_the_end_of_a_delivery_is_told_until_the_device_has_acknowledged_it() -> None:
    """However long it was away, though the ledger waits no more, over a crash; others do not wait for it. Who says that
    it has it ends nothing."""
    inbox, ledger, facts = Inbox(LIMITS, {"twelve volts": [A, B]}), Ledger(), {}
    for event in (
        ledger.command(1, A, "out"),
        ledger.command(2, B, "start"),
        ledger.event("DeliveryTimedOut", command=1),
    ):
        facts |= inbox.event(event)
    assert sorted(told(inbox)) == [1, 2]
    assert told(inbox, now_ms=10 * LIMITS.command_life_ms) == [1], "and nothing begins so late"
    facts |= inbox.received("delivery", 1, A, 1)
    again = Inbox(LIMITS, {"twelve volts": [A, B]})
    again.load(facts[POSITION], [fact for name, fact in facts.items() if name.startswith(COMMANDS) and fact])
    assert sorted(told(again, listener=2)) == [1, 2]
    again.event(ledger.event("DeliveryAcknowledged", command=1))
    assert told(again, listener=3) == [2]
    assert statuses(again)[1] is Status.ACKNOWLEDGED


def test_the_line_of_a_trade_is_published_once() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.command(1, A, "start"))
    inbox.event(ledger.command(2, B, "in"))
    inbox.event(ledger.command(3, A, "stop"))
    assert inbox.lines == ["New Transaction #1: energy from a → b"]


def test_after_a_crash_the_same_events_make_the_same_commands() -> None:
    """Wherever the last write ended: kept facts, and the events again from the kept position's block."""
    ledger = Ledger()
    events = [ledger.command(1), ledger.command(2, B), ledger.event("DeliveryAcknowledged", command=1)]
    events += [ledger.command(3, C), ledger.event("DeliveryTimedOut", command=2)]
    whole = Inbox(LIMITS)
    for event in events:
        whole.event(event)
    for crash in range(len(events) + 1):
        disk: Facts = {}
        first = Inbox(LIMITS)
        for event in events[:crash]:
            disk |= first.event(event)
        second = Inbox(LIMITS)
        kept = [fact for key, fact in sorted(disk.items()) if key.startswith(COMMANDS) and fact is not None]
        second.load(disk.get(POSITION), kept)
        assert second.position == first.position
        for event in events:
            second.event(event)
        assert statuses(second) == statuses(whole)
        assert told(second) == told(whole, listener=crash + 2)


def test_everything_is_bounded() -> None:
    """The oldest open command is given up, the oldest closed one forgotten."""
    inbox, ledger = Inbox(LIMITS), Ledger()
    disk: Facts = {}
    for number in range(1, 9):
        disk |= inbox.event(ledger.command(number, f"{number:064x}"))
    assert sorted(told(inbox)) == [5, 6, 7, 8]
    assert sorted(statuses(inbox)) == [3, 4, 5, 6, 7, 8]
    assert sum(fact is not None for key, fact in disk.items() if key.startswith(COMMANDS)) == 6


def test_events_of_others_move_the_position_only() -> None:
    """Also those of a contract under settlement's name that says something else."""
    inbox, ledger = Inbox(LIMITS), Ledger()
    for event in (
        ledger.event("DeliveryCommanded", contract="other", command=1, device=A, action="start", text=""),
        ledger.event("DeliveryCommanded", command="one"),
        ledger.event("DeliveryAcknowledged", command=77),
        ledger.event("Something", command=1),
    ):
        assert set(inbox.event(event)) == {POSITION}
    assert statuses(inbox) == {}


def test_each_kind_of_command_has_its_end() -> None:
    """By the device's transaction, as an event of the contract that took it; with what it said there."""
    inbox, ledger = Inbox(Limits(commands_kept=100)), Ledger()
    inbox.event(ledger.event("ShareRequested", contract="prepaid", share=4, meter=A))
    inbox.event(ledger.event("SupplyBlocked", contract="prepaid", meter=A), b"evidence", (7 << 32) + 5)
    inbox.event(ledger.event("MeterCommanded", contract="commands", command=9, meter=A, number=1, kind="clock"))
    inbox.given(Command("token", 6, A, b"{}", "", 0))
    assert {one.kind for one in inbox.turns() if inbox.due(one, 1, 0)} == {"share", "supply", "command", "token"}
    assert [one.evidence for one in inbox if one.kind == "supply"] == [b"evidence"]
    inbox.event(ledger.event("ShareDebited", contract="prepaid", share=4))
    inbox.event(ledger.event("SupplyAnswered", contract="commands", height=7, within=5, meter=A, code="OK"))
    inbox.event(ledger.event("CommandAnswered", contract="commands", command=9, number=1, code="OUTBOX_FULL"))
    inbox.event(ledger.event("CreditRedeemed", contract="prepaid", credit=6))
    assert {one.kind: (one.status, one.code) for one in inbox} == {
        "share": (Status.ACKNOWLEDGED, "OK"),
        "supply": (Status.ACKNOWLEDGED, "OK"),
        "command": (Status.ACKNOWLEDGED, "OUTBOX_FULL"),
        "token": (Status.ACKNOWLEDGED, "OK"),
    }


def test_the_ledger_gives_up_shares_and_tokens() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.event("ShareRequested", contract="prepaid", share=4, meter=A))
    inbox.given(Command("token", 6, A, b"{}", "", 0))
    inbox.event(ledger.event("ShareTimedOut", contract="prepaid", share=4))
    inbox.event(ledger.event("CreditBurned", contract="prepaid", credit=6))
    assert {one.status for one in inbox} == {Status.TIMED_OUT}
    assert inbox.given(Command("token", 6, A, b"{}", "", 0)) == {}


def test_a_customer_may_type_the_digits_that_a_meter_is_told() -> None:
    """By the credit's number; of what is no token, or holds none, there are none."""
    inbox = Inbox(LIMITS)
    for number, payload in enumerate((b'{"digits":"12345678901234567890"}', b"{}", b"[]", b"\xff")):
        inbox.given(Command("token", number, A, payload, "", 0))
    assert [inbox.digits(number) for number in range(5)] == ["12345678901234567890", "", "", "", ""]


def test_only_what_moves_a_relay_for_a_trade_grows_old() -> None:
    """A PIN is still to be reset when the house has a link again, days later."""
    inbox, ledger = Inbox(LIMITS), Ledger()
    inbox.event(ledger.event("MeterCommanded", contract="commands", command=9, meter=A, number=1, kind="clock"))
    inbox.event(ledger.command(1))
    assert [one.kind for one in inbox.turns() if inbox.due(one, 1, 86_400_000)] == ["command"]


def test_a_utilitys_commands_to_one_meter_are_told_in_their_order() -> None:
    """Others do not wait for them, nor for one another: a token that a meter refuses holds up nothing."""
    inbox, ledger = Inbox(Limits(commands_kept=100, command_again_ms=0)), Ledger()
    for command in (9, 10):
        inbox.event(
            ledger.event("MeterCommanded", contract="commands", command=command, meter=A, number=command, kind="clock")
        )
    for credit in (6, 7):
        inbox.given(Command("token", credit, A, b"{}", "", 0))
    assert told(inbox) == [9, 6, 7]
    inbox.received("command", 9, A, 1)
    assert told(inbox) == [6, 7]
    inbox.event(ledger.event("CommandAnswered", contract="commands", command=9, number=1, code="OK"))
    assert told(inbox) == [10, 6, 7]


def test_evidence_is_needed_once_for_each_new_command() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    command, other = ledger.command(1), ledger.event("DeliveryAcknowledged", command=1)
    assert (inbox.wanted(command), inbox.wanted(other)) == (True, False)
    inbox.event(command)
    assert not inbox.wanted(command)


def test_a_command_to_a_house_without_a_meter_is_told_nobody() -> None:
    inbox, ledger = Inbox(LIMITS), Ledger()
    for meter in ("", 7, None):
        inbox.event(ledger.event("SupplyBlocked", contract="prepaid", meter=meter), b"", 5)
    assert list(inbox) == []
