"""What a meter's four reactive registers showed at two times. They are never netted with active energy."""

from chaincode.api import Context, Record
from chaincode.calendar import DAY_MS
from chaincode.readings import FIRST_LETTER, FIXED_COLUMNS, Chunk, Head, chunk_of
from chaincode.registers import BELIEVED

QUADRANT_NAMES = ("q1_mvarh", "q2_mvarh", "q3_mvarh", "q4_mvarh")
QUADRANT_DAYS = 7
METERS_BETWEEN = 5


class Quadrants(Record):
    """What a meter's four reactive registers showed last at two times, q1 to q4."""

    meter: str
    first_mvarh: list[int]
    last_mvarh: list[int]


def quadrants_between(ctx: Context, point: str, from_ms: int, until_ms: int) -> list[Quadrants]:
    """The reactive registers of the meters that hung at a point between two times, the last one first.

    Each as its last believed reading at or before a time showed them, within a week; at the beginning, where there is
    none, the first one after it. A meter that tells no quadrants is left out.
    """
    found: list[Quadrants] = []
    meter: str = ctx.call("registry", "last_meter", point=point)
    for _ in range(METERS_BETWEEN):
        if not meter:
            break
        device = ctx.call("registry", "metered", meter=meter)["meter"]
        head = ctx.get("head/" + meter, Head)
        if head is not None and device["installed_ms"] < until_ms:
            last = quadrants_before(ctx, head, min(until_ms, device["removed_ms"] or until_ms))
            first = quadrants_before(ctx, head, from_ms)
            if last and not first:
                first = quadrants_after(ctx, head, max(from_ms, device["installed_ms"]), until_ms)
            if first and last:
                found.append(Quadrants(meter=meter, first_mvarh=first, last_mvarh=last))
        if device["installed_ms"] <= from_ms:
            break
        meter = device["predecessor"]
    return found


def quadrants_before(ctx: Context, head: Head, until_ms: int) -> list[int]:
    """The last ones shown until a time, within a week of days; none: empty."""
    day = until_ms // DAY_MS
    for number in range(day, day - QUADRANT_DAYS, -1):
        chunk = chunk_of(ctx, head.meter, number)
        for at in range(len(chunk.rows) - 1, -1, -1):
            if chunk.rows[at][1] <= until_ms:
                found = quadrants_in(head, chunk, at)
                if found:
                    return found
    return []


def quadrants_after(ctx: Context, head: Head, after_ms: int, until_ms: int) -> list[int]:
    """The first ones shown after a time, within a week of days; none: empty."""
    day = after_ms // DAY_MS
    for number in range(day, day + QUADRANT_DAYS):
        chunk = chunk_of(ctx, head.meter, number)
        for at in range(len(chunk.rows)):
            if after_ms < chunk.rows[at][1] <= until_ms:
                found = quadrants_in(head, chunk, at)
                if found:
                    return found
    return []


def quadrants_in(head: Head, chunk: Chunk, at: int) -> list[int]:
    """The registers in a believed reading that tells them; else empty."""
    names = head.columns[ord(chunk.formats[at]) - FIRST_LETTER].split(",")
    if chunk.verdicts[at] not in BELIEVED or any(name not in names for name in QUADRANT_NAMES):
        return []
    return [chunk.rows[at][FIXED_COLUMNS + names.index(name)] for name in QUADRANT_NAMES]
