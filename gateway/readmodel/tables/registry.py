"""Who and what there is: utilities, grids, premises, customers, points and their meters."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index

from gateway.readmodel.tables.columns import key_number, key_text, number, table, text

GROUND: Final = table("ground", key_number("one"), number("interval_ms"), number("digits"), text("founder"))

UTILITIES: Final = table(
    "utilities",
    key_text("organisation"),
    text("zone"),
    text("treasury"),
    text("tax_account"),
    text("levy_account"),
)
"""`zone` is the zone's data as JSON: roll-ups by day and month go by it."""

AREAS: Final = table("areas", key_text("area"), text("operator"), number("opened_ms"))
AREA_MEMBERS: Final = table("area_members", key_text("area"), key_text("organisation"))

TRANSFORMERS: Final = table(
    "transformers",
    key_text("transformer"),
    text("operator"),
    number("rating_va"),
    number("low_mv"),
    number("high_mv"),
    text("concentrator"),
)

CONCENTRATORS: Final = table("concentrators", key_text("concentrator"), text("operator"), text("gateway"))

PREMISES: Final = table("premises", key_text("premises"), text("utility"), text("customer"))
Index("premises_by_customer", PREMISES.c.customer, PREMISES.c.premises)

CUSTOMERS: Final = table("customers", key_text("customer"), text("utility"), text("document_hash"))
Index("customers_by_utility", CUSTOMERS.c.utility, CUSTOMERS.c.customer)

WALLETS: Final = table("wallets", key_text("wallet"), text("customer"), number("removed"))
Index("wallets_by_customer", WALLETS.c.customer, WALLETS.c.wallet)

TENANCIES: Final = table("tenancies", key_text("premises"), key_number("from_ms"), text("customer"))
"""From when a customer lives there, until the next row; '' is nobody."""
Index("tenancies_by_customer", TENANCIES.c.customer, TENANCIES.c.from_ms)

POINTS: Final = table(
    "points",
    key_text("point"),
    text("utility"),
    text("kind"),
    text("premises"),
    text("feeder"),
    number("phases"),
    number("import_rating_w"),
    number("export_rating_w"),
    number("prepaid"),
    text("tariff"),
    text("meter"),
)
"""As the last decision says, which may hold from its `from_ms` in `point_changes` on only."""
Index("points_by_premises", POINTS.c.premises, POINTS.c.point)
Index("points_by_feeder", POINTS.c.feeder, POINTS.c.point)
Index("points_by_utility", POINTS.c.utility, POINTS.c.point)

POINT_CHANGES: Final = table("point_changes", key_text("point"), key_number("from_ms"), key_text("what"), text("value"))

METERS: Final = table(
    "meters",
    key_text("meter"),
    text("utility"),
    text("point"),
    text("pan"),
    number("modulus_mwh"),
    number("gateway_signed"),
    number("installed_ms"),
    number("import_mwh"),
    number("export_mwh"),
    number("removed_ms"),
    number("final_import_mwh"),
    number("final_export_mwh"),
    text("predecessor"),
    text("customer_key"),
)
Index("meters_by_point", METERS.c.point, METERS.c.installed_ms)
Index("meters_by_pan", METERS.c.pan)

CLAIMS: Final = table(
    "claims", key_text("premises"), key_text("wallet"), text("status"), text("customer"), number("claimed_ms")
)

CONSENTS: Final = table(
    "consents",
    key_text("point"),
    key_text("reader"),
    text("scopes"),
    number("until_ms"),
    text("given_by"),
    number("withdrawn"),
)
Index("consents_by_reader", CONSENTS.c.reader, CONSENTS.c.point)
