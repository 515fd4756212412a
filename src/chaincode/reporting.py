"""Reporting: the readings of a feeder's interval are gathered, 200 points a call, and become its report.

What is not covered by every meter has no loss, and says nothing to any alert.
"""

from typing import Any

from chaincode.api import Context
from chaincode.balance import House, allocate, losses, mean_power, technical_loss, uncertainty
from chaincode.guarding import FAULT, LOSS, alerts_of, carried, guard, judge, keep_alerts
from chaincode.health import load_factor, loading
from chaincode.samples import Load, Window, apparent_of, load_of
from chaincode.suspicion import Sums, added, no_sums
from chaincode.units import MICRO, MWH_PER_WH
from chaincode.watched import (
    Gathering,
    Loads,
    Report,
    Roster,
    Rules,
    Summary,
    Watch,
    gathering_key,
    report_key,
    report_of,
    shares_key,
    window_key,
)

DAY_MS = 86_400_000
POINTS_A_STEP = 200
GATHERED_WITHIN_MS = 600_000
CONNECTION = "connection"
GENERATION = "generation"
HOUSES = (CONNECTION, GENERATION)
MEASURED = ("d", "g")
NOTHING = "-"
ABSENT = "n"
"""No meter hung at the head."""
REPLACED_SINCE = 5

# ---------------------------------------------------------------- an interval's readings


def gather(ctx: Context, feeder: str, interval_ms: int) -> Gathering:
    """Read an interval of the feeder's points, 200 more than were read before."""
    found = ctx.get(gathering_key(feeder, interval_ms), Gathering)
    if found is None or found.begun_ms < ctx.time_ms - GATHERED_WITHIN_MS:
        places = ctx.call("registry", "on_feeder", feeder=feeder, interval_ms=interval_ms)
        found = Gathering(
            interval_ms=interval_ms,
            begun_ms=ctx.time_ms,
            places=[(kind, point) for kind, point in places],
            rows=[],
        )
    points = [point for _, point in found.places[len(found.rows) : len(found.rows) + POINTS_A_STEP]]
    if not points:
        return found
    roster = ctx.get("roster/" + feeder, Roster) or Roster(premises={})
    new = [point for point in points if point not in roster.premises]
    if new:
        premises = dict(roster.premises)
        for point in new:
            premises[point] = ctx.call("registry", "point", point=point)["premises"]
        roster = Roster(premises=premises)
        ctx.put("roster/" + feeder, roster)
    rows: list[tuple[int, int, str]] = []
    answer = ctx.call("metering", "rows", points=points, interval_ms=interval_ms)
    for point, (imported, exported, state) in zip(points, answer, strict=True):
        if roster.premises[point] == "":
            state_now = state if was_hung(ctx, point, interval_ms) else ABSENT
        elif state == NOTHING and not ctx.call("registry", "point", point=point)["meter"]:
            state_now = MEASURED[0]  # nobody lives behind a house's connection without a meter: nothing flows
        else:
            state_now = state
        rows.append((imported, exported, state_now))
    return found.replace(rows=[*found.rows, *rows])


def was_hung(ctx: Context, head: str, interval_ms: int) -> bool:
    """Whether a meter hung at a feeder's head from an interval's start on: without one supply is unknown, not zero."""
    meter, since_ms = ctx.call("registry", "point", point=head)["meter"], 0
    for _ in range(REPLACED_SINCE):
        if not meter:
            return False
        device = ctx.call("registry", "meter", meter=meter)
        if since_ms and device["removed_ms"] < since_ms:
            return False
        if device["installed_ms"] <= interval_ms:
            return True
        meter, since_ms = device["predecessor"], device["installed_ms"]
    return False


def covered(gathered: Gathering) -> bool:
    """Whether every meter there is has measured the interval."""
    return all(state in MEASURED or state == ABSENT for _, _, state in gathered.rows)


def least(states: list[str]) -> str:
    """The state of which least is known: - before e before g before d."""
    for state in (NOTHING, "e", "g"):
        if state in states:
            return state
    return MEASURED[0]


def houses_of(ctx: Context, feeder: str, gathered: Gathering) -> tuple[list[str], list[House]]:
    """The feeder's houses by premises, with what their connections and generation meters counted."""
    roster = ctx.get("roster/" + feeder, Roster) or Roster(premises={})
    houses: dict[str, House] = {}
    for (kind, point), (imported, exported, _) in zip(gathered.places, gathered.rows, strict=True):
        if kind not in HOUSES:
            continue
        premises = roster.premises[point]
        house = houses.get(premises) or House(import_mwh=0, export_mwh=0)
        if kind == GENERATION:
            house = house.replace(generation_mwh=(house.generation_mwh or 0) + exported)
        else:
            house = house.replace(import_mwh=house.import_mwh + imported, export_mwh=house.export_mwh + exported)
        houses[premises] = house
    names = sorted(houses)
    return names, [houses[name] for name in names]


# ---------------------------------------------------------------- a report


def written(ctx: Context, watch: Watch, gathered: Gathering, rules: Rules, first: bool) -> Report:
    """Make an interval's report and keep it; the first time it also moves alerts, the day's loads and suspicion."""
    feeder, interval_ms = watch.feeder, gathered.interval_ms
    found = ctx.call("registry", "feeder", feeder=feeder)
    transformer = ctx.call("registry", "transformer", transformer=watch.transformer)
    old = None if first else report_of(ctx, feeder, interval_ms)
    report = Report(
        interval_ms=interval_ms,
        state=least([state for _, _, state in gathered.rows]),
        houses=0,
        load=load_in(ctx, watch, found, interval_ms) if old is None else old.load,
        load_factor_micro=None if old is None else old.load_factor_micro,
        made_ms=ctx.time_ms,
    )
    of_houses = [
        state for (kind, _), (_, _, state) in zip(gathered.places, gathered.rows, strict=True) if kind in HOUSES
    ]
    if NOTHING not in of_houses:
        report = with_allocation(ctx, watch, gathered, report)
    report = with_supply(gathered, report, watch, found, transformer)
    if covered(gathered):
        report = with_losses(gathered, report, watch, found, transformer, rules)
    if old is None:
        report = moved_by(ctx, watch, gathered, report, found, transformer, rules)
        ctx.delete(window_key(feeder, interval_ms))
    ctx.put(report_key(feeder, interval_ms), report)
    ctx.emit(
        "FeederReported" if old is None else "ReportRenewed",
        feeder=feeder,
        interval_ms=interval_ms,
        state=report.state,
        generation_mwh=report.generation_mwh,
        consumption_mwh=report.consumption_mwh,
        supply_mwh=report.supply_mwh,
        loss_mwh=report.loss_mwh,
        loading_micro=report.loading_micro,
    )
    return report


def with_allocation(ctx: Context, watch: Watch, gathered: Gathering, report: Report) -> Report:
    """What houses made, used and could share; their parts are kept beside it."""
    names, houses = houses_of(ctx, watch.feeder, gathered)
    made = allocate(houses)
    columns = (made.generation_mwh, made.consumption_mwh, made.self_mwh, made.given_mwh, made.taken_mwh)
    ctx.put(shares_key(watch.feeder, report.interval_ms), list(zip(names, *columns, strict=True)))
    return report.replace(
        houses=len(names),
        import_mwh=sum([house.import_mwh for house in houses]),
        export_mwh=sum([house.export_mwh for house in houses]),
        generation_mwh=sum(made.generation_mwh),
        consumption_mwh=sum(made.consumption_mwh),
        self_mwh=sum(made.self_mwh),
        pool_mwh=made.pool_mwh,
        surplus_mwh=made.surplus_mwh,
        deficit_mwh=made.deficit_mwh,
    )


def with_supply(
    gathered: Gathering, report: Report, watch: Watch, found: dict[str, Any], transformer: dict[str, Any]
) -> Report:
    """T and what it loads the transformer with, where the head's meter has covered the interval."""
    for (_, point), (imported, exported, state) in zip(gathered.places, gathered.rows, strict=True):
        if point == found["head"] and state in MEASURED:
            power_mw = mean_power(imported - exported, watch.interval_ms)
            apparent_mva = apparent_of(power_mw, report.load)
            return report.replace(
                supply_mwh=imported - exported,
                apparent_mva=apparent_mva,
                loading_micro=loading(apparent_mva, transformer["rating_va"]),
            )
    return report


def with_losses(
    gathered: Gathering,
    report: Report,
    watch: Watch,
    found: dict[str, Any],
    transformer: dict[str, Any],
    rules: Rules,
) -> Report:
    """What got lost, once every meter has covered the interval; nothing where no meter is at the head."""
    if report.supply_mwh is None or report.apparent_mva is None:
        return report
    imports: list[int] = []
    exports: list[int] = []
    head_passed_mwh = 0
    for (kind, point), (imported, exported, _) in zip(gathered.places, gathered.rows, strict=True):
        if kind == CONNECTION:
            imports.append(imported)
            exports.append(exported)
        elif point == found["head"]:
            head_passed_mwh = imported + exported
    made = losses(
        report.supply_mwh,
        imports,
        exports,
        technical_loss(
            max(report.load.root_mean_square_mva, report.apparent_mva),
            rules.resistance_milliohm,
            transformer["low_mv"],
            found["phases"],
            watch.interval_ms,
        ),
        uncertainty(
            sum(imports) + sum(exports),
            head_passed_mwh,
            rules.class_micro,
            rules.head_class_micro,
            rules.skew_ms,
            watch.interval_ms,
        ),
    )
    return report.replace(
        loss_mwh=made.loss_mwh,
        technical_mwh=made.technical_mwh,
        non_technical_mwh=made.non_technical_mwh,
        uncertainty_mwh=made.uncertainty_mwh,
        fault=made.fault,
    )


def moved_by(
    ctx: Context,
    watch: Watch,
    gathered: Gathering,
    report: Report,
    found: dict[str, Any],
    transformer: dict[str, Any],
    rules: Rules,
) -> Report:
    """What a new report changes beside itself: the day's loads, alerts, suspicion. The report, with its load factor."""
    feeder, apparent_mva = watch.feeder, report.apparent_mva
    before = alerts_of(ctx, feeder)
    alerts = dict(before)
    if apparent_mva is not None:
        key = f"day/{feeder}/{report.interval_ms // DAY_MS:08d}"
        day = ctx.get(key, Loads) or Loads()
        day = Loads(
            count=day.count + 1,
            sum_mva=day.sum_mva + apparent_mva,
            peak_mva=max(day.peak_mva, apparent_mva, report.load.peak_mva),
        )
        ctx.put(key, day)
        report = report.replace(load_factor_micro=load_factor(day.sum_mva // day.count, day.peak_mva))
        over_ms = report.interval_ms + watch.interval_ms
        if not report.load.peak_mva and ctx.time_ms <= over_ms + watch.interval_ms and report.supply_mwh is not None:
            # nobody samples this head: its mean power is all there is to guard by
            power_mw = mean_power(report.supply_mwh, watch.interval_ms)
            shared = carried(ctx, watch, over_ms, power_mw, apparent_mva, rules)
            guard(ctx, watch, alerts, found, transformer, power_mw, shared, rules)
    if report.loss_mwh is not None and report.non_technical_mwh is not None and report.uncertainty_mwh is not None:
        fed_mwh = max(report.supply_mwh or 0, 0) + (report.export_mwh or 0)
        beyond = report.non_technical_mwh > report.uncertainty_mwh
        share_micro = report.non_technical_mwh * MICRO // fed_mwh if beyond and fed_mwh else 0
        judge(ctx, feeder, alerts, LOSS, share_micro, rules.loss_limit_micro, rules.persist, rules)
        short_mwh = max(-report.loss_mwh - report.uncertainty_mwh, 0)
        judge(ctx, feeder, alerts, FAULT, short_mwh, 0, rules.persist, rules)
        points: list[str] = []
        used_wh: list[int] = []
        for (kind, point), (imported, _, _) in zip(gathered.places, gathered.rows, strict=True):
            if kind == CONNECTION:
                points.append(point)
                used_wh.append(imported // MWH_PER_WH)
        sums = ctx.get("sums/" + feeder, Sums) or no_sums()
        ctx.put("sums/" + feeder, added(sums, points, used_wh, report.non_technical_mwh // MWH_PER_WH))
    keep_alerts(ctx, feeder, before, alerts)
    return report


def load_in(ctx: Context, watch: Watch, found: dict[str, Any], interval_ms: int) -> Load:
    """What samples of the interval say of its load; else the power factor of the head's last reading in it."""
    window = ctx.get(window_key(watch.feeder, interval_ms), Window)
    if window is not None:
        return load_of(window)
    if not found["head"]:
        return Load()
    until_ms = interval_ms + watch.interval_ms
    shown = ctx.call("metering", "shown", point=found["head"], after_ms=interval_ms, until_ms=until_ms)
    return Load(power_factor_milli=shown.get("power_factor_milli"))


def summed(from_ms: int, until_ms: int, reports: list[Report], rating_va: int) -> Summary:
    """Intervals together; the loading is that of their mean, the load factor mean over peak."""
    apparents = [report.apparent_mva for report in reports if report.apparent_mva is not None]
    peaks = [max(report.apparent_mva or 0, report.load.peak_mva) for report in reports]
    mean_mva = sum(apparents) // len(apparents) if len(apparents) == len(reports) else None
    needs_mwh = total([report.import_mwh for report in reports])
    gives_mwh = total([report.export_mwh for report in reports])
    balance_mwh = None if needs_mwh is None or gives_mwh is None else gives_mwh - needs_mwh
    return Summary(
        from_ms=from_ms,
        until_ms=until_ms,
        intervals=len(reports),
        generation_mwh=total([report.generation_mwh for report in reports]),
        consumption_mwh=total([report.consumption_mwh for report in reports]),
        self_mwh=total([report.self_mwh for report in reports]),
        surplus_mwh=None if balance_mwh is None else max(balance_mwh, 0),
        deficit_mwh=None if balance_mwh is None else max(-balance_mwh, 0),
        supply_mwh=total([report.supply_mwh for report in reports]),
        loss_mwh=total([report.loss_mwh for report in reports]),
        technical_mwh=total([report.technical_mwh for report in reports]),
        non_technical_mwh=total([report.non_technical_mwh for report in reports]),
        loading_micro=None if mean_mva is None else loading(mean_mva, rating_va),
        load_factor_micro=None if mean_mva is None else load_factor(mean_mva, max(peaks)),
    )


def total(parts: list[int | None]) -> int | None:
    """Their sum, unknown where one of them is."""
    sum_mwh = 0
    for part in parts:
        if part is None:
            return None
        sum_mwh += part
    return sum_mwh
