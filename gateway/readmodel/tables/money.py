"""The currency: accounts, postings, escrows, and what is to be issued."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index

from gateway.readmodel.tables.columns import key_number, key_text, number, table, text

CURRENCY: Final = table(
    "currency", key_number("one"), text("code"), text("issuer"), number("approval_above_minor"), number("supply_minor")
)

ACCOUNTS: Final = table(
    "accounts", key_text("account"), number("available_minor"), number("escrow_minor"), number("postings")
)
"""Sums of the postings below; the contract `currency` says what an account has."""

POSTINGS: Final = table(
    "postings",
    key_number("at_height"),
    key_number("at_number"),
    key_number("line"),
    text("account"),
    text("other"),
    text("kind"),
    number("available_minor"),
    number("escrow_minor"),
    text("escrow"),
    text("purpose"),
    number("time_ms"),
)
Index("postings_by_account", POSTINGS.c.account, POSTINGS.c.at_height, POSTINGS.c.at_number, POSTINGS.c.line)

DISTRIBUTIONS: Final = table(
    "distributions",
    key_number("at_height"),
    key_number("at_number"),
    text("keeper"),
    number("amount_minor"),
    text("purpose"),
    number("time_ms"),
)
"""Payments from many escrows to many accounts, in sum; each of them is a posting."""

ESCROWS: Final = table(
    "escrows",
    key_text("owner"),
    key_text("escrow"),
    text("keeper"),
    text("beneficiary"),
    text("purpose"),
    number("amount_minor"),
)

ISSUES: Final = table(
    "issues",
    key_text("issue"),
    text("kind"),
    text("account"),
    number("amount_minor"),
    text("proposer"),
    text("status"),
    text("decided_by"),
)
