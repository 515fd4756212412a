"""Readings as metering keeps them: a meter's head and its days of rows, a point's series and its days of intervals.

series/  point        which areas close it, and when no meter hung there
head/    meter        where it hangs, its last believed reading, its limits, the columns it has used
chunk/   meter, day   rows in order of time, each with its verdict and who signed it
day/     point, day   by interval, energy, and how much of each was measured by whom
"""

from typing import Any

from chaincode.api import Context, Record, Refusal
from chaincode.registers import BELIEVED, Limit, Register

FIXED_COLUMNS = 5
FIXED_NAMES = ("sequence", "time_ms", "import_mwh", "export_mwh", "flags")
FIRST_LETTER = 97
DEVICE = "d"
GATEWAY = "g"
ESTIMATED = "e"
UNDECIDED = "-"
LATE = "l"
REJECTED = "r"
FRESH = "n"


class Series(Record):
    """Under `series/`, point. `idle`: when no meter hung there, as (from, until), until 0 while none does."""

    point: str
    utility: str
    interval_ms: int
    areas: list[str]
    idle: list[tuple[int, int]]


class Head(Record):
    """Under `head/`, meter. `last` is the last reading that is believed."""

    meter: str
    point: str
    last: Register
    last_origin: str
    last_sequence: int
    last_day: int
    limits: list[Limit]
    columns: list[str]
    finished: bool = False


class Chunk(Record):
    """Under `chunk/`, meter, day: rows in order of time, and a letter for each in the texts.

    `origins`: d device, g gateway or staff. `formats`: which of the head's column sets. `decided`: what
    staff said (a, z, r), l for one that came late, - for nothing. `verdicts`: as in `registers`; l, r held.
    """

    rows: list[list[int]]
    origins: str
    formats: str
    decided: str
    verdicts: str


class Day(Record):
    """Under `day/`, point, day: by interval, energy and by whom so many milliseconds of it are known."""

    import_mwh: list[int]
    export_mwh: list[int]
    device_ms: list[int]
    gateway_ms: list[int]
    estimated_ms: list[int]


class ReadingUnknown(Refusal):
    """The meter has no reading of this time."""

    code = "READING_UNKNOWN"


class NotReported(Refusal):
    """The meter, or point, has not reported anything yet."""

    code = "NOT_REPORTED"


def installation(device: dict[str, Any]) -> Register:
    return Register(time_ms=device["installed_ms"], import_mwh=device["import_mwh"], export_mwh=device["export_mwh"])


def are_held(chunk: Chunk) -> bool:
    """Whether any of a chunk's readings wait for others, or for staff."""
    return chunk.verdicts.strip(BELIEVED + REJECTED) != ""


def chunk_key(meter: str, day: int) -> str:
    return f"chunk/{meter}/{day:08d}"


def day_key(point: str, day: int) -> str:
    return f"day/{point}/{day:08d}"


def chunk_of(ctx: Context, meter: str, day: int) -> Chunk:
    return ctx.get(chunk_key(meter, day), Chunk) or empty_chunk()


def found_row(chunk: Chunk, time_ms: int) -> int:
    for at, row in enumerate(chunk.rows):
        if row[1] == time_ms:
            return at
    raise ReadingUnknown(f"the meter has no reading of {time_ms}")


def empty_chunk() -> Chunk:
    return Chunk(rows=[], origins="", formats="", decided="", verdicts="")


def empty_day(intervals: int) -> Day:
    return Day(
        import_mwh=[0] * intervals,
        export_mwh=[0] * intervals,
        device_ms=[0] * intervals,
        gateway_ms=[0] * intervals,
        estimated_ms=[0] * intervals,
    )


def head_of(ctx: Context, meter: str) -> Head:
    found = ctx.get("head/" + meter, Head)
    if found is None:
        raise NotReported("this meter has not reported anything yet")
    return found


def series_of(ctx: Context, point: str) -> Series:
    found = ctx.get("series/" + point, Series)
    if found is None:
        raise NotReported("nothing has been reported for this point yet")
    return found
