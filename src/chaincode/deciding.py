"""What two of the utility's staff say of a held reading, or add to an interval."""

from chaincode.api import Context, Record, Refusal
from chaincode.approvals import Proposal
from chaincode.calendar import DAY_MS
from chaincode.readings import REJECTED, Day, day_key, empty_day, found_row, head_of, series_of
from chaincode.recording import kept, mark_days
from chaincode.registers import ACCEPTED, RESET
from chaincode.replaying import chunk_in, opened, replayed


class Correction(Record):
    """Under `correction/`, point, interval, id of the proposal: what two of the staff added to an interval."""

    point: str
    interval_ms: int
    import_mwh: int
    export_mwh: int
    reason: str


class OutOfRange(Refusal):
    """A number, kind or list is not what it can be."""

    code = "OUT_OF_RANGE"


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
