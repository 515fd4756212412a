"""Deliveries: a trade from the hand of the market to its end, and what devices at both ends are told.

A trade is agreed, delivering, and done; disputed, it keeps what it holds until two people have decided. Commands
are numbered; each waits for its acknowledgement, or times out.
"""

from typing import Any

from chaincode.api import Context
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.settled import (
    AGREED,
    AHEAD_MS,
    DELIVERING,
    DISPUTED,
    DONE,
    DUE_AT_ONCE,
    IN,
    OUT,
    START,
    STOP,
    WINDOW_MS,
    Area,
    AreaBusy,
    Closing,
    Command,
    NotAParty,
    NotDue,
    Obligation,
    Rules,
    Running,
    TradeInvalid,
    TradeOver,
    advance_key,
    area_of,
    command_key,
    command_of,
    delivering_key,
    number_text,
    rules_at,
    running_of,
    trade_key,
    trade_of,
)
from chaincode.units import LARGEST, MICRO, MWH_PER_WH
from chaincode.waterfall import Ending, Money, Terms, ending, no_money

# ---------------------------------------------------------------- handed down


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


# ---------------------------------------------------------------- delivered


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
    if trade.status == DISPUTED or is_over(ctx, trade):
        raise TradeOver("the trade has ended, or is disputed already")
    if ctx.get(delivering_key(ctx, trade)) is not None:
        halted(ctx, trade)
    elif ctx.time_ms < trade.until_ms:
        ctx.put(ctx.key("curtailed", trade.area, number_text(trade.trade)), ctx.time_ms)
    ctx.put(trade_key(ctx, trade.trade), trade.replace(status=DISPUTED))
    ctx.emit("TradeDisputed", trade=trade.trade, by=by, reason=reason)


def is_over(ctx: Context, trade: Obligation) -> bool:
    """Whether a trade is judged, if not paid out yet."""
    closing = ctx.get(ctx.key("closing", trade.area), Closing)
    judged = closing is not None and any(done[0] == trade.trade for done in closing.done)
    return judged or trade.over_ms > 0


def require_disputed(trade: Obligation) -> None:
    if trade.status != DISPUTED:
        raise TradeOver("the trade is not disputed")
    if not trade.over_ms:
        raise NotDue("a trade is decided once its last interval has closed")


# ---------------------------------------------------------------- ended


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
        until_ms=trade.until_ms,
        feeder=trade.seller_feeder if point == trade.seller_point else trade.buyer_feeder,
        notice=notice(ctx, trade, action),
    )


def notice(ctx: Context, trade: Obligation, action: str) -> int:
    """A delivery that begins is noticed once on each feeder that it touches, by the feeder's next number; else 0."""
    if action == START:
        feeder = trade.seller_feeder
    elif action == IN and trade.buyer_feeder != trade.seller_feeder:
        feeder = trade.buyer_feeder
    else:
        return 0
    key = ctx.key("notices", feeder)
    number = (ctx.get(key, int) or 0) + 1
    ctx.put(key, number)
    return number


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
    if too_much and trade.status != DISPUTED and not is_over(ctx, trade):
        disputed(ctx, trade, "", f"the two ends of the tie differ by {apart_mwh} mWh")


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
