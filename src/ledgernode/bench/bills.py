"""From a million readings to a month's bills: how long the contracts take, and that every bill is right.

Each night every meter signs its readings of the past day. A node's door checks form and signature, the executor runs
them through metering, and each block is durable before the next. Settlement's timers close the intervals and roll up
the day; when the month is over, billing's timer writes an invoice for each house. Then every invoice is read again: its
quantities must be what the meters counted, its amounts those worked out here in fractions, and it must recompute.

Blocks are cut as a node cuts them: by number, bytes and declared budgets. Time on the ledger moves as fast as the work
is done; all else is counted as it comes, each phase by the clock and in processor time.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import msgspec

from chaincode.calendar import CENTRAL_EUROPE, DAY_MS, MINUTE_MS, day_start_ms, days_in_month, month_span_ms
from ledgernode.bench.utility import (
    BANDS,
    DIGITS,
    FEED_IN_MICRO,
    FIXED_MINOR,
    HOUR_MS,
    LEVY_MICRO,
    ORGANISATION,
    TAX_MICRO,
    Report,
    Utility,
    band_of,
    hour_of,
)
from ledgernode.errors import LedgerError
from ledgernode.local.usage import disk_bytes
from ledgernode.store.lmdb import LmdbStore
from ledgernode.testing import Committed
from ledgernode.wire.transaction import Transaction

YEAR, MONTH = 2026, 3
"""31 days, on one of which the clocks change: 743 hours."""
DAYS: Final = days_in_month(YEAR, MONTH)
BATCH_UNITS: Final = 4_000
ROW_UNITS: Final = 400
"""What a batch declares, and more for each of its rows: enough for it, so that a block holds as many as it may."""
RUN_AFTER_MS: Final = 3 * HOUR_MS
"""So long after the month's end billing's timer begins."""
SENT_AFTER_MS: Final = 30_000
"""So long after midnight the meters send, before settlement asks for their readings."""
STEPS: Final = 100_000
MEASURED: Final = ("sign", "check", "record", "settle", "bill")
STANDARD: Final = (230_100, 1_500, 345_000, -2_000, 998)
"""Voltage, current, power, reactive power and power factor, as every row tells them."""


class Plan(msgspec.Struct, frozen=True):
    """`days`: the last ones of the month, before which the houses are built."""

    houses: int = 1_000
    interval_minutes: int = 60
    days: int = DAYS


class Phase(msgspec.Struct, frozen=True):
    """How long a phase took, by the clock and in processor time, and what it put on the chain."""

    name: str
    seconds: float
    cpu_seconds: float
    transactions: int
    timer_calls: int
    blocks: int


class Figures(msgspec.Struct, frozen=True):
    """`seconds` and `readings_per_s` are of signing, checking, recording, settling and billing together; founding
    before and auditing after them have their phases only.
    """

    houses: int
    meters: int
    areas: int
    interval_minutes: int
    days: int
    readings: int
    invoices: int
    billed_minor: int
    seconds: float
    readings_per_s: float
    transactions: int
    timer_calls: int
    blocks: int
    disk_bytes: int
    peak_memory_bytes: int
    phases: tuple[Phase, ...]


class Bills:
    """One measured month in a folder of its own. In a `with` it is closed."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._interval_ms = plan.interval_minutes * MINUTE_MS
        self._start_ms = day_start_ms(CENTRAL_EUROPE, YEAR, MONTH, DAYS - plan.days + 1)
        self._end_ms = month_span_ms(CENTRAL_EUROPE, YEAR, MONTH)[1]
        self._until_ms = -(-self._end_ms // DAY_MS) * DAY_MS
        """Days are settled by UTC: the last one is longer than the month."""
        self._store = LmdbStore(folder)
        self._phases: dict[str, Phase] = {}
        self._readings = self._invoices = self._billed_minor = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    @property
    def steps(self) -> tuple[tuple[str, Callable[[Report], None]], ...]:
        """What is to be done, in order, each with a title; each tells how far it is."""
        return (
            ("building houses", self.found),
            ("recording readings", self.read),
            ("writing invoices", self.bill),
            ("auditing invoices", self.audit),
        )

    # ------------------------------------------------------------ found

    def found(self, report: Report) -> None:
        """Contracts, areas, houses, and meters with keys and certificates."""
        with self._phase("found"):
            self._utility = Utility(self._store, self._plan.houses, self._interval_ms, self._start_ms, report)
            begin = {"utility": ORGANISATION, "from_ms": self._start_ms + MINUTE_MS, "rules": {}}
            self._utility.two("billing", "propose_rules", **begin)
        self._ledger = self._utility.ledger
        self._used = {house.id: dict.fromkeys(BANDS, 0) for house in self._utility.houses}
        self._fed = dict.fromkeys(self._used, 0)

    # ------------------------------------------------------------ read

    def read(self, report: Report) -> None:
        """Every day's readings, each day settled before the next is read."""
        days = range(self._start_ms // DAY_MS, self._until_ms // DAY_MS)
        total = ((self._until_ms - self._start_ms) // self._interval_ms + 1) * len(self._utility.points)
        for day in days:
            from_ms, until_ms = max(day * DAY_MS, self._start_ms), (day + 1) * DAY_MS
            self._settle(until_ms + SENT_AFTER_MS)
            with self._phase("sign"):
                envelopes = self._signed(from_ms, until_ms)
            with self._phase("check"):
                transactions = [self._ledger.admitted(raw) for raw in envelopes]
            for block in self._blocks(transactions):
                with self._phase("record"):
                    done = self._ledger.block(*block)
                self._count("record", done)
                self._readings += sum(one.result["accepted"] for one in done)
                report(self._readings, total)
        self._settle(self._end_ms + RUN_AFTER_MS - 1)
        if self._readings != total:
            raise LedgerError(f"{total} readings were sent, and {self._readings} accepted")

    def _signed(self, from_ms: int, until_ms: int) -> list[bytes]:
        """Every meter's batch of a day; with the first one what it shows before anybody has moved in."""
        times = range(from_ms, until_ms, self._interval_ms)
        cells = [(time_ms // self._interval_ms, hour_of(time_ms), band_of(time_ms)) for time_ms in times]
        billed = [time_ms < self._end_ms for time_ms in times]
        envelopes: list[bytes] = []
        for point in self._utility.points:
            rows: list[list[int]] = []
            if from_ms == self._start_ms:
                rows.append([0, from_ms, 0, 0, 0, *STANDARD])
            for (number, hour, band), counts in zip(cells, billed, strict=True):
                import_mwh, export_mwh = point.flow(number, hour)
                point.import_mwh += import_mwh
                point.export_mwh += export_mwh
                point.sequence += 1
                end_ms = (number + 1) * self._interval_ms
                rows.append([point.sequence, end_ms, point.import_mwh, point.export_mwh, 0, *STANDARD])
                if counts and not point.generates:
                    self._used[point.id][band] += import_mwh
                    self._fed[point.id] += export_mwh
            point.batches += 1
            units = BATCH_UNITS + ROW_UNITS * len(rows)
            arguments = {"rows": rows}
            envelopes.append(
                self._ledger.signed(point.meter, "metering", "record", arguments, budget=units, sequence=point.batches)
            )
        return envelopes

    def _blocks(self, transactions: Sequence[Transaction]) -> Iterator[list[Transaction]]:
        """As a node's mempool cuts them."""
        limits = self._ledger.parameters
        block: list[Transaction] = []
        size_bytes = budget = 0
        for one in transactions:
            size_bytes += len(one.raw)
            budget += one.body.budget
            full = len(block) == limits.block_transactions
            if full or size_bytes > limits.block_bytes or budget > limits.block_budget:
                yield block
                block, size_bytes, budget = [], len(one.raw), one.body.budget
            block.append(one)
        yield block

    def _settle(self, until_ms: int) -> None:
        """Let time pass, and what is due run."""
        with self._phase("settle"):
            done = self._ledger.advance(ms=until_ms - self._ledger.time_ms)
        self._count("settle", done)

    # ------------------------------------------------------------ bill

    def bill(self, report: Report) -> None:
        """The month is over: billing's own timer begins, and steps on until every house has its invoice."""
        for _ in range(STEPS):
            with self._phase("bill"):
                done = self._ledger.advance(ms=1)
            self._count("bill", done)
            if self._invoices:
                return  # those of the last step are told a block later
            for one in done:
                for event in one.events:
                    if event.name == "RunProgressed":
                        report(event.payload["done"], event.payload["total"])
                    if event.name == "RunDone":
                        self._invoices = event.payload["invoices"]
        raise LedgerError("the billing run does not come to its end")

    # ------------------------------------------------------------ audit

    def audit(self, report: Report) -> None:
        """Read every invoice again; raises LedgerError at the first that is not what it should be."""
        if self._invoices != len(self._utility.houses):
            raise LedgerError(f"{self._invoices} invoices for {len(self._utility.houses)} houses")
        with self._phase("audit"):
            for number in range(1, self._invoices + 1):
                self._audit_invoice(f"{ORGANISATION}:{number}")
                report(number, self._invoices)

    def _audit_invoice(self, name: str) -> None:
        view = self._utility.ask("billing", "invoice", invoice=name)
        invoice = view["invoice"]
        lines, total_minor = invoice["lines"], invoice["total_minor"]
        told = {line["kind"] + " " + line["name"]: (line["quantity"], line["amount_minor"]) for line in lines}
        due = expected(self._used[invoice["point"]], self._fed[invoice["point"]], self._plan.days)
        again = self._utility.ask("billing", "recompute", invoice=name)
        ledger = self._utility.ask("billing", "ledger", customer=invoice["customer"])
        if told != due or again != {"agrees": True, "lines": lines}:
            raise LedgerError(f"invoice {name} is not what its meter counted: {told} for {due}")
        if total_minor != sum(line["amount_minor"] for line in lines) or ledger["balance_minor"] != -total_minor:
            raise LedgerError(f"invoice {name} does not add up")
        self._billed_minor += total_minor

    # ------------------------------------------------------------ figures

    def figures(self) -> Figures:
        phases = [self._phases[name] for name in self._phases]
        measured = [phase for phase in phases if phase.name in MEASURED]
        seconds = sum(phase.seconds for phase in measured)
        return Figures(
            houses=len(self._utility.houses),
            meters=len(self._utility.points),
            areas=len(self._utility.areas),
            interval_minutes=self._plan.interval_minutes,
            days=self._plan.days,
            readings=self._readings,
            invoices=self._invoices,
            billed_minor=self._billed_minor,
            seconds=round(seconds, 2),
            readings_per_s=round(self._readings / seconds, 1),
            transactions=sum(phase.transactions for phase in measured),
            timer_calls=sum(phase.timer_calls for phase in measured),
            blocks=sum(phase.blocks for phase in measured),
            disk_bytes=disk_bytes(self._folder),
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
            phases=tuple(
                msgspec.structs.replace(one, seconds=round(one.seconds, 2), cpu_seconds=round(one.cpu_seconds, 2))
                for one in phases
            ),
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Count what is done within to a phase."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        before = self._phases.get(name) or Phase(name, 0.0, 0.0, 0, 0, 0)
        self._phases[name] = msgspec.structs.replace(
            before,
            seconds=before.seconds + time.perf_counter() - wall_s,
            cpu_seconds=before.cpu_seconds + time.process_time() - cpu_s,
        )

    def _count(self, name: str, done: Sequence[Committed]) -> None:
        """Count a phase's calls and blocks; raises what one of them was refused for."""
        for one in done:
            one.require_success()
        before = self._phases[name]
        by_timer = sum(one.by_timer for one in done)
        self._phases[name] = msgspec.structs.replace(
            before,
            transactions=before.transactions + len(done) - by_timer,
            timer_calls=before.timer_calls + by_timer,
            blocks=before.blocks + len({one.height for one in done}),
        )


# ---------------------------------------------------------------- what a bill must be


def expected(used_mwh: dict[str, int], fed_mwh: int, days: int) -> dict[str, tuple[int, int]]:
    """(quantity, amount) of each line by kind and name, worked out apart from contracts: exact, then half to even."""
    taken_mwh = sum(used_mwh.values())
    made = {f"import {band}": (used_mwh[band], minor(used_mwh[band], BANDS[band])) for band in BANDS if used_mwh[band]}
    if taken_mwh:
        made["levy grid"] = (taken_mwh, minor(taken_mwh, LEVY_MICRO))
    made["fixed "] = (days, round(Fraction(FIXED_MINOR * days, DAYS)))
    net_minor = sum(amount_minor for _, amount_minor in made.values())
    made["tax "] = (net_minor, round(Fraction(net_minor * TAX_MICRO, 1_000_000)))
    if fed_mwh:
        made["feed_in feed-in"] = (fed_mwh, -minor(fed_mwh, FEED_IN_MICRO))
    return made


def minor(energy_mwh: int, price_micro: int) -> int:
    return round(Fraction(energy_mwh * price_micro * 10**DIGITS, 10**12))
