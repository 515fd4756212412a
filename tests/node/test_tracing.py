"""What a validator notes of the transactions that are traced."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from ledgernode.config import TRACED_TRANSACTIONS
from ledgernode.errors import BadSignature
from ledgernode.node.intake import Intake
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.tracing import TracedLedger
from ledgernode.observe.traces import Span, Tracer, root_of
from ledgernode.wire.answers import Wait
from ledgernode.wire.types import Height
from tests.node.conftest import House

STEPS = ["admission", "mempool", "order", "execution", "store", "certificate"]


class Told:
    """Everything that was told; a clock that moves by one whenever it is read."""

    def __init__(self, one_in: int = 1) -> None:
        self.spans: list[Span] = []
        self.now_ns = 0
        self.tracer = Tracer("north/north-1", one_in, self.tell, self.clock_ns)

    def tell(self, spans: Sequence[Span]) -> None:
        self.spans += spans

    def clock_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def traced(house: House, told: Told) -> ServedLedger:
    house.open()
    served = house.served
    served.measures.traces = TracedLedger(served.name, told.tracer)
    served.driver._traces = served.measures.traces
    return served


async def test_each_transaction_of_a_block_is_told_when_it_stands(
    house: House, traced: ServedLedger, told: Told
) -> None:
    """By the code of its receipt; the steps in their order, and the block's own the same for both."""
    traced.start()
    sent = [house.remark(str(number)) for number in range(2)]
    for one in sent:
        await traced.submissions.submit(one.envelope, Wait.COMMITTED, 20)
    await traced.stop()
    house.close()
    for one in sent:
        own, *steps = [span for span in told.spans if span.trace == root_of(one.id).trace]
        assert own.name == "validator"
        assert own.parent == root_of(one.id).span
        assert own.failed == own.facts["ledgernode.code"] != "OK", "nobody has that identity"
        assert (own.facts["ledgernode.contract"], own.facts["ledgernode.function"]) == ("identity", "suspend")
        assert [step.name for step in steps] == STEPS
        assert {step.parent for step in steps} == {own.id}
        begun = [step.began_ns for step in steps]
        assert begun == sorted(begun)
        assert all(early.ended_ns <= late.began_ns for early, late in pairwise(steps[:4]))


async def test_a_refused_transaction_and_one_that_is_not_chosen_leave_nothing(house: House) -> None:
    """Nothing is kept for them either."""
    told = Told(one_in=1 << 60)
    ledger = TracedLedger("test", told.tracer)
    ledger.admitted([BadSignature("no"), house.remark("x")], 0)
    ledger.decided(Height(1), [])
    assert not ledger._ways
    assert not ledger._blocks


async def test_what_comes_to_no_block_is_forgotten(house: House, traced: ServedLedger, told: Told) -> None:
    """The oldest first, beyond a bound."""
    ledger = traced.measures.traces
    assert ledger is not None
    first = traced.admission.check(house.remark("first").envelope)
    ledger.admitted([first], 1)
    second = traced.admission.check(house.remark("second").envelope)
    for number in range(TRACED_TRANSACTIONS):
        ledger._ways[number.to_bytes(32, "big")] = ledger._ways[first.id]  # type: ignore[index]
    ledger.admitted([second], 1)
    assert len(ledger._ways) <= TRACED_TRANSACTIONS + 1
    assert first.id not in ledger._ways
    assert second.id in ledger._ways
    house.close()


async def test_what_a_peer_forwards_is_admitted_too(house: House, traced: ServedLedger, told: Told) -> None:
    """Each validator tells of its own check; what it does not take into its mempool, nothing."""
    ledger = traced.measures.traces
    assert ledger is not None
    intake = Intake(
        admission=traced.admission,
        mempool=traced.mempool,
        arrived=lambda: None,
        clock_ms=house.clock,
        traces=ledger,
    )
    taken, gone = house.remark("taken"), house.remark("gone")
    traced.mempool.remove([gone.id])
    intake.take(b"peer", [taken.envelope, gone.envelope, b"nothing"])
    intake._check(b"peer", intake._entries[b"peer"])
    assert list(ledger._ways) == [taken.id]
    house.close()


async def test_a_proposal_is_seen_before_it_is_decided(house: House, traced: ServedLedger, told: Told) -> None:
    """A backup takes up what another offers: its order begins then, once; what it never had before has no admission."""
    ledger = traced.measures.traces
    assert ledger is not None
    known, new = (traced.admission.check(house.remark(text).envelope) for text in ("known", "new"))
    ledger.admitted([known], 1)
    ledger.taken_up([known])
    seen_ns = told.now_ns
    ledger.taken_up([known])
    ledger.decided(Height(1), [known, new, known])
    block = ledger._blocks[Height(1)]
    assert block.ways[known.id].taken_up_ns == seen_ns
    assert block.ways[new.id].came_ns == 0
    assert seen_ns < block.ways[new.id].taken_up_ns <= block.decided_ns
    assert not ledger._ways
    house.close()
