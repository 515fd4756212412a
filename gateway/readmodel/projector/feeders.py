"""Feeders: reports of their intervals, samples of their transformers, alerts."""

from __future__ import annotations

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.feeders import ALERT_LOG, ALERTS, FEEDERS, INTERVALS, SAMPLES

_TOLD = ("state", "generation_mwh", "consumption_mwh", "supply_mwh", "loss_mwh", "loading_micro")
_OF_REPORT = (
    "import_mwh",
    "export_mwh",
    "self_mwh",
    "pool_mwh",
    "surplus_mwh",
    "deficit_mwh",
    "technical_mwh",
    "non_technical_mwh",
    "uncertainty_mwh",
    "load_factor_micro",
    "apparent_mva",
)
_FIXED = 4
_PHASE = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar")


def _watched(out: Changes, _call: Call, event: Event) -> None:
    out.put(FEEDERS, feeder=event.payload["feeder"], watched_ms=event.payload["since_ms"])


def _reported(out: Changes, call: Call, event: Event) -> None:
    """The event says the most; the whole report is the result of the call that made it."""
    told = event.payload
    result = call.result_values()
    own = "technical_mwh" in result and result.get("interval_ms") == told["interval_ms"]
    rest = {name: result.get(name) for name in _OF_REPORT} if own else {}
    values = {name: told[name] for name in _TOLD}
    renewed = int(event.name == "ReportRenewed")
    out.put(INTERVALS, feeder=told["feeder"], interval_ms=told["interval_ms"], renewed=renewed, **values, **rest)


def _alert(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    is_open = int(event.name == "AlertOpened")
    values = {"open": is_open, "value": told["value"], "limit": told["limit"]}
    since = {"opened_ms": call.time_ms} if is_open else {}
    out.put(ALERTS, feeder=told["feeder"], kind=told["kind"], **values, **since, changed_ms=call.time_ms)
    place = {"at_height": call.height, "at_number": event.number, "time_ms": call.time_ms}
    out.append(ALERT_LOG, **place, feeder=told["feeder"], kind=told["kind"], **values)


def observed(out: Changes, call: Call) -> None:
    """Samples are known by their time: those that came before change nothing on the ledger, nor here."""
    given = call.argument_values()
    for row in given["rows"]:
        time_ms, temperature, high, distortion = row[:_FIXED]
        phases = (len(row) - _FIXED) // len(_PHASE)
        values = {"temperature_milli": temperature, "high_mv": high, "distortion_micro": distortion}
        power = reactive = 0
        for phase in range(phases):
            measured = row[_FIXED + phase * len(_PHASE) :][: len(_PHASE)]
            values |= {f"{name}_{phase + 1}": value for name, value in zip(_PHASE, measured, strict=True)}
            power, reactive = power + measured[2], reactive + measured[3]
        totals = {"phases": phases, "power_mw": power, "reactive_mvar": reactive}
        out.put(SAMPLES, feeder=given["feeder"], time_ms=time_ms, **values, **totals)


EVENTS = {
    "feeder.FeederWatched": _watched,
    "feeder.FeederReported": _reported,
    "feeder.ReportRenewed": _reported,
    "feeder.AlertOpened": _alert,
    "feeder.AlertCleared": _alert,
}
