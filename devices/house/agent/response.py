"""Demand response: called, opted out of, followed, and measured against a baseline that is stated before.

A call names its beginning, its duration and by how much the house is to draw less. A house may opt out until it begins,
and also while it runs: then it is measured up to there.

**The baseline** of an interval is the mean import in the same quarter of the day on the last `BASELINE_DAYS` days that
had no call, at least `LEAST_DAYS` of them. It is fixed and shown when the call begins, so that nothing done afterwards
changes it. Delivered is baseline less import, never below zero in sum; of a house without enough past it is unknown,
and not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledgernode.errors import BadRequest

INTERVAL_MS: Final = 900_000
DAY_MS: Final = 86_400_000
INTERVALS: Final = DAY_MS // INTERVAL_MS
BASELINE_DAYS: Final = 10
LEAST_DAYS: Final = 3
KEPT_DAYS: Final = 21
LONGEST_MS: Final = DAY_MS
CALLS: Final = 50

SCHEDULED: Final = "scheduled"
RUNNING: Final = "running"
OPTED_OUT: Final = "opted out"
MEASURED: Final = "measured"


class Call(msgspec.Struct, frozen=True):
    """Somebody asks for less. `from_ms` and `duration_ms` are whole quarters of an hour."""

    id: str
    from_ms: int
    duration_ms: int
    less_w: int
    status: str = SCHEDULED
    until_ms: int = 0
    """Where it ended: earlier when it was opted out of while it ran."""
    baseline_mwh: tuple[int, ...] | None = None
    """Of each of its intervals, stated when it began; None where nothing can be stated."""
    delivered_mwh: int | None = None

    @property
    def asked_mwh(self) -> int:
        return self.less_w * self.duration_ms // 3_600


class Past(msgspec.Struct, frozen=True):
    """What was imported: by day and quarter, in mWh (-1: not known), and which days had a call."""

    days: Mapping[int, tuple[int, ...]] = {}
    called: frozenset[int] = frozenset()


class Responses(msgspec.Struct, frozen=True):
    calls: tuple[Call, ...] = ()
    past: Past = Past()


def called(responses: Responses, call: Call, now_ms: int) -> Responses:
    """Take a call; the same one again changes nothing. Refuses one that has begun, overlaps, or is not whole."""
    if any(each.id == call.id for each in responses.calls):
        return responses
    if call.from_ms % INTERVAL_MS or call.duration_ms % INTERVAL_MS or not 0 < call.duration_ms <= LONGEST_MS:
        raise BadRequest("a call is of whole quarters of an hour, a day at most")
    if call.from_ms < now_ms or call.less_w <= 0:
        raise BadRequest("a call asks for some power less, from a time ahead")
    until_ms = call.from_ms + call.duration_ms
    if any(each.from_ms < until_ms and call.from_ms < each.until_ms for each in responses.calls if _is_open(each)):
        raise BadRequest("another call runs at that time")
    fresh = msgspec.structs.replace(call, status=SCHEDULED, until_ms=until_ms, baseline_mwh=None, delivered_mwh=None)
    return Responses((*responses.calls, fresh)[-CALLS:], responses.past)


def opted_out(responses: Responses, id: str, now_ms: int) -> Responses:
    """Before it begins: never mind. While it runs: measured up to the last whole interval."""
    calls = []
    for call in responses.calls:
        if call.id == id and call.status == SCHEDULED:
            calls.append(msgspec.structs.replace(call, status=OPTED_OUT))
        elif call.id == id and call.status == RUNNING:
            ends_ms = now_ms // INTERVAL_MS * INTERVAL_MS
            calls.append(msgspec.structs.replace(call, until_ms=max(call.from_ms, min(call.until_ms, ends_ms))))
        else:
            calls.append(call)
    return Responses(tuple(calls), responses.past)


def imported(responses: Responses, interval_ms: int, import_mwh: int) -> Responses:
    """One interval's import is known."""
    day, within_ms = divmod(interval_ms, DAY_MS)
    quarter = within_ms // INTERVAL_MS
    days = dict(responses.past.days)
    row = list(days.get(day, (-1,) * INTERVALS))
    row[quarter] = import_mwh
    days[day] = tuple(row)
    kept = {each: days[each] for each in sorted(days)[-KEPT_DAYS:]}
    had = frozenset(each for each in responses.past.called if each in kept)
    if any(_is_open(call) and call.from_ms <= interval_ms < call.until_ms for call in responses.calls):
        had |= {day}
    return Responses(responses.calls, Past(kept, had))


def passed(responses: Responses, now_ms: int) -> tuple[Responses, tuple[Call, ...]]:
    """Let time begin and end calls; which ones changed."""
    calls, changed = [], []
    for call in responses.calls:
        after = call
        if after.status == SCHEDULED and now_ms >= after.from_ms:
            after = msgspec.structs.replace(after, status=RUNNING, baseline_mwh=baseline(responses.past, after))
        if after.status == RUNNING and _is_known(responses.past, after, now_ms):
            delivered_mwh = _delivered_mwh(responses.past, after)
            after = msgspec.structs.replace(after, status=MEASURED, delivered_mwh=delivered_mwh)
        calls.append(after)
        if after != call:
            changed.append(after)
    return Responses(tuple(calls), responses.past), tuple(changed)


def running(responses: Responses, now_ms: int) -> Call | None:
    """The call that is to be followed now."""
    return next(
        (call for call in responses.calls if call.status == RUNNING and call.from_ms <= now_ms < call.until_ms), None
    )


def baseline(past: Past, call: Call) -> tuple[int, ...] | None:
    """What each interval of a call would have taken, by the rule at the head of this module."""
    found = []
    for interval_ms in range(call.from_ms, call.from_ms + call.duration_ms, INTERVAL_MS):
        day, within_ms = divmod(interval_ms, DAY_MS)
        quarter = within_ms // INTERVAL_MS
        like = [
            past.days[each][quarter]
            for each in sorted(past.days, reverse=True)
            if each < day and each not in past.called and past.days[each][quarter] >= 0
        ][:BASELINE_DAYS]
        if len(like) < LEAST_DAYS:
            return None
        found.append(sum(like) // len(like))
    return tuple(found)


def _delivered_mwh(past: Past, call: Call) -> int | None:
    if call.baseline_mwh is None:
        return None
    whole = range(call.from_ms, call.until_ms, INTERVAL_MS)
    taken = [_import_mwh(past, interval_ms) for interval_ms in whole]
    stated_mwh = sum(call.baseline_mwh[: len(taken)])
    return max(0, stated_mwh - sum(taken))


def _is_known(past: Past, call: Call, now_ms: int) -> bool:
    """Whether it is over and all of its intervals were read."""
    whole = range(call.from_ms, call.until_ms, INTERVAL_MS)
    return now_ms >= call.until_ms and all(_import_mwh(past, interval_ms) >= 0 for interval_ms in whole)


def _import_mwh(past: Past, interval_ms: int) -> int:
    day, within_ms = divmod(interval_ms, DAY_MS)
    return past.days.get(day, (-1,) * INTERVALS)[within_ms // INTERVAL_MS]


def _is_open(call: Call) -> bool:
    return call.status in {SCHEDULED, RUNNING}
