"""Readings, and what they come to by minute, quarter, hour, day and month."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, literal_column

from gateway.readmodel.tables.columns import key_number, key_text, maybe, maybe_text, number, table, text

READINGS: Final = table(
    "readings",
    key_text("meter"),
    key_number("time_ms"),
    number("sequence"),
    number("import_mwh"),
    number("export_mwh"),
    number("flags"),
    text("state"),
    text("origin"),
    number("item"),
    maybe("voltage_mv"),
    maybe("current_ma"),
    maybe("power_mw"),
    maybe("reactive_mvar"),
    maybe("power_factor_milli"),
    maybe_text("others"),
)
"""`state` as in `series`; `item` is the reading's place in its signed batch, so that it can be proven alone."""

HELD: Final = READINGS.c.state.in_((literal_column("'h'"), literal_column("'r'")))
"""Not believed: few, among many."""
Index("readings_held", READINGS.c.meter, READINGS.c.time_ms, sqlite_where=HELD, postgresql_where=HELD)

HEADS: Final = table(
    "heads",
    key_text("meter"),
    text("point"),
    number("last_ms"),
    number("last_import_mwh"),
    number("last_export_mwh"),
    number("accepted"),
    number("held"),
    number("heard_ms"),
)
"""Of each meter the last reading that is believed, and when the ledger last heard from it."""
Index("heads_by_point", HEADS.c.point, HEADS.c.meter)
Index("heads_by_time", HEADS.c.heard_ms, HEADS.c.meter)

BUCKETS: Final = table(
    "buckets",
    key_text("point"),
    key_number("span"),
    key_number("from_ms"),
    number("import_mwh"),
    number("export_mwh"),
    number("measured_ms"),
    number("gateway_ms"),
    number("estimated_ms"),
)
"""`span`: 1 minute, 2 quarter of an hour, 3 hour, 4 day, 5 month of the utility's zone."""

CORRECTIONS: Final = table(
    "corrections",
    key_text("point"),
    key_number("interval_ms"),
    key_number("at_height"),
    key_number("at_number"),
    number("import_mwh"),
    number("export_mwh"),
)

TAMPERS: Final = table(
    "tampers",
    key_number("at_height"),
    key_number("at_number"),
    text("meter"),
    text("point"),
    number("time_ms"),
    text("kind"),
    text("detail"),
)
Index("tampers_by_point", TAMPERS.c.point, TAMPERS.c.at_height, TAMPERS.c.at_number)
