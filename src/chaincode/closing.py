"""Closing: an interval from its facts to its last payment, in steps that each fit a call.

    facts     who belongs to the area, and what each took and gave
    classes   the waterfall, and what it came to, written down
    money     who pays whom; trades that are over are judged
    paying    escrows and accounts, some at a time

No interval begins before the one before it is paid.
"""

from chaincode.access import organisation_of
from chaincode.api import Context
from chaincode.calendar import DAY_MS
from chaincode.deliveries import begun, ended, given_back, imbalance_micro
from chaincode.settled import (
    CALL_UNITS,
    CLASS_UNITS,
    COLUMNS,
    DISPUTED,
    DONE_AT_ONCE,
    DONE_UNITS,
    EXTRAPOLATED,
    FACTS_UNITS,
    PAID_AT_ONCE,
    PAID_UNITS,
    STEPS_A_CALL,
    TAKE_OR_PAY,
    Area,
    Basis,
    Closing,
    Done,
    Interval,
    Obligation,
    Posted,
    Rules,
    Running,
    Share,
    Unbalanced,
    distinct,
    interval_key,
    number_text,
    pool_of,
    postings_of,
    rules_at,
    running_of,
    time_text,
    trade_key,
    trade_of,
)
from chaincode.units import LARGEST, MWH_PER_WH
from chaincode.waterfall import (
    NOWHERE,
    POOL_EXPORT,
    POOL_IMPORT,
    TRADE_IMPORT,
    Ending,
    Facts,
    Member,
    Money,
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


def due_ms(ctx: Context, area: Area) -> int:
    return area.next_ms + area.interval_ms + rules_at(ctx, area.id, area.next_ms).grace_ms


# ---------------------------------------------------------------- step by step


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
            until_ms = open_until(ctx, area)
            points, until_ms = ctx.call("registry", "points", area=area.id, from_ms=area.next_ms, until_ms=until_ms)
            reached_ms = quiet(ctx, area, points, until_ms)
            if reached_ms > area.next_ms:
                area = enlisted(ctx, area, points, area.next_ms).replace(next_ms=reached_ms)
                continue
            closing = with_facts(ctx, area, points)
            if closing is None:
                return area, stopped(ctx, key, kept, None, ctx.time_ms + area.interval_ms)
            area = enlisted(ctx, area, points, closing.interval_ms)
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


def open_until(ctx: Context, area: Area) -> int:
    """The end of the intervals that are due by now, of the day of the first of them."""
    day_end_ms = (area.next_ms // DAY_MS + 1) * DAY_MS
    late_ms = due_ms(ctx, area) - area.next_ms
    return min(day_end_ms, (ctx.time_ms - late_ms) // area.interval_ms * area.interval_ms + area.interval_ms)


def quiet(ctx: Context, area: Area, points: list[str], until_ms: int) -> int:
    """Pass over many intervals of a day at once, in which nobody trades or shares and all is measured; how far.

    Only when the timer is late; `until_ms` is how long the same points belong to the area.
    """
    least_ms = area.next_ms + 2 * area.interval_ms
    if until_ms < least_ms or running_of(ctx, area.id) or pool_of(ctx, area.id):
        return area.next_ms
    for at_ms in range(area.next_ms, until_ms, area.interval_ms):
        if any(True for _ in ctx.matching("due", area.id, time_text(at_ms))):
            until_ms = at_ms
            break
    if until_ms < least_ms:
        return area.next_ms
    reached_ms: int = ctx.call(
        "metering", "close_many", area=area.id, points=points, from_ms=area.next_ms, until_ms=until_ms
    )
    return reached_ms


# ---------------------------------------------------------------- facts


def with_facts(ctx: Context, area: Area, points: list[str]) -> Closing | None:
    """What each point of the area took and gave in this interval, and who is there; None while metering waits."""
    facts = ctx.call("metering", "close", area=area.id, points=points, interval_ms=area.next_ms)
    if facts is None:
        return None
    trades = len(running_of(ctx, area.id)) + sum(1 for _ in ctx.matching("due", area.id, time_text(area.next_ms)))
    closing = Closing(
        interval_ms=area.next_ms,
        stage="paid",
        members=[],
        facts=[(fact[0], fact[1], fact[2]) for fact in facts],
        sums_mwh=[sum(fact[0] for fact in facts), sum(fact[1] for fact in facts)],
        trades=trades,
        debits=[],
        credits=[],
        progress=[],
        done=[],
    )
    if trades == 0 and not pool_of(ctx, area.id) and not any(fact[2] == EXTRAPOLATED for fact in facts):
        return closing
    members = ctx.call("registry", "members", area=area.id, interval_ms=area.next_ms)
    return closing.replace(
        stage="classes", members=[(member[0], member[1], member[2], member[3], member[4]) for member in members]
    )


def enlisted(ctx: Context, area: Area, points: list[str], from_ms: int) -> Area:
    """Keep who belongs to the area, when it has changed or a day begins."""
    same_day = area.roster_ms // DAY_MS == from_ms // DAY_MS
    if not same_day or points != ctx.get(interval_key(ctx, "roster", area.id, area.roster_ms), list[str]):
        ctx.put(interval_key(ctx, "roster", area.id, from_ms), points)
        area = area.replace(roster_ms=from_ms)
    return area.replace(points=len(points))


# ---------------------------------------------------------------- classes


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


# ---------------------------------------------------------------- money


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
    stopped_ms = halts(ctx, area.id)
    for trade, run in zip(trades, running, strict=True):
        seller, buyer = places.get(trade.seller_point, NOWHERE), places.get(trade.buyer_point, NOWHERE)
        if seller != NOWHERE and closing.members[seller][3] != trade.seller_customer:
            seller = NOWHERE
        if buyer != NOWHERE and closing.members[buyer][3] != trade.buyer_customer:
            buyer = NOWHERE
        left_mwh = trade.energy_wh * MWH_PER_WH - run.delivered_mwh
        if stopped_ms.get(trade.trade, LARGEST) <= closing.interval_ms:
            left_mwh = 0
        each = Trade(
            number=trade.trade,
            seller=seller,
            buyer=buyer,
            left_mwh=left_mwh,
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


def halts(ctx: Context, area: str) -> dict[int, int]:
    """The trades that were told to stop, and when."""
    return {int(ctx.parts(key)[2]): at_ms for key, at_ms in ctx.matching("curtailed", area)}


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


# ---------------------------------------------------------------- trades, one interval further


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
    curtailed = halts(ctx, area.id)
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


# ---------------------------------------------------------------- paying


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
