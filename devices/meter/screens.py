"""What is shown: the page of a dialogue, or at rest what the customer should know first."""

from __future__ import annotations

from itertools import pairwise

from devices.customer_unit import COLUMNS, Lines, kwh, money, render
from devices.meter.calendar import WEEKDAYS, date
from devices.meter.prices import Step, local_text, next_change, price_at, steps_at
from devices.meter.settings import DAY_MS
from devices.meter.supply import why_open
from devices.meter.turn import Turn

INFO = (
    "info_meter",
    "info_credit",
    "info_price",
    "info_next",
    "info_import",
    "info_export",
    "info_power",
    "info_link",
)
STEP = "step"
"""Which step of a tariff is shown on `info_next`, counted from 0 for the second one."""
NAME = 10
SOON_DAYS = 6
"""A change within these has its weekday, a later one its date."""
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
            return render(*_info(turn, page))
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


def _info(turn: Turn, page: str) -> tuple[str, dict[str, str | int]]:
    """The page that is shown, and what stands on it."""
    registers = turn.state.registers
    match page:
        case "info_meter":
            return page, {"head": turn.settings.pan[:2], "pan": turn.settings.pan[2:]}
        case "info_credit":
            return page, {"energy": kwh(turn.state.credit.balance_mwh)}
        case "info_price":
            return _price(turn)
        case "info_next":
            return _next(turn)
        case "info_import":
            return page, {"energy": kwh(registers.import_mwh)}
        case "info_export":
            return page, {"energy": kwh(registers.export_mwh)}
        case "info_power":
            return page, {"power": sum(phase.power_mw for phase in turn.session.phases) // 1_000}
    return page, {"link": "UP" if turn.session.link else "OFF", "count": len(turn.state.outbox)}


def _price(turn: Turn) -> tuple[str, dict[str, str | int]]:
    found = price_at(turn.state.tariffs, turn.now_ms) if turn.state.clock.valid else None
    if found is None:
        return "info_unpriced", {}
    return "info_price", {"name": _name(found.name), "price": money(found.price_micro)}


def _next(turn: Turn) -> tuple[str, dict[str, str | int]]:
    tariffs, now_ms = turn.state.tariffs, turn.now_ms
    if not turn.state.clock.valid or price_at(tariffs, now_ms) is None:
        return "info_unpriced", {}
    if steps := higher_steps(turn):
        before, step = steps[int(dict(turn.session.values).get(STEP, 0))]
        return "info_step", {"limit": before.up_to_wh // 1_000, "price": money(step.price_micro)}
    found = next_change(tariffs, now_ms)
    if found is None:
        return "info_steady", {}
    at_ms, price = found
    day, weekday, clock = local_text(tariffs, at_ms)
    soon = at_ms - now_ms < SOON_DAYS * DAY_MS
    when = f"{WEEKDAYS[weekday]} {clock}" if soon else "{}-{:02d}-{:02d}".format(*date(day))
    return "info_next", {"when": when, "price": "NOT KNOWN" if price is None else money(price.price_micro)}


def higher_steps(turn: Turn) -> list[tuple[Step, Step]]:
    """(the step before, the step) of all but the first, where the tariff goes by steps."""
    steps = steps_at(turn.state.tariffs, turn.now_ms) if turn.state.clock.valid else ()
    return list(pairwise(steps))


def _name(name: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in name.upper())[:NAME]
