"""What a point's days say: an interval's energy and how well it is known, and an estimate where nothing is."""

from chaincode.api import Context, Record
from chaincode.calendar import DAY_MS
from chaincode.readings import DEVICE, ESTIMATED, GATEWAY, Day, Series, day_key

EXTRAPOLATED = "x"
NOTHING = "-"


class DayView(Record):
    """A point's day. `state` has a letter for each interval: - not wholly reported, d measured and device-signed
    throughout, g a gateway or staff took part, e estimated, between readings more than 1.5 intervals apart.
    """

    day: int
    import_mwh: list[int]
    export_mwh: list[int]
    state: str
    import_sum_mwh: int
    export_sum_mwh: int


def interval_of(ctx: Context, series: Series, interval_ms: int) -> tuple[int, int, str]:
    """(imported, exported, state) of one interval as it is known now."""
    day, rest_ms = divmod(interval_ms, DAY_MS)
    found = ctx.get(day_key(series.point, day), Day)
    if found is None:
        return 0, 0, DEVICE if idle_ms(series, interval_ms) == series.interval_ms else NOTHING
    at = rest_ms // series.interval_ms
    return found.import_mwh[at], found.export_mwh[at], state_of(series, found, at, interval_ms)


def state_of(series: Series, day: Day, at: int, interval_ms: int) -> str:
    """A letter: see `DayView`. When no meter hung, nothing flowed that is the point's."""
    measured_ms = day.device_ms[at] + day.gateway_ms[at]
    missing_ms = series.interval_ms - measured_ms - day.estimated_ms[at]
    if missing_ms and missing_ms > idle_ms(series, interval_ms):
        return NOTHING
    if day.estimated_ms[at]:
        return ESTIMATED
    return GATEWAY if day.gateway_ms[at] else DEVICE


def idle_ms(series: Series, interval_ms: int) -> int:
    """How much of an interval no meter hung at the point."""
    total, end_ms = 0, interval_ms + series.interval_ms
    for from_ms, until_ms in series.idle:
        total += max(0, min(end_ms, until_ms or end_ms) - max(interval_ms, from_ms))
    return total


def measured_until(ctx: Context, series: Series, from_ms: int, until_ms: int) -> int:
    """The first interval of a day from one to another that is not wholly measured; the other if all are."""
    length_ms, start_ms = series.interval_ms, from_ms // DAY_MS * DAY_MS
    first, last = (from_ms - start_ms) // length_ms, (until_ms - start_ms) // length_ms
    day = ctx.get(day_key(series.point, from_ms // DAY_MS), Day)
    if day is not None and min(day.device_ms[first:last]) == length_ms:
        return until_ms
    for at in range(first, last):
        interval_ms = start_ms + at * length_ms
        if day is None:
            measured = idle_ms(series, interval_ms) == length_ms
        else:
            measured = state_of(series, day, at, interval_ms) in (DEVICE, GATEWAY)
        if not measured:
            return interval_ms
    return until_ms


def unmeasured(ctx: Context, point: str) -> tuple[int, int, str]:
    """A point that has never reported: nothing is expected of it while no meter hangs there."""
    return 0, 0, NOTHING if meter_hangs(ctx, point) else DEVICE


def meter_hangs(ctx: Context, point: str) -> bool:
    hangs: bool = ctx.call("registry", "point", point=point)["meter"] != ""
    return hangs


def extrapolated(
    ctx: Context, series: Series | None, interval_ms: int, row: tuple[int, int, str]
) -> tuple[int, int, str]:
    """What is known of an interval, and for the rest as much as the same interval a day and a week before had.

    Nothing is made up for a point that has never reported, or whose meter is gone.
    """
    if series is None or not meter_hangs(ctx, series.point):
        return row[0], row[1], EXTRAPOLATED
    day, rest_ms = divmod(interval_ms, DAY_MS)
    at = rest_ms // series.interval_ms
    today = ctx.get(day_key(series.point, day), Day)
    known_ms = idle_ms(series, interval_ms)
    if today is not None:
        known_ms += today.device_ms[at] + today.gateway_ms[at] + today.estimated_ms[at]
    imports: list[int] = []
    exports: list[int] = []
    for earlier in (day - 1, day - 7):
        found = ctx.get(day_key(series.point, earlier), Day)
        if found is not None and state_of(series, found, at, earlier * DAY_MS + rest_ms) != NOTHING:
            imports.append(found.import_mwh[at])
            exports.append(found.export_mwh[at])
    if not imports:
        return row[0], row[1], EXTRAPOLATED
    missing_ms, whole = series.interval_ms - known_ms, series.interval_ms * len(imports)
    return row[0] + sum(imports) * missing_ms // whole, row[1] + sum(exports) * missing_ms // whole, EXTRAPOLATED


def view(series: Series, number: int, day: Day) -> DayView:
    start_ms = number * DAY_MS
    letters = [state_of(series, day, at, start_ms + at * series.interval_ms) for at in range(len(day.import_mwh))]
    return DayView(
        day=number,
        import_mwh=day.import_mwh,
        export_mwh=day.export_mwh,
        state="".join(letters),
        import_sum_mwh=sum(day.import_mwh),
        export_sum_mwh=sum(day.export_mwh),
    )
