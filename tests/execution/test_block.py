"""A batch in, a sealed block out: what each transaction meets, in which order, and what remains of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from chaincode.api import Contract, transaction
from ledgernode.errors import DiskFull
from ledgernode.execution import replay, timers
from ledgernode.execution.block import Executor
from ledgernode.execution.ledger_view import LedgerView, RecordCache, Signer
from ledgernode.execution.outcome import perform
from ledgernode.execution.overlay import BlockOverlay
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.scope import BlockScope, Scope
from ledgernode.identity.records import VALIDATORS_KEY, ValidatorRecord, ValidatorsRecord
from ledgernode.store.chain import SealedBlock
from ledgernode.store.lattice import EMPTY
from ledgernode.wire import merkle
from ledgernode.wire.block import Batch, header_hash
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Origin, parse_receipt
from ledgernode.wire.roots import items_root
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TimeMs, TransactionId, identity_id
from tests.execution.probe import Action, Denied, ProbeLedger, named


@pytest.fixture
def ledger() -> ProbeLedger:
    return ProbeLedger(Parameters(sequence_window=8, timer_attempts=2))


def nothing(_: Any) -> None:
    """Takes effect, and writes nothing."""


def signed(ledger: ProbeLedger, action: Action = nothing, **options: Any) -> Transaction:
    return ledger.sign(ledger.alice, "probe", "act", {"action": named(action)}, **options)


def codes(ledger: ProbeLedger, *transactions: Transaction) -> list[str]:
    return [done.code for done in ledger.block(*transactions)]


def state_of(ledger: ProbeLedger, namespace: bytes = b"probe") -> dict[bytes, bytes]:
    with ledger.chain.state() as view:
        return dict(view.scan(namespace + b"\x00", namespace + b"\x01"))


def batch_of(ledger: ProbeLedger, transactions: Sequence[Transaction], above: int = 1) -> Batch:
    head = ledger.chain.head
    time_ms = TimeMs(ledger.time_ms + 1_000 * above)
    return Batch(head.epoch, Height(head.height + above), time_ms, tuple(each.raw for each in transactions))


def refuse(_: Any) -> None:
    raise Denied("no")


# ---------------------------------------------------------------- outcome and effect


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        (lambda _: 1 // 0, "CONTRACT_FAULT"),
        (lambda _: refuse(None), "probe.DENIED"),
        (lambda ctx: ctx.charge(1 << 40), "BUDGET_EXCEEDED"),
        (lambda ctx: ctx.put("", 1), "KEY_INVALID"),
    ],
)
def test_failed_call_leaves_a_receipt_and_changes_nothing(ledger: ProbeLedger, failing: Action, code: str) -> None:
    """Its neighbours in the block take effect; it keeps neither writes nor events, whatever it did before."""

    def act(ctx: Any) -> None:
        ctx.put("failed", 1)
        ctx.emit("Failed")
        failing(ctx)

    before, failed, after = ledger.block(
        signed(ledger, lambda ctx: ctx.put("before", 1)),
        signed(ledger, act),
        signed(ledger, lambda ctx: ctx.put("after", 1)),
    )
    assert (before.code, failed.code, after.code) == ("OK", code, "OK")
    assert (failed.events, failed.receipt.result) == ((), b"")
    assert sorted(state_of(ledger)) == [b"probe\x00after", b"probe\x00before"]


def test_block_commits_to_what_it_did(ledger: ProbeLedger) -> None:
    """Roots over envelopes and receipts, the lattice sum of the whole state, and the parent's hash."""
    parent = ledger.chain.head
    transactions = [signed(ledger, lambda ctx, n=n: ctx.put(f"k{n}", n)) for n in range(3)]
    ledger.block(*transactions)
    ledger.run(lambda ctx: ctx.delete("k1"))
    header = ledger.chain.header(Height(parent.height + 1))
    receipts = ledger.chain.receipts(header.height)
    assert header.parent_hash == header_hash(parent)
    assert header.transaction_root == merkle.root([each.envelope_hash for each in transactions])
    assert header.receipts_root == merkle.root(receipts)
    assert [parse_receipt(raw).id for raw in receipts] == [each.id for each in transactions]
    with ledger.chain.state() as view:
        assert ledger.chain.head.state_commitment == EMPTY.updated((), view.scan(b"", None)).commitment()


def test_execution_is_the_same_wherever_it_runs(ledger: ProbeLedger) -> None:
    """Another executor, which has not seen the blocks before, seals the same block to the byte."""
    ledger.run(lambda ctx: ctx.schedule("t", ctx.time_ms + 10, "act", action=named(nothing)))
    transactions = [signed(ledger, lambda ctx: ctx.emit("E", n=ctx.height)), signed(ledger, refuse)]
    batch = batch_of(ledger, transactions)
    first = ledger.executor.execute(batch, transactions)
    assert Executor(ledger.chain, ledger.contracts).execute(batch, transactions) == first
    assert ledger.executor.execute(batch, transactions) == first


def test_blocks_executed_before_they_are_saved_are_the_same_blocks(ledger: ProbeLedger) -> None:
    """Several heights may share one durable write: each is executed on top of those below it."""

    def count(ctx: Any) -> None:
        ctx.put("n", (ctx.get("n") or 0) + 1)
        ctx.put(f"k{ctx.height}", len(list(ctx.range())))
        ctx.delete(f"k{ctx.height - 1}")

    repeated = signed(ledger, count)
    contents = [[repeated], [signed(ledger, count), repeated], [signed(ledger, count)]]
    batches = [batch_of(ledger, each, above) for above, each in enumerate(contents, 1)]
    together = [ledger.executor.execute(batch, each) for batch, each in zip(batches, contents, strict=True)]
    one_by_one: list[SealedBlock] = []
    single = Executor(ledger.chain, ledger.contracts)
    for batch, each in zip(batches, contents, strict=True):
        one_by_one.append(single.execute(batch, each))
        ledger.chain.append(one_by_one[-1:])
    assert together == one_by_one
    assert [parse_receipt(raw).code for raw in together[1].receipts] == ["OK", "TRANSACTION_DUPLICATE"]
    assert msgspec.msgpack.decode(state_of(ledger)[b"probe\x00n"][12:]) == 3


def test_signed_batch_has_a_root_of_its_own(ledger: ProbeLedger) -> None:
    """So that one reading can be proven without its neighbours; a failed batch proves nothing."""
    readings = [{"mwh": 5, "at": number} for number in range(7)]
    done = ledger.submit(ledger.alice, "probe", "record", readings=readings)
    assert (done.receipt.items, done.receipt.items_root) == (7, items_root(readings))
    none = ledger.submit(ledger.alice, "probe", "record", readings=[])
    assert (none.receipt.items, none.receipt.items_root) == (0, b"")
    poor = ledger.sign(ledger.alice, "probe", "record", {"readings": readings}, budget=200)
    (failed,) = ledger.block(poor)
    assert (failed.code, failed.receipt.items_root) == ("BUDGET_EXCEEDED", b"")


def test_batch_that_is_no_list_has_no_items(ledger: ProbeLedger) -> None:
    """Whatever a contract declares, executing it does not stop the node."""
    for arguments in ({}, {"note": None}, {"note": "x"}):
        done = ledger.submit(ledger.alice, "probe", "remark", **arguments)
        assert (done.receipt.items, done.receipt.items_root) == (0, b"")


def test_result_beyond_the_limit_is_refused(ledger: ProbeLedger) -> None:
    """A receipt has a bounded size."""
    assert ledger.attempt(ledger.alice, "probe", "remark", note="x" * 400).code == "VALUE_TOO_LARGE"


def test_words_of_a_refusal_are_bounded_and_readable(ledger: ProbeLedger) -> None:
    """A receipt is read by everyone: no message breaks it, however long or broken the contract's text."""

    def act(_: Any) -> None:
        raise Denied("a\ud800b" + "x" * 10_000)

    message = ledger.run(act).message
    assert (message[:3], len(message)) == ("a?b", 500)


def test_host_failure_is_raised_and_leaves_no_receipt(ledger: ProbeLedger) -> None:
    """Memory and disk are this node's trouble, not the contract's; once they are mended the block is made."""
    troubles: list[BaseException] = [MemoryError(), DiskFull()]
    transactions = [signed(ledger, lambda ctx: ctx.put("k", 1)), signed(ledger, lambda _: _trouble(troubles))]
    batch = batch_of(ledger, transactions)
    for kind in (DiskFull, MemoryError):
        with pytest.raises(kind):
            ledger.executor.execute(batch, transactions)
    sealed = ledger.executor.execute(batch, transactions)
    ledger.chain.append([sealed])
    assert [parse_receipt(raw).code for raw in sealed.receipts] == ["OK", "OK"]


class FailingView:
    """A state whose disk gives way."""

    def get(self, key: bytes) -> bytes | None:
        raise OSError(5, f"input/output error at {key!r}")

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        yield start, bytes(13)
        raise OSError(5, f"input/output error before {end!r}, {reverse}")


@pytest.mark.parametrize("read", [lambda ctx: ctx.get("k"), lambda ctx: list(ctx.range())])
def test_failing_store_is_never_the_contracts_fault(ledger: ProbeLedger, read: Action) -> None:
    """Though the contract swallowed it, or was out of budget by then: what it read is not known."""

    def swallow(ctx: Any) -> None:
        with suppress(OSError):
            read(ctx)

    for act in (read, swallow):
        with ledger.chain.state() as view:
            known = LedgerView(view, RecordCache(), ledger.height, TimeMs(ledger.time_ms))
            block = BlockScope(known, ledger.contracts, ledger.height)
            state = BlockOverlay(FailingView(), ledger.height).begin(0)
            scope = Scope(block, state, Meter(10_000), Signer(role="customer"), TransactionId(bytes(32)))
            with pytest.raises(OSError, match="input/output error"):
                perform(scope, "probe", "act", "transaction", {"action": named(act)})


def _trouble(waiting: list[BaseException]) -> None:
    if waiting:
        raise waiting.pop()


def test_batch_that_does_not_fit_is_our_own_fault(ledger: ProbeLedger) -> None:
    """A wrong height or an earlier time is asserted: it can only come from this node's own engine."""
    for wrong in (
        batch_of(ledger, (), above=2),
        msgspec.structs.replace(batch_of(ledger, ()), time_ms=ledger.chain.head.time_ms),
        msgspec.structs.replace(batch_of(ledger, ()), epoch=1),
    ):
        with pytest.raises(AssertionError):
            ledger.executor.execute(wrong, ())


# ---------------------------------------------------------------- who


def test_signer_must_be_known_by_this_key(ledger: ProbeLedger) -> None:
    """An unregistered identity, and a registered one spoken for by a stranger's key."""
    stranger = ProbeLedger().alice
    unknown = ledger.attempt(stranger, "probe", "act", action=named(nothing))
    assert unknown.code == "SIGNER_UNKNOWN"
    stranger.identity = ledger.alice.identity
    assert ledger.attempt(stranger, "probe", "act", action=named(nothing)).code == "SIGNER_UNKNOWN"


def test_revocation_takes_effect_with_the_next_block(ledger: ProbeLedger) -> None:
    """Within the block that decides it the identity is as it was at the block's start."""
    revoke = ledger.sign(ledger.admin(), "identity", "revoke", {"identity": ledger.alice.id, "reason": "moved away"})
    assert codes(ledger, revoke, signed(ledger)) == ["OK", "OK"]
    assert codes(ledger, signed(ledger)) == ["SIGNER_REVOKED"]


def test_function_must_exist_be_a_transaction_and_admit_the_role(ledger: ProbeLedger) -> None:
    """Contract, function, kind, role and arguments, each with its own code."""
    for contract, function, code in (
        ("nobody", "act", "CONTRACT_UNKNOWN"),
        ("_replay", "act", "CONTRACT_UNKNOWN"),
        ("probe", "nothing", "FUNCTION_UNKNOWN"),
        ("probe", "__init__", "FUNCTION_UNKNOWN"),
        ("probe", "ask", "FUNCTION_KIND"),
        ("probe", "admin_act", "ROLE_REFUSED"),
    ):
        assert ledger.attempt(ledger.alice, contract, function, action=named(nothing)).code == code
    assert ledger.attempt(ledger.alice, "probe", "act", act="x").code == "ARGUMENTS_INVALID"


# ---------------------------------------------------------------- replay


def test_second_inclusion_executes_nothing_and_keeps_the_first_receipt(ledger: ProbeLedger) -> None:
    """In the same block and in a later one; the index goes on naming the first."""
    once = signed(ledger, lambda ctx: ctx.put("n", (ctx.get("n") or 0) + 1))
    assert codes(ledger, once, once) == ["OK", "TRANSACTION_DUPLICATE"]
    first = (ledger.height, 0)
    assert codes(ledger, signed(ledger), once) == ["OK", "TRANSACTION_DUPLICATE"]
    assert ledger.chain.locate(once.id) == first
    assert msgspec.msgpack.decode(state_of(ledger)[b"probe\x00n"][12:]) == 1


def test_transaction_is_executed_within_its_validity_only(ledger: ProbeLedger) -> None:
    """Up to its last millisecond, not after; and not when it would be valid for longer than the ledger allows."""
    last, late = signed(ledger, valid_for_ms=5_000), signed(ledger, valid_for_ms=4_999)
    too_far = signed(ledger, valid_for_ms=5_000 + Parameters().validity_ms + 1)
    ledger.advance(ms=5_000)
    assert codes(ledger, last, late, too_far) == ["OK", "TRANSACTION_EXPIRED", "VALIDITY_TOO_FAR"]


def test_what_was_refused_once_stays_refused(ledger: ProbeLedger) -> None:
    """Also when the rule that refused it would hold by now: the first receipt must stay true."""
    far = signed(ledger, valid_for_ms=Parameters().validity_ms + 60_000)
    ahead = signed(ledger, sequence=8)
    assert codes(ledger, far, ahead) == ["VALIDITY_TOO_FAR", "SEQUENCE_TOO_FAR"]
    first = ledger.height
    ledger.advance(minutes=2)
    assert codes(ledger, signed(ledger, sequence=7)) == ["OK"]
    assert codes(ledger, far, ahead) == ["TRANSACTION_DUPLICATE", "TRANSACTION_DUPLICATE"]
    assert [ledger.chain.locate(each.id) for each in (far, ahead)] == [(first, 0), (first, 1)]


def test_expired_transaction_keeps_its_first_receipt(ledger: ProbeLedger) -> None:
    """Included again after its end it is refused as expired, and the index still names the first."""
    once = signed(ledger, valid_for_ms=1_000)
    assert codes(ledger, once) == ["OK"]
    first = ledger.height
    ledger.advance(seconds=2)
    assert codes(ledger, once) == ["TRANSACTION_EXPIRED"]
    assert ledger.chain.locate(once.id) == (first, 0)


def test_device_numbers_are_used_once_in_any_order(ledger: ProbeLedger) -> None:
    """Within the window, without an end of validity."""
    numbered = {number: signed(ledger, sequence=number) for number in range(12)}
    assert codes(ledger, *(numbered[number] for number in (3, 0, 7, 1))) == ["OK"] * 4
    ledger.advance(days=30)
    assert codes(ledger, numbered[2], numbered[11], signed(ledger, sequence=7)) == ["OK", "OK", "SEQUENCE_REPLAYED"]
    assert codes(ledger, numbered[3], signed(ledger, sequence=20)) == ["SEQUENCE_REPLAYED", "SEQUENCE_TOO_FAR"]


def test_failed_call_uses_up_its_number_and_a_refused_signer_does_not(ledger: ProbeLedger) -> None:
    """Once signer and window hold the number is used; a stranger cannot use up a device's numbers."""
    stranger = ProbeLedger().alice
    stranger.identity = ledger.alice.identity
    forged = ledger.sign(stranger, "probe", "act", {"action": named(nothing)}, sequence=0)
    assert codes(ledger, forged) == ["SIGNER_UNKNOWN"]
    assert codes(ledger, signed(ledger, refuse, sequence=0)) == ["probe.DENIED"]
    assert codes(ledger, signed(ledger, sequence=0)) == ["SEQUENCE_REPLAYED"]


def test_digest_of_a_block_is_forgotten_once_all_have_expired(ledger: ProbeLedger) -> None:
    """The state remembers ids while they could be replayed, and no longer."""
    valid_until_ms = ledger.time_ms + 2_000
    codes(ledger, signed(ledger, valid_for_ms=1_000), signed(ledger, valid_for_ms=2_000))
    key = replay.digest_state(valid_until_ms, ledger.height)
    assert key in state_of(ledger, b"_replay")
    ledger.advance(ms=valid_until_ms - ledger.time_ms)
    ledger.block()
    assert key in state_of(ledger, b"_replay")
    ledger.advance(ms=1)
    ledger.block()
    assert key not in state_of(ledger, b"_replay")


# ---------------------------------------------------------------- timers


def test_due_timers_run_first_as_the_contract_itself(ledger: ProbeLedger) -> None:
    """Their receipts stand before the transactions', and are found by their ids like any other."""
    facts: list[Any] = []

    def due(ctx: Any) -> None:
        facts.append((ctx.creator.role, ctx.creator.id, ctx.caller, ctx.contract))
        ctx.emit("Closed")

    ledger.run(lambda ctx: ctx.schedule("t", ctx.time_ms + 500, "act", action=named(due)))
    transaction = signed(ledger)
    sealed = ledger.executor.execute(batch_of(ledger, [transaction]), [transaction])
    ledger.chain.append([sealed])
    timer, receipt = (parse_receipt(raw) for raw in sealed.receipts)
    assert (timer.origin, receipt.origin) == (Origin.TIMER, Origin.TRANSACTION)
    assert [event.name for event in timer.events] == ["Closed"]
    assert facts == [("timer", "", "", "probe")]
    assert ledger.chain.locate(timer.id) == (sealed.header.height, 0)
    assert ledger.chain.locate(transaction.id) == (sealed.header.height, 1)


def test_timer_may_set_itself_again(ledger: ProbeLedger) -> None:
    """A market's window: each run asks for the next, by the same name."""

    def tick(ctx: Any) -> None:
        ctx.put("n", (ctx.get("n") or 0) + 1)
        ctx.schedule("tick", ctx.time_ms + 1_000, "act", action=name)

    name = named(tick)
    ledger.run(tick)
    done = ledger.advance(seconds=5)
    assert [each.code for each in done] == ["OK"] * 5
    assert len({each.transaction_id for each in done}) == 5


def test_timers_beyond_the_budget_wait_for_the_next_block() -> None:
    """A full budget is left for each that is begun; the order stays that of their times."""
    ledger = ProbeLedger(Parameters(budget=100_000, timer_budget=250_000))
    ran: list[int] = []

    def slow(number: int) -> Action:
        def run(ctx: Any) -> None:
            ran.append(number)
            ctx.charge(90_000)

        return run

    def plan(ctx: Any) -> None:
        for number in range(5):
            ctx.schedule(f"t{number}", ctx.time_ms + 10 + number, "act", action=named(slow(number)))

    ledger.run(plan).require_success()
    batch = batch_of(ledger, ())
    for expected in ([0, 1], [2, 3], [4], []):
        sealed = ledger.executor.execute(batch, ())
        ledger.chain.append([sealed])
        assert (ran, len(sealed.receipts)) == (expected, len(expected))
        ran.clear()
        batch = msgspec.structs.replace(batch, height=Height(batch.height + 1), time_ms=TimeMs(batch.time_ms + 1))


def test_failing_timer_is_tried_again_and_then_abandoned_with_an_event(ledger: ProbeLedger) -> None:
    """In later blocks, as often as the ledger allows; every attempt has a receipt and leaves nothing else."""

    def fail(ctx: Any) -> None:
        ctx.put("k", 1)
        ctx.emit("Lost")
        refuse(ctx)

    ledger.run(lambda ctx: ctx.schedule("close", ctx.time_ms + 10, "act", action=named(fail)))
    first, second = ledger.advance(seconds=1)
    assert (first.code, second.code) == ("probe.DENIED", "probe.DENIED")
    assert (first.height + 1, first.events) == (second.height, ())
    (event,) = second.events
    assert (event.contract, event.name) == ("probe", "TimerAbandoned")
    assert (event.payload["timer"], event.payload["attempts"]) == ("close", 2)
    assert first.transaction_id != second.transaction_id
    assert state_of(ledger) == state_of(ledger, b"_timer") == {}


def test_timer_that_an_earlier_one_cancelled_does_not_run(ledger: ProbeLedger) -> None:
    """Though both were due when the block began."""
    ran: list[str] = []

    def plan(ctx: Any) -> None:
        ctx.schedule("a", ctx.time_ms + 10, "act", action=named(lambda inner: inner.cancel("b")))
        for name in "bc":
            ctx.schedule(name, ctx.time_ms + 11, "act", action=named(lambda _, name=name: ran.append(name)))

    ledger.run(plan).require_success()
    sealed = ledger.executor.execute(batch_of(ledger, ()), ())
    assert (len(sealed.receipts), ran) == (2, ["c"])


def test_timer_set_for_this_very_block_runs_in_the_next(ledger: ProbeLedger) -> None:
    """A timer due now is not run twice in a block, nor can it hold a block for ever."""

    def again(ctx: Any) -> None:
        ctx.schedule("t", ctx.time_ms, "act", action=name)

    name = named(again)
    ledger.run(again).require_success()
    for _ in range(3):
        assert [done.code for done in ledger.block()] == ["OK"]
    with ledger.chain.state() as view:
        assert timers.next_due_ms(view) == ledger.time_ms


# ---------------------------------------------------------------- parameters and validators


class Governing(Contract):
    """Stands in for governance where a test decides what it likes."""

    name = "governance"
    version = "1"

    @transaction
    def decide(self, ctx: Any, budget: int) -> None:
        ctx.put("parameters", Parameters(budget=budget))

    @transaction
    def replace_validator(self, ctx: Any, public_key: str, last_height: int) -> None:
        record = ctx.get(VALIDATORS_KEY, ValidatorsRecord)
        newcomer = ValidatorRecord(identity_id(bytes.fromhex(public_key)).hex(), "utility", public_key, "localhost:1")
        ctx.put(VALIDATORS_KEY, ValidatorsRecord(record.epoch, record.members, (newcomer,), last_height))


def test_parameters_change_with_the_next_block() -> None:
    """Within a block everyone has the same limits."""
    ledger = ProbeLedger(governance=Governing)

    def spend(ctx: Any) -> None:
        ctx.put("k", "x" * 1_000)

    decide = ledger.sign(ledger.alice, "governance", "decide", {"budget": 11_000})
    assert codes(ledger, decide, signed(ledger, spend)) == ["OK", "OK"]
    with pytest.raises(Exception, match="budget of 1 to 11000"):
        signed(ledger, budget=11_001)


def test_validator_set_changes_after_the_block_that_was_decided() -> None:
    """The header of the last block names the next set; the following blocks are of the next epoch."""
    ledger = ProbeLedger(governance=Governing)
    key = ProbeLedger().alice.key.public_key
    first = ledger.chain.head.current_set
    last = ledger.height + 3
    ledger.submit(ledger.alice, "governance", "replace_validator", public_key=key.hex(), last_height=last)
    while ledger.height < last:
        assert (ledger.chain.head.current_set, ledger.chain.head.next_set) == (first, first)
        ledger.block()
    changed = ledger.chain.head
    assert (changed.epoch, changed.current_set) == (0, first)
    assert changed.next_set != first
    ledger.block()
    after = ledger.chain.head
    assert (after.epoch, after.current_set, after.next_set) == (1, changed.next_set, changed.next_set)
    assert [member.public_key for member in ledger.chain.validator_set(after.current_set).members] == [key]
    assert ledger.chain.set_changes() == (changed.height,)
