"""Runs and ledgers under whatever happens: the contract's own code over a state in memory, by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode import billed, billing, dunning, ledgers, monthly, relief, runs
from chaincode.api import Context, Creator, Refusal
from chaincode.billed import Invoice, Run
from chaincode.billing import Billing
from chaincode.calendar import CENTRAL_EUROPE, DAY_MS, HOUR_MS, month_span_ms
from chaincode.ledgers import Ledger, Standing, charged, credited, open_of, paid_out, received
from tests.chaincode.test_pricing import flat

QUARTER_MS = 900_000
SLOTS = DAY_MS // QUARTER_MS
HOUSES = 7


class Down(Exception):
    """Something else fails, so that the whole call is undone."""


class Memory:
    """A context over a map. What other contracts answer is given; a call may be made to fail."""

    def __init__(self, answers: dict[str, Callable[..., Any]] | None = None) -> None:
        self.state: dict[tuple[str, ...], Any] = {}
        self.timers: dict[str, int] = {}
        self.answers = answers or {}
        self.time_ms = month_span_ms(CENTRAL_EUROPE, 2026, 1)[1]
        self.caller = ""
        self.transaction_id = "00"
        self.creator = Creator(id="", organisation="", role="timer")
        self.calls_left = -1

    def key(self, *parts: str) -> Any:
        return parts

    def parts(self, key: tuple[str, ...]) -> tuple[str, ...]:
        return key

    def get(self, key: tuple[str, ...], type: Any = None) -> Any:
        return self.state.get(key)

    def put(self, key: tuple[str, ...], value: Any) -> None:
        self.state[key] = value

    def delete(self, key: tuple[str, ...]) -> None:
        self.state.pop(key, None)

    def matching(self, *parts: str, type: Any = None, reverse: bool = False) -> Iterator[tuple[Any, Any]]:
        found = sorted(key for key in self.state if key[: len(parts)] == parts)
        return iter([(key, self.state[key]) for key in (reversed(found) if reverse else found)])

    def emit(self, name: str, /, **payload: Any) -> None: ...

    def schedule(self, timer: str, due_ms: int, function: str, /, **arguments: Any) -> None:
        self.timers[timer] = due_ms

    def cancel(self, timer: str) -> bool:
        return self.timers.pop(timer, None) is not None

    def call(self, contract: str, function: str, /, **arguments: Any) -> Any:
        if self.calls_left == 0:
            raise Down
        self.calls_left -= 1
        return self.answers[f"{contract}.{function}"](**arguments)

    @property
    def context(self) -> Context:
        return cast("Context", self)


# ---------------------------------------------------------------- runs


class Place:
    """Seven houses of one utility: some settled at once, some only after a time; one has late readings."""

    def __init__(self, settled_after: list[int]) -> None:
        self.hours = settled_after
        self.zone = msgspec.to_builtins(CENTRAL_EUROPE)
        self.points = [f"u:{number}" for number in range(HOUSES)]
        self.memory = Memory(
            {
                "registry.page": self.page,
                "registry.ground": lambda: {"interval_ms": QUARTER_MS, "digits": 4},
                "registry.utility": lambda organisation: {"zone": self.zone},
                "registry.point": lambda point: {"kind": "connection"},
                "registry.spans": self.spans,
                "tariff.versions": lambda **_: [{"from_ms": 0, "tariff": msgspec.to_builtins(flat(333_333))}],
                "settlement.days": self.days,
                "settlement.adjustments": self.adjustments,
            }
        )

    def page(self, kind: str, organisation: str, after: str = "", size: int = 100) -> Any:
        left = [point for point in self.points if point > after]
        return {"ids": left[:size], "after": left[size - 1] if len(left) > size else ""}

    def spans(self, point: str) -> Any:
        return [{"from_ms": 0, "until_ms": 0, "customer": "u:all", "prepaid": False, "tariff": "t", "feeder": "f"}]

    def days(self, point: str, first_day: int, last_day: int, brief: bool) -> Any:
        number = self.points.index(point)
        if self.memory.time_ms < month_span_ms(CENTRAL_EUROPE, 2026, 1)[1] + self.hours[number] * HOUR_MS:
            return []
        columns: list[list[int]] = [[], [], [], [], [1_000 + number] * SLOTS, [], [], []]
        return [{"day": day, "columns": columns} for day in range(first_day, last_day + 1)]

    def adjustments(self, point: str, after: int) -> Any:
        start_ms = month_span_ms(CENTRAL_EUROPE, 2026, 1)[0]
        one = {"number": 1, "interval_ms": start_ms, "columns_mwh": [0, 0, 0, 0, 999, 0, 0, 0], "posted_ms": 0}
        owed = {"amount_minor": 0, "fee_minor": 0, "levy_minor": 0, "tax_minor": 0}
        return [one | owed] if after == 0 and point == "u:3" else []

    def started(self) -> None:
        """By staff; also again, in the middle of a run."""
        self.memory.creator = Creator(id="s", organisation="u", role="operator")
        Billing().run(self.memory.context, "u", 2026, 1)
        self.memory.creator = Creator(id="", organisation="", role="timer")

    def stepped(self, calls: int = -1) -> bool:
        """The timer, if it is due; a step that fails within its calls is undone whole. Whether the run is done."""
        memory = self.memory
        before, timers = dict(memory.state), dict(memory.timers)
        memory.time_ms = max(memory.time_ms, memory.timers.get("step/u", memory.time_ms))
        memory.calls_left = calls
        try:
            run: Run = Billing().step(memory.context, "u")
        except Down:
            memory.state, memory.timers = before, timers
            return False
        finally:
            memory.calls_left = -1
        return run.status == "done"

    def invoices(self) -> list[Any]:
        found = [value for _, value in self.memory.matching("invoice", "u")]
        return [invoice.replace(issued_ms=0, due_ms=0) for invoice in found if isinstance(invoice, Invoice)]

    def by_point(self) -> dict[str, Any]:
        """Numbers go by when a house was ready; everything else is the same."""
        return {invoice.point: invoice.replace(id="", number=0) for invoice in self.invoices()}


PLAN = st.lists(st.one_of(st.integers(0, 30), st.just("again"), st.just("step")), max_size=12)


@given(PLAN, st.integers(1, 8), st.lists(st.integers(0, 3), min_size=HOUSES, max_size=HOUSES))
def test_an_interrupted_run_gives_the_same_invoices(plan: list[int | str], size: int, hours: list[int]) -> None:
    """Interrupted at any step, begun again, in steps of any size: each house is billed once, and alike."""
    whole = Place([0] * HOUSES)
    whole.started()
    while not whole.stepped():
        pass
    place = Place(hours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "HOUSES_A_STEP", size)
        place.started()
        done = False
        for what in plan:
            if what == "again" and not done:
                place.started()
            elif not done:
                done = place.stepped(what if isinstance(what, int) else -1)
        for _ in range(50):
            done = done or place.stepped()
    assert done
    assert place.by_point() == whole.by_point()
    assert len(place.by_point()) == len(place.invoices()) == HOUSES
    assert [invoice.number for invoice in place.invoices()] == list(range(1, HOUSES + 1))
    assert place.memory.get(("remainder", "u")) == whole.memory.get(("remainder", "u"))
    if not any(hours):
        assert place.invoices() == whole.invoices()
    place.started()
    while not place.stepped():
        pass
    assert len(place.invoices()) == HOUSES


def test_the_late_reading_of_the_place_is_billed() -> None:
    """So that the test above compares something: house 3 has it, the others do not."""
    place = Place([0] * HOUSES)
    place.started()
    while not place.stepped():
        pass
    quantities = [invoice.lines[0].quantity for invoice in place.invoices()]
    assert quantities == [(1_000 + number) * 31 * SLOTS + (999 if number == 3 else 0) for number in range(HOUSES)]


# ---------------------------------------------------------------- ledgers

MINOR = st.integers(1, 1_000)
ACTION = st.one_of(
    st.tuples(st.just("invoice"), st.integers(-500, 1_000)),
    st.tuples(st.just("pay"), MINOR),
    st.tuples(st.just("credit"), MINOR),
    st.tuples(st.just("dispute"), MINOR),
    st.tuples(st.just("payout"), MINOR),
)


@given(st.lists(ACTION, max_size=25))
def test_payments_and_balances_conserve(actions: list[tuple[str, int]]) -> None:
    """Whatever comes: balance = credit - open = sum of entries, total = paid + credited + open for each invoice, and
    what payments carry of taxes and levies is never more than the invoices' own."""
    memory = Memory()
    ctx = memory.context
    count, sums = 0, {"invoice": 0, "pay": 0, "credit": 0, "payout": 0}
    taxes = levies = 0

    def standings() -> list[Standing]:
        return [value for _, value in memory.matching("standing", "u")]

    for what, wanted in actions:
        amount = wanted
        ledger = ctx.get(ctx.key("ledger", "c"), Ledger) or Ledger(customer="c")
        if what == "invoice":
            count += 1
            sums["invoice"] += amount
            tax, levy = max(amount, 0) * 19 // 119, max(amount, 0) // 10
            standing = Standing(
                id=f"u:{count}", utility="u", number=count, customer="c", total_minor=amount, tax_minor=tax,
                levy_minor=levy, due_ms=0,
            )  # fmt: skip
            charged(ctx, standing)
        elif what == "payout":
            amount = min(amount, ledger.credit_minor)
            sums["payout"] += amount
            if amount:
                paid_out(ctx, "c", amount, "w")
        elif count:
            standing = standings()[amount % count]
            if what == "pay":
                shares = received(ctx, standing, amount, "payment", "r")
                assert shares.treasury_minor + shares.tax_minor + shares.levy_minor == amount
                assert min(shares.treasury_minor, shares.tax_minor, shares.levy_minor) >= 0
                taxes, levies = taxes + shares.tax_minor, levies + shares.levy_minor
                sums["pay"] += amount
            elif what == "credit":
                amount = min(amount, standing.total_minor - standing.credited_minor)
                if amount > 0:
                    credited(ctx, standing, amount, "n")
                    sums["credit"] += amount
            else:
                memory.put(("standing", "u", f"{standing.number:012d}"), standing.replace(disputed=True))
        ledger = ctx.get(ctx.key("ledger", "c"), Ledger) or Ledger(customer="c")
        entries = [value for _, value in memory.matching("entry", "c")]
        assert ledger.balance_minor == ledger.credit_minor - ledger.open_minor
        assert ledger.balance_minor == sum(entry.amount_minor for entry in entries)
        assert ledger.balance_minor == sums["pay"] + sums["credit"] - sums["invoice"] - sums["payout"]
        assert ledger.credit_minor >= 0
        assert ledger.open_minor == sum(open_of(each) for each in standings())
        assert sorted(ledger.open) == [each.number for each in standings() if open_of(each)]
        for each in standings():
            assert min(each.paid_minor, each.credited_minor, open_of(each)) >= 0
        assert taxes <= sum(each.tax_minor for each in standings())
        assert levies <= sum(each.levy_minor for each in standings())


def test_a_refusal_is_named_after_its_rule() -> None:
    """Every refusal of billing has a code of its own."""
    modules = (billing, billed, dunning, ledgers, monthly, relief, runs)
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    codes = [kind.code for kind in kinds if issubclass(kind, Refusal)]
    assert len(codes) > 10
    assert len(codes) == len(set(codes))
