"""A town that is billed: settlement and prepaid are stood in for, and hold what a test puts there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec

from chaincode.calendar import DAY_MS, Zone, day_number, month_span_ms
from chaincode.periods import COLUMNS, GRID_IMPORT
from chaincode.pricing import Tariff
from ledgernode.execution.sandbox.package import pack
from ledgernode.testing import START_MS, Committed, Member
from tests.chaincode.test_pricing import flat
from tests.chaincode.town import CONTRACTS, INTERVAL_MS, House, Town

DIGITS = 4
SLOTS = DAY_MS // INTERVAL_MS
JANUARY = (2026, 1)
TARIFF = "utility:flat"

SETTLEMENT = '''"""Stands for settlement: it answers the days and adjustments that a test puts there."""

from typing import Any

from chaincode.api import Context, Contract, Refusal, query, transaction


class Down(Refusal):
    code = "DOWN"


class Settlement(Contract):
    name = "settlement"
    version = "1.0.0"

    @transaction
    def put_days(self, ctx: Context, point: str, days: list[Any]) -> None:
        for day in days:
            ctx.put(ctx.key("day", point, f"{day['day']:06d}"), day)

    @transaction
    def post(self, ctx: Context, point: str, adjustments: list[Any]) -> None:
        for one in adjustments:
            number = (ctx.get(ctx.key("last", point), int) or 0) + 1
            ctx.put(ctx.key("last", point), number)
            ctx.put(ctx.key("adjustment", point, f"{number:012d}"), one | {"number": number})

    @transaction
    def fail(self, ctx: Context, point: str) -> None:
        ctx.put("down", point)

    @query
    def days(self, ctx: Context, point: str, first_day: int, last_day: int, brief: bool = False) -> list[Any]:
        if ctx.get("down", str) == point:
            raise Down("it is down")
        found = [ctx.get(ctx.key("day", point, f"{day:06d}")) for day in range(first_day, last_day + 1)]
        return [day for day in found if day is not None]

    @query
    def adjustments(self, ctx: Context, point: str, after: int = 0) -> list[Any]:
        last = ctx.get(ctx.key("last", point), int) or 0
        numbers = range(after + 1, min(after + 100, last) + 1)
        return [ctx.get(ctx.key("adjustment", point, f"{number:012d}")) for number in numbers]
'''

PREPAID = '''"""Stands for prepaid: it keeps debts."""

from chaincode.access import require_caller
from chaincode.api import Context, Contract, query, transaction


class Prepaid(Contract):
    name = "prepaid"
    version = "1.0.0"

    @transaction
    def add_debt(self, ctx: Context, point: str, amount_minor: int, reason: str, ref: str) -> int:
        require_caller(ctx, "billing")
        ctx.put(ctx.key("debt", point, ref), amount_minor)
        return 1

    @query
    def debts(self, ctx: Context, point: str) -> dict[str, int]:
        return {ctx.parts(key)[2]: amount for key, amount in ctx.matching("debt", point)}
'''


@lru_cache
def stand_in(name: str, source: str) -> bytes:
    folder = Path(mkdtemp())
    (folder / "access.py").write_text((CONTRACTS / "access.py").read_text())
    (folder / f"{name}.py").write_text(source)
    return pack(folder / f"{name}.py")


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def day_of(day: int, columns: dict[int, list[int]]) -> dict[str, Any]:
    """A day as settlement answers it in brief."""
    return {"day": day, "columns": [columns.get(kind, []) for kind in range(COLUMNS)], "version": 1}


def spread(energy_mwh: int) -> list[int]:
    """So much in each of a day's intervals."""
    return [energy_mwh] * SLOTS


class Billed(Town):
    """The first of January 2026: houses under a flat tariff (unless another is given), each wallet with money."""

    def __init__(self, houses: int = 1, tariff: Tariff | None = None, *, funded: bool = True, **arguments: Any) -> None:
        super().__init__("currency", "tariff", "billing")
        self.units: list[int] = []
        self.settled: set[tuple[str, int]] = set()
        self.ledger.deploy(stand_in("settlement", SETTLEMENT))
        self.ledger.deploy(stand_in("prepaid", PREPAID))
        self.ok(self.admin, "currency", "establish", code="KWD", digits=DIGITS, approval_above_minor=10**12)
        self.decide(tariff or flat(), self.now_ms + 1_000)
        self.ledger.advance(seconds=2)
        self.build(houses, tariff=TARIFF, **arguments)
        if funded:
            for member in [self.treasury, *(house.wallet for house in self.houses)]:
                self.ok(self.admin, "currency", "mint", account=member.id, amount_minor=10**9, purpose="to begin with")

    # ------------------------------------------------------------ what happens

    def decide(self, tariff: Tariff, from_ms: int, id: str = TARIFF) -> None:
        named = plain(tariff) | {"id": id, "utility": "utility"}
        self.two("tariff", "propose_tariff", tariff=named, from_ms=from_ms)

    def rules(self, **rules: Any) -> None:
        self.two("billing", "propose_rules", utility="utility", from_ms=self.now_ms + 10, rules=rules)
        self.ledger.advance(ms=20)

    def flows(
        self, house: House, columns: dict[int, list[int]] | None = None, month: tuple[int, int] = JANUARY
    ) -> None:
        """Every day of a month alike: by default 10 Wh taken from the grid in each interval, nothing given.

        A UTC day that the month before has settled stays as it is: settled days never change.
        """
        alike = {GRID_IMPORT: spread(10_000)} if columns is None else columns
        first, last = utc_days(self.zone, *month)
        missing = [day for day in range(first, last + 1) if (house.point, day) not in self.settled]
        self.settled.update((house.point, day) for day in missing)
        self.put(house, [day_of(day, alike) for day in missing])

    def put(self, house: House, days: list[dict[str, Any]]) -> None:
        for start in range(0, len(days), 8):
            self.ok(self.operator, "settlement", "put_days", point=house.point, days=days[start : start + 8])

    def late(self, house: House, interval_ms: int, columns: dict[int, int], **owed: int) -> None:
        amounts = {"amount_minor": 0, "fee_minor": 0, "levy_minor": 0, "tax_minor": 0, "posted_ms": self.now_ms}
        changes = [columns.get(kind, 0) for kind in range(COLUMNS)]
        one = amounts | owed | {"interval_ms": interval_ms, "columns_mwh": changes}
        self.ok(self.operator, "settlement", "post", point=house.point, adjustments=[one])

    def until(self, year: int, month: int, day: int, minute: int = 0) -> tuple[Committed, ...]:
        """The clock moves to a time (UTC)."""
        target_ms = day_number(year, month, day) * DAY_MS + minute * 60_000
        return self.ledger.advance(ms=target_ms - self.now_ms)

    def bill(self, year: int = 2026, month: int = 1) -> dict[str, Any]:
        """Run a month by staff, once it is over, to its end or to where it waits; how far it is."""
        end_ms = month_span_ms(self.zone, year, month)[1]
        if self.now_ms < end_ms:
            self.ledger.advance(ms=end_ms - self.now_ms)
        self.ok(self.operator, "billing", "run", utility="utility", year=year, month=month)
        done = self.ledger.advance(minutes=1)
        self.units = [one.receipt.budget_used for one in done]
        return self.status(year, month)

    # ------------------------------------------------------------ what came of it

    @property
    def zone(self) -> Zone:
        return flat().zone

    def status(self, year: int = 2026, month: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(
            self.operator, "billing", "run_status", utility="utility", year=year, month=month
        )
        return found

    def view(self, number: int = 1, reader: Member | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(reader or self.operator, "billing", "invoice", invoice=f"utility:{number}")
        return found

    def invoice(self, number: int = 1) -> dict[str, Any]:
        """An invoice, that adds up and recomputes: every one that a test looks at."""
        found: dict[str, Any] = self.view(number)["invoice"]
        assert sum(line["amount_minor"] for line in found["lines"]) == found["total_minor"]
        again = self.ask(self.operator, "billing", "recompute", invoice=found["id"])
        assert again == {"agrees": True, "lines": found["lines"]}
        return found

    def lines(self, number: int = 1) -> dict[str, tuple[int, int]]:
        """(quantity, amount) of each line, by kind and name."""
        found: dict[str, tuple[int, int]] = {}
        for line in self.invoice(number)["lines"]:
            name = f"{line['kind']} {line['name']}".strip()
            assert name not in found
            found[name] = (line["quantity"], line["amount_minor"])
        return found

    def account(self, house: House) -> dict[str, Any]:
        """A customer's ledger; it conserves: balance = credit - open = sum of entries, and each invoice adds up."""
        asked = {"customer": house.customer}
        found: dict[str, Any] = self.ask(self.operator, "billing", "ledger", **asked)
        entries = self.ask(self.operator, "billing", "entries", size=100, **asked)
        assert found["balance_minor"] == found["credit_minor"] - found["open_minor"]
        assert found["balance_minor"] == sum(entry["amount_minor"] for entry in entries)
        open_minor = 0
        for one in self.ask(self.operator, "billing", "invoices", **asked):
            left_minor = max(one["total_minor"], 0) - one["paid_minor"] - one["credited_minor"]
            assert left_minor >= 0
            assert (one["number"] in found["open"]) == (left_minor > 0)
            open_minor += left_minor
        assert found["open_minor"] == open_minor
        return found

    def pay(self, house: House, amount_minor: int, number: int = 1, request: str = "first") -> str:
        asked = {"invoice": f"utility:{number}", "amount_minor": amount_minor, "request": request}
        return self.code(house.wallet, "billing", "pay", **asked)

    def money(self, member: Member) -> int:
        found: int = self.ask(self.admin, "currency", "balance", account=member.id)["available_minor"]
        return found

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.ledger.events("billing", name)]


def utc_days(zone: Zone, year: int, month: int) -> tuple[int, int]:
    """The first and last UTC day that a local month touches, and the ledger was there."""
    start_ms, end_ms = month_span_ms(zone, year, month)
    return max(start_ms, START_MS) // DAY_MS, (end_ms - 1) // DAY_MS
