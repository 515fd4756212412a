"""Metering: signed readings in, intervals out.

A reading is one row, so that it can be proven alone:

    [sequence, time_ms, import_mwh, export_mwh, flags, ...]

with both registers as the meter shows them, and one number more for each name in the batch's `columns`
(voltage, current, power, ...). A generation meter counts what it generates as export.

    closed   an area: until when its intervals are closed
    late     a point's day in which a closed interval has changed since; settlement takes it
    held     a meter's day in which readings are held
    correction, tamper

`readings` says how rows and intervals are kept, `recording` takes a batch in, `replaying` judges its rows and makes
the intervals, `intervals` and `quadrants` answer from them, `deciding` is what two of the staff may change.

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

from chaincode.access import organisation_of, require_caller, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.dated import put_dated
from chaincode.deciding import Correction, OutOfRange, corrected, decided
from chaincode.intervals import (
    NOTHING,
    DayView,
    extrapolated,
    interval_of,
    measured_until,
    meter_hangs,
    unmeasured,
    view,
)
from chaincode.quadrants import Quadrants, quadrants_between
from chaincode.readings import (
    DEVICE,
    ESTIMATED,
    FIRST_LETTER,
    FIXED_NAMES,
    GATEWAY,
    REJECTED,
    Chunk,
    Day,
    Head,
    Series,
    chunk_key,
    chunk_of,
    day_key,
    empty_chunk,
    found_row,
    head_of,
    series_of,
)
from chaincode.recording import Recorded, Rules, Tamper, finished, noted, recorded, rules_of
from chaincode.registers import BELIEVED
from chaincode.replaying import LONGEST_SPREAD_MS
from chaincode.units import LARGEST

DAYS_A_PAGE = 31
POINTS_AT_ONCE = 200
LISTED = 100
DECISIONS = ("accept", "reject", "reset")


class NotYours(Refusal):
    """Readings are read by whom the tenant lets."""

    code = "NOT_YOURS"


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


def require_reader(ctx: Context, point: str) -> None:
    if not ctx.caller and not ctx.call("registry", "may_read", point=point, scope="readings"):
        raise NotYours(f"readings of {point} are read by its tenant, its utility, and whom they let")
