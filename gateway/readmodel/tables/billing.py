"""Tariffs; invoices and what became of them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, literal_column

from gateway.readmodel.tables.columns import key_number, key_text, number, table, text

TARIFFS: Final = table("tariffs", key_text("tariff"), key_number("from_ms"), text("utility"), text("proposal"))
"""The content of a version stands in its proposal's arguments."""
Index("tariffs_by_utility", TARIFFS.c.utility, TARIFFS.c.tariff, TARIFFS.c.from_ms)

INVOICES: Final = table(
    "invoices",
    key_text("invoice"),
    text("utility"),
    number("number"),
    text("kind"),
    text("point"),
    text("customer"),
    number("total_minor"),
    number("paid_minor"),
    number("received_minor"),
    number("credited_minor"),
    number("due_ms"),
    number("issued_ms"),
    text("stage"),
    number("overdue"),
    text("dispute"),
    text("dispute_text"),
    number("settled_ms"),
    number("issued_height"),
    number("issued_position"),
    number("from_ms"),
    number("until_ms"),
    text("about"),
    number("handed_over"),
)
"""`paid_minor` with credit that was set against it; `received_minor` sums payments that named this invoice."""
Index("invoices_by_customer", INVOICES.c.customer, INVOICES.c.issued_ms, INVOICES.c.invoice)
Index("invoices_by_utility", INVOICES.c.utility, INVOICES.c.issued_ms, INVOICES.c.invoice)
Index("invoices_by_point", INVOICES.c.point, INVOICES.c.issued_ms, INVOICES.c.invoice)
Index("invoices_in_dispute", INVOICES.c.dispute, INVOICES.c.utility, INVOICES.c.invoice)
OVERDUE: Final = INVOICES.c.overdue == literal_column("1")
Index(
    "invoices_overdue",
    INVOICES.c.utility,
    INVOICES.c.issued_ms,
    INVOICES.c.invoice,
    sqlite_where=OVERDUE,
    postgresql_where=OVERDUE,
)
Index("invoices_due", INVOICES.c.utility, INVOICES.c.settled_ms, INVOICES.c.due_ms, INVOICES.c.invoice)

INVOICE_LINES: Final = table("invoice_lines", key_text("invoice"), text("parts"), text("lines"))
"""What an invoice is made of, as its event tells it; none of one with more lines than an event holds."""

PAYMENTS: Final = table(
    "payments",
    key_number("at_height"),
    key_number("at_number"),
    text("kind"),
    text("invoice"),
    text("customer"),
    text("payer"),
    number("amount_minor"),
    number("time_ms"),
)
Index("payments_by_customer", PAYMENTS.c.customer, PAYMENTS.c.at_height, PAYMENTS.c.at_number)
Index("payments_by_invoice", PAYMENTS.c.invoice, PAYMENTS.c.at_height, PAYMENTS.c.at_number)

CREDIT_NOTES: Final = table(
    "credit_notes",
    key_text("credit"),
    text("invoice"),
    text("customer"),
    number("total_minor"),
    text("reason"),
    number("issued_ms"),
)
Index("credit_notes_by_invoice", CREDIT_NOTES.c.invoice, CREDIT_NOTES.c.credit)

RUNS: Final = table(
    "runs",
    key_text("utility"),
    key_number("year"),
    key_number("month"),
    text("status"),
    text("progress"),
    number("started_ms"),
    number("done_ms"),
)

WAITING: Final = table("waiting", key_text("point"), text("reason"), number("since_ms"))

PAYOUTS: Final = table("payouts", key_text("utility"), number("left_minor"))
