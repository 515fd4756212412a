"""Invoices bill what settlement classed, once; ledgers say what is owed; payments are money that moved.

invoice    total = sum of lines; a line of energy is price times energy, to the pico; the lines of a stay list and
           charge the classes of its days, with the late readings taken by then, at prices of its tariff. Asked,
           the contract makes the same lines again
standing   by customer: what is open of all invoices is what the ledger has open
ledger     balance = credit - open = sum of entries
payment    what a transaction enters as paid is what the currency distributed for it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ledgernode.audit.books import Books
from ledgernode.audit.days import DAY_MS
from ledgernode.audit.intervals import SETTLEMENT
from ledgernode.audit.journal import Item, Step
from ledgernode.audit.law import Law, Range, Sums, Term

BILLING: Final = "billing"
CURRENCY: Final = "currency"
TARIFF: Final = "tariff"
_PICO_DIGITS: Final = 12
_ENERGY: Final = ("import", "feed_in", "grid_fee", "levy")
_LISTED: Final = {"trade import": 2, "pool import": 3, "trade export": 5, "pool export": 6}
_GRID_IMPORT: Final = 4
_GRID_EXPORT: Final = 7
_NEVER_CHANGE: Final = ("invoice", "credit", "entry", "payment")


class Invoices(Law):
    """By customer, and each invoice by itself."""

    name = "billing: invoices recompute; balance = credit - open = sum of entries; payments = money moved"
    reads = ((BILLING, "standing"), (BILLING, "ledger"), (BILLING, "entry"), (BILLING, "invoice"))
    follows = ((BILLING, "credit"), (BILLING, "payment"))
    hears = frozenset({CURRENCY})

    def begin(self, books: Books, span: Range) -> None:
        super().begin(books, span)
        ground = books.named("registry", "ground") or {"interval_ms": 0, "digits": 0}
        self._interval_ms: int = ground["interval_ms"]
        self._minor: int = 10 ** (_PICO_DIGITS - ground["digits"])
        self._invoices = self._billed_mwh = self._total_minor = 0

    def terms(self, item: Item) -> Iterable[Term]:
        record = item.record
        match item.kind:
            case "standing":
                left_minor = max(record["total_minor"], 0) - record["paid_minor"] - record["credited_minor"]
                yield record["customer"], "open_minor", left_minor
            case "ledger":
                yield item.parts[0], "balance_minor", record["balance_minor"]
                yield item.parts[0], "credit_minor", record["credit_minor"]
                yield item.parts[0], "ledger_open_minor", record["open_minor"]
            case "entry":
                yield item.parts[0], "entries_minor", record["amount_minor"]

    def wrong(self, subject: str, sums: Sums) -> str:
        balance, entries = sums.get("balance_minor", 0), sums.get("entries_minor", 0)
        credit, owed = sums.get("credit_minor", 0), sums.get("ledger_open_minor", 0)
        if balance != entries:
            return f"{subject} has a balance of {balance}, its entries sum to {entries}"
        if balance != credit - owed:
            return f"{subject} has a balance of {balance}, {credit} credit and {owed} open"
        if owed != sums.get("open_minor", 0):
            return f"{subject} has {owed} open, of its invoices {sums.get('open_minor', 0)} is"
        return ""

    def flaw(self, item: Item) -> str:
        if item.kind != "invoice":
            return ""
        invoice = item.record
        text = self._lines(invoice) or "".join(self._stays(invoice)) or self._again(invoice)
        if not text:
            self._invoices += 1
            self._total_minor += invoice["total_minor"]
        return f"invoice {invoice['id']}: {text}" if text else ""

    def change(self, step: Step) -> str:
        for one in step.writes(BILLING, *_NEVER_CHANGE):
            if one.before is not None:
                return f"{one.kind} {' '.join(one.parts)} was written again"
        paid = sum(one.after["amount_minor"] for one in step.writes(BILLING, "payment"))
        told = [event.payload for event in step.events(CURRENCY, "Distributed")]
        moved = sum(event["amount_minor"] for event in told if event["keeper"] == BILLING)
        self.count("payments_minor", paid)
        return f"payments of {paid} are entered, {moved} were distributed for them" if paid != moved else ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        if not sums and not self._invoices:
            return {}
        balance = sum(one.get("balance_minor", 0) for one in sums.values())
        return {"invoices": self._invoices, "total_minor": self._total_minor, "balance_minor": balance}

    # ------------------------------------------------------------ one invoice

    def _lines(self, invoice: Any) -> str:
        whole = sum(line["amount_minor"] for line in invoice["lines"])
        if whole != invoice["total_minor"]:
            return f"its total is {invoice['total_minor']}, its lines sum to {whole}"
        for line in invoice["lines"]:
            pico = line["amount_minor"] * self._minor + line["remainder_pico"]
            if line["kind"] in _ENERGY and line["unit"] == "mwh" and line["price_micro"] * line["quantity"] != pico:
                return (
                    f"{line['kind']} {line['name']}: {line['quantity']} mWh at {line['price_micro']} is not {pico} pico"
                )
        return ""

    def _again(self, invoice: Any) -> str:
        """The contract's own lines, made anew; its parts are checked without it."""
        if invoice["kind"] != "period":
            return ""
        return (
            "" if self.books.ask(BILLING, "recompute", invoice=invoice["id"])["agrees"] else "it is not made so again"
        )

    def _stays(self, invoice: Any) -> Iterator[str]:
        """What the stays of a period list and charge that is not what was classed; at most one."""
        begin = 0
        for part in invoice["parts"]:
            lines = invoice["lines"][begin : begin + part["lines"]]
            begin += part["lines"]
            text = self._stay(invoice, part, lines)
            if text:
                yield text
                return

    def _stay(self, invoice: Any, part: Any, lines: list[Any]) -> str:
        classed = self._classed(invoice["point"], part["from_ms"], part["until_ms"], invoice["upto"])
        listed = {line["name"]: line["quantity"] for line in lines if line["kind"] == "listed"}
        for name, column in _LISTED.items():
            if listed.get(name, 0) != classed[column]:
                return f"{listed.get(name, 0)} mWh of {name} is listed, {classed[column]} is classed"
        tariff = self.books.get(TARIFF, "tariff", part["tariff"], f"{part['version_ms']:015d}")
        if tariff is None:
            return f"tariff {part['tariff']} has no version from {part['version_ms']}"
        if tariff["net_metering"] == "energy":
            return ""
        bought = sum(line["quantity"] for line in lines if line["kind"] == "import") + listed.get("prepaid import", 0)
        sold = sum(line["quantity"] for line in lines if line["kind"] == "feed_in")
        if (bought, sold) != (classed[_GRID_IMPORT], classed[_GRID_EXPORT]):
            grid = f"{classed[_GRID_IMPORT]} and {classed[_GRID_EXPORT]} are the grid's"
            return f"{bought} mWh is billed and {sold} fed in, {grid}"
        prices = {band["price_micro"] for band in tariff["bands"]} | {step["price_micro"] for step in tariff["steps"]}
        foreign = [
            line["price_micro"] for line in lines if line["kind"] == "import" and line["price_micro"] not in prices
        ]
        return f"{foreign[0]} is no price of {part['tariff']}" if foreign else ""

    def _classed(self, point: str, from_ms: int, until_ms: int, upto: int) -> list[int]:
        """The eight columns of a time, with adjustments up to a number."""
        sums = [0 for _ in range(8)]
        for day in range(from_ms // DAY_MS, (until_ms - 1) // DAY_MS + 1):
            found = self.books.get(SETTLEMENT, "day", point, f"{day:06d}")
            if found is not None:
                low = max(from_ms - day * DAY_MS, 0) // self._interval_ms
                high = min(until_ms - day * DAY_MS, DAY_MS) // self._interval_ms
                sums = [so_far + sum(column[low:high]) for so_far, column in zip(sums, found["columns"], strict=True)]
        for item, _ in self.books.of(SETTLEMENT, "adjustment", point):
            if item.record["number"] <= upto and from_ms <= item.record["interval_ms"] < until_ms:
                sums = [so_far + more for so_far, more in zip(sums, item.record["columns_mwh"], strict=True)]
        return sums
