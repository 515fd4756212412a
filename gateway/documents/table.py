"""The bill as CSV: a row for each line, in integers as the ledger has them, then the total.

What a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from gateway.documents.bill import Bill, Line, Part

COLUMNS: Final = (
    *("invoice", "customer", "point", "from_ms", "until_ms", "tariff", "tariff_version_ms", "kind", "name"),
    *("quantity", "unit", "price_micro", "amount_minor", "remainder_pico", "currency", "digits"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def bill_csv(bill: Bill) -> bytes:
    """UTF-8, lines by CRLF, as RFC 4180 says."""
    invoice, ground = bill.invoice, bill.ground
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    parts: list[Part | None] = [part for part in invoice.parts for _ in range(part.lines)]
    parts += [None] * (len(invoice.lines) - len(parts))
    total = Line("total", "", len(invoice.lines), "lines", 0, invoice.total_minor)
    for line, part in zip([*invoice.lines, total], [*parts, None], strict=True):
        stay = part or Part(invoice.from_ms, invoice.until_ms, "", 0, prepaid=False, lines=0)
        texts = (invoice.id, invoice.customer, invoice.point)
        when = (stay.from_ms, stay.until_ms, safe(stay.tariff), stay.version_ms)
        sums = (line.quantity, safe(line.unit), line.price_micro, line.amount_minor, line.remainder_pico)
        writer.writerow(
            (*map(safe, texts), *when, safe(line.kind), safe(line.name), *sums, ground.currency, ground.digits)
        )
    return out.getvalue().encode()


def safe(text: str) -> str:
    """A cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA) else text
