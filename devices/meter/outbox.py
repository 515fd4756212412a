"""Signed transactions: numbered, kept until the ledger's receipt is here, sent again until then.

Order on the ledger does not matter to what they say (balances are numbered by themselves), but for readings, of which
one batch waits at a time, and for the closing of an account, which waits for the units that came and went before it.
A number is taken once: what is tried again, tries under a new one, since an id that a ledger has refused stays refused.

The outbox holds `OUTBOX` transactions. News (reports, balances) find no place above half of it; a token or share that
finds none is refused at the meter, before any unit has moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from devices.meter.events import Outgoing
from devices.meter.settings import BUDGET, DAY_MS, EXTRA_A_DAY, IN_FLIGHT, LONGEST_RETRY_MS, OUTBOX, OUTBOX_FOR_NEWS
from devices.meter.turn import Refused, Turn

METER: Final = "meter"
RECORD: Final = "record"
_RETRY_MS: Final = 5_000
_MEND: Final = frozenset(
    {
        "BUDGET_EXCEEDED",
        "CONTRACT_UNKNOWN",
        "LEDGER_HALTED",
        "SEQUENCE_CONFLICT",
        "SEQUENCE_REPLAYED",
        "SEQUENCE_TOO_FAR",
        "SIGNER_EXPIRED",
        "SIGNER_SUSPENDED",
        "SIGNER_UNKNOWN",
        "metering.IN_FUTURE",
        "metering.NOT_REPORTED",
        "prepaid.METER_NOT_CLEARED",
        "prepaid.TOKENS_PENDING",
        "registry.UNKNOWN",
    }
)
"""Refusals that can pass: the same is tried again, later and with more budget.

A number that was used may have been used by this very transaction, whose receipt was lost: contracts know what a meter
tells them twice."""
_OPTIONAL: Final = ("commands",)
_PATIENCE: Final = 5
"""Tries after which somebody should look."""
_CLOSING: Final = ("redeem", "debit", "final_balance", "cleared")
"""What closes an account waits for what stands before it here."""


def require_room(turn: Turn, transactions: int = 1) -> None:
    """Refuses to begin what could not be told."""
    if len(turn.state.outbox) + transactions > OUTBOX:
        raise Refused("OUTBOX_FULL")


def has_room(turn: Turn) -> bool:
    return len(turn.state.outbox) < OUTBOX


def has_room_for_news(turn: Turn) -> bool:
    return len(turn.state.outbox) < OUTBOX_FOR_NEWS


def tell(turn: Turn, contract: str, function: str, budget: int, **arguments: Any) -> None:
    """One more transaction of the meter's key."""
    number = turn.state.numbers.transaction
    assert len(turn.state.outbox) < OUTBOX
    turn.change("numbers", transaction=number + 1)
    keep(turn, Outgoing(number, contract, function, msgspec.json.encode(arguments), budget))


def acknowledge_delivery(turn: Turn, command: int, measured_mwh: int) -> None:
    tell(turn, "settlement", "acknowledge", 100_000, command=command, measured_mwh=measured_mwh)


def keep(turn: Turn, outgoing: Outgoing) -> None:
    """Put it where a disk would give it back."""
    turn.put(outbox=tuple(sorted((*turn.state.outbox, outgoing), key=order_of)))


def order_of(outgoing: Outgoing) -> int:
    """Where a transaction stands: no two of both keys in one place."""
    return outgoing.sequence * 2 + (outgoing.key != METER)


def is_recording(turn: Turn) -> bool:
    """Whether a batch of readings waits for its receipt."""
    return any(outgoing.function == RECORD for outgoing in turn.state.outbox)


def drop_batch(turn: Turn, after_ms: int) -> None:
    """Send no batch whose last reading is of later than this."""
    late = [
        each
        for each in turn.state.outbox
        if each.function == RECORD and msgspec.json.decode(each.arguments)["rows"][-1][1] > after_ms
    ]
    turn.put(outbox=tuple(each for each in turn.state.outbox if each not in late))


def notice(turn: Turn, kind: str, detail: str) -> None:
    """An alarm that the ledger hears of too, within a bound a day."""
    turn.alarm(kind.upper(), detail)
    if turn.state.clock.valid and has_room_for_news(turn) and counted_today(turn):
        tell(turn, "metering", "report", 20_000, kind=kind, time_ms=turn.now_ms, detail=detail)


def counted_today(turn: Turn) -> bool:
    """Whether one more message that no schedule asks for has a place in this day."""
    day, numbers = turn.now_ms // DAY_MS, turn.state.numbers
    extra = numbers.extra if numbers.extra_day == day else 0
    turn.change("numbers", extra_day=day, extra=min(extra + 1, EXTRA_A_DAY))
    return extra < EXTRA_A_DAY


def receipted(turn: Turn, key: str, sequence: int, code: str) -> None:
    """The ledger's word on one of them; what it says twice changes nothing."""
    found = [each for each in turn.state.outbox if (each.key, each.sequence) == (key, sequence)]
    if not found:
        return
    outgoing = found[0]
    turn.put(outbox=tuple(each for each in turn.state.outbox if each is not outgoing))
    turn.recall(sent=tuple(mark for mark in turn.session.sent if mark != (key, sequence)))
    if code == "CONTRACT_UNKNOWN" and outgoing.contract in _OPTIONAL:
        return  # a ledger on which nobody waits for this
    if code in _MEND and key == METER:
        _again(turn, outgoing, code)
    elif code != "OK" and not (outgoing.function == "report_balance" and code == "prepaid.COUNTER_BACKWARDS"):
        turn.change("numbers", refused=turn.state.numbers.refused + 1)
        turn.alarm("TRANSACTION_REFUSED", f"{outgoing.contract}.{outgoing.function} {sequence}: {code}")


def flush(turn: Turn) -> None:
    """Send what is not on its way, oldest first; once a minute all of it again."""
    if not turn.session.link:
        return
    if abs(turn.clock_ms - turn.session.sent_ms) >= turn.settings.resend_ms:
        turn.recall(sent=())
    sent = set(turn.session.sent)
    fresh = [each for each in _may_go(turn) if (each.key, each.sequence) not in sent]
    if fresh:
        turn.send += fresh
        marks = tuple((each.key, each.sequence) for each in fresh)
        turn.recall(sent=(*turn.session.sent, *marks), sent_ms=turn.clock_ms)


def link_changed(turn: Turn, up: bool) -> None:
    turn.recall(link=up, sent=(), held=())


def _may_go(turn: Turn) -> Iterator[Outgoing]:
    """The first ones, without those that were refused a moment ago, and an account's closing only in its order."""
    held, waiting = dict(turn.session.held), {outgoing.function for outgoing in turn.state.outbox}
    waits = {
        "final_balance": not waiting.isdisjoint(_CLOSING[:2]),
        "cleared": not waiting.isdisjoint(_CLOSING[:3]),
    }
    for outgoing in turn.state.outbox[:IN_FLIGHT]:
        rests = outgoing.key == METER and turn.clock_ms < held.get(outgoing.sequence, 0)
        if not rests and not waits.get(outgoing.function, False):
            yield outgoing


def is_closing(turn: Turn) -> bool:
    """Whether the ledger has not yet cleared what this meter has."""
    return any(outgoing.function in _CLOSING[2:] for outgoing in turn.state.outbox)


def _again(turn: Turn, outgoing: Outgoing, code: str) -> None:
    number, tries = turn.state.numbers.transaction, outgoing.tries + 1
    turn.change("numbers", transaction=number + 1)
    budget = min(2 * outgoing.budget, BUDGET)
    keep(turn, msgspec.structs.replace(outgoing, sequence=number, tries=tries, budget=budget))
    if tries == _PATIENCE:
        turn.alarm("TRANSACTION_WAITS", f"{outgoing.contract}.{outgoing.function}: {code}")
    until_ms = turn.clock_ms + min(_RETRY_MS << min(tries, 10), LONGEST_RETRY_MS)
    held = [each for each in turn.session.held if each[0] != outgoing.sequence]
    turn.recall(held=(*held, (number, until_ms)))
