"""Settlement: the one place where a Wh gets its class, and where money for energy moves.

    area        feeders that are settled together: up to where they are closed, up to where days are rolled up
    obligation  a trade as the market has handed it down, and what became of it
    due         which trades begin in an interval, in order of match; running: those that have begun, and how far
    pool        an area's members who share what is left over, and what is in their purses
    closing     an interval on its way: facts, classes, money. It takes one call or several
    interval    what a closed interval came to, by point; postings and facts stand beside it
    roster      who belonged to the area from an interval on; kept when it changes, and at each day's start
    day         a point's eight columns of a UTC day
    adjustment  what a late reading has changed of a closed interval
    command     to a device at a point: start, stop, in, out; numbered, acknowledged or timed out

Rules it keeps:

* every mWh of a closed interval has one class, by `waterfall`; rows, days and adjustments never change;
* a trade is paid when its interval closes, out of the escrow that came with it; what is left goes back when
  its last interval has closed, and the seller's pledge with it, less what a shortfall costs;
* money in is money out, in every interval; nothing is paid that no escrow holds;
* a trade binds two customers, not two houses: who has moved out neither takes nor gives;
* a late reading runs through the same waterfall at that interval's prices, and money that was there then; the
  difference is an adjustment, for the next bill. Intervals after it are not run again;
* what prepaid meters took by trade and pool is returned to them as units, once for each interval;
* curtailed energy is nobody's fault; a disputed trade keeps what it holds until two people of the operator decide.

Warning: whoever runs a pool or a market here trusts `registry` for who is where, and `metering` for what flowed.

Roles: staff of the area's operator open it, propose, approve; a tenant's wallet joins and leaves the pool and
disputes; a meter or gateway acknowledges; market hands down trades, feeder curtails; timers do the rest.
Events: AreaOpened, TradeAgreed, DeliveryCommanded, DeliveryAcknowledged, DeliveryTimedOut, IntervalSettled,
DayRolledUp, TradeDone, ShortfallPaid, TradeCurtailed, TradeDisputed, TradeResolved, AdjustmentPosted, PoolJoined,
PoolToppedUp, PoolLeaving, PoolLeft, PoolUnfunded, RulesChanged; Proposed, Approved, Withdrawn.
"""

from chaincode.access import organisation_of, require_caller, require_direct, require_staff, require_text
from chaincode.afterwards import adjusted, last_adjustment, reconciled, roll, rosters_of, settled_in, shortened, view
from chaincode.api import Context, Contract, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS, MINUTE_MS
from chaincode.closing import closed, due_ms
from chaincode.dated import put_dated
from chaincode.deliveries import (
    checked,
    command,
    compared,
    counted,
    current,
    disputed,
    halted,
    require_disputed,
    require_escrow,
    resolved,
    started,
)
from chaincode.settled import (
    ACKNOWLEDGED,
    AGREED,
    CURTAILED_AT_ONCE,
    DAYS_A_PAGE,
    FORWARD,
    LATE_EVERY_MS,
    LATE_TAKEN,
    OUT,
    PAGE_ITEMS,
    POINTS_ROLLED,
    POOL_MEMBERS,
    QUIET_POINTS_ROLLED,
    REVERSE,
    STOP,
    TEXT_CHARACTERS,
    TIMED_OUT,
    Adjustment,
    Area,
    AreaBusy,
    AreaOpen,
    Command,
    Day,
    Interval,
    NotAParty,
    NotDue,
    NotInPool,
    Obligation,
    Reconciliation,
    Rules,
    Share,
    TradeInvalid,
    View,
    area_of,
    boundary_ms,
    command_key,
    command_of,
    day_key,
    delivering_key,
    distinct,
    interval_key,
    may_read,
    number_text,
    pool_of,
    require_operator,
    require_reader,
    require_rules,
    rules_at,
    time_text,
    trade_key,
    trade_of,
)
from chaincode.units import LARGEST, MWH_PER_WH

# ---------------------------------------------------------------- the contract


class Settlement(Contract):
    name = "settlement"
    version = "1.0.0"

    # ------------------------------------------------------------ the operator of an area

    @transaction(roles=("admin", "operator"))
    def open_area(self, ctx: Context, area: str) -> Area:
        """Settle an area from the next boundary on; staff of its operator. Refuses a second time."""
        operator = ctx.call("registry", "area", area=area)["operator"]
        require_staff(ctx, operator)
        if ctx.get(ctx.key("area", area), Area) is not None:
            raise AreaOpen(f"{area} is open for settlement")
        ground = ctx.call("registry", "ground")
        since_ms = -(-ctx.time_ms // ground["interval_ms"]) * ground["interval_ms"]
        opened = Area(
            id=area,
            operator=operator,
            interval_ms=ground["interval_ms"],
            digits=ground["digits"],
            since_ms=since_ms,
            next_ms=since_ms,
            rolled_day=since_ms // DAY_MS,
        )
        ctx.put(ctx.key("area", area), opened)
        ctx.schedule("close/" + area, since_ms + opened.interval_ms + Rules().grace_ms, "close", area=area)
        ctx.schedule("late/" + area, since_ms + LATE_EVERY_MS, "take_late", area=area)
        ctx.emit("AreaOpened", area=area, operator=operator, since_ms=since_ms)
        return opened

    @transaction(roles=("admin", "operator"))
    def propose_rules(self, ctx: Context, area: str, from_ms: int, rules: Rules) -> str:
        """Other rules for an area from a time on. Answers the proposal to approve."""
        require_rules(ctx, rules)
        operator = area_of(ctx, area).operator
        return propose(ctx, "rules", operator, {"area": area, "from_ms": from_ms, "rules": rules})

    @transaction(roles=("admin", "operator"))
    def propose_resolve(self, ctx: Context, trade: int, delivered_mwh: int) -> str:
        """Decide a disputed trade: so much counts as delivered when the shortfall is judged."""
        found = trade_of(ctx, trade)
        require_disputed(found)
        if not 0 <= delivered_mwh <= found.energy_wh * MWH_PER_WH:
            raise TradeInvalid("between nothing and all of it has been delivered")
        operator = area_of(ctx, found.area).operator
        return propose(ctx, "resolve", operator, {"trade": trade, "delivered_mwh": delivered_mwh})

    @transaction(roles=("admin", "operator"))
    def approve(self, ctx: Context, proposal: str) -> None:
        """A second person of the operator decides it."""
        found = approved(ctx, proposal)
        values = found.values
        if found.kind == "rules":
            put_dated(ctx, "rules", values["area"], int(values["from_ms"]), values["rules"])
            ctx.emit("RulesChanged", area=values["area"], from_ms=values["from_ms"])
        else:
            resolved(ctx, trade_of(ctx, int(values["trade"])), int(values["delivered_mwh"]))

    @transaction(roles=("admin", "operator"))
    def withdraw(self, ctx: Context, proposal: str) -> None:
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ trades

    @transaction
    def agree(self, ctx: Context, obligation: Obligation) -> int:
        """Take over a trade with its escrows; answers its number. For the market.

        The escrows `trade/<number>` of the buyer's wallet and `pledge/<number>` of the seller's are settlement's
        already. Delivery begins with the next block when the window is open. Refuses windows that are not of whole
        intervals or are over, one customer on both sides, and an interval that is full.
        """
        require_caller(ctx, "market")
        area = area_of(ctx, obligation.area)
        number = (ctx.get("trades", int) or 0) + 1
        found = checked(ctx, area, obligation).replace(trade=number, matched_ms=ctx.time_ms, status=AGREED)
        require_escrow(ctx, found.buyer, f"trade/{number}", found.escrow_minor)
        if found.pledge_minor:
            require_escrow(ctx, found.seller, f"pledge/{number}", found.pledge_minor)
        counted(ctx, area, found)
        ctx.put("trades", number)
        ctx.put(trade_key(ctx, number), found)
        ctx.put(ctx.key("due", area.id, time_text(found.from_ms), time_text(ctx.time_ms), number_text(number)), number)
        for point in (found.seller_point, found.buyer_point):
            ctx.put(ctx.key("of", point, number_text(number)), number)
        ctx.emit(
            "TradeAgreed",
            trade=number,
            area=area.id,
            seller_point=found.seller_point,
            buyer_point=found.buyer_point,
            energy_wh=found.energy_wh,
            price_micro=found.price_micro,
            from_ms=found.from_ms,
            until_ms=found.until_ms,
        )
        ctx.schedule(f"start/{number}", max(found.from_ms, ctx.time_ms), "start", trade=number)
        return number

    @transaction(roles=("timer",))
    def start(self, ctx: Context, trade: int) -> None:
        """Delivery begins."""
        started(ctx, trade_of(ctx, trade))

    @transaction(roles=("timer",))
    def stop(self, ctx: Context, trade: int) -> None:
        """The window is over: the devices stop; what was delivered shows when the interval closes."""
        found = trade_of(ctx, trade)
        if ctx.get(delivering_key(ctx, found)) is not None:
            ctx.delete(delivering_key(ctx, found))
            command(ctx, found, found.seller_point, STOP)
            command(ctx, found, found.buyer_point, OUT)

    @transaction
    def curtail(self, ctx: Context, feeder: str, direction: str, power_w: int) -> list[int]:
        """Stop deliveries from a feeder (`reverse`) or to it (`forward`), the newest first, until so much power is
        off; for feeder. Answers the stopped trades; what they miss from now on is nobody's fault."""
        require_caller(ctx, "feeder")
        if direction not in (REVERSE, FORWARD):
            raise TradeInvalid(f"one curtails {REVERSE} or {FORWARD} flow")
        area = ctx.call("registry", "feeder", feeder=feeder)["area"]
        stopped: list[int] = []
        off_w = 0
        for key, (selling, buying, each_w) in ctx.matching("delivering", area, type=tuple[str, str, int], reverse=True):
            if off_w >= power_w or len(stopped) == CURTAILED_AT_ONCE:
                break
            if feeder == (selling if direction == REVERSE else buying):
                stopped.append(int(ctx.parts(key)[3]))
                off_w += each_w
        for trade in stopped:
            found = trade_of(ctx, trade)
            halted(ctx, found)
            ctx.emit("TradeCurtailed", trade=trade, feeder=feeder, direction=direction)
        return stopped

    @transaction
    def dispute(self, ctx: Context, trade: int, reason: str) -> None:
        """Stop a trade and keep what it holds until two people of the operator have decided; buyer or seller."""
        require_direct(ctx)
        require_text(reason, TEXT_CHARACTERS, "reason")
        found = trade_of(ctx, trade)
        customer = ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id)
        if not customer or customer not in (found.seller_customer, found.buyer_customer):
            raise NotAParty("a trade is disputed by its buyer or its seller")
        disputed(ctx, found, customer, reason)

    @transaction
    def acknowledge(self, ctx: Context, command: int, measured_mwh: int = 0) -> Command:
        """The device, or a gateway of its organisation, has done what a command said; again: no effect.

        Where both ends of a tie tell what they measured and differ too much, the trade is disputed.
        """
        require_direct(ctx)
        found = command_of(ctx, command)
        gateway = ctx.creator.role == "gateway" and ctx.creator.organisation == organisation_of(found.point)
        if not gateway and ctx.creator.id != found.device:
            raise NotAParty("a command is acknowledged by its device, or a gateway of its organisation")
        if not 0 <= measured_mwh <= LARGEST:
            raise TradeInvalid("a register counts from 0 to 2^53-1")
        if found.status == ACKNOWLEDGED:
            return found
        ctx.cancel(f"command/{command}")
        found = found.replace(status=ACKNOWLEDGED, measured_mwh=measured_mwh, answered_ms=ctx.time_ms)
        ctx.put(command_key(ctx, command), found)
        ctx.emit("DeliveryAcknowledged", command=command, trade=found.trade, measured_mwh=measured_mwh)
        if measured_mwh and found.action in (STOP, OUT):
            compared(ctx, found)
        return found

    @transaction(roles=("timer",))
    def time_out(self, ctx: Context, command: int) -> None:
        """Nobody has acknowledged a command in time; a later acknowledgement still counts."""
        found = command_of(ctx, command)
        ctx.put(command_key(ctx, command), found.replace(status=TIMED_OUT, answered_ms=ctx.time_ms))
        ctx.emit("DeliveryTimedOut", command=command, trade=found.trade, point=found.point, action=found.action)

    # ------------------------------------------------------------ the pool

    @transaction
    def enroll(self, ctx: Context, point: str, amount_minor: int) -> Share:
        """Join the pool of the point's area from the next boundary on, with money in a purse (0: none, gives only).

        Refuses all but the tenant's wallet, and a member.
        """
        require_direct(ctx)
        customer = own_customer(ctx, point)
        area = area_of(ctx, area_at(ctx, point))
        shares = pool_of(ctx, area.id)
        if any(share.point == point for share in shares):
            raise NotInPool(f"{point} is a member, or has not left yet")
        if len(shares) >= POOL_MEMBERS:
            raise AreaBusy(f"a pool has at most {POOL_MEMBERS} members")
        share = Share(
            point=point,
            customer=customer,
            wallet=ctx.creator.id,
            since_ms=boundary_ms(ctx, area),
            until_ms=0,
            purse_minor=0,
        )
        ctx.put(ctx.key("pool", area.id), sorted([*shares, share], key=lambda other: other.point))
        ctx.emit("PoolJoined", area=area.id, point=point, since_ms=share.since_ms)
        return filled(ctx, area.id, point, amount_minor) if amount_minor else share

    @transaction
    def top_up(self, ctx: Context, point: str, amount_minor: int) -> Share:
        """Put more money into the purse of a member; the wallet that enrolled it."""
        require_direct(ctx)
        return filled(ctx, area_at(ctx, point), point, amount_minor)

    @transaction
    def leave(self, ctx: Context, point: str, area: str = "") -> int:
        """Leave the pool at the next boundary; the purse comes back when the intervals before it are closed."""
        require_direct(ctx)
        found = area_of(ctx, area or area_at(ctx, point))
        at_ms = boundary_ms(ctx, found)
        shares = pool_of(ctx, found.id)
        place = place_in(shares, point, ctx.creator.id)
        if not shares[place].until_ms:
            shares[place] = shares[place].replace(until_ms=at_ms)
            ctx.put(ctx.key("pool", found.id), shares)
            ctx.emit("PoolLeaving", area=found.id, point=point, until_ms=at_ms)
        return shares[place].until_ms

    # ------------------------------------------------------------ closing

    @transaction
    def close(self, ctx: Context, area: str) -> int:
        """Close what is due of an area, as far as one call goes; answers the first interval that is still open.

        By timer; by anyone when the timer is late. Refuses when nothing is due.
        """
        found = area_of(ctx, area)
        if ctx.creator.role != "timer":
            require_direct(ctx)
            if ctx.time_ms < due_ms(ctx, found):
                raise NotDue(f"the next interval of {area} closes at {due_ms(ctx, found)} ms")
        open_day = found.next_ms // DAY_MS
        found, again_ms = closed(ctx, found)
        ctx.put(ctx.key("area", area), found)
        ctx.schedule("close/" + area, max(again_ms, ctx.time_ms), "close", area=area)
        if open_day < found.next_ms // DAY_MS:
            ctx.schedule("days/" + area, ctx.time_ms, "roll_up", area=area)
        return found.next_ms

    @transaction(roles=("timer",))
    def roll_up(self, ctx: Context, area: str) -> int:
        """Write a closed day of some of an area's points; answers the first day not rolled up."""
        found = area_of(ctx, area)
        day, key = found.rolled_day, ctx.key("rolling", area)
        after: str = ctx.get(key, str) or ""
        rosters = rosters_of(ctx, found, day)
        points = distinct([point for _, roster in rosters for point in roster])
        intervals = settled_in(ctx, found, rosters, day)
        step = [point for point in points if point > after][: POINTS_ROLLED if intervals else QUIET_POINTS_ROLLED]
        roll(ctx, found, day, rosters, intervals, step)
        if step and step[-1] != points[-1]:
            ctx.put(key, step[-1])
        else:
            found = found.replace(rolled_day=day + 1)
            ctx.put(ctx.key("area", area), found)
            ctx.delete(key)
            ctx.emit("DayRolledUp", area=area, day=day, points=len(points))
            ctx.schedule("late/" + area, ctx.time_ms, "take_late", area=area)
        if found.rolled_day < found.next_ms // DAY_MS:
            ctx.schedule("days/" + area, ctx.time_ms, "roll_up", area=area)
        return found.rolled_day

    @transaction(roles=("timer",))
    def take_late(self, ctx: Context, area: str) -> int:
        """Ask metering what has changed, and post adjustments for days that are rolled up; answers how many."""
        if ctx.get(ctx.key("closing", area)) is not None:
            # what is half closed is not run again beside it
            ctx.schedule("late/" + area, ctx.time_ms + MINUTE_MS, "take_late", area=area)
            return area_of(ctx, area).adjustments
        for point, day in ctx.call("metering", "take_late", area=area, limit=LATE_TAKEN):
            ctx.put(ctx.key("late", area, f"{day:06d}", point), True)
        found, more = adjusted(ctx, area_of(ctx, area))
        ctx.put(ctx.key("area", area), found)
        ctx.schedule("late/" + area, ctx.time_ms if more else ctx.time_ms + LATE_EVERY_MS, "take_late", area=area)
        return found.adjustments

    # ------------------------------------------------------------ reading

    @query
    def area(self, ctx: Context, area: str) -> Area:
        return area_of(ctx, area)

    @query
    def rules(self, ctx: Context, area: str, at_ms: int) -> Rules:
        return rules_at(ctx, area, at_ms)

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person."""
        return proposals_of(ctx, organisation)

    @query
    def trade_count(self, ctx: Context) -> int:
        """The number of the last trade: the next one is the one after it."""
        return ctx.get("trades", int) or 0

    @query
    def trade(self, ctx: Context, trade: int) -> Obligation:
        """A trade as it stands; its sums are those of closed intervals."""
        found = trade_of(ctx, trade)
        if not may_read(ctx, found.seller_point, "trades"):
            require_reader(ctx, found.buyer_point, "trades")
        return current(ctx, found)

    @query
    def trades(self, ctx: Context, point: str, after: int = 0) -> list[Obligation]:
        """A point's trades after a number, the first hundred."""
        require_reader(ctx, point, "trades")
        found: list[Obligation] = []
        for _, number in ctx.matching("of", point):
            if number > after and len(found) < PAGE_ITEMS:
                found.append(current(ctx, trade_of(ctx, number)))
        return found

    @query
    def commands(self, ctx: Context, point: str, after: int = 0) -> list[Command]:
        """What devices at a point have been told after a number, the first hundred: a device that was off asks here."""
        require_reader(ctx, point, "readings")
        found: list[Command] = []
        for _, number in ctx.matching("inbox", point):
            if number > after and len(found) < PAGE_ITEMS:
                found.append(command_of(ctx, number))
        return found

    @query
    def share(self, ctx: Context, point: str, area: str) -> Share | None:
        """A point's membership of an area's pool."""
        require_reader(ctx, point, "trades")
        for share in pool_of(ctx, area):
            if share.point == point:
                return share
        return None

    @query
    def interval(self, ctx: Context, area: str, interval_ms: int) -> View | None:
        """What an interval came to, with adjustments since; nothing where all of it was the grid's."""
        require_operator(ctx, area)
        found = ctx.get(interval_key(ctx, "interval", area, interval_ms), Interval)
        return None if found is None else view(ctx, area, interval_ms, found)

    @query
    def days(self, ctx: Context, point: str, first_day: int, last_day: int, brief: bool = False) -> list[Day]:
        """A point's days, at most 31 at once, those that are rolled up; adjustments are beside them.

        In brief the registers, which are the sums of their classes, and columns without energy are left empty.
        """
        require_reader(ctx, point, "bills")
        if not 0 <= last_day - first_day < DAYS_A_PAGE:
            raise NotDue(f"a page has 1 to {DAYS_A_PAGE} days")
        found = [ctx.get(day_key(ctx, point, day), Day) for day in range(first_day, last_day + 1)]
        return [shortened(day) if brief else day for day in found if day is not None]

    @query
    def adjustments(self, ctx: Context, point: str, after: int = 0) -> list[Adjustment]:
        """A point's adjustments after a number, the first hundred."""
        require_reader(ctx, point, "bills")
        numbers = range(after + 1, min(after + PAGE_ITEMS, last_adjustment(ctx, point)) + 1)
        found = [ctx.get(ctx.key("adjustment", point, number_text(number)), Adjustment) for number in numbers]
        return [adjustment for adjustment in found if adjustment is not None]

    @query
    def remainder(self, ctx: Context, utility: str) -> int:
        """What rounding has taken (above zero) or given on trades and pool of a utility's customers, in pico."""
        return ctx.get(ctx.key("remainder", utility), int) or 0

    @query
    def reconcile(self, ctx: Context, area: str, interval_ms: int) -> Reconciliation | None:
        """Compute an interval anew and add it up: sum I = trade + pool + grid, sum X likewise, money in = money out."""
        require_operator(ctx, area)
        found = ctx.get(interval_key(ctx, "interval", area, interval_ms), Interval)
        return None if found is None else reconciled(ctx, area, interval_ms, found)


# ---------------------------------------------------------------- the pool


def filled(ctx: Context, area: str, point: str, amount_minor: int) -> Share:
    """Put the signer's money into the purse of a member it enrolled."""
    shares = pool_of(ctx, area)
    place = place_in(shares, point, ctx.creator.id)
    share = shares[place]
    escrow = "pool/" + point
    if share.purse_minor:
        ctx.call("currency", "top_up_escrow", escrow=escrow, amount_minor=amount_minor)
    else:
        purpose = f"energy pool of {area}"
        ctx.call("currency", "open_escrow", escrow=escrow, amount_minor=amount_minor, purpose=purpose)
    shares[place] = share.replace(purse_minor=share.purse_minor + amount_minor)
    ctx.put(ctx.key("pool", area), shares)
    ctx.emit("PoolToppedUp", area=area, point=point, amount_minor=amount_minor)
    return shares[place]


def place_in(shares: list[Share], point: str, wallet: str) -> int:
    for place, share in enumerate(shares):
        if share.point == point and share.wallet == wallet:
            return place
    raise NotInPool(f"this wallet has not enrolled {point}")


def own_customer(ctx: Context, point: str) -> str:
    customer: str = ctx.call("registry", "speaks_for", point=point)
    if not customer:
        raise NotAParty(f"only a wallet of the tenant of {point} may do this")
    return customer


def area_at(ctx: Context, point: str) -> str:
    """The area a point belongs to at the next boundary, as decided now."""
    span = ctx.call("registry", "span", point=point, time_ms=LARGEST)
    area: str = ctx.call("registry", "feeder", feeder=span["feeder"])["area"]
    return area
