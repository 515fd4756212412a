"""What connection points have drawn and given, from the ledger, through the SDK: a series a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from devices.history.series import DAY_MS, Series
from ledgernode.client import Ledger, Signer
from ledgernode.errors import HistoryInvalid

DAYS_A_PAGE: Final = 31
_UNREPORTED: Final = "-"


def ask(ledger: Ledger, signer: Signer, contract: str, function: str, **arguments: Any) -> Any:
    """A question to a contract, as a value."""
    answer = ledger.evaluate(contract, function, arguments, signer=signer).result
    return msgspec.json.decode(answer) if answer else None


def measured(ledger: Ledger, signer: Signer, point: str, days: int, *, until_ms: int = 0) -> Series:
    """Import as load and export as generation, by the ledger's intervals, of so many days up to the newest block.

    An interval that is not wholly reported is not known. Refuses a point of which nothing is reported.
    """
    last = (until_ms or ledger.facts().time_ms) // DAY_MS
    rows: dict[int, Any] = {}
    for first in range(max(0, last - days + 1), last + 1, DAYS_A_PAGE):
        page_ends = min(first + DAYS_A_PAGE - 1, last)
        for row in ask(ledger, signer, "metering", "days", point=point, first_day=first, last_day=page_ends):
            rows[row["day"]] = row
    reported = {day: row for day, row in rows.items() if set(row["state"]) - {_UNREPORTED}}
    if not reported:
        raise HistoryInvalid(f"the ledger has no interval of {point} in the last {days} days")
    begin, end = min(reported), max(reported)
    per_day = len(reported[begin]["state"])
    known = np.zeros((end - begin + 1, per_day), dtype=np.bool_)
    energies = np.zeros((2, *known.shape), dtype=np.int64)
    for day, row in reported.items():
        known[day - begin] = [letter != _UNREPORTED for letter in row["state"]]
        energies[0, day - begin], energies[1, day - begin] = row["import_mwh"], row["export_mwh"]
    energies[:, ~known] = 0
    load, given = energies.reshape(2, -1)
    return Series(point, begin * DAY_MS, DAY_MS // per_day, load, given, known.reshape(-1))


def measured_all(ledger: Ledger, signer: Signer, points: Sequence[str], days: int) -> list[Series]:
    return [measured(ledger, signer, point, days) for point in points]
