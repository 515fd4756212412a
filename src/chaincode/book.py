"""A book of orders as a value, and what comes out of clearing one.

    Order    so much energy for one delivery interval at a limit price; who owns it is a customer
    Pair     what an exchange between two feeders costs the buyer, and how much the line carries
    Book     bids and asks in order of time, with the fees and limits that hold for them
    Costs    fees and limits, looked up by the two orders
    Match    energy of an ask that goes to a bid
    Cleared  all matches of a book, and what they are worth

A price is whole micro major units per kWh **at the seller's terminal, before the grid fee**: a bid and an ask
fit when bid >= ask + fee. Prices may be zero or negative, fees are not negative, energy is at least 1 Wh.
An order of a book is named by its id, once; orders of equal price go by their place in the book.

Money is price times energy: an integer in thousandths of a micro unit, exact however energy is split among
matches. `in_micro` alone rounds it, once for each sum: half to even.
"""

from collections.abc import Sequence

from chaincode.api import Record, Refusal
from chaincode.units import half_even

WH_PER_KWH = 1_000
LARGEST_ENERGY_WH = 1_000_000_000_000
LARGEST_PRICE_MICRO = 1_000_000_000_000
NAME_CHARACTERS = 128
FEEDERS_LIMIT = 32
"""Different feeders on each side of one book."""


class Order(Record):
    """What a customer would buy or sell at most, and the price it would pay at most or take at least."""

    id: str
    owner: str
    energy_wh: int
    price_micro_per_kwh: int
    feeder: str = ""
    expires_ms: int = 0
    """The order book of the continuous auction drops it from this time on; 0 is never."""


class Pair(Record):
    """What is particular about energy from one feeder to another: None is the common fee, and no limit."""

    seller_feeder: str
    buyer_feeder: str
    fee_micro_per_kwh: int | None = None
    limit_wh: int | None = None


class Book(Record):
    """Orders by time, oldest first. Pairs that are not listed have the common fee and no limit."""

    bids: list[Order]
    asks: list[Order]
    fee_micro_per_kwh: int = 0
    pairs: tuple[Pair, ...] = ()


class Costs(Record):
    """What energy costs and how much of it a line carries, by the seller's and the buyer's feeder."""

    common: int
    fees: dict[str, dict[str, int]]
    limits: dict[str, dict[str, int]]

    def fee(self, ask: Order, bid: Order) -> int:
        if not self.fees or ask.feeder not in self.fees:
            return self.common
        return self.fees[ask.feeder].get(bid.feeder, self.common)

    def limit(self, ask: Order, bid: Order) -> int:
        """Wh that the line carries, -1 where it carries all."""
        return self.limits[ask.feeder].get(bid.feeder, -1) if ask.feeder in self.limits else -1


class Match(Record):
    """The seller gets `price_micro_per_kwh`, the buyer pays `buyer_price_micro_per_kwh` and the fee on top."""

    bid: str
    ask: str
    energy_wh: int
    price_micro_per_kwh: int
    buyer_price_micro_per_kwh: int


class Cleared(Record):
    """The price is that of all matches and both sides, None where there is no such one.

    `welfare_micro` is what buyers would have paid at most, less what sellers would have taken at least, less
    the fees; `surplus_micro`, never negative, is what buyers pay and sellers do not get, fees apart.
    """

    volume_wh: int
    price_micro_per_kwh: int | None
    welfare_micro: int
    surplus_micro: int
    matches: list[Match]


class Fault(Record):
    """What is wrong with a book: whose order, which field, what it may be."""

    order: str
    field: str
    limit: str
    text: str


class BookInvalid(Refusal):
    """A book that cannot be cleared: the words name the order, the field and its limit."""

    code = "BOOK_INVALID"


# ---------------------------------------------------------------- what a book must be


def check(book: Book) -> None:
    """Refuses a book with a fault. Contracts that check each order as it arrives need not ask again."""
    fault = fault_of(book)
    if fault is not None:
        raise BookInvalid(fault.text)


def fault_of(book: Book) -> Fault | None:
    """The first thing that is wrong with a book: fees first, then bids, then asks."""
    if not 0 <= book.fee_micro_per_kwh <= LARGEST_PRICE_MICRO:
        return fault("", "fee_micro_per_kwh", f"0 to {LARGEST_PRICE_MICRO}", book.fee_micro_per_kwh)
    found = fault_of_pairs(book.pairs)
    if found is not None:
        return found
    ids: dict[str, bool] = {}
    for side, orders in (("bid", book.bids), ("ask", book.asks)):
        for place, order in enumerate(orders):
            found = fault_of_order(order, f"{side} {order.id or place}")
            if found is not None:
                return found
            if order.id in ids:
                return Fault(
                    order=f"{side} {order.id}",
                    field="id",
                    limit="once in a book",
                    text=f"{side} {order.id}: its id stands twice in the book",
                )
            ids[order.id] = True
    for side, orders in (("bid", book.bids), ("ask", book.asks)):
        feeders = len({order.feeder: True for order in orders})
        if feeders > FEEDERS_LIMIT:
            return fault("", f"feeder of the {side}s", f"at most {FEEDERS_LIMIT} different ones", feeders)
    return None


def fault_of_order(order: Order, name: str) -> Fault | None:
    for field, text in (("id", order.id), ("owner", order.owner)):
        if not 0 < len(text) <= NAME_CHARACTERS:
            return fault(name, field, f"1 to {NAME_CHARACTERS} characters", len(text))
    if len(order.feeder) > NAME_CHARACTERS:
        return fault(name, "feeder", f"at most {NAME_CHARACTERS} characters", len(order.feeder))
    if not 0 < order.energy_wh <= LARGEST_ENERGY_WH:
        return fault(name, "energy_wh", f"1 to {LARGEST_ENERGY_WH}", order.energy_wh)
    if not -LARGEST_PRICE_MICRO <= order.price_micro_per_kwh <= LARGEST_PRICE_MICRO:
        limit = f"-{LARGEST_PRICE_MICRO} to {LARGEST_PRICE_MICRO}"
        return fault(name, "price_micro_per_kwh", limit, order.price_micro_per_kwh)
    return None


def fault_of_pairs(pairs: Sequence[Pair]) -> Fault | None:
    known: dict[tuple[str, str], bool] = {}
    for pair in pairs:
        name = f"pair {pair.seller_feeder}-{pair.buyer_feeder}"
        if pair.fee_micro_per_kwh is not None and not 0 <= pair.fee_micro_per_kwh <= LARGEST_PRICE_MICRO:
            return fault(name, "fee_micro_per_kwh", f"0 to {LARGEST_PRICE_MICRO}", pair.fee_micro_per_kwh)
        if pair.limit_wh is not None and not 0 <= pair.limit_wh <= LARGEST_ENERGY_WH:
            return fault(name, "limit_wh", f"0 to {LARGEST_ENERGY_WH}", pair.limit_wh)
        if (pair.seller_feeder, pair.buyer_feeder) in known:
            return Fault(order=name, field="pairs", limit="once in a book", text=f"{name} stands twice in the book")
        known[(pair.seller_feeder, pair.buyer_feeder)] = True
    return None


def fault(order: str, field: str, limit: str, found: int) -> Fault:
    where = f"{order}: {field}" if order else field
    return Fault(order=order, field=field, limit=limit, text=f"{where} is {limit}, not {found}")


# ---------------------------------------------------------------- price times energy


def in_micro(thousandths: int) -> int:
    """A sum of micro units per kWh times Wh, as micro units: the nearest, a half to the even one."""
    return half_even(thousandths, WH_PER_KWH)


# ---------------------------------------------------------------- merit


def by_merit(book: Book) -> tuple[list[Order], list[Order]]:
    """Bids from the highest, asks from the lowest price; of equal ones the older first."""
    return (
        sorted(book.bids, key=lambda order: -order.price_micro_per_kwh),
        sorted(book.asks, key=lambda order: order.price_micro_per_kwh),
    )


def costs_of(book: Book) -> Costs:
    fees: dict[str, dict[str, int]] = {}
    limits: dict[str, dict[str, int]] = {}
    for pair in book.pairs:
        if pair.fee_micro_per_kwh is not None:
            fees.setdefault(pair.seller_feeder, {})[pair.buyer_feeder] = pair.fee_micro_per_kwh
        if pair.limit_wh is not None:
            limits.setdefault(pair.seller_feeder, {})[pair.buyer_feeder] = pair.limit_wh
    return Costs(common=book.fee_micro_per_kwh, fees=fees, limits=limits)
