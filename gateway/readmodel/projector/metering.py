"""Readings: who has signed which rows, and what the ledger made of them."""

from __future__ import annotations

from gateway.readmodel.changes import Batch, Changes, Correction, Decision
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.metering import CORRECTIONS, HEADS, TAMPERS

DEVICE = "d"
GATEWAY = "g"


def _recorded(out: Changes, call: Call, event: Event) -> None:
    """The meter's last believed reading; and the rows, where this call carried them."""
    told = event.payload
    meter, point = told["meter"], told["point"]
    last = {"last_ms": told["last_ms"], "last_import_mwh": told["last_import_mwh"]}
    out.put(HEADS, meter=meter, point=point, **last, last_export_mwh=told["last_export_mwh"], heard_ms=call.time_ms)
    out.add(HEADS, meter=meter, accepted=told["accepted"], held=told["held"])
    given = call.argument_values()
    own = call.is_call_of("metering", "record", "record_for") and meter == given.get("meter", call.signer)
    if not own:  # a decision, or final registers: the last reading that is believed may have been held until now
        out.meter(Decision(meter, point, told["last_ms"], "believed", call.height, call.position))
        return
    times = _times(call, meter)
    columns = given.get("columns")
    out.meter(
        Batch(
            meter=meter,
            point=point,
            rows=given["rows"],
            columns=None if columns is None else tuple(columns),
            origin=DEVICE if call.function == "record" else GATEWAY,
            height=call.height,
            position=call.position,
            held=told["held"],
            ignored=call.result_values().get("ignored", 0),
            last_ms=told["last_ms"],
            conflicts=times.get("ReadingConflict", ()),
            resets=times.get("RegisterReset", ()),
            rollovers=times.get("RegisterRolledOver", ()),
        )
    )


def _times(call: Call, meter: str) -> dict[str, tuple[int, ...]]:
    return {
        event.name: tuple(event.payload["times_ms"])
        for event in call.events
        if event.payload.get("meter") == meter and "times_ms" in event.payload
    }


def _finished(out: Changes, call: Call, event: Event) -> None:
    """A removed meter's final registers are its last reading; `series` knows them."""
    told = event.payload
    out.meter(Decision(told["meter"], told["point"], told["removed_ms"], "final", call.height, call.position))


def _decided(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    point = next((other.payload["point"] for other in call.events if other.name == "ReadingsRecorded"), "")
    out.meter(Decision(told["meter"], point, told["time_ms"], told["decision"], call.height, call.position))


def _corrected(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    energy = {"import_mwh": told["import_mwh"], "export_mwh": told["export_mwh"]}
    key = {"point": told["point"], "interval_ms": told["interval_ms"]}
    out.append(CORRECTIONS, **key, at_height=call.height, at_number=event.number, **energy)
    out.corrections.append(
        Correction(told["point"], told["interval_ms"], **energy, height=call.height, position=call.position)
    )


def _tampered(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("meter", "point", "time_ms", "kind", "detail")}
    out.append(TAMPERS, at_height=call.height, at_number=event.number, **values)


EVENTS = {
    "metering.ReadingsRecorded": _recorded,
    "metering.MeterFinished": _finished,
    "metering.ReadingDecided": _decided,
    "metering.IntervalCorrected": _corrected,
    "metering.TamperReported": _tampered,
}
