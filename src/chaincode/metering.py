"""Metering: signed readings in, intervals out.

A reading is one row, so that it can be proven alone:

    [sequence, time_ms, import_mwh, export_mwh, flags, ...]

with both registers as the meter shows them, and one number more for each name in the batch's `columns`
(voltage, current, power, ...). A generation meter counts what it generates as export.

    series   a point: which areas close it, and when no meter hung there
    head     a meter: where it hangs, its last believed reading, its limits, the columns it has used
    chunk    a meter's readings of one UTC day, each with its verdict and who signed it
    day      a point's intervals of one UTC day: energy, and how much of each was measured by whom
    closed   an area: until when its intervals are closed
    late     a point's day in which a closed interval has changed since; settlement takes it
    held     a meter's day in which readings are held
    correction, tamper

Rules it keeps:

* the intervals are a function of the set of readings (`registers`): the order in which they came leaves no
  trace, gaps are estimated and trued up, and what intervals sum to is the register difference;
* the same reading again changes nothing; other content for a known time, or a sequence that does not fit its
  time, is not taken, and reported;
* a reading that cannot be is held: it counts for nothing until later ones make it possible, or two of the
  utility's staff decide; so are readings of longer ago than 90 days (data);
* a reading from the future is refused with its whole batch; what a meter showed before it was hung or after
  it was removed is none of the point's;
* device-signed and gateway-signed readings are told apart for ever;
* an interval is closed when each point has reported it, or 48 hours (data) after its end on flagged estimates;
* what changes in a closed interval is told to settlement, which posts the difference.

Roles: a meter records its own readings; a gateway those of its organisation's meters without a key; staff
propose and approve decisions, corrections and rules; settlement closes; `registry.may_read` says who reads.
Events: ReadingsRecorded, ReadingsHeld, ReadingConflict, RegisterReset, RegisterRolledOver, GapEstimated,
LateReading, TamperReported, MeterFinished, ReadingDecided, IntervalCorrected, RulesChanged;
Proposed, Approved, Withdrawn.
"""

from typing import Any

from chaincode.access import organisation_of, require_caller, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.dated import dated_at, put_dated
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
from chaincode.units import LARGEST, MICRO

BATCH_ROWS = 500
DAY_ROWS = 1_500
FIXED_COLUMNS = 5
FIXED_NAMES = ("sequence", "time_ms", "import_mwh", "export_mwh", "flags")
COLUMNS = 32
COLUMN_SETS = 26
FIRST_LETTER = 97
QUADRANT_NAMES = ("q1_mvarh", "q2_mvarh", "q3_mvarh", "q4_mvarh")
QUADRANT_DAYS = 7
METERS_BETWEEN = 5
STANDARD_COLUMNS = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")
DAYS_A_PAGE = 31
POINTS_AT_ONCE = 200
LIMITS_OF_METER = 50
LISTED = 100
IDLE_SPANS = 20
LONGEST_SPREAD_MS = 60 * DAY_MS
FLAGS = 65_536
TAMPER_FLAGS = 7
TAMPER_KINDS = ("cover", "magnet", "bypass")
DEVICE = "d"
GATEWAY = "g"
ESTIMATED = "e"
EXTRAPOLATED = "x"
NOTHING = "-"
UNDECIDED = "-"
LATE = "l"
REJECTED = "r"
FRESH = "n"
DECISIONS = ("accept", "reject", "reset")

# ---------------------------------------------------------------- records


class Rules(Record):
    """Of a utility, under `rules`, dated. Energy a register may gain: rating times margin times time, and a burst."""

    late_ms: int = 48 * HOUR_MS
    adjust_ms: int = 90 * DAY_MS
    future_ms: int = 60_000
    power_margin_micro: int = 1_200_000
    burst_mwh: int = 10_000
    gap_ms: int = 45 * DAY_MS


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


class Quadrants(Record):
    """What a meter's four reactive registers showed last at two times, q1 to q4."""

    meter: str
    first_mvarh: list[int]
    last_mvarh: list[int]


class Correction(Record):
    """Under `correction/`, point, interval, id of the proposal: what two of the staff added to an interval."""

    point: str
    interval_ms: int
    import_mwh: int
    export_mwh: int
    reason: str


class Tamper(Record):
    """Under `tamper/`, point, time: what a meter has noticed."""

    meter: str
    time_ms: int
    kind: str
    detail: str


# ---------------------------------------------------------------- refusals


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


class ReadingUnknown(Refusal):
    """The meter has no reading of this time."""

    code = "READING_UNKNOWN"


class NotReported(Refusal):
    """The meter, or point, has not reported anything yet."""

    code = "NOT_REPORTED"


class NotRemoved(Refusal):
    """The meter still hangs."""

    code = "NOT_REMOVED"


class OutOfRange(Refusal):
    """A number, kind or list is not what it can be."""

    code = "OUT_OF_RANGE"


class NotYours(Refusal):
    """Readings are read by whom the tenant lets."""

    code = "NOT_YOURS"


# ---------------------------------------------------------------- the contract


class Metering(Contract):
    name = "metering"
    version = "1.0.0"

    # ------------------------------------------------------------ recording

    @transaction(roles=("meter",), items="rows")
    def record(self, ctx: Context, rows: list[list[int]], columns: list[str] | None = None) -> Recorded:
        """Take the signing meter's readings, oldest first."""
        require_direct(ctx)
        return recorded(ctx, ctx.creator.id, rows, columns, DEVICE)

    @transaction(roles=("gateway",), items="rows")
    def record_for(self, ctx: Context, meter: str, rows: list[list[int]], columns: list[str] | None = None) -> Recorded:
        """Take readings that a gateway has read off a meter without a key of its own."""
        require_direct(ctx)
        return recorded(ctx, meter, rows, columns, GATEWAY)

    @transaction
    def take_final(self, ctx: Context, meter: str) -> Recorded:
        """Take the registers at which a removed meter ended, as its last reading; anyone may, once.

        It is done by itself when the next meter at the point reports.
        """
        require_direct(ctx)
        return finished(ctx, ctx.call("registry", "metered", meter=meter))

    @transaction(roles=("meter",))
    def report(self, ctx: Context, kind: str, time_ms: int, detail: str = "") -> None:
        """Note what the signing meter has noticed beside its readings."""
        require_direct(ctx)
        require_text(kind, 40, "kind")
        head = head_of(ctx, ctx.creator.id)
        if len(detail) > 200 or not 0 <= time_ms <= ctx.time_ms + HOUR_MS:
            raise OutOfRange("a report has at most 200 characters and a time that is not ahead")
        noted(ctx, head, time_ms, kind, detail)

    # ------------------------------------------------------------ what two of the staff decide

    @transaction
    def propose_decision(self, ctx: Context, meter: str, time_ms: int, decision: str, reason: str) -> str:
        """Propose that a reading counts (`accept`), does not (`reject`), or begins a new register (`reset`)."""
        head = head_of(ctx, meter)
        require_text(reason, 200, "reason")
        if decision not in DECISIONS:
            raise OutOfRange(f"one decides to {', '.join(DECISIONS)}")
        found_row(chunk_of(ctx, meter, time_ms // DAY_MS), time_ms)
        values = {"meter": meter, "time_ms": time_ms, "decision": decision, "reason": reason}
        return propose(ctx, "decision", organisation_of(head.point), values)

    @transaction
    def propose_correction(
        self, ctx: Context, point: str, interval_ms: int, import_mwh: int, export_mwh: int, reason: str
    ) -> str:
        """Propose to add energy to an interval, below zero to take some away, when readings cannot say it."""
        series = series_of(ctx, point)
        require_text(reason, 200, "reason")
        if interval_ms % series.interval_ms or not 0 <= interval_ms <= ctx.time_ms:
            raise OutOfRange("an interval is named by its start, and has begun")
        if not (-LARGEST <= import_mwh <= LARGEST and -LARGEST <= export_mwh <= LARGEST):
            raise OutOfRange("an energy lies within 2^53-1")
        values = {
            "point": point,
            "interval_ms": interval_ms,
            "import_mwh": import_mwh,
            "export_mwh": export_mwh,
            "reason": reason,
        }
        return propose(ctx, "correction", series.utility, values)

    @transaction
    def propose_rules(self, ctx: Context, from_ms: int, rules: Rules) -> str:
        """Propose other rules for the caller's utility, from a time on."""
        organisation = ctx.creator.organisation
        require_staff(ctx, organisation)
        numbers = (rules.late_ms, rules.adjust_ms, rules.future_ms, rules.power_margin_micro, rules.burst_mwh)
        if not all(0 <= number <= LARGEST for number in numbers) or not 0 < rules.gap_ms <= LONGEST_SPREAD_MS:
            raise OutOfRange("a rule is not below zero, and a gap at most 60 days")
        values = {
            "from_ms": from_ms,
            "late_ms": rules.late_ms,
            "adjust_ms": rules.adjust_ms,
            "future_ms": rules.future_ms,
            "power_margin_micro": rules.power_margin_micro,
            "burst_mwh": rules.burst_mwh,
            "gap_ms": rules.gap_ms,
        }
        return propose(ctx, "rules", organisation, values)

    @transaction
    def approve(self, ctx: Context, proposal: str) -> None:
        """Carry out what another of the staff has proposed."""
        require_direct(ctx)
        found = approved(ctx, proposal)
        if found.kind == "decision":
            decided(ctx, found)
        elif found.kind == "correction":
            corrected(ctx, found)
        else:
            values = found.values
            rules = Rules(
                late_ms=values["late_ms"],
                adjust_ms=values["adjust_ms"],
                future_ms=values["future_ms"],
                power_margin_micro=values["power_margin_micro"],
                burst_mwh=values["burst_mwh"],
                gap_ms=values["gap_ms"],
            )
            put_dated(ctx, "rules", found.organisation, values["from_ms"], rules)
            ctx.emit("RulesChanged", utility=found.organisation, from_ms=values["from_ms"])

    @transaction
    def withdraw(self, ctx: Context, proposal: str) -> None:
        """Take back what waits for approval."""
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ for settlement

    @transaction
    def close(self, ctx: Context, area: str, points: list[str], interval_ms: int) -> list[tuple[int, int, str]] | None:
        """Close an interval of an area: for each point (imported, exported, state); for settlement.

        None until every point has reported it, or it ended longer ago than its utility's rules wait. What
        is then not known is put in from the same interval a day and a week before (state x).
        """
        require_caller(ctx, "settlement")
        if len(points) > POINTS_AT_ONCE:
            raise OutOfRange(f"at most {POINTS_AT_ONCE} points at once")
        waits: dict[str, int] = {}
        answer: list[tuple[int, int, str]] = []
        for point in points:
            series = ctx.get("series/" + point, Series)
            if series is None:
                row = unmeasured(ctx, point)
                utility, length_ms = organisation_of(point), 0
            else:
                row = interval_of(ctx, series, interval_ms)
                utility, length_ms = series.utility, series.interval_ms
                if area not in series.areas:
                    ctx.put("series/" + point, series.replace(areas=[*series.areas[-2:], area]))
            if row[2] in (NOTHING, ESTIMATED):
                if utility not in waits:
                    waits[utility] = rules_of(ctx, utility, ctx.time_ms).late_ms
                if ctx.time_ms < interval_ms + length_ms + waits[utility]:
                    return None
                if row[2] == NOTHING:
                    row = extrapolated(ctx, series, interval_ms, row)
            answer.append(row)
        closed_ms = ctx.get("closed/" + area, int) or 0
        ctx.put("closed/" + area, max(closed_ms, interval_ms + 1))
        return answer

    @transaction
    def close_many(self, ctx: Context, area: str, points: list[str], from_ms: int, until_ms: int) -> int:
        """Close the intervals of one UTC day from one to another (not included), as far as all points have
        measured them; answers the end of what is closed, `from_ms` if nothing is. For settlement.

        For areas in which nobody trades: what is closed is what `days` says, and nothing is put in.
        """
        require_caller(ctx, "settlement")
        day = from_ms // DAY_MS
        if len(points) > POINTS_AT_ONCE or not from_ms < until_ms <= (day + 1) * DAY_MS:
            raise OutOfRange(f"at most {POINTS_AT_ONCE} points, and intervals of one day")
        reach_ms = until_ms
        for point in points:
            series = ctx.get("series/" + point, Series)
            if series is None:
                reach_ms = from_ms if meter_hangs(ctx, point) else reach_ms
            else:
                reach_ms = measured_until(ctx, series, from_ms, reach_ms)
                if area not in series.areas:
                    ctx.put("series/" + point, series.replace(areas=[*series.areas[-2:], area]))
            if reach_ms == from_ms:
                return from_ms
        closed_ms = ctx.get("closed/" + area, int) or 0
        ctx.put("closed/" + area, max(closed_ms, reach_ms))
        return reach_ms

    @transaction
    def take_late(self, ctx: Context, area: str, limit: int) -> list[tuple[str, int]]:
        """Days of points, as (point, day), in which closed intervals have changed since; for settlement, once each."""
        require_caller(ctx, "settlement")
        taken: list[tuple[str, int]] = []
        for key, _ in ctx.range(f"late/{area}/", f"late/{area}0"):
            if len(taken) == limit:
                break
            _, _, point, day = key.split("/")
            taken.append((point, int(day)))
            ctx.delete(key)
        return taken

    # ------------------------------------------------------------ reading

    @query
    def rows(self, ctx: Context, points: list[str], interval_ms: int) -> list[tuple[int, int, str]]:
        """One interval of many points, as `close` would see it now; for contracts, and for who may read each."""
        if len(points) > POINTS_AT_ONCE:
            raise OutOfRange(f"at most {POINTS_AT_ONCE} points at once")
        answer: list[tuple[int, int, str]] = []
        for point in points:
            require_reader(ctx, point)
            series = ctx.get("series/" + point, Series)
            answer.append((0, 0, NOTHING) if series is None else interval_of(ctx, series, interval_ms))
        return answer

    @query
    def flows(self, ctx: Context, points: list[str], day: int) -> list[tuple[list[int], list[int]]]:
        """A day of many points, import and export by interval; empty where nothing is known."""
        if len(points) > POINTS_AT_ONCE:
            raise OutOfRange(f"at most {POINTS_AT_ONCE} points at once")
        answer: list[tuple[list[int], list[int]]] = []
        for point in points:
            require_reader(ctx, point)
            found = ctx.get(day_key(point, day), Day)
            answer.append(([], []) if found is None else (found.import_mwh, found.export_mwh))
        return answer

    @query
    def days(self, ctx: Context, point: str, first_day: int, last_day: int) -> list[DayView]:
        """A point's days, at most 31, those of which nothing is known left out."""
        require_reader(ctx, point)
        if not 0 <= last_day - first_day < DAYS_A_PAGE:
            raise OutOfRange(f"a page has 1 to {DAYS_A_PAGE} days")
        series = series_of(ctx, point)
        found: list[DayView] = []
        for key, day in ctx.range(day_key(point, first_day), day_key(point, last_day + 1), type=Day):
            found.append(view(series, int(key.split("/")[2]), day))
        return found

    @query
    def series(self, ctx: Context, point: str) -> Series:
        require_reader(ctx, point)
        return series_of(ctx, point)

    @query
    def head(self, ctx: Context, meter: str) -> Head:
        """A meter's last believed reading."""
        head = head_of(ctx, meter)
        require_reader(ctx, head.point)
        return head

    @query
    def readings(self, ctx: Context, meter: str, day: int) -> Chunk:
        """A meter's readings of a UTC day, with their verdicts."""
        require_reader(ctx, head_of(ctx, meter).point)
        return ctx.get(chunk_key(meter, day), Chunk) or empty_chunk()

    @query
    def shown(self, ctx: Context, point: str, after_ms: int, until_ms: int) -> dict[str, int]:
        """What the meter at a point last showed after one time and until another (a day later at most), by name;
        nothing when it did not report then."""
        require_reader(ctx, point)
        head = ctx.get("head/" + ctx.call("registry", "point", point=point)["meter"], Head)
        if head is None or not after_ms < until_ms <= after_ms + DAY_MS:
            return {}
        for day in range(until_ms // DAY_MS, after_ms // DAY_MS - 1, -1):
            chunk = chunk_of(ctx, head.meter, day)
            for at in range(len(chunk.rows) - 1, -1, -1):
                row = chunk.rows[at]
                if after_ms < row[1] <= until_ms:
                    names = head.columns[ord(chunk.formats[at]) - FIRST_LETTER]
                    return dict(zip([*FIXED_NAMES, *names.split(",")], row, strict=False))
        return {}

    @query
    def quadrants(self, ctx: Context, point: str, from_ms: int, until_ms: int) -> list[Quadrants]:
        """What the reactive registers of each meter at a point showed at two times; see `quadrants_between`."""
        require_reader(ctx, point)
        return quadrants_between(ctx, point, from_ms, until_ms)

    @query
    def held(self, ctx: Context, meter: str) -> list[tuple[int, str, list[int]]]:
        """Readings that are held, as (time, verdict, row), the first hundred."""
        require_reader(ctx, head_of(ctx, meter).point)
        found: list[tuple[int, str, list[int]]] = []
        for key, _ in ctx.range(f"held/{meter}/", f"held/{meter}0"):
            chunk = chunk_of(ctx, meter, int(key.split("/")[2]))
            for row, verdict in zip(chunk.rows, chunk.verdicts, strict=True):
                if verdict not in BELIEVED and verdict != REJECTED and len(found) < LISTED:
                    found.append((row[1], verdict, row))
        return found

    @query
    def tampers(self, ctx: Context, point: str) -> list[Tamper]:
        """What meters at a point have noticed, newest first, a hundred."""
        require_reader(ctx, point)
        found: list[Tamper] = []
        for _, tamper in ctx.range(f"tamper/{point}/", f"tamper/{point}0", type=Tamper, reverse=True):
            if len(found) < LISTED:
                found.append(tamper)
        return found

    @query
    def corrections(self, ctx: Context, point: str) -> list[Correction]:
        """What staff have added to intervals of a point by hand."""
        require_reader(ctx, point)
        return [item for _, item in ctx.range(f"correction/{point}/", f"correction/{point}0", type=Correction)]

    @query
    def rules(self, ctx: Context, utility: str, time_ms: int) -> Rules:
        return rules_of(ctx, utility, time_ms)

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person; for the organisation's staff."""
        require_staff(ctx, organisation)
        return proposals_of(ctx, organisation)


# ---------------------------------------------------------------- a batch


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


def installation(device: dict[str, Any]) -> Register:
    return Register(time_ms=device["installed_ms"], import_mwh=device["import_mwh"], export_mwh=device["export_mwh"])


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


# ---------------------------------------------------------------- judging anew what is touched


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


def are_held(chunk: Chunk) -> bool:
    """Whether any of a chunk's readings wait for others, or for staff."""
    return chunk.verdicts.strip(BELIEVED + REJECTED) != ""


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


# ---------------------------------------------------------------- meters and points


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


# ---------------------------------------------------------------- what two of the staff decided


def decided(ctx: Context, proposal: Proposal) -> None:
    """Note a decision beside its reading, and judge anew from there on."""
    meter, time_ms = proposal.values["meter"], proposal.values["time_ms"]
    metered = ctx.call("registry", "metered", meter=meter)
    device, head = metered["meter"], head_of(ctx, meter)
    book = opened(ctx, head, device, head.columns[0])
    chunk = chunk_in(ctx, book, time_ms // DAY_MS)
    at = found_row(chunk, time_ms)
    letter = {"accept": ACCEPTED, "reset": RESET, "reject": REJECTED}[proposal.values["decision"]]
    book.chunks[time_ms // DAY_MS] = chunk.replace(decided=chunk.decided[:at] + letter + chunk.decided[at + 1 :])
    book.first_ms = book.last_ms = time_ms
    replayed(ctx, book)
    kept(ctx, book, (0, 0, 0))
    ctx.emit("ReadingDecided", meter=meter, time_ms=time_ms, decision=proposal.values["decision"])


def corrected(ctx: Context, proposal: Proposal) -> None:
    values = proposal.values
    correction = Correction(
        point=values["point"],
        interval_ms=values["interval_ms"],
        import_mwh=values["import_mwh"],
        export_mwh=values["export_mwh"],
        reason=values["reason"],
    )
    series = series_of(ctx, correction.point)
    day, rest_ms = divmod(correction.interval_ms, DAY_MS)
    at = rest_ms // series.interval_ms
    intervals = ctx.get(day_key(series.point, day), Day) or empty_day(DAY_MS // series.interval_ms)
    intervals.import_mwh[at] += correction.import_mwh
    intervals.export_mwh[at] += correction.export_mwh
    if intervals.import_mwh[at] < 0 or intervals.export_mwh[at] < 0:
        raise OutOfRange("an interval's energy does not go below zero")
    ctx.put(f"correction/{series.point}/{correction.interval_ms:015d}/{proposal.id}", correction)
    mark_days(ctx, series, {day: intervals}, correction.interval_ms)
    ctx.emit(
        "IntervalCorrected",
        point=series.point,
        interval_ms=correction.interval_ms,
        import_mwh=correction.import_mwh,
        export_mwh=correction.export_mwh,
    )


# ---------------------------------------------------------------- intervals


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


# ---------------------------------------------------------------- finding


# ---------------------------------------------------------------- reactive registers


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


# ---------------------------------------------------------------- finding


def chunk_key(meter: str, day: int) -> str:
    return f"chunk/{meter}/{day:08d}"


def day_key(point: str, day: int) -> str:
    return f"day/{point}/{day:08d}"


def chunk_in(ctx: Context, book: Book, day: int) -> Chunk:
    """A meter's chunk as this call has it."""
    found = book.chunks.get(day)
    if found is None:
        found = ctx.get(chunk_key(book.head.meter, day), Chunk) or empty_chunk()
        if are_held(found):
            book.marked[day] = True
    return found


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


def rules_of(ctx: Context, utility: str, time_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", utility, time_ms, Rules)
    return found or Rules()


def require_reader(ctx: Context, point: str) -> None:
    if not ctx.caller and not ctx.call("registry", "may_read", point=point, scope="readings"):
        raise NotYours(f"readings of {point} are read by its tenant, its utility, and whom they let")
