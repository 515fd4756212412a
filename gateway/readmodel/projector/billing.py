"""Tariffs that were decided; invoices, payments, credit notes, runs."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.projector.staff import proposal_of
from gateway.readmodel.tables.billing import (
    CREDIT_NOTES,
    INVOICE_LINES,
    INVOICES,
    PAYMENTS,
    PAYOUTS,
    RUNS,
    TARIFFS,
    WAITING,
)


def _tariff(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    key = {"tariff": told["tariff"], "from_ms": told["from_ms"]}
    out.put(TARIFFS, **key, utility=told["utility"], proposal=proposal_of(call, event))


def _issued(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    utility, _, number = told["invoice"].rpartition(":")
    values = {name: told[name] for name in ("kind", "point", "customer", "total_minor", "due_ms")}
    place = {"issued_ms": told["issued_ms"], "issued_height": call.height, "issued_position": call.position}
    span = {name: told[name] for name in ("from_ms", "until_ms", "about") if name in told}
    out.put(INVOICES, invoice=told["invoice"], utility=utility, number=int(number), **values, **place, **span)
    if told.get("lines"):
        parts, lines = (msgspec.json.encode(told[name]).decode() for name in ("parts", "lines"))
        out.put(INVOICE_LINES, invoice=told["invoice"], parts=parts, lines=lines)
    out.put(WAITING, point=told["point"], reason="", since_ms=call.time_ms)


def _paid(out: Changes, call: Call, event: Event) -> None:
    """Wholly: the ledger tells it when nothing is open any more."""
    told = event.payload
    out.put(INVOICES, invoice=told["invoice"], paid_minor=told["paid_minor"], settled_ms=call.time_ms, overdue=0)


def _paid_changed(out: Changes, _call: Call, event: Event) -> None:
    """By a payment, by credit that was set against it, or less by a credit note."""
    out.put(INVOICES, invoice=event.payload["invoice"], paid_minor=event.payload["paid_minor"])


def _handed_over(out: Changes, _call: Call, event: Event) -> None:
    out.put(INVOICES, invoice=event.payload["invoice"], handed_over=1)


def _received(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("invoice", "customer", "payer", "amount_minor")}
    _payment(out, call, event, "payment", **values)
    out.add(INVOICES, invoice=told["invoice"], received_minor=told["amount_minor"])


def _withdrawn(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {"customer": told["customer"], "payer": told["wallet"], "amount_minor": -told["amount_minor"]}
    _payment(out, call, event, "withdrawal", invoice="", **values)


def _payment(out: Changes, call: Call, event: Event, kind: str, **values: Any) -> None:
    place = {"at_height": call.height, "at_number": event.number, "time_ms": call.time_ms}
    out.append(PAYMENTS, **place, kind=kind, **values)


def _overdue(out: Changes, _call: Call, event: Event) -> None:
    out.put(INVOICES, invoice=event.payload["invoice"], overdue=1)


def _dunned(out: Changes, _call: Call, event: Event) -> None:
    out.put(INVOICES, invoice=event.payload["invoice"], stage=str(event.payload["stage"]))


def _disputed(out: Changes, _call: Call, event: Event) -> None:
    out.put(INVOICES, invoice=event.payload["invoice"], dispute="open", dispute_text=event.payload["reason"])


def _resolved(out: Changes, _call: Call, event: Event) -> None:
    """What is open then is due anew."""
    told = event.payload
    anew = {"dispute": "resolved", "dispute_text": told["resolution"], "overdue": 0, "stage": ""}
    due = {"due_ms": told["due_ms"]} if "due_ms" in told else {}
    out.put(INVOICES, invoice=told["invoice"], **anew, **due)


def _credited(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("invoice", "customer", "total_minor", "reason")}
    out.put(CREDIT_NOTES, credit=told["credit"], **values, issued_ms=call.time_ms)
    out.add(INVOICES, invoice=told["invoice"], credited_minor=told["total_minor"])


def _run(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    key = {"utility": told["utility"], "year": told["year"], "month": told["month"]}
    if event.name == "RunStarted":
        out.put(RUNS, **key, status="counting", started_ms=call.time_ms)
        return
    progress = {name: value for name, value in told.items() if isinstance(value, int) and name not in key}
    values = {"status": told["status"]} if "status" in told else {"done_ms": call.time_ms}
    out.put(RUNS, **key, **values, progress=msgspec.json.encode(progress, order="sorted").decode())


def _waits(out: Changes, call: Call, event: Event) -> None:
    out.put(WAITING, point=event.payload["point"], reason=event.payload["reason"], since_ms=call.time_ms)


def _payout(out: Changes, _call: Call, event: Event) -> None:
    out.put(PAYOUTS, utility=event.payload["utility"], left_minor=event.payload["left_minor"])


EVENTS = {
    "tariff.TariffDecided": _tariff,
    "billing.InvoiceIssued": _issued,
    "billing.InvoicePaid": _paid,
    "billing.PaidChanged": _paid_changed,
    "billing.HandedOver": _handed_over,
    "billing.PaymentReceived": _received,
    "billing.BalanceWithdrawn": _withdrawn,
    "billing.InvoiceOverdue": _overdue,
    "billing.DunningChanged": _dunned,
    "billing.Disputed": _disputed,
    "billing.DisputeResolved": _resolved,
    "billing.CreditNoteIssued": _credited,
    "billing.RunStarted": _run,
    "billing.RunProgressed": _run,
    "billing.RunDone": _run,
    "billing.HouseWaits": _waits,
    "billing.PayoutFunded": _payout,
    "billing.PayoutReturned": _payout,
}
