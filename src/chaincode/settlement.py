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

from typing import Any

from chaincode.access import organisation_of, require_caller, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.dated import dated_at, put_dated
from chaincode.units import LARGEST, MICRO, MWH_PER_WH
from chaincode.waterfall import (
    NOWHERE,
    POOL_EXPORT,
    POOL_IMPORT,
    TRADE_IMPORT,
    Ending,
    Facts,
    Member,
    Money,
    Progress,
    Settled,
    Terms,
    Trade,
    curtailed_mwh,
    ending,
    no_money,
    piece,
    settle,
    without,
)

COLUMNS = 8
DUE_AT_ONCE = 300
POOL_MEMBERS = 200
WINDOW_MS = 7 * DAY_MS
AHEAD_MS = 366 * DAY_MS
PAGE_ITEMS = 100
DAYS_A_PAGE = 31
CURTAILED_AT_ONCE = 40
POINTS_ROLLED = 20
LATE_TAKEN = 20
LATE_EVERY_MS = HOUR_MS
TEXT_CHARACTERS = 140

# what a step of a closing costs at most, in units, for each point, trade or entry; a call begins no step
# that would take it past its share of the budget
CALL_UNITS = 400_000
FACTS_UNITS = 900
CLASS_UNITS = 700
PAID_UNITS = 700
DONE_UNITS = 900
LATE_DAY_UNITS = 3_000
POSTED_UNITS = 600
FRESH_UNITS = 80_000
PAID_AT_ONCE = 150
DONE_AT_ONCE = 90
STEPS_A_CALL = 400

AGREED = "agreed"
DELIVERING = "delivering"
DONE = "done"
DISPUTED = "disputed"

START = "start"
STOP = "stop"
IN = "in"
OUT = "out"
SENT = "sent"
ACKNOWLEDGED = "acknowledged"
TIMED_OUT = "timed_out"

EXTRAPOLATED = "x"
"""What metering has put in for a reading that never came: it stands nowhere else, so settlement keeps it."""

PAY_FOR_TAKEN = "pay_for_taken"
TAKE_OR_PAY = "take_or_pay"
REVERSE = "reverse"
FORWARD = "forward"

Posted = tuple[str, str, int, int, int, int, int, int, int]
"""A posting, as `waterfall.Settled` has it."""
Done = tuple[int, int, int, int, int, int, int, int, int]
"""A trade that is over: number, delivered, missed, spare, curtailed, seller short, buyer short (mWh), seller pays,
buyer pays (minor)."""

# ---------------------------------------------------------------- records


class Rules(Record):
    """Under `rules`, area, time; what the operator of an area has decided.

    An imbalance price of 0 is the buyer's retail price. `tie_tolerance_micro`: by how much the registers at the
    two ends of a tie may differ.
    """

    grace_ms: int = 60_000
    pool_price_micro: int = 0
    pool_fee_micro: int = 0
    fee_account: str = ""
    imbalance_micro: int = 0
    buyer_short: str = PAY_FOR_TAKEN
    advance_returns: bool = False
    command_wait_ms: int = 30_000
    tie_tolerance_micro: int = 50_000


class Area(Record):
    """Under `area`, id. Every interval before `next_ms` is closed, every day before `rolled_day` rolled up."""

    id: str
    operator: str
    interval_ms: int
    digits: int
    since_ms: int
    next_ms: int
    rolled_day: int
    points: int = 0
    roster_ms: int = 0
    adjustments: int = 0


class Obligation(Record):
    """Under `trade`, number. The market gives what is up to `pledge_minor`; settlement keeps the rest."""

    area: str
    seller_point: str
    buyer_point: str
    seller: str
    buyer: str
    seller_customer: str
    buyer_customer: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    escrow_minor: int
    fee_micro: int = 0
    fee_account: str = ""
    pledge_minor: int = 0
    trade: int = 0
    matched_ms: int = 0
    seller_feeder: str = ""
    buyer_feeder: str = ""
    tariff: str = ""
    prepaid: bool = False
    status: str = AGREED
    delivered_mwh: int = 0
    missed_mwh: int = 0
    spare_mwh: int = 0
    curtailed_mwh: int = 0
    seller_short_mwh: int = 0
    buyer_short_mwh: int = 0
    seller_paid_minor: int = 0
    buyer_paid_minor: int = 0
    over_ms: int = 0


class Running(Record):
    """How far a trade is whose delivery has begun; sums over the closed intervals, and what its escrows still hold."""

    trade: int
    delivered_mwh: int
    missed_mwh: int
    spare_mwh: int
    escrow_minor: int
    pledge_minor: int
    advanced_mwh: int


class Share(Record):
    """One member of a pool; `until_ms` 0: until it leaves."""

    point: str
    customer: str
    wallet: str
    since_ms: int
    until_ms: int
    purse_minor: int


class Closing(Record):
    """Under `closing`, area: an interval between its facts and its last payment."""

    interval_ms: int
    stage: str
    members: list[tuple[str, str, str, str, bool]]
    facts: list[tuple[int, int, str]]
    sums_mwh: list[int]
    trades: int
    debits: list[tuple[str, str, int]]
    credits: list[tuple[str, int]]
    progress: list[Progress]
    done: list[Done]
    moved_minor: int = 0


class Interval(Record):
    """Under `interval`, area, start. `rows`: the eight columns of `waterfall` for each point."""

    points: list[str]
    rows: list[list[int]]
    remainders_pico: dict[str, int]
    closed_ms: int


class Basis(Record):
    """Under `facts`, area, start: all that decided the interval; `prepaid` are points."""

    facts: Facts
    prepaid: list[str]


class Adjusted(Record):
    """Under `adjusted`, area, start: what an interval comes to after adjustments."""

    rows: list[list[int]]
    postings: list[Posted]


class Day(Record):
    """Under `day`, point, day: the eight columns, by interval. A point that changed its area has two versions."""

    day: int
    columns: list[list[int]]
    version: int


class Taken(Record):
    """Under `taken`, point, day: what late readings have changed, by interval, all adjustments together."""

    import_mwh: list[int]
    export_mwh: list[int]


class Adjustment(Record):
    """Under `adjustment`, point, number. What a late reading has changed of a closed interval.

    `columns_mwh`: the change of the eight columns; `amount_minor`, fee, levy and tax: what the point owes more
    (below zero: gets) for trades and pool. It comes on the next bill.
    """

    number: int
    interval_ms: int
    columns_mwh: list[int]
    amount_minor: int
    fee_minor: int
    levy_minor: int
    tax_minor: int
    posted_ms: int


class Command(Record):
    """Under `command`, number. `device` is the meter that hung at the point when it was sent."""

    number: int
    trade: int
    point: str
    device: str
    action: str
    energy_wh: int
    text: str
    sent_ms: int
    status: str = SENT
    measured_mwh: int = 0
    answered_ms: int = 0


class View(Record):
    """A closed interval with its postings; `adjusted` when late readings have changed it since."""

    interval_ms: int
    points: list[str]
    rows: list[list[int]]
    postings: list[Posted]
    remainders_pico: dict[str, int]
    closed_ms: int
    adjusted: bool


class Reconciliation(Record):
    """Whether an interval adds up: recomputed from its facts, energy by class, money in and out."""

    agrees: bool
    sums_mwh: list[int]
    paid_minor: int
    received_minor: int
    charges_minor: int


# ---------------------------------------------------------------- refusals


class AreaUnknown(Refusal):
    """Nobody has opened this area for settlement."""

    code = "AREA_UNKNOWN"


class AreaOpen(Refusal):
    """The area is open for settlement already."""

    code = "AREA_OPEN"


class AreaBusy(Refusal):
    """An interval of an area has at most 300 trades, its pool 200 members."""

    code = "AREA_BUSY"


class TradeUnknown(Refusal):
    """There is no trade of this number."""

    code = "TRADE_UNKNOWN"


class TradeInvalid(Refusal):
    """A trade, or its escrows, are not what can be settled."""

    code = "TRADE_INVALID"


class TradeOver(Refusal):
    """The trade has ended, or is not disputed."""

    code = "TRADE_OVER"


class NotAParty(Refusal):
    """Only those concerned may do this."""

    code = "NOT_A_PARTY"


class NotDue(Refusal):
    """It is not time yet."""

    code = "NOT_DUE"


class Unbalanced(Refusal):
    """What is taken is not what is given: our own fault."""

    code = "UNBALANCED"


class NotInPool(Refusal):
    """The point is no member of its area's pool, or is one already."""

    code = "NOT_IN_POOL"


class CommandUnknown(Refusal):
    """There is no command of this number."""

    code = "COMMAND_UNKNOWN"


class RulesInvalid(Refusal):
    """A rule is out of range."""

    code = "RULES_INVALID"


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
        shares = [share for share in pool_of(ctx, area.id) if share.point != point or share.wallet]
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
        found, again_ms = closed(ctx, found)
        ctx.put(ctx.key("area", area), found)
        ctx.schedule("close/" + area, max(again_ms, ctx.time_ms), "close", area=area)
        if found.rolled_day < found.next_ms // DAY_MS and ctx.get(ctx.key("rolling", area)) is None:
            ctx.put(ctx.key("rolling", area), "")
            ctx.schedule("days/" + area, ctx.time_ms, "roll_up", area=area)
        return found.next_ms

    @transaction(roles=("timer",))
    def roll_up(self, ctx: Context, area: str) -> int:
        """Write a closed day of some of an area's points; answers the first day not rolled up."""
        found = area_of(ctx, area)
        day = found.rolled_day
        after: str = ctx.get(ctx.key("rolling", area), str) or ""
        rosters = rosters_of(ctx, found, day)
        points = distinct([point for _, roster in rosters for point in roster])
        step = [point for point in points if point > after][:POINTS_ROLLED]
        roll(ctx, found, day, rosters, step)
        if step and step[-1] != points[-1]:
            ctx.put(ctx.key("rolling", area), step[-1])
        else:
            found = found.replace(rolled_day=day + 1)
            ctx.put(ctx.key("area", area), found)
            ctx.emit("DayRolledUp", area=area, day=day, points=len(points))
            if found.rolled_day >= found.next_ms // DAY_MS:
                ctx.delete(ctx.key("rolling", area))
                return found.rolled_day
            ctx.put(ctx.key("rolling", area), "")
        ctx.schedule("days/" + area, ctx.time_ms, "roll_up", area=area)
        return found.rolled_day

    @transaction(roles=("timer",))
    def take_late(self, ctx: Context, area: str) -> int:
        """Ask metering what has changed, and post adjustments for days that are rolled up; answers how many."""
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
    def days(self, ctx: Context, point: str, first_day: int, last_day: int) -> list[Day]:
        """A point's days, at most 31 at once, those that are rolled up; adjustments are beside them."""
        require_reader(ctx, point, "bills")
        if not 0 <= last_day - first_day < DAYS_A_PAGE:
            raise NotDue(f"a page has 1 to {DAYS_A_PAGE} days")
        found = [ctx.get(day_key(ctx, point, day), Day) for day in range(first_day, last_day + 1)]
        return [day for day in found if day is not None]

    @query
    def adjustments(self, ctx: Context, point: str, after: int = 0) -> list[Adjustment]:
        """A point's adjustments after a number, the first hundred."""
        require_reader(ctx, point, "bills")
        last = ctx.get(ctx.key("adjustments", point), int) or 0
        numbers = range(after + 1, min(after + PAGE_ITEMS, last) + 1)
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


# ---------------------------------------------------------------- trades


def checked(ctx: Context, area: Area, obligation: Obligation) -> Obligation:
    """A trade that can be settled, from the interval on that is open."""
    length_ms = area.interval_ms
    open_ms = max(ctx.time_ms // length_ms * length_ms, area.since_ms)
    from_ms, until_ms = max(obligation.from_ms, open_ms), obligation.until_ms
    if obligation.from_ms % length_ms or until_ms % length_ms or not from_ms < until_ms <= from_ms + WINDOW_MS:
        raise TradeInvalid("a delivery window is of whole intervals, not over, and at most seven days long")
    if from_ms > ctx.time_ms + AHEAD_MS:
        raise TradeInvalid("a delivery window begins within a year")
    if not 0 < obligation.energy_wh * MWH_PER_WH <= LARGEST or obligation.escrow_minor <= 0:
        raise TradeInvalid("a trade is of some energy, and its buyer has set money aside")
    if obligation.fee_micro < 0 or obligation.pledge_minor < 0:
        raise TradeInvalid("fee and pledge are not below zero")
    if obligation.seller_customer == obligation.buyer_customer:
        raise TradeInvalid("one customer does not trade with itself")
    if obligation.fee_account:
        ctx.call("identity", "describe", identity=obligation.fee_account)
    seller = party(ctx, obligation.seller_point, obligation.seller_customer, from_ms)
    buyer = party(ctx, obligation.buyer_point, obligation.buyer_customer, from_ms)
    return obligation.replace(
        from_ms=from_ms,
        seller_feeder=seller["feeder"],
        buyer_feeder=buyer["feeder"],
        tariff=buyer["tariff"],
        prepaid=buyer["prepaid"],
    )


def party(ctx: Context, point: str, customer: str, at_ms: int) -> dict[str, Any]:
    """What holds of a point when delivery begins. Refuses one of another customer."""
    span: dict[str, Any] | None = ctx.call("registry", "span", point=point, time_ms=at_ms)
    if span is None or span["customer"] != customer:
        raise NotAParty(f"{customer} does not live at {point} at {at_ms} ms")
    return span


def require_escrow(ctx: Context, owner: str, escrow: str, amount_minor: int) -> None:
    held = ctx.call("currency", "escrow", owner=owner, escrow=escrow)
    if held["keeper"] != ctx.contract or held["amount_minor"] != amount_minor or held["beneficiary"]:
        raise TradeInvalid(f"escrow {escrow} is not settlement's, or does not hold {amount_minor}")


def counted(ctx: Context, area: Area, trade: Obligation) -> None:
    """Count a trade in each of its intervals. Refuses one interval too full."""
    first, last = trade.from_ms // DAY_MS, (trade.until_ms - 1) // DAY_MS
    for day in range(first, last + 1):
        key = ctx.key("load", area.id, f"{day:06d}")
        counts: list[int] = ctx.get(key, list[int]) or [0 for _ in range(DAY_MS // area.interval_ms)]
        low = max(trade.from_ms - day * DAY_MS, 0) // area.interval_ms
        high = min(trade.until_ms - day * DAY_MS, DAY_MS) // area.interval_ms
        for at in range(low, high):
            counts[at] += 1
        if max(counts[low:high]) > DUE_AT_ONCE:
            raise AreaBusy(f"an interval of {area.id} has at most {DUE_AT_ONCE} trades")
        ctx.put(key, counts)


def started(ctx: Context, trade: Obligation) -> None:
    """Tell both ends; a prepaid buyer may have its units in advance."""
    if trade.status != AGREED:
        return
    ctx.put(trade_key(ctx, trade.trade), trade.replace(status=DELIVERING))
    hours_ms = trade.until_ms - trade.from_ms
    power_w = trade.energy_wh * HOUR_MS // hours_ms
    ctx.put(delivering_key(ctx, trade), (trade.seller_feeder, trade.buyer_feeder, power_w))
    command(ctx, trade, trade.seller_point, START)
    command(ctx, trade, trade.buyer_point, IN)
    ctx.schedule(f"stop/{trade.trade}", trade.until_ms, "stop", trade=trade.trade)
    if trade.prepaid and rules_at(ctx, trade.area, trade.from_ms).advance_returns:
        advanced_mwh = trade.energy_wh * MWH_PER_WH
        ctx.put(advance_key(ctx, trade.trade), advanced_mwh)
        credit = (trade.buyer_point, trade.from_ms, advanced_mwh, f"advance/{trade.trade}")
        ctx.call("prepaid", "return_units", credits=[credit])


def halted(ctx: Context, trade: Obligation) -> None:
    """Open the ties of a trade now; what it would bring from now on is curtailed."""
    ctx.delete(delivering_key(ctx, trade))
    ctx.cancel(f"stop/{trade.trade}")
    ctx.put(ctx.key("curtailed", trade.area, number_text(trade.trade)), ctx.time_ms)
    command(ctx, trade, trade.seller_point, OUT)
    command(ctx, trade, trade.buyer_point, OUT)


def disputed(ctx: Context, trade: Obligation, by: str, reason: str) -> None:
    if trade.status == DISPUTED or trade.over_ms:
        raise TradeOver("the trade has ended, or is disputed already")
    if ctx.get(delivering_key(ctx, trade)) is not None:
        halted(ctx, trade)
    ctx.put(trade_key(ctx, trade.trade), trade.replace(status=DISPUTED))
    ctx.emit("TradeDisputed", trade=trade.trade, by=by, reason=reason)


def require_disputed(trade: Obligation) -> None:
    if trade.status != DISPUTED:
        raise TradeOver("the trade is not disputed")
    if not trade.over_ms:
        raise NotDue("a trade is decided once its last interval has closed")


def resolved(ctx: Context, trade: Obligation, delivered_mwh: int) -> None:
    """End a disputed trade as two people have decided."""
    require_disputed(trade)
    terms = Terms(
        energy_mwh=trade.energy_wh * MWH_PER_WH,
        price_micro=trade.price_micro,
        delivered_mwh=delivered_mwh,
        missed_mwh=LARGEST,
        spare_mwh=0,
        curtailed_mwh=trade.curtailed_mwh,
        escrow_minor=trade.escrow_minor,
        pledge_minor=trade.pledge_minor,
    )
    rules = rules_at(ctx, trade.area, trade.from_ms)
    judged = ending(terms, imbalance_micro(ctx, rules, trade, {}), False, area_of(ctx, trade.area).digits)
    money = no_money()
    held = begun(ctx, trade)
    money.take(trade.buyer, f"trade/{trade.trade}", held.escrow_minor)
    money.take(trade.seller, f"pledge/{trade.trade}", held.pledge_minor)
    given_back(money, trade, held, judged.seller_pays_minor, judged.buyer_pays_minor)
    if money.debits:
        purpose = f"trade {trade.trade}"
        ctx.call("currency", "distribute", debits=money.debits, credits=money.credits(), purpose=purpose)
    ctx.emit("TradeResolved", trade=trade.trade, delivered_mwh=delivered_mwh)
    ended(ctx, trade, judged)


def given_back(money: Money, trade: Obligation, run: Running, seller_pays_minor: int, buyer_pays_minor: int) -> None:
    """What an ended trade still held: what a shortfall costs to the other one, the rest to its owner."""
    money.give(trade.seller, buyer_pays_minor + run.pledge_minor - seller_pays_minor)
    money.give(trade.buyer, seller_pays_minor + run.escrow_minor - buyer_pays_minor)


def ended(ctx: Context, trade: Obligation, judged: Ending) -> None:
    """Write down how a trade ended."""
    trade = trade.replace(
        status=DONE,
        seller_short_mwh=judged.seller_short_mwh,
        buyer_short_mwh=judged.buyer_short_mwh,
        seller_paid_minor=judged.seller_pays_minor,
        buyer_paid_minor=judged.buyer_pays_minor,
        escrow_minor=0,
        pledge_minor=0,
        over_ms=ctx.time_ms,
    )
    ctx.put(trade_key(ctx, trade.trade), trade)
    ctx.emit(
        "TradeDone",
        trade=trade.trade,
        delivered_mwh=trade.delivered_mwh,
        seller_short_mwh=trade.seller_short_mwh,
        buyer_short_mwh=trade.buyer_short_mwh,
        curtailed_mwh=trade.curtailed_mwh,
    )
    if judged.seller_pays_minor or judged.buyer_pays_minor:
        ctx.emit(
            "ShortfallPaid",
            trade=trade.trade,
            seller_pays_minor=judged.seller_pays_minor,
            buyer_pays_minor=judged.buyer_pays_minor,
        )


def imbalance_micro(ctx: Context, rules: Rules, trade: Obligation, known: dict[tuple[str, int], int]) -> int:
    """What the buyer's energy from elsewhere is taken to cost: the area's price, else retail when delivery began."""
    if rules.imbalance_micro:
        return rules.imbalance_micro
    name = (trade.tariff, trade.from_ms)
    if name not in known:
        known[name] = ctx.call("tariff", "price", id=trade.tariff, at_ms=trade.from_ms) or 0
    return known[name]


def current(ctx: Context, trade: Obligation) -> Obligation:
    """A trade with the sums of the intervals closed so far."""
    for running in running_of(ctx, trade.area):
        if running.trade == trade.trade:
            return trade.replace(
                delivered_mwh=running.delivered_mwh,
                missed_mwh=running.missed_mwh,
                spare_mwh=running.spare_mwh,
                escrow_minor=running.escrow_minor,
                pledge_minor=running.pledge_minor,
            )
    return trade


# ---------------------------------------------------------------- commands


def command(ctx: Context, trade: Obligation, point: str, action: str) -> None:
    """Tell the device at a point, and wait for its answer."""
    number = (ctx.get("commands", int) or 0) + 1
    sent = Command(
        number=number,
        trade=trade.trade,
        point=point,
        device=ctx.call("registry", "point", point=point)["meter"],
        action=action,
        energy_wh=trade.energy_wh,
        text=f"New Transaction #{trade.trade}: energy from {trade.seller_point} → {trade.buyer_point}",
        sent_ms=ctx.time_ms,
    )
    ctx.put("commands", number)
    ctx.put(command_key(ctx, number), sent)
    ctx.put(ctx.key("inbox", point, number_text(number)), number)
    wait_ms = rules_at(ctx, trade.area, ctx.time_ms).command_wait_ms
    ctx.schedule(f"command/{number}", ctx.time_ms + wait_ms, "time_out", command=number)
    ctx.emit(
        "DeliveryCommanded",
        command=number,
        trade=trade.trade,
        point=point,
        device=sent.device,
        action=action,
        energy_wh=trade.energy_wh,
        text=sent.text,
    )


def compared(ctx: Context, one: Command) -> None:
    """Dispute a trade whose two ends have measured too differently."""
    trade = trade_of(ctx, one.trade)
    far = trade.buyer_point if one.point == trade.seller_point else trade.seller_point
    other = one
    for _, number in ctx.matching("inbox", far, reverse=True):
        other = command_of(ctx, number)
        if other.trade == trade.trade or other.sent_ms < trade.from_ms:
            break
    if other.trade != trade.trade or other.action not in (STOP, OUT) or not other.measured_mwh:
        return
    apart_mwh = abs(one.measured_mwh - other.measured_mwh)
    allowed_micro = rules_at(ctx, trade.area, trade.from_ms).tie_tolerance_micro
    too_much = apart_mwh * MICRO > allowed_micro * max(one.measured_mwh, other.measured_mwh)
    if too_much and trade.status != DISPUTED and not trade.over_ms:
        disputed(ctx, trade, "", f"the two ends of the tie differ by {apart_mwh} mWh")


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


def pool_of(ctx: Context, area: str) -> list[Share]:
    found: list[Share] | None = ctx.get(ctx.key("pool", area), list[Share])
    return found or []


# ---------------------------------------------------------------- closing an interval


def due_ms(ctx: Context, area: Area) -> int:
    return area.next_ms + area.interval_ms + rules_at(ctx, area.id, area.next_ms).grace_ms


def closed(ctx: Context, area: Area) -> tuple[Area, int]:
    """Close as much as one call holds; the area after it, and when to go on.

    An interval goes through facts, classes and payments. A call begins no step that might not fit; what is
    under way is kept, and no interval begins before the one before it is paid.
    """
    key = ctx.key("closing", area.id)
    kept = ctx.get(key, Closing)
    closing = kept
    used = 0
    for _ in range(STEPS_A_CALL):
        if closing is None and ctx.time_ms < due_ms(ctx, area):
            return area, stopped(ctx, key, kept, None, due_ms(ctx, area))
        units = step_units(area, closing)
        if used and used + units > CALL_UNITS:
            break
        used += units
        if closing is None:
            area, passed = quiet(ctx, area)
            if passed:
                continue
            closing = with_facts(ctx, area)
            if closing is None:
                return area, stopped(ctx, key, kept, None, ctx.time_ms + area.interval_ms)
            area = enlisted(ctx, area, [member[0] for member in closing.members], closing.interval_ms)
        elif closing.stage == "classes":
            closing = with_classes(ctx, area, closing)
        elif closing.stage == "money":
            closing = with_money(ctx, area, closing)
        else:
            closing = paid(ctx, closing)
        if closing.stage == "paid":
            settled_event(ctx, area, closing)
            area = area.replace(next_ms=area.next_ms + area.interval_ms)
            closing = None
    return area, stopped(ctx, key, kept, closing, ctx.time_ms)


def stopped(ctx: Context, key: str, kept: Closing | None, closing: Closing | None, again_ms: int) -> int:
    """Keep what is under way, if anything is."""
    if closing is not None:
        ctx.put(key, closing)
    elif kept is not None:
        ctx.delete(key)
    return again_ms


def step_units(area: Area, closing: Closing | None) -> int:
    """What the next step may cost."""
    if closing is None:
        return FACTS_UNITS * max(area.points, 10)
    if closing.stage in ("classes", "money"):
        return CLASS_UNITS * (closing.trades + len(closing.members))
    entries = min(len(closing.debits), PAID_AT_ONCE) + min(len(closing.credits), PAID_AT_ONCE)
    return PAID_UNITS * entries + DONE_UNITS * min(len(closing.done), DONE_AT_ONCE)


def quiet(ctx: Context, area: Area) -> tuple[Area, bool]:
    """Pass over many intervals of a day at once, in which nobody trades or shares and all is measured.

    Only when the timer is late, and the same points belong to the area at both ends.
    """
    day_end_ms = (area.next_ms // DAY_MS + 1) * DAY_MS
    late_ms = due_ms(ctx, area) - area.next_ms
    until_ms = min(day_end_ms, (ctx.time_ms - late_ms) // area.interval_ms * area.interval_ms + area.interval_ms)
    if until_ms - area.next_ms < 2 * area.interval_ms or running_of(ctx, area.id) or pool_of(ctx, area.id):
        return area, False
    for at_ms in range(area.next_ms, until_ms, area.interval_ms):
        if any(True for _ in ctx.matching("due", area.id, time_text(at_ms))):
            until_ms = at_ms
            break
    members = ctx.call("registry", "members", area=area.id, interval_ms=area.next_ms)
    last = ctx.call("registry", "members", area=area.id, interval_ms=until_ms - area.interval_ms)
    if until_ms <= area.next_ms + area.interval_ms or members != last:
        return area, False
    points = [member[0] for member in members]
    reached_ms = ctx.call(
        "metering", "close_many", area=area.id, points=points, from_ms=area.next_ms, until_ms=until_ms
    )
    if reached_ms == area.next_ms:
        return area, False
    return enlisted(ctx, area, points, area.next_ms).replace(next_ms=reached_ms), True


def with_facts(ctx: Context, area: Area) -> Closing | None:
    """Who belongs to the area in this interval, and what each took and gave; None while metering waits."""
    members = ctx.call("registry", "members", area=area.id, interval_ms=area.next_ms)
    points = [member[0] for member in members]
    facts = ctx.call("metering", "close", area=area.id, points=points, interval_ms=area.next_ms)
    if facts is None:
        return None
    trades = len(running_of(ctx, area.id)) + sum(1 for _ in ctx.matching("due", area.id, time_text(area.next_ms)))
    closing = Closing(
        interval_ms=area.next_ms,
        stage="classes",
        members=[(member[0], member[1], member[2], member[3], member[4]) for member in members],
        facts=[(fact[0], fact[1], fact[2]) for fact in facts],
        sums_mwh=[sum(fact[0] for fact in facts), sum(fact[1] for fact in facts)],
        trades=trades,
        debits=[],
        credits=[],
        progress=[],
        done=[],
    )
    if trades == 0 and not pool_of(ctx, area.id) and not any(fact[2] == EXTRAPOLATED for fact in facts):
        return closing.replace(stage="paid")
    return closing


def enlisted(ctx: Context, area: Area, points: list[str], from_ms: int) -> Area:
    """Keep who belongs to the area, when it has changed or a day begins."""
    same_day = area.roster_ms // DAY_MS == from_ms // DAY_MS
    if not same_day or points != ctx.get(interval_key(ctx, "roster", area.id, area.roster_ms), list[str]):
        ctx.put(interval_key(ctx, "roster", area.id, from_ms), points)
        area = area.replace(roster_ms=from_ms)
    return area.replace(points=len(points))


def with_classes(ctx: Context, area: Area, closing: Closing) -> Closing:
    """Run the waterfall over the facts, and write down what it came to."""
    rules = rules_at(ctx, area.id, closing.interval_ms)
    places = {member[0]: place for place, member in enumerate(closing.members)}
    trades, running = due(ctx, area.id, closing.interval_ms)
    members = [
        Member(place=places[share.point], purse_minor=share.purse_minor)
        for share in pool_of(ctx, area.id)
        if share.since_ms <= closing.interval_ms and not has_left(share, closing, places)
    ]
    facts = facts_of(ctx, area, closing, rules, places, trades, running, members)
    settled = settle(facts)
    written(ctx, area, closing, facts, settled)
    return closing.replace(
        stage="money",
        progress=settled.progress,
        sums_mwh=[sum(row[at] for row in settled.rows) for at in range(COLUMNS)],
    )


def with_money(ctx: Context, area: Area, closing: Closing) -> Closing:
    """Note all that is to be paid, carry each trade on or to its end, and return units to prepaid meters."""
    postings = postings_of(ctx, area.id, closing.interval_ms)
    rules = rules_at(ctx, area.id, closing.interval_ms)
    money = no_money()
    pooled(ctx, area, closing, postings, money)
    charged(ctx, area, rules, postings, money)
    trades, running = due(ctx, area.id, closing.interval_ms)
    going, done = advanced(ctx, area, rules, closing, trades, running, postings, money)
    ctx.put(ctx.key("running", area.id), going)
    returned(ctx, closing, postings, trades, running)
    given = money.credits()
    moved_minor = sum(credit[1] for credit in given)
    if sum(debit[2] for debit in money.debits) != moved_minor:
        raise Unbalanced(f"interval {closing.interval_ms} of {area.id} does not balance")
    return closing.replace(
        stage="paying",
        progress=[],
        debits=money.debits,
        credits=given,
        done=done,
        moved_minor=moved_minor,
        trades=len(trades),
    )


def due(ctx: Context, area: str, interval_ms: int) -> tuple[list[Obligation], list[Running]]:
    """The trades of an interval in order of match, and how far they are: those that run, and those that begin."""
    running = running_of(ctx, area)
    trades = [trade_of(ctx, each.trade) for each in running]
    for _, number in ctx.matching("due", area, time_text(interval_ms)):
        trade = trade_of(ctx, number)
        trades.append(trade)
        running.append(begun(ctx, trade))
    return trades, running


def begun(ctx: Context, trade: Obligation) -> Running:
    return Running(
        trade=trade.trade,
        delivered_mwh=0,
        missed_mwh=0,
        spare_mwh=0,
        escrow_minor=trade.escrow_minor,
        pledge_minor=trade.pledge_minor,
        advanced_mwh=(ctx.get(advance_key(ctx, trade.trade), int) or 0) if trade.prepaid else 0,
    )


def has_left(share: Share, closing: Closing, places: dict[str, int]) -> bool:
    """Whether a member has left the pool, moved out, or away."""
    place = places.get(share.point, NOWHERE)
    here = place != NOWHERE and closing.members[place][3] == share.customer
    return not here or 0 < share.until_ms <= closing.interval_ms


def pooled(ctx: Context, area: Area, closing: Closing, postings: list[Posted], money: Money) -> None:
    """Pay the pool's postings out of purses and into wallets; who has left has the rest of its purse back."""
    shares = pool_of(ctx, area.id)
    if not shares:
        return
    places = {member[0]: place for place, member in enumerate(closing.members)}
    pays = {
        posting[0]: posting[5] + posting[6] + posting[7] + posting[8]
        for posting in postings
        if posting[1] == POOL_IMPORT
    }
    gets = {posting[0]: posting[5] for posting in postings if posting[1] == POOL_EXPORT}
    stay: list[Share] = []
    left: list[str] = []
    for share in shares:
        if share.since_ms <= closing.interval_ms and has_left(share, closing, places):
            money.take(share.wallet, "pool/" + share.point, share.purse_minor)
            money.give(share.wallet, share.purse_minor)
            left.append(share.point)
            continue
        paid_minor = pays.get(share.point, 0)
        if paid_minor:
            money.take(share.wallet, "pool/" + share.point, paid_minor)
        money.give(share.wallet, gets.get(share.point, 0))
        stay.append(share.replace(purse_minor=share.purse_minor - paid_minor) if paid_minor else share)
    ctx.put(ctx.key("pool", area.id), stay)
    if left:
        ctx.emit("PoolLeft", area=area.id, points=left)


def facts_of(
    ctx: Context,
    area: Area,
    closing: Closing,
    rules: Rules,
    places: dict[str, int],
    trades: list[Obligation],
    running: list[Running],
    members: list[Member],
) -> Facts:
    utilities = [member[2] for member in closing.members]
    due: list[Trade] = []
    for trade, run in zip(trades, running, strict=True):
        seller, buyer = places.get(trade.seller_point, NOWHERE), places.get(trade.buyer_point, NOWHERE)
        if seller != NOWHERE and closing.members[seller][3] != trade.seller_customer:
            seller = NOWHERE
        if buyer != NOWHERE and closing.members[buyer][3] != trade.buyer_customer:
            buyer = NOWHERE
        each = Trade(
            number=trade.trade,
            seller=seller,
            buyer=buyer,
            left_mwh=trade.energy_wh * MWH_PER_WH - run.delivered_mwh,
            price_micro=trade.price_micro,
            fee_micro=trade.fee_micro,
            escrow_minor=run.escrow_minor,
            pledge_minor=run.pledge_minor,
        )
        due.append(each)
    return Facts(
        points=[member[0] for member in closing.members],
        utilities=utilities,
        import_mwh=[fact[0] for fact in closing.facts],
        export_mwh=[fact[1] for fact in closing.facts],
        trades=due,
        members=members,
        charges={utility: charges_of(ctx, utility, closing.interval_ms) for utility in distinct(utilities)},
        pool_price_micro=rules.pool_price_micro,
        pool_fee_micro=rules.pool_fee_micro,
        digits=area.digits,
    )


def charges_of(ctx: Context, utility: str, at_ms: int) -> tuple[int, int]:
    """(levies per kWh, rate of tax) on energy that a utility's customers buy from each other."""
    charges = ctx.call("tariff", "peer_charges", utility=utility, at_ms=at_ms)
    return sum(levy["price_micro"] for levy in charges["levies"]), charges["tax_micro"]


def charged(ctx: Context, area: Area, rules: Rules, postings: list[Posted], money: Money) -> None:
    """Give levies and tax to the buyers' utilities, and the pool's fees to whom the area says."""
    levies: dict[str, int] = {}
    taxes: dict[str, int] = {}
    fees_minor = 0
    for point, kind, _, _, _, _, fee_minor, levy_minor, tax_minor in postings:
        if levy_minor or tax_minor:
            utility = organisation_of(point)
            levies[utility] = levies.get(utility, 0) + levy_minor
            taxes[utility] = taxes.get(utility, 0) + tax_minor
        if kind == POOL_IMPORT:
            fees_minor += fee_minor
    for utility in sorted(levies):
        accounts = ctx.call("registry", "utility", organisation=utility)
        money.give(accounts["levy_account"], levies[utility])
        money.give(accounts["tax_account"], taxes[utility])
    if fees_minor:
        money.give(fee_account(ctx, area, rules), fees_minor)


def fee_account(ctx: Context, area: Area, rules: Rules) -> str:
    """Where grid fees go that nobody has named an account for."""
    treasury: str = ctx.call("registry", "utility", organisation=area.operator)["treasury"]
    return rules.fee_account or treasury


def advanced(
    ctx: Context,
    area: Area,
    rules: Rules,
    closing: Closing,
    trades: list[Obligation],
    running: list[Running],
    postings: list[Posted],
    money: Money,
) -> tuple[list[Running], list[Done]]:
    """Pay each trade and carry it on; those whose last interval this is are judged, and hand back what they hold."""
    end_ms = closing.interval_ms + area.interval_ms
    bought = {posting[2]: posting for posting in postings if posting[1] == TRADE_IMPORT}
    curtailed = {int(ctx.parts(key)[2]): at_ms for key, at_ms in ctx.matching("curtailed", area.id)}
    known: dict[tuple[str, int], int] = {}
    fallback = ""
    going: list[Running] = []
    done: list[Done] = []
    for at, (trade, run, progress) in enumerate(zip(trades, running, closing.progress, strict=True)):
        cost_minor = back_minor = 0
        if trade.trade in bought:
            amount_minor, fee_minor, levy_minor, tax_minor = bought[trade.trade][5:]
            cost_minor = max(amount_minor, 0) + fee_minor + levy_minor + tax_minor
            back_minor = max(-amount_minor, 0)
            money.give(trade.seller, max(amount_minor, 0))
            money.give(trade.buyer, back_minor)
            if fee_minor:
                if not trade.fee_account and not fallback:
                    fallback = fee_account(ctx, area, rules)
                money.give(trade.fee_account or fallback, fee_minor)
        then = Running(
            trade=trade.trade,
            delivered_mwh=run.delivered_mwh + progress.delivered_mwh,
            missed_mwh=run.missed_mwh + progress.missed_mwh,
            spare_mwh=run.spare_mwh + progress.spare_mwh,
            escrow_minor=run.escrow_minor - cost_minor,
            pledge_minor=run.pledge_minor - back_minor,
            advanced_mwh=run.advanced_mwh - min(run.advanced_mwh, progress.delivered_mwh),
        )
        if run.advanced_mwh:
            running[at] = run.replace(advanced_mwh=run.advanced_mwh - then.advanced_mwh)
        halted_ms = curtailed.get(trade.trade, LARGEST)
        if end_ms < trade.until_ms and halted_ms >= end_ms:
            going.append(then)
        else:
            ended_trade = judged_trade(ctx, area, rules, trade, then, halted_ms, known)
            if ended_trade[5] >= 0:
                cost_minor, back_minor = run.escrow_minor, run.pledge_minor
                given_back(money, trade, then, ended_trade[7], ended_trade[8])
            done.append(ended_trade)
        money.take(trade.buyer, f"trade/{trade.trade}", cost_minor)
        money.take(trade.seller, f"pledge/{trade.trade}", back_minor)
    return going, done


def judged_trade(
    ctx: Context,
    area: Area,
    rules: Rules,
    trade: Obligation,
    run: Running,
    halted_ms: int,
    known: dict[tuple[str, int], int],
) -> Done:
    """How a trade ends; of one that is disputed everything stays where it is (seller short is then -1)."""
    energy_mwh = trade.energy_wh * MWH_PER_WH
    left_mwh = energy_mwh - run.delivered_mwh
    curtailed = curtailed_mwh(energy_mwh, left_mwh, trade.from_ms, trade.until_ms, halted_ms)
    if run.advanced_mwh:
        claim = (trade.buyer_point, trade.from_ms, run.advanced_mwh, f"advance/{trade.trade}")
        ctx.call("prepaid", "claw_back", debits=[claim])
    so_far = (run.trade, run.delivered_mwh, run.missed_mwh, run.spare_mwh, curtailed)
    if halted_ms != LARGEST:
        ctx.delete(ctx.key("curtailed", area.id, number_text(trade.trade)))
    if trade.status == DISPUTED:
        return (*so_far, -1, 0, run.pledge_minor, run.escrow_minor)
    terms = Terms(
        energy_mwh=energy_mwh,
        price_micro=trade.price_micro,
        delivered_mwh=run.delivered_mwh,
        missed_mwh=run.missed_mwh,
        spare_mwh=run.spare_mwh,
        curtailed_mwh=curtailed,
        escrow_minor=run.escrow_minor,
        pledge_minor=run.pledge_minor,
    )
    owes = left_mwh > curtailed and run.missed_mwh and run.pledge_minor
    imbalance = imbalance_micro(ctx, rules, trade, known) if owes else 0
    judged = ending(terms, imbalance, rules.buyer_short == TAKE_OR_PAY, area.digits)
    return (
        *so_far,
        judged.seller_short_mwh,
        judged.buyer_short_mwh,
        judged.seller_pays_minor,
        judged.buyer_pays_minor,
    )


def written(ctx: Context, area: Area, closing: Closing, facts: Facts, settled: Settled) -> None:
    """Write down the interval; nothing of it is ever changed."""
    at_ms = closing.interval_ms
    interval = Interval(
        points=facts.points, rows=settled.rows, remainders_pico=settled.remainders_pico, closed_ms=ctx.time_ms
    )
    prepaid = [member[0] for member in closing.members if member[4]]
    ctx.put(interval_key(ctx, "interval", area.id, at_ms), interval)
    ctx.put(interval_key(ctx, "postings", area.id, at_ms), settled.postings)
    ctx.put(interval_key(ctx, "facts", area.id, at_ms), Basis(facts=facts, prepaid=prepaid))
    for utility in sorted(settled.remainders_pico):
        key = ctx.key("remainder", utility)
        ctx.put(key, (ctx.get(key, int) or 0) + settled.remainders_pico[utility])
    if settled.unfunded:
        ctx.emit("PoolUnfunded", area=area.id, interval_ms=at_ms, points=[facts.points[at] for at in settled.unfunded])


def returned(
    ctx: Context, closing: Closing, postings: list[Posted], trades: list[Obligation], running: list[Running]
) -> None:
    """Give prepaid meters back what they took by trade and pool, less what they had in advance."""
    prepaid = {member[0]: 0 for member in closing.members if member[4]}
    if not prepaid:
        return
    for posting in postings:
        if posting[1] in (TRADE_IMPORT, POOL_IMPORT) and posting[0] in prepaid:
            prepaid[posting[0]] += posting[3]
    for trade, run in zip(trades, running, strict=True):
        if run.advanced_mwh and trade.buyer_point in prepaid:
            prepaid[trade.buyer_point] -= run.advanced_mwh
    back = [(point, closing.interval_ms, prepaid[point], "settlement") for point in prepaid if prepaid[point] > 0]
    if back:
        ctx.call("prepaid", "return_units", credits=back)


def paid(ctx: Context, closing: Closing) -> Closing:
    """Move a part of the money, and end some of the trades that are over."""
    taken, given = piece(closing.debits, closing.credits, PAID_AT_ONCE)
    if taken:
        purpose = f"energy of interval {closing.interval_ms}"
        ctx.call("currency", "distribute", debits=taken, credits=given, purpose=purpose)
    left_debits, left_credits = without(closing.debits, closing.credits, taken, given)
    for number, delivered, missed, spare, curtailed, seller_short, buyer_short, from_seller, from_buyer in closing.done[
        :DONE_AT_ONCE
    ]:
        trade = trade_of(ctx, number).replace(
            delivered_mwh=delivered, missed_mwh=missed, spare_mwh=spare, curtailed_mwh=curtailed, over_ms=ctx.time_ms
        )
        if seller_short < 0:
            held = trade.replace(status=DISPUTED, escrow_minor=from_buyer, pledge_minor=from_seller)
            ctx.put(trade_key(ctx, number), held)
        else:
            judged = Ending(
                seller_short_mwh=seller_short,
                buyer_short_mwh=buyer_short,
                seller_pays_minor=from_seller,
                buyer_pays_minor=from_buyer,
            )
            ended(ctx, trade, judged)
    done = closing.done[DONE_AT_ONCE:]
    stage = "paying" if left_debits or done else "paid"
    return closing.replace(stage=stage, debits=left_debits, credits=left_credits, done=done)


def settled_event(ctx: Context, area: Area, closing: Closing) -> None:
    """Tell what an interval came to; one that was the grid's alone is not told."""
    if len(closing.sums_mwh) < COLUMNS:
        return
    ctx.emit(
        "IntervalSettled",
        area=area.id,
        interval_ms=closing.interval_ms,
        sums_mwh=closing.sums_mwh,
        moved_minor=closing.moved_minor,
        trades=closing.trades,
    )


def postings_of(ctx: Context, area: str, interval_ms: int) -> list[Posted]:
    found: list[Posted] | None = ctx.get(interval_key(ctx, "postings", area, interval_ms), list[Posted])
    assert found is not None, "an interval with rows has postings"
    return found


def running_of(ctx: Context, area: str) -> list[Running]:
    found: list[Running] | None = ctx.get(ctx.key("running", area), list[Running])
    return found or []


# ---------------------------------------------------------------- days


def rosters_of(ctx: Context, area: Area, day: int) -> list[tuple[int, list[str]]]:
    """Who belonged to the area on a day, from which interval on."""
    found: list[tuple[int, list[str]]] = []
    for key, points in ctx.matching("roster", area.id, type=list[str], reverse=True):
        from_ms = int(ctx.parts(key)[2])
        if from_ms < day * DAY_MS:
            break
        if from_ms < (day + 1) * DAY_MS:
            found.append((from_ms, points))
    return found[::-1]


def roll(ctx: Context, area: Area, day: int, rosters: list[tuple[int, list[str]]], points: list[str]) -> None:
    """Write the day of these points: closed intervals by their rows, the others all to the grid."""
    count = DAY_MS // area.interval_ms
    metered = [metered_day(ctx, point, day, count) for point in points]
    days = [[[0 for _ in range(count)] for _ in range(COLUMNS)] for _ in points]
    for number, (from_ms, roster) in enumerate(rosters):
        until_ms = rosters[number + 1][0] if number + 1 < len(rosters) else (day + 1) * DAY_MS
        places = [roster.index(point) if point in roster else NOWHERE for point in points]
        for at in range((from_ms - day * DAY_MS) // area.interval_ms, (until_ms - day * DAY_MS) // area.interval_ms):
            start_ms = day * DAY_MS + at * area.interval_ms
            interval = ctx.get(interval_key(ctx, "interval", area.id, start_ms), Interval)
            for index, place in enumerate(places):
                if place != NOWHERE:
                    columns = days[index]
                    if interval is None:
                        columns[0][at] = columns[4][at] = metered[index][0][at]
                        columns[1][at] = columns[7][at] = metered[index][1][at]
                    else:
                        for kind, energy_mwh in enumerate(interval.rows[place]):
                            columns[kind][at] = energy_mwh
    for point, columns in zip(points, days, strict=True):
        before = ctx.get(day_key(ctx, point, day), Day)
        version = 1
        if before is not None:
            version = before.version + 1
            for column, other in zip(columns, before.columns, strict=True):
                for at, energy_mwh in enumerate(other):
                    column[at] += energy_mwh
        ctx.put(day_key(ctx, point, day), Day(day=day, columns=columns, version=version))


def metered_day(ctx: Context, point: str, day: int, count: int) -> tuple[list[int], list[int]]:
    """What metering knows of a day, import and export by interval."""
    found = ctx.call("metering", "days", point=point, first_day=day, last_day=day)
    if not found:
        return [0 for _ in range(count)], [0 for _ in range(count)]
    return found[0]["import_mwh"], found[0]["export_mwh"]


# ---------------------------------------------------------------- late readings


def adjusted(ctx: Context, area: Area) -> tuple[Area, bool]:
    """Post what has changed in days that are rolled up, as far as one call goes; whether there is more."""
    used = 0
    for key, _ in ctx.matching("late", area.id):
        _, _, day_text, point = ctx.parts(key)
        if int(day_text) >= area.rolled_day:
            return area, False
        area, used, more = adjusted_day(ctx, area, point, int(day_text), used + LATE_DAY_UNITS)
        if more:
            return area, True
        ctx.delete(key)
    return area, False


def adjusted_day(ctx: Context, area: Area, point: str, day: int, used: int) -> tuple[Area, int, bool]:
    """Post what has changed of one point's day: the area after it, what the call has cost, whether it is not all.

    An interval with trades or a pool is run again only in a call that has done little else.
    """
    settled = ctx.get(day_key(ctx, point, day), Day)
    if settled is None:
        return area, used, False
    count = DAY_MS // area.interval_ms
    now = metered_day(ctx, point, day, count)
    taken = ctx.get(ctx.key("taken", point, f"{day:06d}"), Taken)
    import_mwh = taken.import_mwh if taken is not None else [0 for _ in range(count)]
    export_mwh = taken.export_mwh if taken is not None else [0 for _ in range(count)]
    changed, more = 0, False
    for from_ms, until_ms in membership(ctx, area, point, day):
        for start_ms in range(from_ms, until_ms, area.interval_ms):
            at = start_ms % DAY_MS // area.interval_ms
            more_import = now[0][at] - settled.columns[0][at] - import_mwh[at]
            more_export = now[1][at] - settled.columns[1][at] - export_mwh[at]
            if more or not (more_import or more_export):
                continue
            basis = ctx.get(interval_key(ctx, "facts", area.id, start_ms), Basis)
            used += POSTED_UNITS
            more = used > (CALL_UNITS if basis is None else FRESH_UNITS)
            if more:
                continue
            if basis is None:
                columns = [more_import, more_export, 0, 0, more_import, 0, 0, more_export]
                posted(ctx, point, start_ms, columns, [0, 0, 0, 0])
            else:
                run_again(ctx, area, basis, point, start_ms, more_import, more_export)
                used = CALL_UNITS
            import_mwh[at] += more_import
            export_mwh[at] += more_export
            changed += 1
    if changed:
        ctx.put(ctx.key("taken", point, f"{day:06d}"), Taken(import_mwh=import_mwh, export_mwh=export_mwh))
        ctx.emit("AdjustmentPosted", area=area.id, point=point, day=day, intervals=changed)
    return area.replace(adjustments=area.adjustments + changed), used, more


def membership(ctx: Context, area: Area, point: str, day: int) -> list[tuple[int, int]]:
    """When on a day a point belonged to the area."""
    rosters = rosters_of(ctx, area, day)
    spans: list[tuple[int, int]] = []
    for number, (from_ms, roster) in enumerate(rosters):
        if point in roster:
            until_ms = rosters[number + 1][0] if number + 1 < len(rosters) else (day + 1) * DAY_MS
            spans.append((from_ms, until_ms))
    return spans


def run_again(
    ctx: Context, area: Area, basis: Basis, point: str, start_ms: int, more_import: int, more_export: int
) -> None:
    """Run an interval with a point's true registers, and post for every point what differs from what stood."""
    stood = standing(ctx, area.id, start_ms)
    place = basis.facts.points.index(point)
    imports, exports = [row[0] for row in stood.rows], [row[1] for row in stood.rows]
    imports[place] += more_import
    exports[place] += more_export
    had = {posting[2]: posting[3] for posting in stood.postings if posting[1] == TRADE_IMPORT}
    found = {trade.number: trade_of(ctx, trade.number) for trade in basis.facts.trades}
    running = running_of(ctx, area.id)
    delivered = {number: found[number].delivered_mwh for number in found}
    delivered.update({run.trade: run.delivered_mwh for run in running})
    trades: list[Trade] = []
    for trade in basis.facts.trades:
        left_mwh = max(found[trade.number].energy_wh * MWH_PER_WH - delivered[trade.number], 0)
        trades.append(trade.replace(left_mwh=min(had.get(trade.number, 0) + left_mwh, trade.left_mwh)))
    now = settle(basis.facts.replace(import_mwh=imports, export_mwh=exports, trades=trades))
    ctx.put(interval_key(ctx, "adjusted", area.id, start_ms), Adjusted(rows=now.rows, postings=now.postings))
    owed = {other: [0, 0, 0, 0] for other in basis.facts.points}
    owing(owed, now.postings, 1)
    owing(owed, stood.postings, -1)
    more_mwh = {each.number: each.delivered_mwh - had.get(each.number, 0) for each in now.progress}
    still = {run.trade: True for run in running}
    if any(more_mwh[number] for number in still if number in more_mwh):
        later = [run.replace(delivered_mwh=run.delivered_mwh + more_mwh.get(run.trade, 0)) for run in running]
        ctx.put(ctx.key("running", area.id), later)
    for number in sorted(more_mwh):
        if more_mwh[number] and number not in still:
            recounted(ctx, found[number], more_mwh[number], owed)
    differences(ctx, basis, stood, now, start_ms, owed)


def differences(
    ctx: Context, basis: Basis, stood: Adjusted, now: Settled, start_ms: int, owed: dict[str, list[int]]
) -> None:
    """Post each point's difference; prepaid ones have units returned or clawed back."""
    back: list[tuple[str, int, int, str]] = []
    claim: list[tuple[str, int, int, str]] = []
    for point, row, before in zip(basis.facts.points, now.rows, stood.rows, strict=True):
        if row == before and not any(owed[point]):
            continue
        columns = [one - two for one, two in zip(row, before, strict=True)]
        number = posted(ctx, point, start_ms, columns, owed[point])
        more_mwh = columns[2] + columns[3]
        if more_mwh and point in basis.prepaid:
            entry = (point, start_ms, abs(more_mwh), f"adjustment/{number}")
            if more_mwh > 0:
                back.append(entry)
            else:
                claim.append(entry)
    if back:
        ctx.call("prepaid", "return_units", credits=back)
    if claim:
        ctx.call("prepaid", "claw_back", debits=claim)


def standing(ctx: Context, area: str, start_ms: int) -> Adjusted:
    """What an interval comes to as of now."""
    found = ctx.get(interval_key(ctx, "adjusted", area, start_ms), Adjusted)
    if found is not None:
        return found
    interval = ctx.get(interval_key(ctx, "interval", area, start_ms), Interval)
    assert interval is not None, "an interval with facts has rows"
    return Adjusted(rows=interval.rows, postings=postings_of(ctx, area, start_ms))


def owing(owed: dict[str, list[int]], postings: list[Posted], sign: int) -> None:
    """Add up what each point owes (below zero: gets) by postings: amount, fee, levy, tax."""
    for point, kind, _, _, _, amount_minor, fee_minor, levy_minor, tax_minor in postings:
        sums = owed[point]
        sums[0] += amount_minor * sign if kind in (TRADE_IMPORT, POOL_IMPORT) else -amount_minor * sign
        sums[1] += fee_minor * sign
        sums[2] += levy_minor * sign
        sums[3] += tax_minor * sign


def recounted(ctx: Context, trade: Obligation, more_mwh: int, owed: dict[str, list[int]]) -> None:
    """Count late delivery to a trade that has ended. What its seller has paid for energy that did come is owed back;
    for a shortfall that nobody knew of nobody pays: the pledge is back with its owner."""
    cured_mwh = min(max(more_mwh, 0), trade.seller_short_mwh)
    back_minor = trade.seller_paid_minor * cured_mwh // trade.seller_short_mwh if cured_mwh else 0
    owed[trade.buyer_point][0] += back_minor
    owed[trade.seller_point][0] -= back_minor
    trade = trade.replace(
        delivered_mwh=trade.delivered_mwh + more_mwh,
        seller_short_mwh=trade.seller_short_mwh - cured_mwh,
        seller_paid_minor=trade.seller_paid_minor - back_minor,
    )
    ctx.put(trade_key(ctx, trade.trade), trade)


def posted(ctx: Context, point: str, start_ms: int, columns: list[int], owed: list[int]) -> int:
    """Write an adjustment; its number."""
    key = ctx.key("adjustments", point)
    number = (ctx.get(key, int) or 0) + 1
    adjustment = Adjustment(
        number=number,
        interval_ms=start_ms,
        columns_mwh=columns,
        amount_minor=owed[0],
        fee_minor=owed[1],
        levy_minor=owed[2],
        tax_minor=owed[3],
        posted_ms=ctx.time_ms,
    )
    ctx.put(ctx.key("adjustment", point, number_text(number)), adjustment)
    ctx.put(key, number)
    return number


# ---------------------------------------------------------------- adding up


def view(ctx: Context, area: str, interval_ms: int, found: Interval) -> View:
    stood = standing(ctx, area, interval_ms)
    return View(
        interval_ms=interval_ms,
        points=found.points,
        rows=stood.rows,
        postings=stood.postings,
        remainders_pico=found.remainders_pico,
        closed_ms=found.closed_ms,
        adjusted=ctx.get(interval_key(ctx, "adjusted", area, interval_ms)) is not None,
    )


def reconciled(ctx: Context, area: str, interval_ms: int, found: Interval) -> Reconciliation:
    basis = ctx.get(interval_key(ctx, "facts", area, interval_ms), Basis)
    postings = postings_of(ctx, area, interval_ms)
    assert basis is not None, "an interval with rows has facts"
    anew = settle(basis.facts)
    sums = [sum(row[column] for row in found.rows) for column in range(COLUMNS)]
    bought = [posting for posting in postings if posting[1] in (TRADE_IMPORT, POOL_IMPORT)]
    sold = [posting for posting in postings if posting[1] not in (TRADE_IMPORT, POOL_IMPORT)]
    amounts_minor = sum(posting[5] for posting in bought)
    received_minor = sum(posting[5] for posting in sold)
    charges_minor = sum(posting[6] + posting[7] + posting[8] for posting in bought)
    classes = all(
        row[0] == row[2] + row[3] + row[4] and row[1] == row[5] + row[6] + row[7] and min(row) >= 0
        for row in found.rows
    )
    energy = sums[2] == sums[5] and sums[3] == sums[6]
    agrees = anew.rows == found.rows and anew.postings == postings
    return Reconciliation(
        agrees=agrees and classes and energy and amounts_minor == received_minor,
        sums_mwh=sums,
        paid_minor=amounts_minor + charges_minor,
        received_minor=received_minor,
        charges_minor=charges_minor,
    )


# ---------------------------------------------------------------- rules and readers


def require_rules(ctx: Context, rules: Rules) -> None:
    if rules.pool_price_micro < 0 or rules.pool_fee_micro < 0 or rules.imbalance_micro < 0:
        raise RulesInvalid("prices and fees of a pool, and the imbalance price, are not below zero")
    if not 0 <= rules.grace_ms <= DAY_MS or not 1_000 <= rules.command_wait_ms <= HOUR_MS:
        raise RulesInvalid("grace lasts up to a day, a device has a second to an hour to answer")
    if rules.buyer_short not in (PAY_FOR_TAKEN, TAKE_OR_PAY) or not 0 <= rules.tie_tolerance_micro <= MICRO:
        raise RulesInvalid(f"a buyer's shortfall is {PAY_FOR_TAKEN} or {TAKE_OR_PAY}, a tolerance at most 100 %")
    if rules.fee_account:
        ctx.call("identity", "describe", identity=rules.fee_account)


def rules_at(ctx: Context, area: str, at_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", area, at_ms, Rules)
    return Rules() if found is None else found


def may_read(ctx: Context, point: str, scope: str) -> bool:
    allowed: bool = bool(ctx.caller) or ctx.call("registry", "may_read", point=point, scope=scope)
    return allowed


def require_reader(ctx: Context, point: str, scope: str) -> None:
    if not may_read(ctx, point, scope):
        raise NotAParty(f"{scope} of {point} are read by its tenant, its utility and those they let")


def require_operator(ctx: Context, area: str) -> None:
    """Contracts, regulators, and staff of the area's operator."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator":
        return
    require_staff(ctx, area_of(ctx, area).operator)


# ---------------------------------------------------------------- finding


def area_of(ctx: Context, area: str) -> Area:
    found = ctx.get(ctx.key("area", area), Area)
    if found is None:
        raise AreaUnknown(f"nobody has opened {area} for settlement")
    return found


def trade_of(ctx: Context, trade: int) -> Obligation:
    found = ctx.get(trade_key(ctx, trade), Obligation)
    if found is None:
        raise TradeUnknown(f"there is no trade {trade}")
    return found


def command_of(ctx: Context, command: int) -> Command:
    found = ctx.get(command_key(ctx, command), Command)
    if found is None:
        raise CommandUnknown(f"there is no command {command}")
    return found


def boundary_ms(ctx: Context, area: Area) -> int:
    """The next interval boundary; the present one if time stands on it."""
    return -(-ctx.time_ms // area.interval_ms) * area.interval_ms


def distinct(names: list[str]) -> list[str]:
    in_order = sorted(names)
    return [name for place, name in enumerate(in_order) if not place or name != in_order[place - 1]]


def trade_key(ctx: Context, trade: int) -> str:
    return ctx.key("trade", number_text(trade))


def command_key(ctx: Context, command: int) -> str:
    return ctx.key("command", number_text(command))


def delivering_key(ctx: Context, trade: Obligation) -> str:
    return ctx.key("delivering", trade.area, time_text(trade.matched_ms), number_text(trade.trade))


def advance_key(ctx: Context, trade: int) -> str:
    return ctx.key("advance", number_text(trade))


def interval_key(ctx: Context, kind: str, area: str, interval_ms: int) -> str:
    return ctx.key(kind, area, time_text(interval_ms))


def day_key(ctx: Context, point: str, day: int) -> str:
    return ctx.key("day", point, f"{day:06d}")


def number_text(number: int) -> str:
    return f"{number:012d}"


def time_text(time_ms: int) -> str:
    return f"{time_ms:015d}"
