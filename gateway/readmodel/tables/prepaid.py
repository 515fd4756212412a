"""Prepaid credits and their tokens, shares, debts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index

from gateway.readmodel.tables.columns import key_number, key_text, maybe, number, table, text

CREDITS: Final = table(
    "credits",
    key_text("point"),
    key_number("credit"),
    text("kind"),
    text("status"),
    text("pan"),
    number("base"),
    number("tid"),
    number("units"),
    maybe("energy_mwh"),
    maybe("total_minor"),
    text("payer"),
    text("request"),
    text("lines"),
    text("token_hash"),
    number("proven"),
    number("replaced_by"),
    number("reserved_ms"),
    number("minted_ms"),
    number("delivered_ms"),
    number("redeemed_ms"),
)
"""`energy_mwh`, `total_minor` and `lines` are known of what was reserved by a transaction of its own."""
Index("credits_by_token", CREDITS.c.token_hash)
Index("credits_by_pan", CREDITS.c.pan, CREDITS.c.base, CREDITS.c.tid)

SHARES: Final = table(
    "shares",
    key_number("share"),
    text("sender"),
    text("meter"),
    text("recipient_pan"),
    text("recipient"),
    number("energy_mwh"),
    number("units"),
    number("until_ms"),
    text("status"),
    text("reason"),
    number("credit"),
    number("verified"),
    number("requested_ms"),
)
Index("shares_by_sender", SHARES.c.sender, SHARES.c.share)
Index("shares_by_recipient", SHARES.c.recipient, SHARES.c.share)

DEBTS: Final = table(
    "debts",
    key_text("owner"),
    key_number("debt"),
    text("reason"),
    number("amount_minor"),
    number("paid_minor"),
    number("written_off_minor"),
)

PAYABLES: Final = table(
    "payables",
    key_number("day"),
    key_text("debtor"),
    key_text("creditor"),
    number("amount_minor"),
    number("paid"),
)

PREPAID: Final = table(
    "prepaid",
    key_text("point"),
    maybe("low_balance_mwh"),
    number("low_ms"),
    number("supply_blocked"),
    number("vending_blocked"),
    number("sharing_blocked"),
    number("key_revision"),
    number("tariff_index"),
    number("redeemed_mwh"),
    number("returned_mwh"),
    maybe("balance_mwh"),
    number("balance_ms"),
    number("low"),
)
Index("prepaid_by_low", PREPAID.c.low_ms, PREPAID.c.point)
