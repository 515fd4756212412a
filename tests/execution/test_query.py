"""Questions: who may ask, about which height, and what only a question may look at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.api import HistoryEntry
from ledgernode import config
from ledgernode.errors import (
    BadValue,
    BudgetExceeded,
    ContractRefused,
    Pruned,
    RevokedSigner,
    TransactionExpired,
    UnknownBlock,
    UnknownSigner,
    WrongChain,
    WrongFunctionKind,
)
from ledgernode.execution.query import evaluate
from ledgernode.wire.transaction import Kind, Transaction
from ledgernode.wire.types import Height
from tests.execution.probe import Action, Denied, ProbeLedger, named


@pytest.fixture
def ledger() -> ProbeLedger:
    ledger = ProbeLedger()
    for number in (1, 2, 3):
        ledger.run(lambda ctx, number=number: ctx.put("n", number)).require_success()
    return ledger


def question(ledger: ProbeLedger, action: Action, **options: Any) -> Transaction:
    return ledger.sign(ledger.alice, "probe", "ask", {"action": named(action)}, kind=Kind.QUERY, **options)


def test_question_is_answered_from_the_height_it_names(ledger: ProbeLedger) -> None:
    """The newest state unless it says otherwise; height and time are those of the block asked about."""
    asked = question(ledger, lambda ctx: ctx.get("n"))
    head = ledger.height
    assert evaluate(ledger.chain, asked, contracts=ledger.contracts) == (b"3", head)
    for back in range(3):
        assert evaluate(ledger.chain, asked, height=Height(head - back), contracts=ledger.contracts) == (
            str(3 - back).encode(),
            head - back,
        )
        assert ledger.ask(lambda ctx: ctx.height, head - back) == head - back
        assert ledger.ask(lambda ctx: ctx.time_ms, head - back) == ledger.chain.header(Height(head - back)).time_ms


def test_a_block_that_is_written_and_not_yet_told_of_answers_as_itself(
    ledger: ProbeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may ask between the write and the new head: no state is given out as another block's."""
    asked, head = question(ledger, lambda ctx: ctx.get("n")), Height(ledger.height)
    store, found = ledger.chain._kv, []
    write = store.write

    def write_and_ask(writes: Any) -> None:
        write(writes)
        assert ledger.chain.head.height == head, "it is not told of yet"
        found.extend(evaluate(ledger.chain, asked, height=at, contracts=ledger.contracts) for at in (None, head))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(store, "write", write_and_ask)
        ledger.run(lambda ctx: ctx.put("n", 4)).require_success()
    assert found[:2] == [(b"4", head + 1), (b"3", head)]


def test_heights_out_of_reach_are_refused(ledger: ProbeLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the head there is nothing yet, below the window nothing any more."""
    with pytest.raises(UnknownBlock):
        ledger.ask(lambda _: 0, ledger.height + 1)
    monkeypatch.setattr(config, "READABLE_PAST_HEIGHTS", 1)
    assert ledger.ask(lambda ctx: ctx.get("n"), ledger.height - 1) == 2
    with pytest.raises(Pruned):
        ledger.ask(lambda _: 0, ledger.height - 2)


def test_asking_changes_nothing(ledger: ProbeLedger) -> None:
    """No block, no write; the same question may be asked again."""
    head, asked = ledger.chain.head, question(ledger, lambda ctx: ctx.get("n"))
    for _ in range(2):
        assert evaluate(ledger.chain, asked, contracts=ledger.contracts)[0] == b"3"
    assert ledger.chain.head is head


def test_signer_is_judged_by_the_head(ledger: ProbeLedger) -> None:
    """Who is revoked asks nothing any more, not even about the time before."""
    before = ledger.height
    ledger.submit(ledger.admin(), "identity", "revoke", identity=ledger.alice.id, reason="moved away")
    with pytest.raises(RevokedSigner):
        ledger.ask(lambda _: 0, before)
    stranger = ProbeLedger().alice
    with pytest.raises(UnknownSigner):
        ledger.query(stranger, "probe", "ask", action=named(lambda _: 0))


def test_question_is_no_transaction_and_of_this_ledger(ledger: ProbeLedger) -> None:
    """Another kind, another chain and an ended validity are refused."""
    transaction = ledger.sign(ledger.alice, "probe", "ask", {"action": ""})
    with pytest.raises(WrongFunctionKind):
        evaluate(ledger.chain, transaction)
    with pytest.raises(WrongChain):
        evaluate(ProbeLedger().chain, question(ledger, lambda _: 0))
    old = question(ledger, lambda _: 0, valid_for_ms=1_000)
    ledger.advance(seconds=2)
    ledger.block()
    with pytest.raises(TransactionExpired):
        evaluate(ledger.chain, old)
    with pytest.raises(WrongFunctionKind):
        ledger.query(ledger.alice, "probe", "act", action=named(lambda _: 0))


def test_refusals_of_a_question_are_raised(ledger: ProbeLedger) -> None:
    """The contract's own with its code, and the limit of the budget it declared."""

    def deny(_: Any) -> None:
        raise Denied("not for you")

    with pytest.raises(ContractRefused, match="not for you") as caught:
        ledger.ask(deny)
    assert caught.value.facts["code"] == "probe.DENIED"
    with pytest.raises(BudgetExceeded):
        evaluate(ledger.chain, question(ledger, lambda ctx: ctx.charge(501), budget=500), contracts=ledger.contracts)


def test_question_may_cost_more_than_a_transaction_but_not_anything(ledger: ProbeLedger) -> None:
    """Up to the node's own bound, whatever it declares."""
    rich = question(ledger, lambda ctx: ctx.charge(config.QUERY_BUDGET // 2), budget=config.QUERY_BUDGET)
    assert evaluate(ledger.chain, rich, contracts=ledger.contracts)[0] == b"0"
    body = msgspec.structs.replace(rich.body, budget=1 << 31, arguments=_asking(lambda ctx: ctx.charge(1 << 30)))
    with pytest.raises(BudgetExceeded):
        evaluate(ledger.chain, msgspec.structs.replace(rich, body=body), contracts=ledger.contracts)


def _asking(action: Action) -> bytes:
    return msgspec.json.encode({"action": named(action)})


def test_history_of_a_key_is_complete_and_newest_first(ledger: ProbeLedger) -> None:
    """Each write with its transaction, height and time; a deletion is one too; past heights have no later ones."""
    gone = ledger.run(lambda ctx: ctx.delete("n")).require_success()
    back = ledger.run(lambda ctx: ctx.put("n", {"again": 5})).require_success()
    found: list[HistoryEntry] = []
    ledger.ask(lambda ctx: found.extend(ctx.history("n")))
    assert [entry.value for entry in found] == [{"again": 5}, None, 3, 2, 1]
    assert [entry.deleted for entry in found] == [False, True, False, False, False]
    assert [entry.transaction_id for entry in found[:2]] == [back.transaction_id, gone.transaction_id]
    assert [entry.time_ms for entry in found] == [ledger.chain.header(Height(each.height)).time_ms for each in found]

    def look(ctx: Any) -> None:
        assert [entry.value for entry in ctx.history("n", limit=2)] == [{"again": 5}, None]
        assert ctx.history("never") == []

    ledger.ask(look)
    earlier: list[HistoryEntry] = []
    ledger.ask(lambda ctx: earlier.extend(ctx.history("n", limit=2)), gone.height - 1)
    assert [entry.value for entry in earlier] == [3, 2]
    for limit in (0, 1_001, "5"):
        with pytest.raises(BadValue):
            ledger.ask(lambda ctx, limit=limit: ctx.history("n", limit=limit))


def test_transaction_is_found_by_its_id(ledger: ProbeLedger) -> None:
    """What it asked and what became of it; a timer's call has no signer; an unknown id is None."""
    done = ledger.run(lambda ctx: ctx.schedule("t", ctx.time_ms + 5, "act", action=named(lambda c: c.emit("Rang"))))
    (timer,) = ledger.advance(seconds=1)
    found: list[Any] = []
    wanted = (done.transaction_id, timer.transaction_id, "00" * 32)
    ledger.ask(lambda ctx: found.extend(ctx.transaction(each) for each in wanted))
    transaction, call, unknown = found
    assert (transaction["creator"], transaction["contract"], transaction["function"]) == (
        ledger.alice.id,
        "probe",
        "act",
    )
    assert (transaction["code"], transaction["result"], transaction["height"]) == ("OK", 0, done.height)
    assert transaction["arguments"].keys() == {"action"}
    assert (call["creator"], call["arguments"], call["height"]) == ("", None, timer.height)
    assert [event["name"] for event in call["events"]] == ["Rang"]
    assert unknown is None
    earlier: list[Any] = []
    ledger.ask(lambda ctx: earlier.append(ctx.transaction(timer.transaction_id)), timer.height - 1)
    assert earlier == [None]
    for wrong in ("00", "zz" * 32, 5):
        with pytest.raises(BadValue):
            ledger.ask(lambda ctx, wrong=wrong: ctx.transaction(wrong))
