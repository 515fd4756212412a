"""Windows: when bids are taken, and when the energy they are about is delivered. Pure functions over local time.

    Window     minutes of a local day: bids from one to another, delivery from one to another
    Delivery   one delivery with its instants: what orders of a market are about

The exchange window is the delivery interval. Minutes are those of the local day of the delivery; bids may be taken on
the day before (minutes below zero). On days when summer time begins or ends, a minute is what the clock on the
wall shows; one that is skipped is taken as if the clock had not been put forward.

A market without windows has a delivery in every interval of the ledger, and takes bids until it begins; on a bulletin
board any whole intervals ahead, up to seven days of them.
"""

from collections.abc import Sequence

from chaincode.api import Record
from chaincode.calendar import DAY_MS, MINUTE_MS, Zone, local_day, offset_minutes

MINUTES_A_DAY = 1_440
WINDOWS_LIMIT = 24
FREE_MS = 7 * DAY_MS
AHEAD_MS = 366 * DAY_MS


class Window(Record):
    """10:30-13:00 for bids and 13:00-14:00 for delivery is 630, 780, 780, 840."""

    bids_from_minute: int
    bids_until_minute: int
    exchange_from_minute: int
    exchange_until_minute: int


class Delivery(Record):
    """From when until when energy is delivered, and bids for it are taken."""

    from_ms: int
    until_ms: int
    opens_ms: int
    closes_ms: int


DEFAULT_WINDOWS = (
    Window(bids_from_minute=630, bids_until_minute=780, exchange_from_minute=780, exchange_until_minute=840),
    Window(bids_from_minute=840, bids_until_minute=990, exchange_from_minute=990, exchange_until_minute=1_050),
)


def instant_ms(zone: Zone, day: int, minute: int) -> int:
    """When the clock on the wall shows a minute of a local day; of two such instants the first."""
    found_ms = 0
    for offset in (max(zone.summer_minutes, zone.standard_minutes), zone.standard_minutes):
        found_ms = day * DAY_MS + (minute - offset) * MINUTE_MS
        if offset_minutes(zone, found_ms) == offset:
            return found_ms
    return found_ms


def on_day(window: Window, zone: Zone, day: int) -> Delivery:
    """A window's delivery on a local day."""
    return Delivery(
        from_ms=instant_ms(zone, day, window.exchange_from_minute),
        until_ms=instant_ms(zone, day, window.exchange_until_minute),
        opens_ms=instant_ms(zone, day, window.bids_from_minute),
        closes_ms=instant_ms(zone, day, window.bids_until_minute),
    )


def delivery_at(
    windows: Sequence[Window], zone: Zone, interval_ms: int, from_ms: int, until_ms: int, *, free: bool
) -> Delivery | None:
    """The delivery from one instant to another (`until_ms` 0: whatever ends it), None if the market has none there.

    Without windows each interval is a delivery; where it is `free`, any number of them.
    """
    if not windows:
        until_ms = until_ms or from_ms + interval_ms
        longest_ms = FREE_MS if free else interval_ms
        if from_ms % interval_ms or until_ms % interval_ms or not 0 < until_ms - from_ms <= longest_ms:
            return None
        return Delivery(from_ms=from_ms, until_ms=until_ms, opens_ms=from_ms - AHEAD_MS, closes_ms=from_ms)
    day = local_day(zone, from_ms)
    for window in windows:
        found = on_day(window, zone, day)
        if found.from_ms == from_ms and until_ms in (0, found.until_ms):
            return found
    return None


def delivery_now(windows: Sequence[Window], zone: Zone, interval_ms: int, now_ms: int) -> Delivery | None:
    """The first delivery for which bids are taken now; without windows that of the next interval."""
    if not windows:
        return delivery_at(windows, zone, interval_ms, next_boundary_ms(now_ms, interval_ms), 0, free=False)
    today = local_day(zone, now_ms)
    for day in (today, today + 1):
        for window in windows:
            found = on_day(window, zone, day)
            if found.opens_ms <= now_ms < found.closes_ms:
                return found
    return None


def next_opening_ms(windows: Sequence[Window], zone: Zone, interval_ms: int, now_ms: int) -> int:
    """When bids are next taken anew, after this instant."""
    if not windows:
        return next_boundary_ms(now_ms, interval_ms)
    today = local_day(zone, now_ms)
    openings = [on_day(window, zone, today + ahead).opens_ms for ahead in (0, 1, 2) for window in windows]
    return min(opens_ms for opens_ms in openings if opens_ms > now_ms)


def next_boundary_ms(now_ms: int, interval_ms: int) -> int:
    """The first boundary after an instant."""
    return (now_ms // interval_ms + 1) * interval_ms


def fault_of_windows(windows: Sequence[Window], zone: Zone, interval_ms: int) -> str:
    """What is wrong with windows, '' if nothing is."""
    if len(windows) > WINDOWS_LIMIT:
        return f"a market has at most {WINDOWS_LIMIT} windows"
    until_minute = 0
    for window in windows:
        first, last = window.exchange_from_minute, window.exchange_until_minute
        if not until_minute <= first < last <= MINUTES_A_DAY:
            return "deliveries lie within a day, one after the other"
        if not -MINUTES_A_DAY <= window.bids_from_minute < window.bids_until_minute <= first:
            return "bids are taken before the delivery, from the day before on at the earliest"
        for minutes in (first - zone.standard_minutes, last - zone.standard_minutes, zone.summer_minutes):
            if minutes * MINUTE_MS % interval_ms:
                return "deliveries begin and end on boundaries of the ledger's intervals"
        until_minute = last
    return ""
