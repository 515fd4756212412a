"""What the ledger says of a home, as events of its agent; and what is remembered of it, so that nothing is missed.

    settlement.TradeAgreed                       ─▶ Traded, where this point buys or sells
    settlement.TradeCurtailed, TradeDisputed     ─▶ Ended, of a trade of this point
    market.Halted, Resumed                       ─▶ Halted, Resumed, of this point's feeder

`Known` is kept on the disk before an event is acted on, and given to a new agent by `again`: a process that is begun
again goes on from its position, and its agent knows the trades that are not over and the halts that hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from devices.house.agent.core import Ended, Event, Halted, Resumed, Traded
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.unreadable import UNREADABLE

NAMES: Final = ("Halted", "Resumed", "TradeAgreed", "TradeCurtailed", "TradeDisputed")
LAST: Final = (1 << 53) - 1
"""After every event of a block."""
KEPT: Final = 200


class Whose(msgspec.Struct, frozen=True):
    """A home on the ledger: its connection point, and the feeder that it hangs on."""

    point: str
    feeder: str


class Pending(msgspec.Struct, frozen=True):
    """An order that was signed, and of which it is not known yet what became: the same bytes take effect once."""

    transaction_id: bytes
    envelope: bytes
    valid_until_ms: int


class Known(msgspec.Struct, frozen=True):
    """The position after the last event that was taken, and what holds there."""

    height: int = 0
    number: int = 0
    trades: tuple[Traded, ...] = ()
    halts: Mapping[str, int] = {}
    ordered_ms: int = 0
    """The last delivery that had its turn."""
    pending: tuple[Pending, ...] = ()


class Taken(NamedTuple):
    known: Known
    event: Event | None


class _Agreed(msgspec.Struct, frozen=True):
    trade: int
    seller_point: str
    buyer_point: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int


class _OfTrade(msgspec.Struct, frozen=True):
    trade: int


class _OfFeeder(msgspec.Struct, frozen=True):
    feeder: str
    direction: str
    until_ms: int = 0


def heard(known: Known, whose: Whose, event: NumberedEvent, now_ms: int) -> Taken:
    """One event of the ledger; None where it was taken before, or concerns somebody else."""
    place = (int(event.height), event.number)
    if place <= (known.height, known.number):
        return Taken(known, None)
    known = msgspec.structs.replace(known, height=place[0], number=place[1])
    found = _read(known, whose, event, now_ms)
    match found:
        case Traded():
            open_trades = tuple(each for each in known.trades if each.until_ms > now_ms)
            known = msgspec.structs.replace(known, trades=(*open_trades, found)[-KEPT:])
        case Ended(number=number):
            known = msgspec.structs.replace(known, trades=tuple(each for each in known.trades if each.number != number))
        case Halted(direction=direction, until_ms=until_ms):
            known = msgspec.structs.replace(known, halts={**known.halts, direction: until_ms})
        case Resumed(direction=direction):
            halts = {name: until_ms for name, until_ms in known.halts.items() if name != direction}
            known = msgspec.structs.replace(known, halts=halts)
    return Taken(known, found)


def again(known: Known, now_ms: int) -> tuple[Event, ...]:
    """What an agent that knows nothing is told."""
    trades = (msgspec.structs.replace(each, now_ms=now_ms) for each in known.trades if each.until_ms > now_ms)
    return (*trades, *(Halted(now_ms, direction, until_ms) for direction, until_ms in sorted(known.halts.items())))


def traded(point: str, found: object, now_ms: int) -> Traded:
    """A trade of this point, from what the ledger says of it."""
    said = msgspec.convert(found, _Agreed)
    energy_wh = said.energy_wh if said.buyer_point == point else -said.energy_wh
    return Traded(now_ms, said.from_ms, said.until_ms, energy_wh, said.price_micro, said.trade)


def _read(known: Known, whose: Whose, event: NumberedEvent, now_ms: int) -> Event | None:
    try:
        said = msgspec.json.decode(event.payload)
        match event.contract, event.name:
            case "settlement", "TradeAgreed":
                one = msgspec.convert(said, _Agreed)
                ours = whose.point in {one.seller_point, one.buyer_point} and one.until_ms > now_ms
                fresh = all(each.number != one.trade for each in known.trades)
                return traded(whose.point, said, now_ms) if ours and fresh else None
            case "settlement", "TradeCurtailed" | "TradeDisputed":
                number = msgspec.convert(said, _OfTrade).trade
                why = event.name.removeprefix("Trade").lower()
                return Ended(now_ms, number, why) if any(each.number == number for each in known.trades) else None
            case "market", "Halted" | "Resumed":
                found = msgspec.convert(said, _OfFeeder)
                if found.feeder != whose.feeder:
                    return None
                if event.name == "Resumed":
                    return Resumed(now_ms, found.direction)
                return Halted(now_ms, found.direction, found.until_ms)
    except UNREADABLE:
        return None  # another contract than the one we know, under its name
    return None
