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

from chaincode.access import require_caller, require_direct
from chaincode.api import Context, Contract, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.book import LARGEST_ENERGY_WH
from chaincode.dated import put_dated
from chaincode.matching import Trade, cleared, coordinated, may_coordinate, traded, venue_of
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
    Order,
    PriceOutOfBand,
    QuantityLimit,
    Slot,
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
from chaincode.placing import (
    Disclosure,
    Listed,
    NotDue,
    NotTheCoordinator,
    NotYourOrder,
    WrongMechanism,
    answered,
    delivery_of,
    found_slot,
    given,
    last_trade,
    listed,
    own_order,
    posted,
    require_coordinator,
    require_customer,
    require_customer_reader,
    require_deliverable,
    require_member,
    require_own,
    require_reader,
    require_wallet,
    responded,
)
from chaincode.standing import Strategy, strategy_of
from chaincode.strategies import acted, reported, started, stopped
from chaincode.venue import (
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
from chaincode.windows import Delivery, delivery_now

PAGE_ITEMS = 100

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
