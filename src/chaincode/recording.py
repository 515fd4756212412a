"""A batch of readings on its way into the meter's days: what is asked of it, and what becomes of its rows.

The same row again changes nothing; other content for a known time, or a sequence that does not fit its time, is not
taken, and reported. What a meter notices of tampering comes with its rows.
"""

from typing import Any

from chaincode.api import Context, Record, Refusal
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.dated import dated_at
from chaincode.readings import (
    DEVICE,
    FIXED_COLUMNS,
    FRESH,
    GATEWAY,
    LATE,
    UNDECIDED,
    Chunk,
    Day,
    Head,
    Series,
    are_held,
    chunk_key,
    day_key,
    installation,
)
from chaincode.registers import Limit
from chaincode.replaying import Book, chunk_in, opened, replayed
from chaincode.units import LARGEST, MICRO

BATCH_ROWS = 500
DAY_ROWS = 1_500
COLUMNS = 32
COLUMN_SETS = 26
STANDARD_COLUMNS = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")
LIMITS_OF_METER = 50
IDLE_SPANS = 20
FLAGS = 65_536
TAMPER_FLAGS = 7
TAMPER_KINDS = ("cover", "magnet", "bypass")


class Rules(Record):
    """Of a utility, under `rules`, dated. Energy a register may gain: rating times margin times time, and a burst."""

    late_ms: int = 48 * HOUR_MS
    adjust_ms: int = 90 * DAY_MS
    future_ms: int = 60_000
    power_margin_micro: int = 1_200_000
    burst_mwh: int = 10_000
    gap_ms: int = 45 * DAY_MS


class Recorded(Record):
    """What became of a batch's rows, and the meter's last believed reading."""

    accepted: int
    held: int
    known: int
    conflicts: int
    ignored: int
    last_ms: int
    last_import_mwh: int
    last_export_mwh: int


class Tamper(Record):
    """Under `tamper/`, point, time: what a meter has noticed."""

    meter: str
    time_ms: int
    kind: str
    detail: str


class BatchSize(Refusal):
    """A batch has 1 to 500 rows, a meter's day at most 1,500."""

    code = "BATCH_SIZE"


class RowInvalid(Refusal):
    """A row has not the numbers it should have."""

    code = "ROW_INVALID"


class NotInOrder(Refusal):
    """The rows of one batch follow one another in sequence and time."""

    code = "NOT_IN_ORDER"


class InFuture(Refusal):
    """A reading is ahead of the ledger's time: the meter's clock is wrong."""

    code = "IN_FUTURE"


class GatewayRefused(Refusal):
    """A gateway signs for meters without a key, of its own organisation."""

    code = "GATEWAY_REFUSED"


class NotRemoved(Refusal):
    """The meter still hangs."""

    code = "NOT_REMOVED"


def recorded(ctx: Context, meter: str, rows: list[list[int]], columns: list[str] | None, origin: str) -> Recorded:
    """Take a batch: put its rows where they belong, judge anew what they touch, change the intervals."""
    if not 1 <= len(rows) <= BATCH_ROWS:
        raise BatchSize(f"a batch has 1 to {BATCH_ROWS} rows, not {len(rows)}")
    metered = ctx.call("registry", "metered", meter=meter)
    device = metered["meter"]
    if origin == GATEWAY and (not device["gateway_signed"] or ctx.creator.organisation != device["utility"]):
        raise GatewayRefused("a gateway signs for meters without a key, of its own organisation")
    names = STANDARD_COLUMNS if columns is None else tuple(columns)
    if len(names) > COLUMNS or not all(0 < len(name) <= 40 and name.isidentifier() for name in names):
        raise RowInvalid(f"at most {COLUMNS} columns, named as variables are")
    rules = rules_of(ctx, device["utility"], ctx.time_ms)
    flags = require_rows(rows, FIXED_COLUMNS + len(names), device["modulus_mwh"], ctx.time_ms + rules.future_ms)
    joined_names = ",".join(names)
    head = with_columns(limited(ctx, head_for(ctx, metered), metered, rules), joined_names)
    book = opened(ctx, head, device, joined_names)
    before_ms = ctx.time_ms - rules.adjust_ms
    counts = put_rows(ctx, book, rows, origin, before_ms)
    if flags & TAMPER_FLAGS and book.first_ms < LARGEST:
        note_tampering(ctx, head, [row for row in rows if book.first_ms <= row[1]])
    if book.first_ms < LARGEST:
        replayed(ctx, book)
    return kept(ctx, book, counts)


def require_rows(rows: list[list[int]], width: int, modulus_mwh: int, latest_ms: int) -> int:
    """Refuses a batch with a row that is not of its form, out of order, or from the future; answers all its flags."""
    last_sequence = last_ms = -1
    seen = 0
    for row in rows:
        if len(row) != width:
            raise RowInvalid(f"a row has {width} numbers here, not {len(row)}")
        if row[0] <= last_sequence or row[1] <= last_ms:
            raise NotInOrder("rows of one batch follow one another in sequence and time")
        if not (0 <= row[2] < modulus_mwh and 0 <= row[3] < modulus_mwh and 0 <= row[4] < FLAGS):
            raise RowInvalid("a register lies between 0 and its modulus, flags below 65,536")
        if row[4]:
            seen |= row[4]
        last_sequence, last_ms = row[0], row[1]
    if last_ms > latest_ms:
        raise InFuture(f"a reading of {last_ms} is ahead of the ledger's time: set the meter's clock")
    return seen


def put_rows(ctx: Context, book: Book, rows: list[list[int]], origin: str, late_ms: int) -> tuple[int, int, int]:
    """Put rows into the chunks of their days, not yet judged; answers how many were known, conflicts, ignored."""
    known = 0
    conflicts: list[int] = []
    head, last_sequence = book.head, book.head.last_sequence
    by_day, ignored = days_of(book, rows)
    for day, fresh in by_day:
        chunk = chunk_in(ctx, book, day)
        old = chunk.rows
        follows = not old or (old[-1][1] < fresh[0][1] and old[-1][0] < fresh[0][0])
        if follows and (day <= head.last_day or last_sequence < fresh[0][0]):
            put, places = fresh, [len(old)]
        else:
            put, places = [], []
            at = 0
            for row in fresh:
                time_ms = row[1]
                while at < len(old) and old[at][1] < time_ms:
                    at += 1
                if at < len(old) and old[at][1] == time_ms:
                    if old[at] == row:
                        known += 1
                    else:
                        conflicts.append(time_ms)
                elif not in_sequence(old, at, row[0]) or (day > head.last_day and row[0] <= last_sequence):
                    conflicts.append(time_ms)
                else:
                    put.append(row)
                    places.append(at)
        if not put:
            continue
        if len(old) + len(put) > DAY_ROWS:
            raise BatchSize(f"a meter has at most {DAY_ROWS} readings a day")
        book.chunks[day] = merged(chunk, put, places, origin, book.letter, late_ms)
        book.first_ms = min(book.first_ms, put[0][1])
        book.last_ms = max(book.last_ms, put[-1][1])
    if conflicts:
        ctx.emit(
            "ReadingConflict", meter=head.meter, point=head.point, times_ms=conflicts[:20], conflicts=len(conflicts)
        )
    return known, len(conflicts), ignored


def days_of(book: Book, rows: list[list[int]]) -> tuple[list[tuple[int, list[list[int]]]], int]:
    """A batch's rows by UTC day, and how many are none of the point's: from before the meter came, or after it left."""
    earliest_ms, until_ms = book.installed.time_ms, book.removed_ms
    own = rows
    if rows[0][1] <= earliest_ms or until_ms < rows[-1][1]:
        own = [row for row in rows if earliest_ms < row[1] <= until_ms]
    by_day: list[tuple[int, list[list[int]]]] = []
    begun = end_ms = 0
    for at, row in enumerate(own):
        if row[1] >= end_ms:
            if at:
                by_day.append((end_ms // DAY_MS - 1, own[begun:at]))
            begun, end_ms = at, (row[1] // DAY_MS + 1) * DAY_MS
    if own:
        by_day.append((end_ms // DAY_MS - 1, own[begun:]))
    return by_day, len(rows) - len(own)


def in_sequence(rows: list[list[int]], at: int, sequence: int) -> bool:
    """Whether a sequence number fits between the neighbours of its place."""
    return (at == 0 or rows[at - 1][0] < sequence) and (at == len(rows) or sequence < rows[at][0])


def merged(chunk: Chunk, put: list[list[int]], places: list[int], origin: str, letter: str, late_ms: int) -> Chunk:
    """A chunk with rows put in before these places of it; their verdict is yet to be found."""
    size = len(put)
    decided = UNDECIDED * size
    if put[0][1] < late_ms:
        decided = "".join([LATE if row[1] < late_ms else UNDECIDED for row in put])
    if not chunk.rows or places[0] == len(chunk.rows):
        return Chunk(
            rows=[*chunk.rows, *put],
            origins=chunk.origins + origin * size,
            formats=chunk.formats + letter * size,
            decided=chunk.decided + decided,
            verdicts=chunk.verdicts + FRESH * size,
        )
    rows: list[list[int]] = []
    origins: list[str] = []
    formats: list[str] = []
    decisions: list[str] = []
    verdicts: list[str] = []
    done = 0
    for row, place, decision in zip(put, places, decided, strict=True):
        rows.extend(chunk.rows[done:place])
        origins.append(chunk.origins[done:place])
        formats.append(chunk.formats[done:place])
        decisions.append(chunk.decided[done:place])
        verdicts.append(chunk.verdicts[done:place])
        done = place
        rows.append(row)
        origins.append(origin)
        formats.append(letter)
        decisions.append(decision)
        verdicts.append(FRESH)
    return Chunk(
        rows=[*rows, *chunk.rows[done:]],
        origins="".join([*origins, chunk.origins[done:]]),
        formats="".join([*formats, chunk.formats[done:]]),
        decided="".join([*decisions, chunk.decided[done:]]),
        verdicts="".join([*verdicts, chunk.verdicts[done:]]),
    )


def kept(ctx: Context, book: Book, counts: tuple[int, int, int]) -> Recorded:
    """Write what a call has changed, mark what concerns closed intervals, and say what happened."""
    head, series = book.head, book.series
    ctx.put("head/" + head.meter, head)
    for day, chunk in book.chunks.items():
        ctx.put(chunk_key(head.meter, day), chunk)
        mark_held(ctx, book, day, chunk)
    if book.days:
        mark_days(ctx, series, book.days, book.touched_ms)
    known, conflicts, ignored = counts
    answer = Recorded(
        accepted=book.accepted,
        held=book.held,
        known=known,
        conflicts=conflicts,
        ignored=ignored,
        last_ms=head.last.time_ms,
        last_import_mwh=head.last.import_mwh,
        last_export_mwh=head.last.export_mwh,
    )
    ctx.emit(
        "ReadingsRecorded",
        meter=head.meter,
        point=head.point,
        accepted=answer.accepted,
        held=answer.held,
        last_ms=answer.last_ms,
        last_import_mwh=answer.last_import_mwh,
        last_export_mwh=answer.last_export_mwh,
    )
    if book.held:
        ctx.emit("ReadingsHeld", meter=head.meter, point=head.point, held=book.held)
    if book.resets:
        ctx.emit("RegisterReset", meter=head.meter, point=head.point, times_ms=book.resets[:20])
    if book.rollovers:
        ctx.emit("RegisterRolledOver", meter=head.meter, point=head.point, times_ms=book.rollovers[:20])
    if book.estimated_ms:
        ctx.emit("GapEstimated", meter=head.meter, point=head.point, estimated_ms=book.estimated_ms)
    return answer


def mark_held(ctx: Context, book: Book, day: int, chunk: Chunk) -> None:
    """Keep a mark of days in which readings are held."""
    key = f"held/{book.head.meter}/{day:08d}"
    if are_held(chunk):
        ctx.put(key, True)
    elif day in book.marked:
        ctx.delete(key)


def mark_days(ctx: Context, series: Series, days: dict[int, Day], touched_ms: int) -> None:
    """Write days of a point, changed from a time on; those with closed intervals are late for who closed them."""
    closed = [(area, ctx.get("closed/" + area, int) or 0) for area in series.areas]
    touched_ms -= touched_ms % series.interval_ms
    for day, intervals in days.items():
        ctx.put(day_key(series.point, day), intervals)
        for area, closed_ms in closed:
            if max(day * DAY_MS, touched_ms) < closed_ms:
                ctx.put(f"late/{area}/{series.point}/{day:08d}", True)
                ctx.emit("LateReading", point=series.point, area=area, day=day)


def head_for(ctx: Context, metered: dict[str, Any]) -> Head:
    """A meter's head; a new one takes over its point, where the last meter's final registers are taken first."""
    device = metered["meter"]
    found = ctx.get("head/" + device["id"], Head)
    if found is not None:
        return found
    point, installed_ms = device["point"], device["installed_ms"]
    if device["predecessor"]:
        finished(ctx, ctx.call("registry", "metered", meter=device["predecessor"]))
    series = ctx.get("series/" + point, Series)
    if series is None:
        series = Series(
            point=point, utility=device["utility"], interval_ms=metered["interval_ms"], areas=[], idle=[(0, 0)]
        )
    from_ms, _ = series.idle[-1]
    ctx.put("series/" + point, series.replace(idle=[*series.idle[:-1], (from_ms, installed_ms)]))
    return Head(
        meter=device["id"],
        point=point,
        last=installation(device),
        last_origin=GATEWAY if device["gateway_signed"] else DEVICE,
        last_sequence=-1,
        last_day=-1,
        limits=[],
        columns=[],
    )


def finished(ctx: Context, metered: dict[str, Any]) -> Recorded:
    """Take a removed meter's final registers as its last reading; once."""
    device = metered["meter"]
    if not device["removed_ms"]:
        raise NotRemoved(f"meter {device['id'][:16]} still hangs")
    rules = rules_of(ctx, device["utility"], ctx.time_ms)
    head = with_columns(limited(ctx, head_for(ctx, metered), metered, rules), "")
    book = opened(ctx, head.replace(finished=True), device, "")
    counts = (1, 0, 0)
    if not head.finished:
        idle = [*book.series.idle[-IDLE_SPANS:], (book.removed_ms, 0)]
        book.series = book.series.replace(idle=idle)
        ctx.put("series/" + head.point, book.series)
        final = [LARGEST, book.removed_ms, device["final_import_mwh"], device["final_export_mwh"], 0]
        counts = put_rows(ctx, book, [final], GATEWAY, 0)
        if book.first_ms < LARGEST:
            replayed(ctx, book)
        ctx.emit("MeterFinished", meter=head.meter, point=head.point, removed_ms=device["removed_ms"])
    return kept(ctx, book, counts)


def limited(ctx: Context, head: Head, metered: dict[str, Any], rules: Rules) -> Head:
    """The head with what its registers can gain from now on, if that has changed; what was judged stays so."""
    margin = rules.power_margin_micro
    limit = Limit(
        from_ms=ctx.time_ms if head.limits else 0,
        import_w=metered["import_rating_w"] * margin // MICRO,
        export_w=metered["export_rating_w"] * margin // MICRO,
        burst_mwh=rules.burst_mwh,
        gap_ms=rules.gap_ms,
    )
    if head.limits and head.limits[-1].replace(from_ms=limit.from_ms) == limit:
        return head
    return head.replace(limits=[*head.limits[-LIMITS_OF_METER:], limit])


def with_columns(head: Head, names: str) -> Head:
    """The head with this set of columns among those it knows; refuses a 27th one."""
    if names in head.columns:
        return head
    if len(head.columns) == COLUMN_SETS:
        raise RowInvalid(f"a meter has used {COLUMN_SETS} sets of columns already")
    return head.replace(columns=[*head.columns, names])


def note_tampering(ctx: Context, head: Head, rows: list[list[int]]) -> None:
    """Report what the flags of new readings say, once as long as they say the same."""
    before = 0
    for row in rows:
        now = row[4] & TAMPER_FLAGS
        if now and now != before:
            kinds = [name for bit, name in enumerate(TAMPER_KINDS) if now >> bit & 1]
            noted(ctx, head, row[1], ", ".join(kinds), "")
        before = now


def noted(ctx: Context, head: Head, time_ms: int, kind: str, detail: str) -> None:
    tamper = Tamper(meter=head.meter, time_ms=time_ms, kind=kind, detail=detail)
    ctx.put(f"tamper/{head.point}/{time_ms:015d}", tamper)
    ctx.emit("TamperReported", meter=head.meter, point=head.point, time_ms=time_ms, kind=kind, detail=detail)


def rules_of(ctx: Context, utility: str, time_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", utility, time_ms, Rules)
    return found or Rules()
