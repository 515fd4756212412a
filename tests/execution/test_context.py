"""What a contract can do to the ledger, and what it cannot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.api import Creator, Record
from ledgernode.errors import (
    BadKey,
    BadTimer,
    BadValue,
    BudgetExceeded,
    DepthExceeded,
    HistoryInTransaction,
    LedgerError,
    ValueTooLarge,
    WriteInQuery,
    WrongFunctionKind,
)
from ledgernode.wire.parameters import Parameters
from tests.execution.probe import Denied, ProbeLedger, named


class Account(Record):
    owner: str
    balance: int


@pytest.fixture
def ledger() -> ProbeLedger:
    return ProbeLedger(Parameters(events=4, call_depth=4))


def seen(ledger: ProbeLedger, look: Any, contract: str = "probe") -> Any:
    """What `look` returns in a transaction that must succeed."""
    found: list[Any] = []
    ledger.run(lambda ctx: found.append(look(ctx)), contract).require_success()
    return found[0]


# ---------------------------------------------------------------- state


def test_contract_reads_its_own_writes_and_nobody_elses(ledger: ProbeLedger) -> None:
    """Two contracts under the same key never meet; absent keys read as None."""

    def write(ctx: Any) -> None:
        ctx.put("a", 1)
        assert ctx.get("a") == 1
        ctx.delete("a")
        assert ctx.get("a") is None
        ctx.put("a", {"n": 2})

    ledger.run(write).require_success()
    assert seen(ledger, lambda ctx: ctx.get("a")) == {"n": 2}
    assert seen(ledger, lambda ctx: ctx.get("a"), "other") is None


def test_typed_values_are_read_as_fresh_records(ledger: ProbeLedger) -> None:
    """A record comes back as the type asked for, or is refused; changing a read copy changes nothing."""

    def write(ctx: Any) -> None:
        ctx.put("account", Account("alice", 5))
        ctx.put("list", [1])
        ctx.get("list").append(2)

    ledger.run(write).require_success()
    assert seen(ledger, lambda ctx: ctx.get("account", Account)) == Account("alice", 5)
    assert seen(ledger, lambda ctx: ctx.get("list")) == [1]
    assert ledger.run(lambda ctx: ctx.get("list", Account)).code == BadValue.code


def test_ranges_run_over_simple_keys_in_order_with_own_writes(ledger: ProbeLedger) -> None:
    """start <= key < end, '' is open; composite keys are not in them; both directions."""

    def write(ctx: Any) -> None:
        for key in ("b", "d", "é", "a"):
            ctx.put(key, key.upper())
        ctx.put(ctx.key("kind", "x"), 1)

    ledger.run(write).require_success()

    def look(ctx: Any) -> list[list[str]]:
        ctx.put("c", "C")
        ctx.delete("b")
        return [
            [key for key, _ in ctx.range()],
            [key for key, _ in ctx.range(reverse=True)],
            [key for key, _ in ctx.range("b", "d")],
            [value for _, value in ctx.range("c")],
            [key for key, _ in ctx.range("", "c")],
            [key for key, _ in ctx.range("d", "b")],
            [key for key, _ in ctx.range(type=str)],
        ]

    whole = ["a", "c", "d", "é"]
    assert seen(ledger, look) == [whole, whole[::-1], ["c"], ["C", "D", "É"], ["a"], [], whole]


def test_range_shows_the_state_as_of_its_start(ledger: ProbeLedger) -> None:
    """Writing while a range is open does not move the ground under it."""

    def look(ctx: Any) -> list[str]:
        for key in "abc":
            ctx.put(key, 0)
        found = []
        for key, _ in ctx.range():
            found.append(key)
            ctx.delete(key)
            ctx.put(key + "z", 0)
        return found

    assert seen(ledger, look) == ["a", "b", "c"]
    assert seen(ledger, lambda ctx: [key for key, _ in ctx.range()]) == ["az", "bz", "cz"]


def test_pages_show_everything_once(ledger: ProbeLedger) -> None:
    """A bookmark leads to the rest, also when the key it stands on is gone by then."""

    def write(ctx: Any) -> None:
        for number in range(10):
            ctx.put(f"k{number}", number)

    ledger.run(write).require_success()
    first = seen(ledger, lambda ctx: ctx.page("k1", size=4))
    assert [value for _, value in first.items] == [1, 2, 3, 4]
    ledger.run(lambda ctx: ctx.delete(first.bookmark)).require_success()
    second = seen(ledger, lambda ctx: ctx.page("k1", size=4, bookmark=first.bookmark))
    assert ([value for _, value in second.items], second.bookmark) == ([6, 7, 8, 9], "")
    for size in (0, 1_001, "9"):
        assert ledger.run(lambda ctx, size=size: ctx.page(size=size)).code == BadValue.code


def test_composite_keys_are_found_by_their_leading_parts(ledger: ProbeLedger) -> None:
    """Whole parts only: 'ab' is not among the keys of 'a'."""

    def look(ctx: Any) -> list[Any]:
        for parts in (("a", "1"), ("a", "2"), ("ab", "3"), ("a",)):
            ctx.put(ctx.key("order", *parts), ":".join(parts))
        ctx.put(ctx.key("orders", "a"), "another kind")
        return [
            [value for _, value in ctx.matching("order", "a")],
            [value for _, value in ctx.matching("order", reverse=True)],
            [ctx.parts(key) for key, _ in ctx.matching("orders")],
            [value for _, value in ctx.matching("nothing")],
        ]

    assert seen(ledger, look) == [["a", "a:1", "a:2"], ["ab:3", "a:2", "a:1", "a"], [("orders", "a")], []]


BAD_KEYS = [
    "",
    "a\x00b",
    "\x00",
    "\x00kind",
    "kind\x00",
    "\x00\x00part\x00",
    "x" * 257,
    "é" * 129,
    "\ud800",
    5,
    None,
    b"a",
]


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_bad_keys_are_refused(ledger: ProbeLedger, key: Any) -> None:
    """Empty, too long, not text, with NUL, or a composite key that `key` did not make."""
    for act in (lambda ctx: ctx.get(key), lambda ctx: ctx.put(key, 1), lambda ctx: ctx.delete(key)):
        assert ledger.run(act).code == BadKey.code


def test_bad_range_ends_are_refused(ledger: ProbeLedger) -> None:
    """A range's ends are simple keys; a composite key's parts have no NUL."""
    for act in (
        lambda ctx: ctx.range("\x00a"),
        lambda ctx: ctx.range("a", "b\x00"),
        lambda ctx: ctx.page(bookmark="\x00"),
        lambda ctx: ctx.range(5),
        lambda ctx: ctx.key("kind", "a\x00"),
        lambda ctx: ctx.matching(""),
        lambda ctx: ctx.parts("simple"),
    ):
        assert ledger.run(act).code == BadKey.code


@pytest.mark.parametrize(
    ("value", "refusal"), [(0.5, BadValue), ({1: 2}, BadValue), ("x" * (384 * 1024 + 1), ValueTooLarge)]
)
def test_bad_values_are_refused(ledger: ProbeLedger, value: Any, refusal: type[LedgerError]) -> None:
    """A refused value undoes the whole transaction."""

    def write(ctx: Any) -> None:
        ctx.put("before", 1)
        ctx.put("a", value)

    assert ledger.run(write).code == refusal.code
    assert seen(ledger, lambda ctx: ctx.get("before")) is None


# ---------------------------------------------------------------- who and when


def test_context_says_who_calls_and_when(ledger: ProbeLedger) -> None:
    """The permanent identity with what its certificate says; the block's time and height; the transaction's id."""
    facts = seen(
        ledger, lambda ctx: (ctx.creator, ctx.caller, ctx.contract, ctx.time_ms, ctx.height, ctx.transaction_id)
    )
    header = ledger.chain.head
    assert facts[0] == Creator(ledger.alice.id, "utility", "customer", {"meter": "m-1"})
    assert facts[1:5] == ("", "probe", header.time_ms, header.height)
    assert bytes.fromhex(facts[5]) == msgspec.msgpack.decode(ledger.chain.receipts(header.height)[0][21:])[0]


def test_changing_the_creator_changes_nobody(ledger: ProbeLedger) -> None:
    """Each look at the creator is a copy."""

    def deceive(ctx: Any) -> str:
        ctx.creator.attributes["meter"] = "stolen"
        return ctx.creator.attributes["meter"]

    assert seen(ledger, deceive) == "m-1"


# ---------------------------------------------------------------- events


def test_events_stand_in_the_receipt_in_order(ledger: ProbeLedger) -> None:
    """Also the events of called contracts, each under its own contract; payload fields may have any name."""
    inner = named(lambda ctx: ctx.emit("Inner", contract="c", function="f"))

    def act(ctx: Any) -> None:
        ctx.emit("First", name="n", amount=1 << 60)
        ctx.call("other", "act", action=inner)
        ctx.emit("Last")

    events = ledger.run(act).require_success().events
    assert [(event.contract, event.name, event.payload) for event in events] == [
        ("probe", "First", {"name": "n", "amount": str(1 << 60)}),
        ("other", "Inner", {"contract": "c", "function": "f"}),
        ("probe", "Last", {}),
    ]


def test_events_are_bounded(ledger: ProbeLedger) -> None:
    """In number and in size; their names are identifiers; floats have no place in them."""
    for act, refusal in (
        (lambda ctx: [ctx.emit("E") for _ in range(5)], ValueTooLarge),
        (lambda ctx: ctx.emit("E", text="x" * 400_000), ValueTooLarge),
        (lambda ctx: ctx.emit("no name"), BadValue),
        (lambda ctx: ctx.emit("E" * 65), BadValue),
        (lambda ctx: ctx.emit("E", share=0.5), BadValue),
    ):
        done = ledger.run(act)
        assert (done.code, done.events) == (refusal.code, ())


# ---------------------------------------------------------------- other contracts


def test_called_contract_sees_its_caller_and_the_same_creator(ledger: ProbeLedger) -> None:
    """`ctx.caller` names the contract; the creator, transaction and block are the same; its result comes back."""
    facts: list[Any] = []

    def inner(ctx: Any) -> int:
        facts.append((ctx.caller, ctx.contract, ctx.creator.id, ctx.transaction_id))
        ctx.put("k", 7)
        return 42

    def outer(ctx: Any) -> None:
        assert ctx.call("other", "act", action=named(inner)) == 42
        facts.append((ctx.caller, ctx.contract, ctx.creator.id, ctx.transaction_id))

    done = ledger.run(outer).require_success()
    assert facts == [
        ("probe", "other", ledger.alice.id, done.transaction_id),
        ("", "probe", ledger.alice.id, done.transaction_id),
    ]
    assert seen(ledger, lambda ctx: ctx.get("k"), "other") == 7


def test_failed_inner_call_undoes_everything_whatever_the_outer_does(ledger: ProbeLedger) -> None:
    """The receipt is the inner failure, though the outer contract swallowed it and went on."""
    after: list[str] = []

    def inner(ctx: Any) -> None:
        ctx.put("k", 1)
        raise Denied("not today")

    def outer(ctx: Any) -> int:
        ctx.put("before", 1)
        try:
            ctx.call("other", "act", action=named(inner))
        finally:
            try:
                ctx.put("after", 1)
            except LedgerError as refusal:
                after.append(refusal.code)
            return 1  # noqa: B012  # what a hostile contract would try

    done = ledger.run(outer)
    assert (done.code, done.message) == ("other.DENIED", "not today")
    assert after == ["CONTRACT_REFUSED"]
    assert seen(ledger, lambda ctx: list(ctx.range())) == []
    assert seen(ledger, lambda ctx: list(ctx.range()), "other") == []


def test_contracts_share_no_objects(ledger: ProbeLedger) -> None:
    """Arguments and results are copies: a called contract cannot change its caller's lists."""
    given = {"readings": [{"mwh": 1}]}

    def outer(ctx: Any) -> None:
        ctx.call("other", "record", **given)

    ledger.run(outer).require_success()
    assert given == {"readings": [{"mwh": 1}]}
    assert ledger.run(lambda ctx: ctx.call("other", "record", readings=[{"mwh": 0.5}])).code == BadValue.code


def test_calls_are_bounded_in_depth(ledger: ProbeLedger) -> None:
    """`call_depth` contracts within each other, and no more."""

    def deeper(ctx: Any, left: int) -> None:
        if left:
            ctx.call("probe", "act", action=named(lambda inner: deeper(inner, left - 1)))

    assert ledger.run(lambda ctx: deeper(ctx, 3)).succeeded
    assert ledger.run(lambda ctx: deeper(ctx, 4)).code == DepthExceeded.code


def test_called_function_must_exist_and_admit_the_creator(ledger: ProbeLedger) -> None:
    """Contract, function, arguments and role are checked as for a transaction."""
    for call, code in (
        (lambda ctx: ctx.call("nobody", "act", action=""), "CONTRACT_UNKNOWN"),
        (lambda ctx: ctx.call("_timer", "act", action=""), "CONTRACT_UNKNOWN"),
        (lambda ctx: ctx.call("other", "nothing"), "FUNCTION_UNKNOWN"),
        (lambda ctx: ctx.call("other", "act"), "ARGUMENTS_INVALID"),
        (lambda ctx: ctx.call("other", "admin_act", action=named(lambda _: None)), "ROLE_REFUSED"),
    ):
        assert ledger.run(call).code == code
    admin = ledger.admin()
    assert ledger.run(lambda ctx: ctx.call("other", "admin_act", action=named(lambda _: None)), signer=admin).succeeded


def test_called_query_cannot_write(ledger: ProbeLedger) -> None:
    """A query may be called by a transaction; it stays a query, and so does what it calls."""
    for act in (
        lambda ctx: ctx.put("k", 1),
        lambda ctx: ctx.delete("k"),
        lambda ctx: ctx.emit("E"),
        lambda ctx: ctx.schedule("t", ctx.time_ms, "act"),
        lambda ctx: ctx.cancel("t"),
    ):
        call = named(act)
        assert ledger.run(lambda ctx, call=call: ctx.call("other", "ask", action=call)).code == WriteInQuery.code
        with pytest.raises(WriteInQuery):
            ledger.ask(act)
    inner = named(lambda ctx: ctx.call("probe", "act", action=named(lambda _: None)))
    assert ledger.run(lambda ctx: ctx.call("other", "ask", action=inner)).code == WrongFunctionKind.code


# ---------------------------------------------------------------- budget


def test_every_operation_is_charged(ledger: ProbeLedger) -> None:
    """Each costs something, larger ones cost more, and a range is paid item by item."""
    ledger.run(lambda ctx: [ctx.put(f"k{number}", "x" * 100) for number in range(50)]).require_success()

    def used(act: Any) -> int:
        return ledger.run(act).require_success().receipt.budget_used

    nothing = used(lambda ctx: None)
    for act in (
        lambda ctx: ctx.get("k1"),
        lambda ctx: ctx.put("k1", 1),
        lambda ctx: ctx.delete("none"),
        lambda ctx: ctx.range("zz"),
        lambda ctx: ctx.emit("E"),
        lambda ctx: ctx.call("other", "act", action=named(lambda _: None)),
        lambda ctx: ctx.schedule("t", ctx.time_ms + 10**9, "act"),
    ):
        assert used(act) > nothing
    assert used(lambda ctx: ctx.put("l", "x" * 8_000)) > used(lambda ctx: ctx.put("l", "x")) + 900
    assert used(lambda ctx: ctx.get("l")) > nothing
    assert used(lambda ctx: [None for _ in ctx.range()]) > used(lambda ctx: ctx.range()) + 400
    assert used(lambda ctx: ctx.charge(1_000)) == used(lambda ctx: ctx.charge(0)) + 1_000


def test_passing_over_deletions_is_charged(ledger: ProbeLedger) -> None:
    """A range over a thousand keys deleted in this transaction is not free for being empty."""

    def write(ctx: Any) -> None:
        for number in range(200):
            ctx.put(f"k{number}", 1)

    def wipe(ctx: Any) -> None:
        for number in range(200):
            ctx.delete(f"k{number}")

    ledger.run(write).require_success()
    plain = ledger.run(wipe).require_success().receipt.budget_used
    ledger.run(write).require_success()

    def wipe_and_look(ctx: Any) -> None:
        wipe(ctx)
        assert list(ctx.range()) == []

    assert ledger.run(wipe_and_look).require_success().receipt.budget_used >= plain + 2_000


def test_used_up_budget_ends_the_call_and_changes_nothing(ledger: ProbeLedger) -> None:
    """Wherever the last unit went: in an operation, in a called contract, or where the contract looked away."""

    def spend(ctx: Any) -> None:
        ctx.put("k", 1)
        ctx.charge(1 << 40)

    def swallow(ctx: Any) -> int:
        try:
            spend(ctx)
        finally:
            return 1  # noqa: B012

    for act in (spend, swallow, lambda ctx: ctx.call("other", "act", action=named(spend))):
        done = ledger.run(act)
        assert done.code == BudgetExceeded.code
        assert done.receipt.budget_used == Parameters().budget
    assert seen(ledger, lambda ctx: ctx.get("k")) is None


@pytest.mark.parametrize("units", [-1, -(1 << 70), 1.0, True, "5"])
def test_nobody_charges_backwards(ledger: ProbeLedger, units: Any) -> None:
    """A contract cannot give itself budget."""
    assert ledger.run(lambda ctx: ctx.charge(units)).code == BadValue.code


# ---------------------------------------------------------------- timers, look-ups


def test_timer_calls_a_transaction_of_its_own_contract(ledger: ProbeLedger) -> None:
    """Not a query, not an unknown function, not in the past."""
    for act in (
        lambda ctx: ctx.schedule("t", ctx.time_ms + 1, "ask", action="x"),
        lambda ctx: ctx.schedule("t", ctx.time_ms + 1, "nothing"),
        lambda ctx: ctx.schedule("t", ctx.time_ms - 1, "act", action="x"),
    ):
        assert ledger.run(act).code == BadTimer.code


def test_history_and_look_ups_exist_only_in_queries(ledger: ProbeLedger) -> None:
    """A transaction must not depend on what a node may have pruned; nor may a query that it calls."""
    for act in (lambda ctx: ctx.history("k"), lambda ctx: ctx.transaction("00" * 32)):
        assert ledger.run(act).code == HistoryInTransaction.code
        inner = named(act)
        assert ledger.run(lambda ctx, inner=inner: ctx.call("other", "ask", action=inner)).code == (
            HistoryInTransaction.code
        )
