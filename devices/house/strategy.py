"""Strategies: what a house would buy or sell in one delivery, and at which price.

    decide(outlook) -> orders

An outlook is all that a strategy knows: a forecast, what the battery could do, prices outside of the market, and how
the last delivery went. It decides the same whenever it is asked the same: in a back test, in simulated time and live.
So nothing is kept between two questions, and chance is a number computed from a seed, the place and the delivery.

Rules that all keep:

* what the house needs itself comes first, then its battery, then the market;
* nobody bids more than the grid would cost at his own terminal, nor asks less than the grid would pay him;
* a bid is rounded down to the market's steps, an ask up; who has then no price within the market's band gives no order;
* bids and asks of one decision never cross.

Prices are micro major units per kWh at the seller's terminal; a bid includes the grid fee, as the market has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

MICRO: Final = 1_000_000
BID: Final = "bid"
ASK: Final = "ask"
_LARGEST_PRICE: Final = 1_000_000_000_000


class Terms(msgspec.Struct, frozen=True):
    """Prices outside of the market, what comes on top inside it, and which prices it takes."""

    retail_micro: int
    """What the grid's kWh costs in the end, tax included."""
    feed_in_micro: int
    """What the grid pays for one; below zero where it charges."""
    fee_micro: int = 0
    """The local grid's, within a bid."""
    levy_micro: int = 0
    tax_micro: int = 0
    """On a buyer's price and levies, in millionths."""
    floor_micro: int = 0
    cap_micro: int = _LARGEST_PRICE
    tick_micro: int = 1
    order_limit_wh: int = 0

    def __post_init__(self) -> None:
        assert self.tick_micro > 0
        assert self.floor_micro <= self.cap_micro
        assert min(self.fee_micro, self.levy_micro, self.tax_micro, self.order_limit_wh) >= 0

    @property
    def worth_micro(self) -> int:
        """The highest bid at which a traded kWh costs no more than the grid's."""
        return self.retail_micro * MICRO // (MICRO + self.tax_micro) - self.levy_micro


class Outlook(msgspec.Struct, frozen=True):
    """One house before one delivery. Energy is Wh of the whole delivery, at the house's terminal."""

    point: str
    from_ms: int
    until_ms: int
    terms: Terms
    load_wh: int = 0
    generation_wh: int = 0
    chargeable_wh: int = 0
    """What the battery could take."""
    dischargeable_wh: int = 0
    """What it could give."""
    round_trip_micro: int = MICRO
    """What comes back of what it takes, in millionths."""
    last_price_micro: int | None = None
    """What a kWh brought its seller lately; None where nobody traded."""
    last_filled_micro: int | None = None
    """How much of the house's last order was matched, in millionths; None where it gave none."""

    def __post_init__(self) -> None:
        assert self.from_ms < self.until_ms
        assert min(self.load_wh, self.generation_wh, self.chargeable_wh, self.dischargeable_wh) >= 0
        assert 0 < self.round_trip_micro <= MICRO

    @property
    def net_wh(self) -> int:
        """What the house lacks (positive) or has left (negative), its battery aside."""
        return self.load_wh - self.generation_wh

    @property
    def deficit_wh(self) -> int:
        """What it lacks when the battery has given all it can."""
        return max(0, self.net_wh - self.dischargeable_wh)

    @property
    def surplus_wh(self) -> int:
        """What it has left when the battery has taken all it can."""
        return max(0, -self.net_wh - self.chargeable_wh)

    @property
    def spare_wh(self) -> int:
        """What the battery could give beyond the house's own need."""
        return max(0, self.dischargeable_wh - max(0, self.net_wh))

    @property
    def room_wh(self) -> int:
        """What the battery could take beyond the house's own surplus."""
        return max(0, self.chargeable_wh - max(0, -self.net_wh))


class Order(msgspec.Struct, frozen=True):
    """What the market is asked for, for the outlook's delivery."""

    side: str
    energy_wh: int
    price_micro: int

    def __post_init__(self) -> None:
        assert self.side in {BID, ASK}
        assert self.energy_wh > 0


class Strategy(Protocol):
    """Whatever decides."""

    def decide(self, outlook: Outlook) -> tuple[Order, ...]: ...


class FixedPrice(msgspec.Struct, frozen=True):
    """Always the same two prices; without them, what the grid costs and pays."""

    bid_micro: int | None = None
    ask_micro: int | None = None

    def decide(self, outlook: Outlook) -> tuple[Order, ...]:
        terms = outlook.terms
        bid_micro = terms.worth_micro if self.bid_micro is None else self.bid_micro
        ask_micro = terms.feed_in_micro if self.ask_micro is None else self.ask_micro
        return _orders(_bid(terms, outlook.deficit_wh, bid_micro), _ask(terms, outlook.surplus_wh, ask_micro))


class CostPlus(msgspec.Struct, frozen=True):
    """What a kWh costs oneself, and a margin. Out of a battery it costs what was forgone to fill it, what is lost on
    the way, and what the battery ages by. It also buys, where using it later in place of the grid still pays."""

    degradation_micro: int
    """What a battery ages by one kWh that it gives."""
    margin_micro: int = 0
    generation_micro: int = 0
    """What a kWh of one's own generation costs to make."""
    trades_battery: bool = True

    def decide(self, outlook: Outlook) -> tuple[Order, ...]:
        terms = outlook.terms
        made_micro = max(self.generation_micro, terms.feed_in_micro)
        stored_micro = -(-made_micro * MICRO // outlook.round_trip_micro) + self.degradation_micro
        used_later_micro = (terms.worth_micro - self.degradation_micro) * outlook.round_trip_micro // MICRO
        orders = [
            _bid(terms, outlook.deficit_wh, terms.worth_micro),
            _ask(terms, outlook.surplus_wh, made_micro + self.margin_micro),
        ]
        if self.trades_battery and outlook.surplus_wh:
            orders += [_ask(terms, outlook.spare_wh, stored_micro + self.margin_micro)]
        elif self.trades_battery and outlook.deficit_wh:
            orders += [_bid(terms, outlook.room_wh, used_later_micro - self.margin_micro)]
        elif self.trades_battery:
            orders += [
                _ask(terms, outlook.spare_wh, stored_micro + self.margin_micro),
                _bid(terms, outlook.room_wh, used_later_micro - self.margin_micro),
            ]
        return _orders(*orders)


class ZeroIntelligence(msgspec.Struct, frozen=True):
    """Any price at which it loses nothing, drawn from a seed (Gode and Sunder, 1993): the yardstick of markets, because
    what such traders gain is the market's merit and not theirs."""

    seed: int

    def decide(self, outlook: Outlook) -> tuple[Order, ...]:
        terms = outlook.terms
        low_micro = max(terms.floor_micro, terms.feed_in_micro)
        high_micro = min(terms.cap_micro, terms.worth_micro)
        if low_micro > high_micro:
            return ()
        span = high_micro - low_micro + 1
        return _orders(
            _bid(terms, outlook.deficit_wh, low_micro + drawn(self.seed, outlook, BID, span)),
            _ask(terms, outlook.surplus_wh, low_micro + drawn(self.seed, outlook, ASK, span)),
        )


class PriceFollower(msgspec.Struct, frozen=True):
    """The last price, a step better for the other side after an order that was not filled, a step better for oneself
    after one that was. Where nobody has traded yet, the middle between the grid's prices."""

    step_micro: int

    def decide(self, outlook: Outlook) -> tuple[Order, ...]:
        terms = outlook.terms
        price_micro = outlook.last_price_micro
        if price_micro is None:
            price_micro = (terms.feed_in_micro + terms.worth_micro - terms.fee_micro) // 2
        if outlook.last_filled_micro is None:
            eager_micro = 0
        else:
            eager_micro = self.step_micro if outlook.last_filled_micro < MICRO else -self.step_micro
        return _orders(
            _bid(terms, outlook.deficit_wh, price_micro + terms.fee_micro + eager_micro),
            _ask(terms, outlook.surplus_wh, price_micro - eager_micro),
        )


STRATEGIES: Final[Mapping[str, type[Strategy]]] = {
    "fixed-price": FixedPrice,
    "cost-plus": CostPlus,
    "zero-intelligence": ZeroIntelligence,
    "price-follower": PriceFollower,
}
"""By the names that scenarios and back tests use."""


def drawn(seed: int, outlook: Outlook, what: str, span: int) -> int:
    """A number in range(span) that depends on nothing but these."""
    content = f"{seed}|{outlook.point}|{outlook.from_ms}|{what}".encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:16]) % span


def _bid(terms: Terms, energy_wh: int, price_micro: int) -> Order | None:
    price_micro = min(price_micro, terms.worth_micro, terms.cap_micro)
    price_micro -= price_micro % terms.tick_micro
    return _order(terms, BID, energy_wh, price_micro)


def _ask(terms: Terms, energy_wh: int, price_micro: int) -> Order | None:
    price_micro = max(price_micro, terms.feed_in_micro, terms.floor_micro)
    price_micro += -price_micro % terms.tick_micro
    return _order(terms, ASK, energy_wh, price_micro)


def _order(terms: Terms, side: str, energy_wh: int, price_micro: int) -> Order | None:
    energy_wh = min(energy_wh, terms.order_limit_wh or energy_wh)
    if energy_wh <= 0 or not terms.floor_micro <= price_micro <= terms.cap_micro:
        return None
    return Order(side, energy_wh, price_micro)


def _orders(*found: Order | None) -> tuple[Order, ...]:
    """Without those that are none; of bids and asks that would meet, the bids stay."""
    orders = tuple(order for order in found if order is not None)
    highest_micro = max((order.price_micro for order in orders if order.side == BID), default=None)
    if highest_micro is None:
        return orders
    return tuple(order for order in orders if order.side == BID or order.price_micro > highest_micro)
