"""Blocks, transactions, events; identities and contracts; what the organisations have decided."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, literal_column

from gateway.readmodel.tables.columns import key_number, key_text, maybe_text, number, plain, raw, table, text

FOLLOWED: Final = plain(
    "followed",
    key_number("one"),
    raw("chain_id"),
    number("height"),
    raw("header_hash"),
    raw("next_set"),
    number("time_ms"),
)
"""One row: how far the model has come. It changes with the rows of its blocks, or not at all."""

VALIDATOR_SETS: Final = plain("validator_sets", key_number("epoch"), number("from_height"), raw("encoded"))

BLOCKS: Final = plain(
    "blocks",
    key_number("height"),
    raw("hash"),
    number("time_ms"),
    number("epoch"),
    number("transactions"),
    number("receipts"),
    number("signatures"),
    raw("header"),
    raw("certificate"),
)
Index("blocks_by_hash", BLOCKS.c.hash)
Index("blocks_by_time", BLOCKS.c.time_ms)

TRANSACTIONS: Final = plain(
    "transactions",
    key_number("height"),
    key_number("position"),
    raw("id"),
    number("origin"),
    number("time_ms"),
    raw("creator"),
    text("contract"),
    text("function"),
    text("code"),
    number("events"),
    number("items"),
    number("budget_used"),
)
"""Every receipt: of transactions, of timers' calls (origin 1) and of rewards (2), which nobody has signed."""
Index("transactions_by_id", TRANSACTIONS.c.id)
Index("transactions_by_creator", TRANSACTIONS.c.creator, TRANSACTIONS.c.height, TRANSACTIONS.c.position)
Index(
    "transactions_by_function",
    TRANSACTIONS.c.contract,
    TRANSACTIONS.c.function,
    TRANSACTIONS.c.height,
    TRANSACTIONS.c.position,
)
Index("transactions_by_contract", TRANSACTIONS.c.contract, TRANSACTIONS.c.height, TRANSACTIONS.c.position)
NOT_OK: Final = TRANSACTIONS.c.code != literal_column("'OK'")
Index(
    "transactions_refused",
    TRANSACTIONS.c.height,
    TRANSACTIONS.c.position,
    sqlite_where=NOT_OK,
    postgresql_where=NOT_OK,
)

CALLS: Final = plain(
    "calls",
    key_number("height"),
    key_number("position"),
    maybe_text("arguments"),
    number("arguments_bytes"),
    maybe_text("result"),
    text("message"),
)
"""What a transaction said and what came back, as JSON; null where it is longer than the model keeps."""

EVENTS: Final = plain(
    "events",
    key_number("height"),
    key_number("number"),
    number("position"),
    number("time_ms"),
    text("contract"),
    text("name"),
    text("subject"),
    text("payload"),
)
Index("events_by_name", EVENTS.c.contract, EVENTS.c.name, EVENTS.c.height, EVENTS.c.number)
Index("events_by_subject", EVENTS.c.subject, EVENTS.c.height, EVENTS.c.number)

UNREAD: Final = plain(
    "unread", key_number("height"), key_number("number"), number("position"), text("event"), text("reason")
)
"""Events of a form that this version does not know: their figures are missing here."""

ORGANISATIONS: Final = table("organisations", key_text("organisation"), text("status"))

IDENTITIES: Final = table(
    "identities",
    key_text("identity"),
    text("organisation"),
    text("role"),
    text("name"),
    text("status"),
    text("public_key"),
    number("registered_ms"),
)
Index("identities_by_organisation", IDENTITIES.c.organisation, IDENTITIES.c.role, IDENTITIES.c.identity)
Index("identities_by_name", IDENTITIES.c.name)

IDENTITY_KEYS: Final = table("identity_keys", key_text("public_key"), text("identity"), number("overlap_until_ms"))

PACKAGES: Final = table(
    "packages",
    key_text("name"),
    key_text("package_hash"),
    text("version"),
    text("installed_by"),
    number("committed_height"),
)

PACKAGE_APPROVALS: Final = table(
    "package_approvals",
    key_text("name"),
    key_text("package_hash"),
    key_text("organisation"),
    text("approved_by"),
    number("withdrawn"),
)

GOVERNANCE: Final = table(
    "governance",
    key_text("proposal"),
    text("kind"),
    text("organisation"),
    text("proposer"),
    text("stage"),
    text("change"),
    number("made_ms"),
    number("expires_ms"),
    number("closed_ms"),
)
Index("governance_by_time", GOVERNANCE.c.made_ms, GOVERNANCE.c.proposal)

GOVERNANCE_VOTES: Final = table(
    "governance_votes", key_text("proposal"), key_text("organisation"), text("vote"), text("voter")
)

FAULTS: Final = table(
    "faults",
    key_text("fault"),
    text("member"),
    text("organisation"),
    text("ballot"),
    number("epoch"),
    number("fault_height"),
    text("reported_by"),
)

PROPOSALS: Final = table(
    "proposals",
    key_text("contract"),
    key_text("proposal"),
    text("kind"),
    text("organisation"),
    text("proposer"),
    text("function"),
    text("arguments"),
    text("status"),
    text("decided_by"),
    number("proposed_ms"),
    number("decided_ms"),
)
"""What waits for a second person of a contract, or waited."""
Index("proposals_by_status", PROPOSALS.c.status, PROPOSALS.c.organisation, PROPOSALS.c.proposed_ms)

RULES: Final = table("rules", key_text("contract"), key_text("owner"), key_number("from_ms"), text("proposal"))
"""From when which proposal's rules hold: of a utility, feeder or area."""
