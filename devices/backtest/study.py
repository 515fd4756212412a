"""The whole back test: every mechanism and every yardstick over one plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.backtest.findings import (
    Found,
    Sums,
    gini_micro,
    houses_found,
    jain_micro,
    ratio_micro,
    savings_per_kwh,
)
from devices.backtest.mechanisms import MARKETS
from devices.backtest.money import in_minor
from devices.backtest.plan import Plan
from devices.backtest.play import NO_MARKET, Delivered, Known, Play
from devices.backtest.yardsticks import FEED_IN, YARDSTICKS, bills_nano

STRIDE = 500
"""Deliveries between two words about progress."""


class Trace(msgspec.Struct, frozen=True, eq=False):
    """A mechanism's course, delivery by delivery. A price where nothing was traded is -1."""

    volume_wh: NDArray[np.int64]
    price_micro: NDArray[np.int64]
    traded: NDArray[np.bool_]
    import_wh: NDArray[np.int64]
    export_wh: NDArray[np.int64]


class Study(msgspec.Struct, frozen=True, eq=False):
    """What came out: findings in the order of yardsticks, then mechanisms; the courses of the latter."""

    plan: Plan
    digits: int
    found: tuple[Found, ...]
    traces: dict[str, Trace]
    own_import_wh: NDArray[np.int64]
    """Without a market, of all houses together."""
    own_export_wh: NDArray[np.int64]

    def of(self, name: str) -> Found:
        return next(found for found in self.found if found.mechanism == name)


def studied(
    plan: Plan,
    mechanisms: Sequence[str] = MARKETS,
    *,
    digits: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005  # names say what comes
) -> Study:
    """Play all mechanisms side by side, delivery by delivery; tell progress as (done, total)."""
    alone = Play(plan, NO_MARKET)
    plays = [Play(plan, mechanism) for mechanism in mechanisms]
    count, houses = len(plan), len(plan.houses)
    own_import, own_export = (np.zeros((count, houses), dtype=np.int64) for _ in range(2))
    courses = {name: Course(count) for name in mechanisms}
    for at in range(count):
        done = alone.step()
        own_import[at], own_export[at] = done.imports_wh, done.exports_wh
        known: Known = {}
        for play in plays:
            courses[play.mechanism].note(at, play.step(known))
        if at % STRIDE == 0:
            progress(at, count)
    progress(count, count)
    bills = bills_nano(plan, own_import, own_export)
    usual = bills[FEED_IN]
    passed = (own_import + own_export).sum(axis=0).tolist()
    totals = (own_import.sum(axis=0).tolist(), own_export.sum(axis=0).tolist())
    zeros = [0] * houses
    found = []
    for name in YARDSTICKS:
        sums = Sums(_names(plan), bills[name], usual, passed, zeros, zeros, *totals, zeros)
        found.append(_found(plan, name, sums, digits))
    for play in plays:
        accounts = play.books.accounts
        sums = Sums(
            names=_names(plan),
            bills_nano=[account.bill_nano for account in accounts],
            feed_in_bills_nano=usual,
            passed_wh=passed,
            bought_wh=[account.bought_wh for account in accounts],
            sold_wh=[account.sold_wh for account in accounts],
            grid_import_wh=[account.grid_import_wh for account in accounts],
            grid_export_wh=[account.grid_export_wh for account in accounts],
            short_wh=[account.short_wh for account in accounts],
        )
        found.append(_found(plan, play.mechanism, sums, digits, play=play, course=courses[play.mechanism]))
    traces = {name: course.trace() for name, course in courses.items()}
    return Study(plan, digits, tuple(found), traces, own_import.sum(axis=1), own_export.sum(axis=1))


class Course:
    """What is kept of each delivery."""

    def __init__(self, count: int) -> None:
        self.volume_wh, self.price_micro, self.import_wh, self.export_wh = ([0] * count for _ in range(4))
        self.trades = 0

    def note(self, at: int, done: Delivered) -> None:
        volume_wh, price = done.volume_wh, done.price_micro
        self.volume_wh[at] = volume_wh
        self.price_micro[at] = -1 if price is None else price
        self.import_wh[at] = sum(done.imports_wh)
        self.export_wh[at] = sum(done.exports_wh)
        self.trades += sum(1 for energy_wh in done.delivered_wh if energy_wh)

    def trace(self) -> Trace:
        volume = np.array(self.volume_wh, dtype=np.int64)
        return Trace(
            volume,
            np.array(self.price_micro, dtype=np.int64),
            volume > 0,
            np.array(self.import_wh, dtype=np.int64),
            np.array(self.export_wh, dtype=np.int64),
        )


def _names(plan: Plan) -> list[str]:
    return [house.name for house in plan.houses]


def _found(
    plan: Plan, name: str, sums: Sums, digits: int, *, play: Play | None = None, course: Course | None = None
) -> Found:
    accounts = play.books.accounts if play else []
    houses = houses_found(sums, digits)
    consumed = sum(sum(house.load_wh) for house in plan.houses)
    generated = sum(sum(house.generation_wh) for house in plan.houses)
    imported, exported = sum(sums.grid_import_wh), sum(sums.grid_export_wh)
    volume = sum(sums.bought_wh)
    saving = sum(house.saving_minor for house in houses)
    usual = sum(in_minor(nano, digits) for nano in sums.feed_in_bills_nano)
    savings = savings_per_kwh(sums)

    def minor(nano: int) -> int:
        return in_minor(nano, digits)

    return Found(
        mechanism=name,
        is_market=play is not None,
        bill_minor=sum(house.bill_minor for house in houses),
        saving_minor=saving,
        saving_micro=ratio_micro(saving, usual),
        volume_wh=volume,
        trades=course.trades if course else 0,
        price_micro=sum(account.earned_nano for account in accounts) // volume if volume else None,
        buyer_price_micro=sum(account.paid_nano for account in accounts) // volume if volume else None,
        fee_minor=minor(sum(account.fee_nano for account in accounts)),
        tax_and_levy_minor=minor(sum(account.tax_nano + account.levy_nano for account in accounts)),
        surplus_minor=minor(play.books.surplus_nano) if play else 0,
        short_wh=sum(sums.short_wh),
        consumed_wh=consumed,
        generated_wh=generated,
        grid_import_wh=imported,
        grid_export_wh=exported,
        self_sufficiency_micro=ratio_micro(max(consumed - imported, 0), consumed),
        self_consumption_micro=ratio_micro(max(generated - exported, 0), generated),
        jain_micro=jain_micro(savings),
        gini_micro=gini_micro(savings),
        conserved=play.books.conserved if play else True,
        savings_per_kwh_micro=tuple(savings),
        houses=houses,
    )
