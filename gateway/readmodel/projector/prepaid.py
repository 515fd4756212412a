"""Prepaid credits from reservation to the meter's word; shares, debts, blocks."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.prepaid import CREDITS, DEBTS, PAYABLES, PREPAID, SHARES

_TIMES = {
    "CreditMinted": ("minted", "minted_ms"),
    "CreditDelivered": ("delivered", "delivered_ms"),
    "CreditRedeemed": ("redeemed", "redeemed_ms"),
}
_SHARE_STATUS = {
    "ShareCredited": "credited",
    "ShareDebited": "debited",
    "ShareReturned": "returned",
    "ShareTimedOut": "timed_out",
}
_BLOCKS = ("Supply", "Vending", "Sharing")


def _reserved(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    given = {name: told[name] for name in ("kind", "pan", "base", "tid", "units")}
    values = {**given, **_bought(call, told)}
    out.put(CREDITS, point=told["point"], credit=told["credit"], status="reserved", reserved_ms=call.time_ms, **values)


def _bought(call: Call, told: dict[str, Any]) -> dict[str, Any]:
    """Energy, money and lines, where the call's own result is this credit."""
    result = call.result_values() if call.contract == "prepaid" else {}
    if (result.get("pan"), result.get("base"), result.get("tid")) != (told["pan"], told["base"], told["tid"]):
        return {}
    lines = msgspec.json.encode(result.get("lines", [])).decode()
    values: dict[str, Any] = {
        name: result[name] for name in ("energy_mwh", "total_minor", "payer", "request") if name in result
    }
    return {**values, "lines": lines}


def _stepped(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    status, time = _TIMES[event.name]
    values: dict[str, Any] = {"status": status, time: call.time_ms}
    if "token_hash" in told:
        values["token_hash"] = told["token_hash"]
    if "energy_mwh" in told:
        values["energy_mwh"] = told["energy_mwh"]
        out.add(PREPAID, point=told["point"], redeemed_mwh=told["energy_mwh"])
    out.put(CREDITS, point=told["point"], credit=told["credit"], **values)


def _burned(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(CREDITS, point=told["point"], credit=told["credit"], status="burned", proven=int(told["proven"]))


def _reissued(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(CREDITS, point=told["point"], credit=told["credit"], replaced_by=told["by"])


def _share_requested(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    names = ("sender", "meter", "recipient_pan", "energy_mwh", "until_ms")
    values = {name: told[name] for name in names}
    out.put(SHARES, share=told["share"], status="requested", requested_ms=call.time_ms, **values)


def _share_changed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values: dict[str, Any] = {
        name: told[name] for name in ("sender", "recipient", "credit", "units", "reason") if name in told
    }
    if event.name == "ShareDebited":
        values |= {"recipient_pan": told["recipient_pan"], "energy_mwh": told["energy_mwh"]}
        values["verified"] = int(told["verified"])
    out.put(SHARES, share=told["share"], status=_SHARE_STATUS[event.name], **values)


def _debt_added(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values = {"reason": told["reason"], "amount_minor": told["amount_minor"]}
    out.put(DEBTS, owner=told["owner"], debt=told["debt"], **values)


def _debt_paid(out: Changes, _call: Call, event: Event) -> None:
    column = "paid_minor" if event.name == "DebtPaid" else "written_off_minor"
    told = event.payload
    out.add(DEBTS, owner=told["owner"], debt=told["debt"], **{column: told["amount_minor"]})


def _payable(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    key = {"day": told["day"], "debtor": told["debtor"], "creditor": told["creditor"]}
    out.put(PAYABLES, **key, amount_minor=told["amount_minor"], paid=int(event.name == "PayablePaid"))


def _low(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    out.put(PREPAID, point=told["point"], low_balance_mwh=told["balance_mwh"], low_ms=call.time_ms)


def _reported(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {"balance_mwh": told["balance_mwh"], "balance_ms": call.time_ms, "low": int(told["low"])}
    out.put(PREPAID, point=told["point"], **values)


def _blocked(out: Changes, _call: Call, event: Event) -> None:
    kind = next(name for name in _BLOCKS if event.name.startswith(name)).lower()
    out.put(PREPAID, point=event.payload["point"], **{f"{kind}_blocked": int(event.name.endswith("Blocked"))})


def _key_set(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("key_revision", "tariff_index") if name in told}
    out.put(PREPAID, point=told["point"], **values)


def _units(out: Changes, _call: Call, event: Event) -> None:
    sign = 1 if event.name == "UnitsReturned" else -1
    for point, _interval_ms, energy_mwh, _number in event.payload["units"]:
        out.add(PREPAID, point=point, returned_mwh=sign * abs(energy_mwh))


EVENTS = {
    "prepaid.CreditReserved": _reserved,
    **{f"prepaid.{name}": _stepped for name in _TIMES},
    "prepaid.CreditBurned": _burned,
    "prepaid.CreditReissued": _reissued,
    "prepaid.ShareRequested": _share_requested,
    **{f"prepaid.{name}": _share_changed for name in _SHARE_STATUS},
    "prepaid.DebtAdded": _debt_added,
    "prepaid.DebtPaid": _debt_paid,
    "prepaid.DebtWrittenOff": _debt_paid,
    "prepaid.PayableNetted": _payable,
    "prepaid.PayablePaid": _payable,
    "prepaid.LowCredit": _low,
    "prepaid.BalanceReported": _reported,
    **{f"prepaid.{kind}{end}": _blocked for kind in _BLOCKS for end in ("Blocked", "Unblocked")},
    "prepaid.KeySet": _key_set,
    "prepaid.KeyChanged": _key_set,
    "prepaid.UnitsReturned": _units,
    "prepaid.UnitsClawedBack": _units,
}
