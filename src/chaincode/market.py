"""Market: orders and matches for energy between customers, by windows and mechanisms that are data.

    venue       markets and the fees between feeders, by the time from which they hold
    order       what a customer would buy or sell, with the money behind it
    slot        a delivery of a market, named by its start
    trade       two orders that met; numbered and delivered by settlement
    strategy    a standing order, given anew for each delivery
    halt        a feeder that takes no new deliveries in a direction
    disclosure  what a household tells the coordinator of a central market

The mechanisms: `board` (customers choose: offer and buy, request and sell, counter and accept); `continuous` (an order
meets the resting ones at once, by price, then time); `uniform`, `pay_as_bid`, `truthful`, `mid_market`, `bill_share`,
`central` (cleared at the end of the bids, by `auction`); `hybrid` (continuous, then the rest as central).

Rules it keeps:

* a price is per kWh at the seller's terminal, before the fee; a bid is the most its buyer pays with the fee, before
  levies and tax. Who buys an offer pays its price and the fee; who sells to a request gets its price less the fee;
* the money for an order is set aside when it is placed, so a match always pays; what is not needed goes back;
* what a point offers and has sold in an interval stays within its rating, over all markets: nothing is sold twice.
  What is matched is locked: a cancel gives back only what is left;
* nobody trades with himself: one customer, over any wallet, premises and meter;
* prices, quantities, positions of customers and feeders, what one customer trades with one other, and what lines
  carry stay within the market's limits;
* what a coordinator matches is checked: it is never worse than what the contract would do by itself.

Warning: the coordinator alone is answered about disclosures, but who runs a node can read its state. A market that
clears once a window takes sealed bids no better sealed than that.

Roles: staff of the area's operator propose and approve; a tenant's wallet gives orders and strategies; an identity
of the operator with the attribute `coordinator` = the market's id matches; feeder halts; timers clear, expire, act.
Events: MarketChanged, OrderPlaced, OrderMatched, OrderCancelled, OrderExpired, CounterBid, Cleared, StrategyStarted,
StrategyActed, StrategyStrayed, StrategyRecovered, StrategyStopped, Disclosed, Halted, Resumed; Proposed, Approved,
Withdrawn.
"""

from chaincode.access import NotYourOrganisation, require_caller, require_direct
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.book import LARGEST_ENERGY_WH
from chaincode.dated import put_dated
from chaincode.matching import (
    Trade,
    cleared,
    coordinated,
    leaving,
    line_left_wh,
    may_coordinate,
    placed,
    traded,
    venue_of,
)
from chaincode.orders import (
    ASK,
    BID,
    CANCELLED,
    CLEARED,
    COUNTER,
    COUNTERS_OF_OFFER,
    EXPIRED,
    FORWARD,
    LIMIT,
    OFFER,
    OPEN,
    PURCHASE,
    REQUEST,
    REVERSE,
    SALE,
    BookFull,
    Halted,
    NotAMember,
    Order,
    PartnerLimit,
    PriceOutOfBand,
    QuantityLimit,
    SelfTrade,
    Slot,
    Wanted,
    WindowClosed,
    closed,
    counters_of,
    halt_key,
    is_halted,
    open_order,
    order_of,
    slot_of,
    time_text,
)
from chaincode.partners import partner_left_wh
from chaincode.standing import Strategy, strategy_of
from chaincode.strategies import acted, reported, started, stopped
from chaincode.venue import (
    BOARD,
    BY_COORDINATOR,
    Market,
    MarketInvalid,
    Venue,
    Wedge,
    Wedges,
    check_market,
    venue_at,
    with_wedge,
)
from chaincode.windows import Delivery, delivery_at, delivery_now

PAGE_ITEMS = 100
STAFF_ROLES = ("admin", "operator")

# ---------------------------------------------------------------- records and refusals of its own


class Listed(Record):
    """An open order as everyone in the market sees it."""

    order: int
    side: str
    kind: str
    energy_wh: int
    price_micro: int
    feeder: str
    from_ms: int
    until_ms: int


class Disclosure(Record):
    """Under `disclosure`, market, slot, point."""

    point: str
    load_wh: int
    generation_wh: int
    storage_wh: int


class WrongMechanism(Refusal):
    """A board takes offers and requests, an auction bids and asks."""

    code = "WRONG_MECHANISM"


class NotYourOrder(Refusal):
    """Only a wallet of the order's customer may do this."""

    code = "NOT_YOUR_ORDER"


class NotTheCoordinator(Refusal):
    """Only the market's coordinator may do this, in its time."""

    code = "NOT_THE_COORDINATOR"


class NotDue(Refusal):
    """It is not time to clear this delivery, or it is cleared."""

    code = "NOT_DUE"


# ---------------------------------------------------------------- the contract


class MarketContract(Contract):
    name = "market"
    version = "1.0.0"

    # ------------------------------------------------------------ markets as data

    @transaction(roles=("admin", "operator"))
    def propose_market(self, ctx: Context, market: Market, from_ms: int = 0) -> str:
        """A new market, or a new version of one, from a time on (0: from the approval on); staff of its operator.

        Deliveries that have orders already end under the version they began with.
        """
        operator = check_market(ctx, market)
        proposal = propose(ctx, "market", operator, {"market": market.id, "from_ms": from_ms})
        ctx.put(ctx.key("proposed", proposal), market)
        return proposal

    @transaction(roles=("admin", "operator"))
    def propose_wedge(self, ctx: Context, market: str, wedge: Wedge, from_ms: int = 0) -> str:
        """The fee and limit from one feeder to another, from a time on; staff of the market's operator."""
        found = venue_at(ctx, market, max(from_ms, ctx.time_ms)).market
        with_wedge(ctx, found, wedge)
        proposal = propose(ctx, "wedge", found.operator, {"market": market, "from_ms": from_ms})
        ctx.put(ctx.key("proposed", proposal), wedge)
        return proposal

    @transaction(roles=("admin", "operator"))
    def approve(self, ctx: Context, proposal: str) -> None:
        """A second person of the operator decides it."""
        found = approved(ctx, proposal)
        market: str = found.values["market"]
        from_ms = int(found.values["from_ms"]) or ctx.time_ms
        key = ctx.key("proposed", proposal)
        if found.kind == "market":
            proposed = ctx.get(key, Market)
            assert proposed is not None, "it was kept with the proposal"
            check_market(ctx, proposed)
            put_dated(ctx, "market", market, from_ms, proposed)
        else:
            wedge = ctx.get(key, Wedge)
            assert wedge is not None, "it was kept with the proposal"
            wedges = with_wedge(ctx, venue_at(ctx, market, from_ms).market, wedge)
            put_dated(ctx, "wedges", market, from_ms, Wedges(wedges=wedges))
        ctx.delete(key)
        ctx.emit("MarketChanged", market=market, kind=found.kind, from_ms=from_ms)

    @transaction(roles=("admin", "operator"))
    def withdraw(self, ctx: Context, proposal: str) -> None:
        withdrawn(ctx, proposal)
        ctx.delete(ctx.key("proposed", proposal))

    # ------------------------------------------------------------ the board

    @transaction
    def offer(
        self,
        ctx: Context,
        market: str,
        point: str,
        energy_wh: int,
        price_micro: int,
        from_ms: int = 0,
        until_ms: int = 0,
        expires_ms: int = 0,
    ) -> Order:
        """Offer energy at a price, with collateral, for a delivery (0: the one that bids are taken for now)."""
        wanted = own_order(ctx, ASK, OFFER, point, energy_wh, price_micro, expires_ms)
        return given(ctx, market, wanted, from_ms, until_ms, board=True)

    @transaction
    def request(
        self,
        ctx: Context,
        market: str,
        point: str,
        energy_wh: int,
        price_micro: int,
        from_ms: int = 0,
        until_ms: int = 0,
        expires_ms: int = 0,
    ) -> Order:
        """Ask for energy, and set aside all it costs at most: a price that includes the fee."""
        wanted = own_order(ctx, BID, REQUEST, point, energy_wh, price_micro, expires_ms)
        return given(ctx, market, wanted, from_ms, until_ms, board=True)

    @transaction
    def buy(self, ctx: Context, order: int, point: str, energy_wh: int = 0) -> int:
        """Take an offer, or a part of it (0: all that is left), at its price; answers the trade's number."""
        offer, venue = posted(ctx, order, OFFER)
        wanted = own_order(ctx, BID, PURCHASE, point, energy_wh or offer.left_wh, offer.price_micro, 0)
        return answered(ctx, venue, offer, wanted)

    @transaction
    def sell(self, ctx: Context, order: int, point: str, energy_wh: int = 0) -> int:
        """Deliver to a request, or to a part of it, for its price less the fee; the seller is paid."""
        request, venue = posted(ctx, order, REQUEST)
        wanted = own_order(ctx, ASK, SALE, point, energy_wh or request.left_wh, request.price_micro, 0)
        return answered(ctx, venue, request, wanted)

    @transaction
    def counter(self, ctx: Context, order: int, point: str, price_micro: int, energy_wh: int = 0) -> Order:
        """Bid below an offer's price, with the money for it; its seller may accept. Refuses a price not below it."""
        offer, venue = posted(ctx, order, OFFER)
        if price_micro >= offer.price_micro:
            raise PriceOutOfBand(f"the offer asks for {offer.price_micro}: a counter-bid is below that, or buys")
        if len(counters_of(ctx, order)) >= COUNTERS_OF_OFFER:
            raise BookFull(f"an offer has at most {COUNTERS_OF_OFFER} counter-bids")
        wanted = own_order(ctx, BID, COUNTER, point, energy_wh or offer.left_wh, price_micro, offer.expires_ms)
        counter = responded(ctx, venue, offer, wanted.replace(target=order))
        ctx.emit("CounterBid", order=counter.number, offer=order, price_micro=price_micro, energy_wh=counter.energy_wh)
        return counter

    @transaction
    def accept(self, ctx: Context, order: int) -> int:
        """Sell to a counter-bid on the signer's own offer, as much as is left of both; answers the trade's number."""
        counter = open_order(ctx, order)
        if counter.kind != COUNTER:
            raise WrongMechanism("one accepts counter-bids: an offer is bought, a request sold to")
        offer, venue = posted(ctx, counter.target, OFFER)
        require_own(ctx, offer)
        if is_halted(ctx, counter.feeder, BID, counter.from_ms):
            raise Halted(f"{counter.feeder} takes no new deliveries in this direction")
        energy_wh = min(counter.left_wh, offer.left_wh)
        require_deliverable(ctx, venue, counter, offer, energy_wh)
        traded(ctx, venue, counter, offer, energy_wh, counter.price_micro, counter.price_micro)
        counter = order_of(ctx, order)
        if counter.status == OPEN:
            closed(ctx, venue, counter, CANCELLED)
        return last_trade(ctx)

    # ------------------------------------------------------------ auctions

    @transaction
    def bid(
        self,
        ctx: Context,
        market: str,
        point: str,
        energy_wh: int,
        price_micro: int,
        from_ms: int = 0,
        until_ms: int = 0,
        expires_ms: int = 0,
    ) -> Order:
        """Buy at a price at most, fee included. The order as it stands after what it met at once."""
        wanted = own_order(ctx, BID, LIMIT, point, energy_wh, price_micro, expires_ms)
        return given(ctx, market, wanted, from_ms, until_ms, board=False)

    @transaction
    def ask(
        self,
        ctx: Context,
        market: str,
        point: str,
        energy_wh: int,
        price_micro: int,
        from_ms: int = 0,
        until_ms: int = 0,
        expires_ms: int = 0,
    ) -> Order:
        """Sell at a price at least."""
        wanted = own_order(ctx, ASK, LIMIT, point, energy_wh, price_micro, expires_ms)
        return given(ctx, market, wanted, from_ms, until_ms, board=False)

    @transaction
    def cancel(self, ctx: Context, order: int) -> Order:
        """Take back what is left of an order; any wallet of its customer. What is matched stays so."""
        found = open_order(ctx, order)
        require_own(ctx, found)
        return closed(ctx, venue_of(ctx, found.market, found.from_ms), found, CANCELLED)

    @transaction(roles=("timer",))
    def expire(self, ctx: Context, order: int) -> None:
        """An order is over before its window is."""
        found = order_of(ctx, order)
        slot = slot_of(ctx, found.market, found.from_ms)
        if found.status == OPEN and slot is not None and slot.status == OPEN:
            closed(ctx, venue_of(ctx, found.market, found.from_ms), found, EXPIRED)

    @transaction
    def clear(self, ctx: Context, market: str, slot: int) -> str:
        """One step of clearing a delivery when its bids are over; by timer, by anyone when that is late.

        Answers how far it is. Refuses before the time, and what is cleared.
        """
        found = found_slot(ctx, market, slot)
        venue = venue_of(ctx, market, slot)
        if ctx.creator.role != "timer":
            require_direct(ctx)
            if found.status == CLEARED or ctx.time_ms < found.closes_ms + venue.market.coordinator_ms:
                raise NotDue(f"the delivery at {slot} ms is {found.status}, its bids end at {found.closes_ms} ms")
        return found.status if found.status == CLEARED else cleared(ctx, venue, found).status

    # ------------------------------------------------------------ the coordinator

    @transaction
    def disclose(
        self, ctx: Context, market: str, slot: int, point: str, load_wh: int, generation_wh: int, storage_wh: int
    ) -> None:
        """Tell the coordinator what a household will take, make and hold in a delivery."""
        require_wallet(ctx, point)
        venue = venue_of(ctx, market, slot)
        if venue.market.mechanism not in BY_COORDINATOR:
            raise WrongMechanism("one discloses to a coordinator; elsewhere an order says all")
        delivery = delivery_of(venue, slot, 0)
        if not delivery.opens_ms <= ctx.time_ms < delivery.closes_ms:
            raise WindowClosed("one discloses while bids are taken")
        if not all(0 <= energy_wh <= LARGEST_ENERGY_WH for energy_wh in (load_wh, generation_wh, storage_wh)):
            raise QuantityLimit("energy is not below zero")
        told = Disclosure(point=point, load_wh=load_wh, generation_wh=generation_wh, storage_wh=storage_wh)
        ctx.put(ctx.key("disclosure", market, time_text(slot), point), told)
        ctx.emit("Disclosed", market=market, slot=slot, point=point)

    @transaction
    def match_central(self, ctx: Context, market: str, slot: int, matches: list[tuple[int, int, int]]) -> str:
        """The coordinator's matches, (bid, ask, Wh), each at the middle of its gain. Refuses what is not the best."""
        found = found_slot(ctx, market, slot)
        venue = venue_of(ctx, market, slot)
        require_coordinator(ctx, venue)
        if not may_coordinate(venue, found, ctx.time_ms):
            raise NotTheCoordinator("the coordinator matches after the bids, before the contract does")
        return coordinated(ctx, venue, found, matches).status

    # ------------------------------------------------------------ strategies

    @transaction
    def strategy(
        self,
        ctx: Context,
        market: str,
        point: str,
        rule: str,
        price_micro: int,
        energy_wh: int,
        budget_minor: int,
        until_ms: int,
        sell_price_micro: int = 0,
        target_wh: int = 0,
    ) -> Strategy:
        """Give orders by a rule until a time, from a budget that is set aside now."""
        customer = require_wallet(ctx, point)
        venue_at(ctx, market, ctx.time_ms)
        wanted = Strategy(
            number=(ctx.get("strategies", int) or 0) + 1,
            market=market,
            point=point,
            customer=customer,
            wallet=ctx.creator.id,
            rule=rule,
            price_micro=price_micro,
            sell_price_micro=sell_price_micro,
            energy_wh=energy_wh,
            target_wh=target_wh,
            until_ms=until_ms,
        )
        return started(ctx, wanted, budget_minor)

    @transaction
    def report_level(self, ctx: Context, strategy: int, level_wh: int) -> Strategy:
        """What a battery holds; its strategy's wallet, or the point's meter."""
        require_direct(ctx)
        found = strategy_of(ctx, strategy)
        if ctx.creator.id not in (found.wallet, ctx.call("registry", "point", point=found.point)["meter"]):
            raise NotYourOrder("a level is reported by the strategy's wallet, or the meter at its point")
        if not 0 <= level_wh <= LARGEST_ENERGY_WH:
            raise QuantityLimit("a battery holds nothing at least")
        return reported(ctx, found, level_wh)

    @transaction
    def stop_strategy(self, ctx: Context, strategy: int) -> Strategy:
        """End it: its open order is cancelled, its budget comes back."""
        found = strategy_of(ctx, strategy)
        require_customer(ctx, found.customer)
        return stopped(ctx, found)

    @transaction(roles=("timer",))
    def act(self, ctx: Context, strategy: int) -> None:
        """A strategy gives its order for the delivery that has opened."""
        found = strategy_of(ctx, strategy)
        venue = venue_at(ctx, found.market, ctx.time_ms)
        acted(ctx, found, venue.market, venue.interval_ms)

    # ------------------------------------------------------------ for the feeder

    @transaction
    def halt(self, ctx: Context, feeder: str, direction: str, until_ms: int) -> None:
        """No new deliveries out of a feeder (`reverse`) or into it (`forward`) that begin before a time (0: any)."""
        require_caller(ctx, "feeder")
        if direction not in (REVERSE, FORWARD):
            raise MarketInvalid(f"a direction is {REVERSE} or {FORWARD}")
        ctx.put(halt_key(ctx, feeder, direction), until_ms)
        ctx.emit("Halted", feeder=feeder, direction=direction, until_ms=until_ms)

    @transaction
    def resume(self, ctx: Context, feeder: str, direction: str) -> None:
        require_caller(ctx, "feeder")
        ctx.delete(halt_key(ctx, feeder, direction))
        ctx.emit("Resumed", feeder=feeder, direction=direction)

    # ------------------------------------------------------------ reading

    @query
    def market(self, ctx: Context, market: str) -> Venue:
        """A market as it holds now, with its wedges."""
        return venue_at(ctx, market, ctx.time_ms)

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person."""
        return proposals_of(ctx, organisation)

    @query
    def window(self, ctx: Context, market: str) -> Delivery | None:
        """The delivery that bids are taken for now, None outside of all windows."""
        venue = venue_at(ctx, market, ctx.time_ms)
        return delivery_now(venue.market.windows, venue.market.zone, venue.interval_ms, ctx.time_ms)

    @query
    def slot(self, ctx: Context, market: str, slot: int) -> Slot:
        """How far a delivery is."""
        return found_slot(ctx, market, slot)

    @query
    def book(self, ctx: Context, market: str, slot: int) -> list[Listed]:
        """The open orders of a delivery, bids from the highest, then asks from the lowest price: all in the area."""
        require_member(ctx, market)
        found: list[Listed] = []
        for side in (BID, ASK):
            for _, number in ctx.matching("book", market, time_text(slot), side, type=int):
                found.append(listed(order_of(ctx, number)))
        return found

    @query
    def order(self, ctx: Context, order: int) -> Order:
        found = order_of(ctx, order)
        require_reader(ctx, found.market, found.customer)
        return found

    @query
    def counters(self, ctx: Context, order: int) -> list[Listed]:
        """Counter-bids to the signer's offer."""
        require_reader(ctx, order_of(ctx, order).market, order_of(ctx, order).customer)
        return [listed(counter) for counter in counters_of(ctx, order)]

    @query
    def orders(self, ctx: Context, wallet: str, after: int = 0) -> list[Order]:
        """A wallet's orders after a number, the first hundred; for its customer."""
        require_customer_reader(ctx, wallet)
        found: list[Order] = []
        for key, _ in ctx.matching("of", wallet):
            number = int(ctx.parts(key)[2])
            if number > after and len(found) < PAGE_ITEMS:
                found.append(order_of(ctx, number))
        return found

    @query
    def trades(self, ctx: Context, market: str, slot: int, after: int = 0) -> list[Trade]:
        """Trades of a delivery after a number, the first hundred: all in the area."""
        require_member(ctx, market)
        found: list[Trade] = []
        for _, trade in ctx.matching("trade", market, time_text(slot), type=Trade):
            if trade.trade > after and len(found) < PAGE_ITEMS:
                found.append(trade)
        return found

    @query
    def trade_count(self, ctx: Context) -> int:
        """Settlement's: the number of the last trade."""
        return last_trade(ctx)

    @query
    def disclosures(self, ctx: Context, market: str, slot: int) -> list[Disclosure]:
        """What households have told of a delivery; for the coordinator alone."""
        require_coordinator(ctx, venue_at(ctx, market, ctx.time_ms))
        return [told for _, told in ctx.matching("disclosure", market, time_text(slot), type=Disclosure)]

    @query
    def strategies(self, ctx: Context, wallet: str) -> list[Strategy]:
        """A wallet's strategies, those that have stopped too, the newest hundred first."""
        require_customer_reader(ctx, wallet)
        found: list[Strategy] = []
        for key, _ in ctx.matching("strategies_of", wallet, reverse=True):
            strategy = ctx.get(ctx.key("strategy", ctx.parts(key)[2]), Strategy)
            if strategy is not None and len(found) < PAGE_ITEMS:
                found.append(strategy)
        return found


# ---------------------------------------------------------------- giving orders


def own_order(
    ctx: Context, side: str, kind: str, point: str, energy_wh: int, price_micro: int, expires_ms: int
) -> Wanted:
    """What the signer wants for a point of its customer."""
    customer = require_wallet(ctx, point)
    return Wanted(
        side=side,
        kind=kind,
        point=point,
        customer=customer,
        wallet=ctx.creator.id,
        energy_wh=energy_wh,
        price_micro=price_micro,
        expires_ms=expires_ms,
    )


def given(ctx: Context, market: str, wanted: Wanted, from_ms: int, until_ms: int, *, board: bool) -> Order:
    """Place an order for the delivery it names. Refuses one of another kind of market."""
    if not from_ms:
        now = venue_at(ctx, market, ctx.time_ms)
        delivery = delivery_now(now.market.windows, now.market.zone, now.interval_ms, ctx.time_ms)
        if delivery is None:
            raise WindowClosed(f"{market} takes no orders now")
        from_ms, until_ms = delivery.from_ms, delivery.until_ms
    venue = venue_of(ctx, market, from_ms)
    if (venue.market.mechanism == BOARD) != board:
        raise WrongMechanism(f"{market} is of mechanism {venue.market.mechanism}")
    return placed(ctx, venue, wanted, delivery_of(venue, from_ms, until_ms))


def delivery_of(venue: Venue, from_ms: int, until_ms: int) -> Delivery:
    market = venue.market
    free = market.mechanism == BOARD
    found = delivery_at(market.windows, market.zone, venue.interval_ms, from_ms, until_ms, free=free)
    if found is None:
        raise WindowClosed(f"{market.id} has no delivery from {from_ms} to {until_ms} ms")
    return found


def posted(ctx: Context, number: int, kind: str) -> tuple[Order, Venue]:
    """An open offer or request, or one that a strategy has posted, and its market."""
    found = open_order(ctx, number)
    venue = venue_of(ctx, found.market, found.from_ms)
    if venue.market.mechanism != BOARD or found.kind == COUNTER or found.side != (ASK if kind == OFFER else BID):
        raise WrongMechanism(f"order {number} is no {kind} on a board")
    if is_halted(ctx, found.feeder, found.side, found.from_ms):
        raise Halted(f"{found.feeder} takes no new deliveries in this direction")
    return found, venue


def responded(ctx: Context, venue: Venue, post: Order, wanted: Wanted) -> Order:
    """Place an order that answers another one, for its delivery and the fee between the two."""
    if wanted.customer == post.customer:
        raise SelfTrade("one customer does not trade with itself")
    if wanted.energy_wh > post.left_wh:
        raise QuantityLimit(f"order {post.number} has {post.left_wh} Wh left")
    span = ctx.call("registry", "span", point=wanted.point, time_ms=post.from_ms)
    feeder: str = "" if span is None else span["feeder"]
    if post.side == ASK:
        wanted = wanted.replace(fee_micro=venue.wedge(post.feeder, feeder).fee_micro)
    else:
        wanted = wanted.replace(price_micro=wanted.price_micro - venue.wedge(feeder, post.feeder).fee_micro)
    return placed(ctx, venue, wanted, delivery_of(venue, post.from_ms, post.until_ms))


def answered(ctx: Context, venue: Venue, post: Order, wanted: Wanted) -> int:
    """Trade with a posted order at once; answers the trade's number."""
    order = responded(ctx, venue, post, wanted)
    bid, ask = (order, post) if order.side == BID else (post, order)
    require_deliverable(ctx, venue, bid, ask, order.energy_wh)
    traded(ctx, venue, bid, ask, order.energy_wh, ask.price_micro, ask.price_micro)
    return last_trade(ctx)


def last_trade(ctx: Context) -> int:
    number: int = ctx.call("settlement", "trade_count")
    return number


def listed(order: Order) -> Listed:
    return Listed(
        order=order.number,
        side=order.side,
        kind=order.kind,
        energy_wh=order.left_wh,
        price_micro=order.price_micro,
        feeder=order.feeder,
        from_ms=order.from_ms,
        until_ms=order.until_ms,
    )


def found_slot(ctx: Context, market: str, slot: int) -> Slot:
    found = slot_of(ctx, market, slot)
    if found is None:
        raise NotDue(f"{market} has no orders for a delivery at {slot} ms")
    return found


# ---------------------------------------------------------------- who may


def require_wallet(ctx: Context, point: str) -> str:
    """The customer of a point, for whom the signer speaks. Refuses all others."""
    require_direct(ctx)
    customer: str = ctx.call("registry", "speaks_for", point=point)
    if not customer:
        raise NotAMember(f"the signer does not speak for the customer of {point}")
    return customer


def require_customer(ctx: Context, customer: str) -> None:
    require_direct(ctx)
    if ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) != customer:
        raise NotYourOrder("only a wallet of the customer who is concerned may do this")


def require_own(ctx: Context, order: Order) -> None:
    require_customer(ctx, order.customer)


def require_deliverable(ctx: Context, venue: Venue, bid: Order, ask: Order, energy_wh: int) -> None:
    """Refuses a trade of somebody who moves out before it, one that its line does not carry, one too many of two."""
    gone = leaving(ctx, bid, ask)
    if gone is not None:
        raise NotAMember(f"the customer of order {gone.number} will not live there")
    if line_left_wh(ctx, venue, ask, bid) < energy_wh:
        raise BookFull("the line between the two feeders carries no more in this delivery")
    left_wh = partner_left_wh(ctx, venue, bid, ask)
    if left_wh < energy_wh:
        raise PartnerLimit(f"too much would be between these two customers: they may trade {left_wh} Wh more")


def require_coordinator(ctx: Context, venue: Venue) -> None:
    """Refuses all but an identity of the operator that is named for this market; contracts too."""
    creator, market = ctx.creator, venue.market
    named = creator.attributes.get("coordinator", "") == market.id and creator.organisation == market.operator
    if ctx.caller or not named:
        raise NotTheCoordinator(f"only the coordinator of {market.id} may do this")


def is_overseer(ctx: Context, operator: str) -> bool:
    """Contracts, regulators, and staff of an operator."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator":
        return True
    return creator.role in STAFF_ROLES and creator.organisation == operator


def require_member(ctx: Context, market: str) -> None:
    """Refuses all but who lives in the market's area, staff of its organisations, regulators and contracts."""
    found = venue_at(ctx, market, ctx.time_ms).market
    area = ctx.call("registry", "area", area=found.area)
    if any(is_overseer(ctx, organisation) for organisation in [found.operator, *area["admitted"]]):
        return
    customer = ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id)
    members = ctx.call("registry", "members", area=found.area, interval_ms=ctx.time_ms) if customer else []
    if not any(member[3] == customer for member in members):
        raise NotAMember(f"the book of {market} is read by those who live in {found.area}")


def require_reader(ctx: Context, market: str, customer: str) -> None:
    """Refuses all but a customer's own wallets, staff of the market's operator, regulators and contracts."""
    if is_overseer(ctx, venue_at(ctx, market, ctx.time_ms).market.operator):
        return
    if ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) != customer:
        raise NotAMember("an order is read by its customer, the market's operator and regulators")


def require_customer_reader(ctx: Context, wallet: str) -> None:
    """Refuses all but a wallet's customer, its utility's staff, regulators and contracts."""
    if ctx.creator.id == wallet or ctx.caller or ctx.creator.role == "regulator":
        return
    customer: str = ctx.call("registry", "customer_of_wallet", wallet=wallet)
    if customer and ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) == customer:
        return
    if ctx.creator.role not in STAFF_ROLES or ctx.creator.organisation != customer.partition(":")[0]:
        raise NotYourOrganisation("orders are read by their customer, its utility and regulators")
