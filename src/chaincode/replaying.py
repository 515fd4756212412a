"""Judging a meter's rows in order of time, and what follows for its point's intervals.

The intervals are a function of the set of rows: what a new row touches is taken back and walked again from the last
believed reading before it, so that the order in which rows came leaves no trace. Rows at the end, the common case, are
walked straight on.
"""

from typing import Any

from chaincode.api import Context
from chaincode.calendar import DAY_MS
from chaincode.readings import (
    DEVICE,
    ESTIMATED,
    FIRST_LETTER,
    FRESH,
    GATEWAY,
    UNDECIDED,
    Chunk,
    Day,
    Head,
    Series,
    are_held,
    chunk_key,
    day_key,
    empty_chunk,
    empty_day,
    installation,
    series_of,
)
from chaincode.registers import (
    ACCEPTED,
    BELIEVED,
    MS_W_PER_MWH,
    RESET,
    ROLLED_OVER,
    Limit,
    Register,
    Segment,
    between,
    judge,
    most,
    pieces,
)
from chaincode.units import LARGEST

LONGEST_SPREAD_MS = 60 * DAY_MS


class Book:
    """What one call has read and changed of a meter: its head, chunks by day, days of its point."""

    head: Head
    series: Series
    modulus_mwh: int
    installed: Register
    removed_ms: int
    letter: str
    chunks: dict[int, Chunk]
    days: dict[int, Day]
    marked: dict[int, bool]
    first_ms: int
    last_ms: int
    touched_ms: int
    accepted: int
    held: int
    resets: list[int]
    rollovers: list[int]
    estimated_ms: int


def opened(ctx: Context, head: Head, device: dict[str, Any], columns: str) -> Book:
    """A book of this meter, in which nothing is touched yet."""
    book = Book()
    book.head = head
    book.series = series_of(ctx, head.point)
    book.modulus_mwh = device["modulus_mwh"]
    book.installed = installation(device)
    book.removed_ms = device["removed_ms"] or LARGEST
    book.letter = chr(FIRST_LETTER + head.columns.index(columns))
    book.chunks = {}
    book.days = {}
    book.marked = {}
    book.first_ms = LARGEST
    book.last_ms = 0
    book.touched_ms = LARGEST
    book.accepted = book.held = book.estimated_ms = 0
    book.resets = []
    book.rollovers = []
    return book


class Walk:
    """How far judging has come: the last believed reading before this call and now, who signed each, which limit."""

    old: Register
    old_origin: str
    new: Register
    new_origin: str
    limit_at: int


def walk_from(ctx: Context, book: Book) -> Walk:
    """At the last reading that is believed before the first one touched."""
    head = book.head
    walk = Walk()
    walk.limit_at = 0
    if book.first_ms > head.last.time_ms:
        walk.new, walk.new_origin = head.last, head.last_origin
    else:
        walk.new, walk.new_origin = believed_before(ctx, book, book.first_ms)
    walk.old, walk.old_origin = walk.new, walk.new_origin
    return walk


def replayed(ctx: Context, book: Book) -> None:
    """Judge readings from the first touched one on, until nothing differs from before; change the intervals.

    Old and new walk side by side: where both go from one believed reading to the same next one, nothing
    changes; else the old segment is taken out and the new one put in.
    """
    head, first_ms = book.head, book.first_ms
    walk = walk_from(ctx, book)
    book.touched_ms = walk.new.time_ms
    last_day = max(head.last_day, book.last_ms // DAY_MS)
    sequence = head.last_sequence
    for day in range(first_ms // DAY_MS, last_day + 1):
        chunk = chunk_in(ctx, book, day)
        if chunk.rows:
            begun = rows_before(chunk, first_ms)
            taken = straight_on(ctx, book, walk, chunk, begun)
            rest = judged(ctx, book, walk, chunk, begun + taken)
            verdicts = chunk.verdicts[:begun] + ACCEPTED * taken + rest
            sequence = max(sequence, chunk.rows[-1][0])
            book.chunks[day] = chunk.replace(verdicts=verdicts)
        if walk.old.time_ms == walk.new.time_ms and book.last_ms < walk.old.time_ms and day < last_day:
            book.head = head.replace(last_day=last_day, last_sequence=sequence)
            return
    book.head = head.replace(last=walk.new, last_origin=walk.new_origin, last_day=last_day, last_sequence=sequence)


def rows_before(chunk: Chunk, time_ms: int) -> int:
    """How many of a chunk's rows are of before a time."""
    if chunk.rows[0][1] >= time_ms:
        return 0
    count = len(chunk.rows)
    while chunk.rows[count - 1][1] >= time_ms:
        count -= 1
    return count


def straight_on(ctx: Context, book: Book, walk: Walk, chunk: Chunk, begun: int) -> int:
    """Take new readings of the device, each plausible and within one interval after the one before; how many.

    Most are such. What is done here for all at once is what `judged` would do one by one.
    """
    length_ms, count = book.series.interval_ms, DAY_MS // book.series.interval_ms
    limit, until_ms = limit_for(book.head, walk, chunk.rows[begun][1])
    if not are_fresh(walk, chunk, begun) or not is_plain(limit, length_ms, book.modulus_mwh):
        return 0
    before_ms, import_mwh, export_mwh = walk.new.time_ms, walk.new.import_mwh, walk.new.export_mwh
    taken = same_ms = most_in = most_out = end_ms = 0
    day, at = empty_day(0), count
    for row in chunk.rows[begun:]:
        time_ms = row[1]
        if before_ms >= end_ms:
            at += 1
            end_ms = before_ms - before_ms % length_ms + length_ms
        elapsed_ms = time_ms - before_ms
        if elapsed_ms != same_ms:
            most_in = limit.import_w * elapsed_ms // MS_W_PER_MWH + limit.burst_mwh
            most_out = limit.export_w * elapsed_ms // MS_W_PER_MWH + limit.burst_mwh
            same_ms = elapsed_ms
        imported, exported = row[2] - import_mwh, row[3] - export_mwh
        if time_ms > end_ms or time_ms >= until_ms or not (0 <= imported <= most_in and 0 <= exported <= most_out):
            break
        if at >= count:
            day, at = day_in(ctx, book, before_ms // length_ms, length_ms)
        day.import_mwh[at] += imported
        if exported:
            day.export_mwh[at] += exported
        day.device_ms[at] += elapsed_ms
        before_ms, import_mwh, export_mwh = time_ms, row[2], row[3]
        taken += 1
    book.accepted += taken
    walk.new = Register(time_ms=before_ms, import_mwh=import_mwh, export_mwh=export_mwh)
    return taken


def are_fresh(walk: Walk, chunk: Chunk, begun: int) -> bool:
    """Whether nobody has judged or decided a chunk's rows from one on, and the device has signed all of them."""
    signed = walk.new_origin == DEVICE and not chunk.origins[begun:].strip(DEVICE)
    return signed and not chunk.verdicts[begun:].strip(FRESH) and not chunk.decided[begun:].strip(UNDECIDED)


def judged(ctx: Context, book: Book, walk: Walk, chunk: Chunk, begun: int) -> str:
    """Judge a chunk's rows from one on, one by one: their verdicts."""
    head, modulus, length_ms = book.head, book.modulus_mwh, book.series.interval_ms
    limit, until_ms = head.limits[0], 0
    verdicts: list[str] = []
    for row, origin, decision, before in zip(
        chunk.rows[begun:], chunk.origins[begun:], chunk.decided[begun:], chunk.verdicts[begun:], strict=True
    ):
        time_ms, new = row[1], walk.new
        if time_ms >= until_ms:
            limit, until_ms = limit_for(head, walk, time_ms)
        verdict = decision
        if decision == UNDECIDED:
            verdict = judge(new, time_ms, row[2], row[3], row[4], limit, modulus)
        elif decision == ACCEPTED and (row[2] < new.import_mwh or row[3] < new.export_mwh):
            verdict = RESET
        verdicts.append(verdict)
        if before == FRESH:
            counted(book, verdict, time_ms)
        was, now = before in BELIEVED, verdict in BELIEVED
        if not was and not now:
            continue
        here = Register(time_ms=time_ms, import_mwh=row[2], export_mwh=row[3])
        together = was and now and before == verdict and walk.old.time_ms == new.time_ms
        if was:
            if not together:
                origins = joined(walk.old_origin, origin)
                put_segment(ctx, book, between(walk.old, here, before, modulus, origins), length_ms, -1)
            walk.old, walk.old_origin = here, origin
        if now:
            if not together:
                origins = joined(walk.new_origin, origin)
                put_segment(ctx, book, between(new, here, verdict, modulus, origins), length_ms, 1)
            walk.new, walk.new_origin = here, origin
    return "".join(verdicts)


def limit_for(head: Head, walk: Walk, time_ms: int) -> tuple[Limit, int]:
    """The limit that holds at a time, not before the last one that was asked for, and until when."""
    limits, at = head.limits, walk.limit_at
    while at + 1 < len(limits) and limits[at + 1].from_ms <= time_ms:
        at += 1
    walk.limit_at = at
    return limits[at], limits[at + 1].from_ms if at + 1 < len(limits) else LARGEST


def is_plain(limit: Limit, length_ms: int, modulus_mwh: int) -> bool:
    """Whether both powers are known, no register goes half round within an interval, and none is too long a gap."""
    most_w = max(limit.import_w, limit.export_w)
    known = min(limit.import_w, limit.export_w) > 0 and length_ms <= limit.gap_ms
    return known and most(most_w, limit, length_ms, modulus_mwh) < modulus_mwh // 2


def day_in(ctx: Context, book: Book, number: int, length_ms: int) -> tuple[Day, int]:
    """The point's day as this call has it, and the place in it of the interval of this number."""
    day, at = divmod(number, DAY_MS // length_ms)
    found = book.days.get(day)
    if found is None:
        found = ctx.get(day_key(book.head.point, day), Day) or empty_day(DAY_MS // length_ms)
        book.days[day] = found
    return found, at


def joined(one: str, other: str) -> str:
    """A segment is the device's own only when both its ends are."""
    return DEVICE if one == DEVICE and other == DEVICE else GATEWAY


def counted(book: Book, verdict: str, time_ms: int) -> None:
    if verdict in BELIEVED:
        book.accepted += 1
    else:
        book.held += 1
    if verdict == RESET:
        book.resets.append(time_ms)
    elif verdict == ROLLED_OVER:
        book.rollovers.append(time_ms)


def put_segment(ctx: Context, book: Book, segment: Segment, length_ms: int, sign: int) -> None:
    """Add a segment to the intervals it touches, or (sign -1) take it out again."""
    origin = segment.origin
    if 2 * (segment.until_ms - segment.from_ms) > 3 * length_ms:
        origin = ESTIMATED
        if sign > 0:
            book.estimated_ms += segment.until_ms - segment.from_ms
    if segment.until_ms - segment.from_ms > LONGEST_SPREAD_MS:
        segment = segment.replace(from_ms=segment.until_ms - LONGEST_SPREAD_MS)
    for number, part_ms, imported, exported in pieces(segment, length_ms):
        found, at = day_in(ctx, book, number, length_ms)
        found.import_mwh[at] += sign * imported
        found.export_mwh[at] += sign * exported
        if origin == DEVICE:
            found.device_ms[at] += sign * part_ms
        elif origin == GATEWAY:
            found.gateway_ms[at] += sign * part_ms
        else:
            found.estimated_ms[at] += sign * part_ms


def believed_before(ctx: Context, book: Book, time_ms: int) -> tuple[Register, str]:
    """The last believed reading before a time, and who signed it; that of the installation if there is none."""
    meter, day = book.head.meter, time_ms // DAY_MS
    today = chunk_in(ctx, book, day)
    found = last_believed(today, time_ms)
    if found is not None:
        return found
    for key, earlier in ctx.range(f"chunk/{meter}/", chunk_key(meter, day), type=Chunk, reverse=True):
        found = last_believed(book.chunks.get(int(key.split("/")[2]), earlier), time_ms)
        if found is not None:
            return found
    return book.installed, DEVICE


def last_believed(chunk: Chunk, before_ms: int) -> tuple[Register, str] | None:
    for at in range(len(chunk.rows) - 1, -1, -1):
        row = chunk.rows[at]
        if row[1] < before_ms and chunk.verdicts[at] in BELIEVED:
            return Register(time_ms=row[1], import_mwh=row[2], export_mwh=row[3]), chunk.origins[at]
    return None


def chunk_in(ctx: Context, book: Book, day: int) -> Chunk:
    """A meter's chunk as this call has it."""
    found = book.chunks.get(day)
    if found is None:
        found = ctx.get(chunk_key(book.head.meter, day), Chunk) or empty_chunk()
        if are_held(found):
            book.marked[day] = True
    return found
