"""What is shown: the page of a dialogue, or at rest what the customer should know first."""

from __future__ import annotations

from devices.customer_unit import COLUMNS, Lines, kwh, render
from devices.meter.supply import why_open
from devices.meter.turn import Turn

INFO = ("info_meter", "info_credit", "info_import", "info_export", "info_power", "info_link")
SECRET_PAGES = ("pin", "pin_new", "pin_again")


def lines(turn: Turn) -> Lines:
    session = turn.session
    if not session.page:
        return _at_rest(turn)
    values: dict[str, str | int] = dict(session.values)
    values |= {"typed": session.typed[-COLUMNS:], "count": len(session.typed), "pan": session.pan[2:]}
    match session.page:
        case page if page in SECRET_PAGES:
            values["typed"] = "*" * len(session.typed)
        case page if page in INFO:
            values |= _info(turn, page)
        case "share_amount":
            values["energy"] = kwh(tenths_mwh(session.typed), 1)
        case "share_confirm" | "share_unverified":
            values |= {"energy": kwh(session.energy_mwh, 1), "label": session.label, "tail": session.pan[-4:]}
        case _:
            if "energy_mwh" in values:
                values["energy"] = kwh(int(values["energy_mwh"]), 1)
            values["power"] = values.get("power_w", "")
    return render(session.page, values)


def tenths_mwh(typed: str) -> int:
    return int(typed or "0") * 100_000


def _at_rest(turn: Turn) -> Lines:
    state, reason = turn.state, why_open(turn)
    if state.message:
        return render("message", {"first": state.message[:COLUMNS], "second": state.message[COLUMNS:]})
    supply = "ON" if state.supply.closed else "OFF"
    energy_mwh = state.credit.balance_mwh if turn.settings.prepaid else state.registers.import_mwh
    until_ms = state.supply.overload_ms if reason == "overload" else state.supply.reconnect_ms
    kind = state.supply.tamper[0].upper() if state.supply.tamper else ""
    seconds = min(-(-(until_ms - turn.now_ms) // 1_000), 9_999)
    values: dict[str, str | int] = {"supply": supply, "energy": kwh(energy_mwh), "seconds": seconds, "kind": kind}
    if reason:
        return render(reason, values)
    if not turn.settings.prepaid:
        return render("postpaid", values)
    return render("low" if state.credit.warned else "credit", values)


def _info(turn: Turn, page: str) -> dict[str, str | int]:
    registers = turn.state.registers
    match page:
        case "info_meter":
            return {"head": turn.settings.pan[:2], "pan": turn.settings.pan[2:]}
        case "info_credit":
            return {"energy": kwh(turn.state.credit.balance_mwh)}
        case "info_import":
            return {"energy": kwh(registers.import_mwh)}
        case "info_export":
            return {"energy": kwh(registers.export_mwh)}
        case "info_power":
            return {"power": sum(phase.power_mw for phase in turn.session.phases) // 1_000}
    return {"link": "UP" if turn.session.link else "OFF", "count": len(turn.state.outbox)}
