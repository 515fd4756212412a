"""Bills that tests draw: an ordinary month of a house with PV, and whatever is asked for beside."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.documents.bill import Bill, Ground, Invoice, Line, Names, Part, Proof, Standing
from gateway.readmodel.zones import Change, Zone

BERLIN = Zone("Europe/Berlin", 60, 120, Change(3, 5, 6, 60, utc=True), Change(10, 5, 6, 60, utc=True))
JANUARY_MS, FEBRUARY_MS = 1_767_222_000_000, 1_769_900_400_000
DAY_MS = 86_400_000
LINES = (
    Line("listed", "trade import", 41_250_000, "mwh", 0, 0),
    Line("listed", "pool import", 12_804_113, "mwh", 0, 0),
    Line("listed", "trade export", 8_500_000, "mwh", 0, 0),
    Line("import", "day", 148_312_450, "mwh", 312_400, 4_633, 2_809_380_000),
    Line("import", "night", 92_004_007, "mwh", 221_900, 2_042, -4_310_846_700),
    Line("grid_fee", "", 240_316_457, "mwh", 74_100, 1_781, -2_550_536_300),
    Line("levy", "Renewables", 240_316_457, "mwh", 6_560, 158, -3_524_042_080),
    Line("fixed", "", 31, "days", 0, 850),
    Line("capacity", "", 7_360, "w", 0, 368),
    Line("tax", "", 9_832, "minor", 190_000, 1_868, 800_000_000),
    Line("feed_in", "", 63_450_000, "mwh", -82_000, -520, -2_900_000_000),
)


def bill(
    lines: tuple[Line, ...] = LINES, *, own: int = -1, standing: dict[str, Any] | None = None, **given: Any
) -> Bill:
    """`own` lines are the stay's, by default all."""
    total = sum(line.amount_minor for line in lines)
    due_ms = FEBRUARY_MS + 16 * DAY_MS
    part = Part(
        JANUARY_MS, FEBRUARY_MS, "north:home-2026", JANUARY_MS, prepaid=False, lines=own if own >= 0 else len(lines)
    )
    invoice = Invoice(
        id="north:1042",
        utility="north",
        number=1042,
        kind="period",
        point="north:elm-12",
        customer="north:c-2041",
        from_ms=JANUARY_MS,
        until_ms=FEBRUARY_MS,
        parts=(part,),
        lines=lines,
        total_minor=total,
        due_ms=due_ms,
        issued_ms=FEBRUARY_MS + 2 * DAY_MS,
    )
    if given.pop("bare", False):
        invoice = msgspec.structs.replace(invoice, parts=())
    return Bill(
        msgspec.structs.replace(invoice, **given),
        Standing(**{"due_ms": due_ms, **(standing or {})}),
        Ground("EUR", 2, BERLIN),
        Proof("https://console.north.example", "5f" * 32, 181_204),
        Names("Northern Light & Power", ("Harbour Street 1", "24103 Northport"), place="Elm Street 12, 2nd floor"),
    )
