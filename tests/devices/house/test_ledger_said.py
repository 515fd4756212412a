"""What the ledger says becomes what the home's agent hears: of this home alone, each once, over a restart too."""

from __future__ import annotations

from typing import Any

import msgspec

from devices.house.agent.core import Ended, Halted, Resumed, Traded
from devices.house.agent.ledger import Known, Whose, again, heard
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.types import Height, TimeMs, TransactionId

OURS = Whose("north:h1", "north:f1")
NOW_MS = 10_000
BOUGHT = {"seller_point": "north:h2", "buyer_point": "north:h1", "energy_wh": 500, "price_micro": 200_000}
WINDOW = {"from_ms": 20_000, "until_ms": 30_000}


def event(height: int, number: int, contract: str, name: str, **payload: Any) -> NumberedEvent:
    content = msgspec.json.encode(payload)
    return NumberedEvent(Height(height), number, TimeMs(0), TransactionId(bytes(32)), contract, name, content)


def agreed(height: int, trade: int, **changes: Any) -> NumberedEvent:
    return event(height, 1, "settlement", "TradeAgreed", trade=trade, area="a", **(BOUGHT | WINDOW | changes))


def test_a_trade_of_this_point_is_bought_or_sold() -> None:
    """Others' trades, and those that are over, are none of ours; their place counts as read all the same."""
    taken = heard(Known(), OURS, agreed(5, 7), NOW_MS)
    assert taken.event == Traded(NOW_MS, 20_000, 30_000, 500, 200_000, 7)
    sold = heard(taken.known, OURS, agreed(6, 8, seller_point="north:h1", buyer_point="north:h3"), NOW_MS)
    assert isinstance(sold.event, Traded)
    assert sold.event.energy_wh == -500
    for other in (agreed(7, 9, buyer_point="north:h3"), agreed(8, 10, until_ms=NOW_MS)):
        sold = heard(sold.known, OURS, other, NOW_MS)
        assert sold.event is None
    assert (sold.known.height, [each.number for each in sold.known.trades]) == (8, [7, 8])


def test_what_was_taken_is_not_taken_again() -> None:
    """By its place on the ledger; and a trade also by its number."""
    known = heard(Known(), OURS, agreed(5, 7), NOW_MS).known
    assert heard(known, OURS, agreed(5, 7), NOW_MS) == (known, None)
    assert heard(known, OURS, agreed(6, 7), NOW_MS).event is None


def test_a_trade_that_the_ledger_ends_is_over() -> None:
    """Curtailed or disputed, when it was ours."""
    known = heard(Known(), OURS, agreed(5, 7), NOW_MS).known
    assert heard(known, OURS, event(6, 1, "settlement", "TradeCurtailed", trade=8), NOW_MS).event is None
    taken = heard(known, OURS, event(6, 2, "settlement", "TradeCurtailed", trade=7, feeder="f"), NOW_MS)
    assert taken.event == Ended(NOW_MS, 7, "curtailed")
    assert taken.known.trades == ()


def test_a_halt_of_its_feeder_holds_until_it_is_resumed() -> None:
    halted = {"feeder": "north:f1", "direction": "reverse", "until_ms": 90_000}
    taken = heard(Known(), OURS, event(5, 1, "market", "Halted", **halted), NOW_MS)
    assert taken.event == Halted(NOW_MS, "reverse", 90_000)
    other = heard(taken.known, OURS, event(5, 2, "market", "Resumed", feeder="north:f2", direction="reverse"), NOW_MS)
    assert (other.event, other.known.halts) == (None, {"reverse": 90_000})
    over = heard(other.known, OURS, event(5, 3, "market", "Resumed", feeder="north:f1", direction="reverse"), NOW_MS)
    assert (over.event, over.known.halts) == (Resumed(NOW_MS, "reverse"), {})


def test_another_contracts_event_of_that_name_says_nothing() -> None:
    """Nor one in a form we do not know."""
    known = Known()
    for said in (
        event(1, 1, "markets", "Halted", feeder="north:f1", direction="reverse"),
        event(1, 2, "market", "Halted", feeder=5),
        event(1, 3, "settlement", "TradeAgreed", trade="x"),
        event(1, 4, "settlement", "TradeAgreed"),
    ):
        known, found = heard(known, OURS, said, NOW_MS)
        assert found is None


def test_a_new_agent_is_told_what_holds() -> None:
    """From the bytes on the disk; what is over meanwhile is not told."""
    known = Known()
    for said in (
        agreed(5, 7),
        agreed(6, 8, until_ms=40_000),
        event(7, 1, "market", "Halted", feeder="north:f1", direction="forward", until_ms=0),
    ):
        known = heard(known, OURS, said, NOW_MS).known
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Known)
    assert kept == known
    trade, halt = again(kept, 35_000)
    assert (trade, halt) == (Traded(35_000, 20_000, 40_000, 500, 200_000, 8), Halted(35_000, "forward", 0))
