"""Energy into a feeder is energy out of it and loss, in every interval that all its meters cover.

report   T + sum X - sum I = loss = technical + non-technical; what was made is used, shared or surplus
shares   the same by premises: they sum to the report, and what is given is taken
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.journal import Item
from ledgernode.audit.law import Law, Range, Sums

FEEDER: Final = "feeder"


class Reports(Law):
    """Of each report as it stands."""

    name = "feeder: energy in = energy out + loss"
    reads = ((FEEDER, "report"), (FEEDER, "shares"))

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        self._totals: dict[str, int] = {}

    def flaw(self, item: Item) -> str:
        feeder, _, interval = item.parts[0].rpartition("/")
        text = _report(item.record) if item.kind == "report" else self._shares(item.parts[0], item.record)
        if item.kind == "report" and not text:
            self._add("reports", 1)
            for name in ("supply_mwh", "export_mwh", "import_mwh", "loss_mwh"):
                if item.record["loss_mwh"] is not None:
                    self._add(name, item.record[name])
        return f"{feeder}, interval {int(interval)}: {text}" if text else ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:  # noqa: ARG002 - it counts where it looks
        return self._totals

    def _add(self, name: str, amount: int) -> None:
        self._totals[name] = self._totals.get(name, 0) + amount

    def _shares(self, key: str, shares: list[Any]) -> str:
        report = self.books.named(FEEDER, f"report/{key}")
        if report is None or report["generation_mwh"] is None:
            return "there are shares of an interval that is not reported"
        columns = [list(column) for column in zip(*(share[1:] for share in shares), strict=True)] or [[0]] * 5
        generation, consumption, own, given, taken = (sum(column) for column in columns)
        for name, whole in (("generation", generation), ("consumption", consumption), ("self", own)):
            if whole != report[f"{name}_mwh"]:
                return f"{name} of all premises is {whole} mWh, of the feeder {report[f'{name}_mwh']}"
        return f"{given} mWh are given, {taken} taken" if given != taken else ""


def _report(report: dict[str, Any]) -> str:
    loss, technical, rest = (report[f"{name}_mwh"] for name in ("loss", "technical", "non_technical"))
    if loss is not None:
        left = report["supply_mwh"] + report["export_mwh"] - report["import_mwh"]
        if left != loss:
            return (
                f"{report['supply_mwh']} + {report['export_mwh']} - {report['import_mwh']} is {left}, not {loss} lost"
            )
        if technical is not None and technical + rest != loss:
            return f"{loss} lost is not {technical} technical and {rest} not"
    if report["generation_mwh"] is not None:
        made, used = report["generation_mwh"], report["consumption_mwh"]
        if made - used != report["export_mwh"] - report["import_mwh"]:
            return (
                f"{made} made and {used} used do not explain {report['import_mwh']} in and {report['export_mwh']} out"
            )
        if report["surplus_mwh"] - report["deficit_mwh"] != made - used:
            return "surplus and deficit are not what was made less what was used"
    return ""
