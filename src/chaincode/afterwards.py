"""Afterwards: days rolled up, late readings posted as differences, intervals added up again.

What is closed never changes. A late reading runs its interval again, with the registers as they are now and all else
as it was; what differs from what stood is an adjustment for each point it touches.
"""

from chaincode.api import Context
from chaincode.calendar import DAY_MS
from chaincode.settled import (
    CALL_UNITS,
    COLUMNS,
    FRESH_UNITS,
    LATE_DAY_UNITS,
    POSTED_UNITS,
    Adjusted,
    Adjustment,
    Area,
    Basis,
    Day,
    Interval,
    Obligation,
    Posted,
    Reconciliation,
    Taken,
    View,
    day_key,
    interval_key,
    number_text,
    postings_of,
    running_of,
    trade_key,
    trade_of,
)
from chaincode.units import MWH_PER_WH
from chaincode.waterfall import POOL_IMPORT, TRADE_IMPORT, Settled, Trade, settle

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


def settled_in(ctx: Context, area: Area, rosters: list[tuple[int, list[str]]], day: int) -> dict[int, Interval]:
    """The intervals of a day that have rows, by their start; what has none was all the grid's."""
    found: dict[int, Interval] = {}
    if rosters:
        for start_ms in range(rosters[0][0], (day + 1) * DAY_MS, area.interval_ms):
            interval = ctx.get(interval_key(ctx, "interval", area.id, start_ms), Interval)
            if interval is not None:
                found[start_ms] = interval
    return found


def roll(
    ctx: Context,
    area: Area,
    day: int,
    rosters: list[tuple[int, list[str]]],
    intervals: dict[int, Interval],
    points: list[str],
) -> None:
    """Write the day of these points: closed intervals by their rows, the others all to the grid."""
    start_ms, count = day * DAY_MS, DAY_MS // area.interval_ms
    nothing = [0 for _ in range(count)]
    days = [[nothing.copy() for _ in range(COLUMNS)] for _ in points]
    flows = ctx.call("metering", "flows", points=points, day=day)
    for number, (from_ms, roster) in enumerate(rosters):
        until_ms = rosters[number + 1][0] if number + 1 < len(rosters) else start_ms + DAY_MS
        first, last = (from_ms - start_ms) // area.interval_ms, (until_ms - start_ms) // area.interval_ms
        places = {point: place for place, point in enumerate(roster)}
        for point, columns, (imported, exported) in zip(points, days, flows, strict=True):
            if point in places:
                if imported:
                    columns[0][first:last] = columns[4][first:last] = imported[first:last]
                    columns[1][first:last] = columns[7][first:last] = exported[first:last]
                for at_ms, interval in intervals.items():
                    if from_ms <= at_ms < until_ms:
                        at = (at_ms - start_ms) // area.interval_ms
                        for kind, energy_mwh in enumerate(interval.rows[places[point]]):
                            columns[kind][at] = energy_mwh
    for point, columns in zip(points, days, strict=True):
        rolled = Day(day=day, columns=columns, version=1)
        before = ctx.get(day_key(ctx, point, day), Day)
        if before is not None:
            both = [
                [one + other for one, other in zip(column, earlier, strict=True)]
                for column, earlier in zip(columns, before.columns, strict=True)
            ]
            rolled = rolled.replace(columns=both, version=before.version + 1)
        ctx.put(day_key(ctx, point, day), rolled)


def metered_day(ctx: Context, point: str, day: int, count: int) -> tuple[list[int], list[int]]:
    """What metering knows of a day, import and export by interval."""
    found = ctx.call("metering", "days", point=point, first_day=day, last_day=day)
    if not found:
        return [0 for _ in range(count)], [0 for _ in range(count)]
    return found[0]["import_mwh"], found[0]["export_mwh"]


def shortened(day: Day) -> Day:
    """A day without its registers, and without columns that hold no energy."""
    return day.replace(columns=[[], []] + [column if any(column) else [] for column in day.columns[2:]])


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
    number = last_adjustment(ctx, point) + 1
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
    return number


def last_adjustment(ctx: Context, point: str) -> int:
    for key, _ in ctx.matching("adjustment", point, reverse=True):
        return int(ctx.parts(key)[2])
    return 0


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
