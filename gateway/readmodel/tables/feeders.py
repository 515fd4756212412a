"""Feeders: what they are, what they carried, what they lost, and what was alarming."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index

from gateway.readmodel.tables.columns import key_number, key_text, maybe, number, table, text

FEEDERS: Final = table(
    "feeders",
    key_text("feeder"),
    text("operator"),
    text("transformer"),
    text("area"),
    number("phases"),
    number("limit_w"),
    number("reverse_limit_w"),
    number("watched_ms"),
)
Index("feeders_by_area", FEEDERS.c.area, FEEDERS.c.feeder)

INTERVALS: Final = table(
    "intervals",
    key_text("feeder"),
    key_number("interval_ms"),
    text("state"),
    number("renewed"),
    maybe("generation_mwh"),
    maybe("consumption_mwh"),
    maybe("supply_mwh"),
    maybe("loss_mwh"),
    maybe("loading_micro"),
    maybe("import_mwh"),
    maybe("export_mwh"),
    maybe("self_mwh"),
    maybe("pool_mwh"),
    maybe("surplus_mwh"),
    maybe("deficit_mwh"),
    maybe("technical_mwh"),
    maybe("non_technical_mwh"),
    maybe("uncertainty_mwh"),
    maybe("load_factor_micro"),
    maybe("apparent_mva"),
)
"""What is not known of an interval is null."""

SAMPLES: Final = table(
    "samples",
    key_text("feeder"),
    key_number("time_ms"),
    maybe("temperature_milli"),
    maybe("high_mv"),
    maybe("distortion_micro"),
    number("phases"),
    number("power_mw"),
    number("reactive_mvar"),
    *(
        maybe(f"{what}_{phase}")
        for phase in (1, 2, 3)
        for what in ("voltage_mv", "current_ma", "power_mw", "reactive_mvar")
    ),
)
"""A transformer as it was measured, phase by phase."""

ALERTS: Final = table(
    "alerts",
    key_text("feeder"),
    key_text("kind"),
    number("open"),
    maybe("value"),
    maybe("limit"),
    number("opened_ms"),
    number("changed_ms"),
)
Index("alerts_open", ALERTS.c.open, ALERTS.c.changed_ms, ALERTS.c.feeder)

ALERT_LOG: Final = table(
    "alert_log",
    key_number("at_height"),
    key_number("at_number"),
    text("feeder"),
    text("kind"),
    number("open"),
    maybe("value"),
    maybe("limit"),
    number("time_ms"),
)
Index("alert_log_by_feeder", ALERT_LOG.c.feeder, ALERT_LOG.c.at_height, ALERT_LOG.c.at_number)
