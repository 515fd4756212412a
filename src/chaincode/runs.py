"""A run: a utility's month, counted, then house by house in steps of a timer, with a cursor.

A step takes as many houses as its budget surely pays, leaves out those whose days are not settled yet, and comes back
to them.
"""

from chaincode.api import Context
from chaincode.billed import MONTHS, PAGE_ITEMS, Run, month_index
from chaincode.calendar import DAY_MS, HOUR_MS, day_start_ms, local
from chaincode.dunning import rules_at
from chaincode.monthly import bill, ground_of
from chaincode.periods import Ground, Known, Version

HOUSES_A_STEP = 20
COUNTED_PAGES = 10
RUN_AFTER_MS = 3 * HOUR_MS
BILLING = "billing"
WAITING = "waiting"
DONE = "done"


def counted(ctx: Context, run: Run) -> Run:
    """Count points, a thousand in a step."""
    for _ in range(COUNTED_PAGES):
        page = ctx.call("registry", "page", kind="point", organisation=run.utility, after=run.cursor)
        run = run.replace(total=run.total + len(page["ids"]), cursor=page["after"])
        if not run.cursor:
            return run.replace(status=BILLING)
    return run


def went_on(ctx: Context, run: Run) -> Run:
    """Bill the next houses by their ids; those that are not settled yet wait."""
    asked = {"kind": "point", "organisation": run.utility, "after": run.cursor, "size": HOUSES_A_STEP}
    page = ctx.call("registry", "page", **asked)
    run, last = houses(ctx, run, page["ids"])
    if last < len(page["ids"]):
        return run.replace(cursor=page["ids"][last - 1])
    if page["after"]:
        return run.replace(cursor=page["after"])
    return run.replace(cursor="", status=WAITING if run.waiting else DONE)


def tried_again(ctx: Context, run: Run) -> Run:
    """Bill those that waited; who still waits when the time is over is left to the next run."""
    points: list[str] = []
    for key, _ in ctx.matching("waiting", run.utility):
        point = ctx.parts(key)[2]
        if point > run.cursor and len(points) <= HOUSES_A_STEP:
            points.append(point)
    run, last = houses(ctx, run, points[:HOUSES_A_STEP])
    if last < len(points):
        return run.replace(cursor=points[last - 1])
    rules = rules_at(ctx, run.utility, ctx.time_ms)
    if not run.waiting:
        return run.replace(cursor="", status=DONE)
    if ctx.time_ms < run.started_ms + rules.wait_days * DAY_MS:
        return run.replace(cursor="")
    return left_out(ctx, run)


def left_out(ctx: Context, run: Run) -> Run:
    """Give up those that still wait, a hundred in a step: their cursor stays, the next run takes them."""
    keys = [key for key, _ in ctx.matching("waiting", run.utility)]
    for key in keys[:PAGE_ITEMS]:
        ctx.delete(key)
    gone = min(len(keys), PAGE_ITEMS)
    run = run.replace(left_out=run.left_out + gone, waiting=run.waiting - gone, cursor="")
    return run if run.waiting else run.replace(status=DONE)


def houses(ctx: Context, run: Run, points: list[str]) -> tuple[Run, int]:
    """Bill these points, in order, as far as one call goes; how many it were."""
    ground = ground_of(ctx, run.utility)
    known: Known = {}
    versions: dict[str, list[Version]] = {}
    used = 0
    for place, point in enumerate(points):
        billed = bill(ctx, run, point, ground, versions, known, used)
        if billed.later:
            return run, place
        used += billed.units
        run = run.replace(invoices=run.invoices + billed.invoices)
        while billed.more and not billed.later:
            billed = bill(ctx, run, point, ground, versions, known, used)
            used += billed.units
            run = run.replace(invoices=run.invoices + billed.invoices)
        key = ctx.key("waiting", run.utility, point)
        waited = ctx.get(key, str)
        reason = billed.waits or ("earlier months" if billed.later else "")
        if reason and waited != reason:
            ctx.put(key, reason)
            ctx.emit("HouseWaits", point=point, reason=reason)
        if waited and not reason:
            ctx.delete(key)
        run = run.replace(
            waiting=run.waiting + bool(reason) - bool(waited),
            done=run.done + (not reason),
        )
    return run, len(points)


def scheduled(ctx: Context, utility: str, ground: Ground) -> None:
    """Set the timer that bills the present month once it is over."""
    now = local(ground.zone, ctx.time_ms)
    following = month_index(now.year, now.month) + 1
    run_day = rules_at(ctx, utility, ctx.time_ms).run_day
    due_ms = day_start_ms(ground.zone, following // MONTHS, following % MONTHS + 1, run_day) + RUN_AFTER_MS
    ctx.schedule("run/" + utility, due_ms, "run", utility=utility, year=now.year, month=now.month)
