"""The client: the same envelope to another node, typed errors, streams that go on where they stopped."""

from __future__ import annotations

import asyncio
import time

import pytest

from ledgernode.client import CERTIFIED, LedgerClient, Outcome, Stage, Wait
from ledgernode.errors import (
    BadRequest,
    BadSignature,
    CommitUnknown,
    ContractRefused,
    DuplicateTransaction,
    LedgerHalted,
    MempoolFull,
    NeverCommitted,
    NodeStopping,
    NodeUnreachable,
    RoleRefused,
    TransactionExpired,
)
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.wire import protobuf
from ledgernode.wire.types import TransactionId
from tests.client.scripted import SILENCE, ScriptedNode, committed, submitted
from tests.node.envelopes import SIGNER

DEAD = "127.0.0.1:1"


def signed(key: str = "k"):
    return SIGNER.transaction("notebook", "put", {"key": key}, budget=1)


# ---------------------------------------------------------------- submitting


async def test_a_stopping_node_is_left_for_the_next(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """The very same envelope goes to the other node, at once whatever the first advises; later calls go there first."""
    first.script["Submit"] = [NodeStopping(retry_ms=600_000)]
    one = signed()
    assert (await client.submit_signed(one)).succeeded
    assert [request.transaction for _, request in first.asked + second.asked] == [one.envelope] * 2
    await client.facts()
    assert second.asked[-1][0] == "GetLedger"


async def test_a_dead_endpoint_is_passed_over(second: ScriptedNode) -> None:
    """An address where nobody listens costs no more than the try."""
    async with LedgerClient([DEAD, second.address], "test") as ledger:
        assert (await ledger.submit_signed(signed())).height == 7


async def test_nobody_answers() -> None:
    """When every try is used up, the caller learns that no node could be reached."""
    async with LedgerClient([DEAD], "test", timeout_ms=300) as ledger:
        with pytest.raises((NodeUnreachable, CommitUnknown)):
            await ledger.facts()


async def test_advice_when_to_retry_is_kept(client: LedgerClient, first: ScriptedNode, second: ScriptedNode) -> None:
    """A full mempool is asked again, at the same node, after the advised time."""
    first.script["Submit"] = [MempoolFull("full", retry_ms=300)]
    started = time.monotonic()
    assert (await client.submit_signed(signed())).succeeded
    assert time.monotonic() - started >= 0.3
    assert [len(first.asked), len(second.asked)] == [2, 0]


async def test_what_is_refused_for_good_is_not_tried_again(client: LedgerClient, first: ScriptedNode) -> None:
    """The typed error comes at once, with the node's words."""
    first.script["Submit"] = [BadSignature("not of this key")]
    with pytest.raises(BadSignature, match="not of this key"):
        await client.submit_signed(signed())
    assert len(first.asked) == 1


async def test_a_duplicate_becomes_its_original_outcome(client: LedgerClient, first: ScriptedNode) -> None:
    """A resend that comes too late is answered with what the first sending did."""
    first.script["Submit"] = [DuplicateTransaction()]
    one = signed()
    assert await client.submit_signed(one) == committed(one.id)
    asked = first.asked[-1][1]
    assert (asked.transaction_id, asked.valid_until_ms) == (one.id, one.valid_until_ms)


async def test_an_expired_resend_asks_what_became_of_the_first(client: LedgerClient, first: ScriptedNode) -> None:
    """It may have been committed in time; when nothing is known of it, the refusal stands."""
    first.script["Submit"] = [TransactionExpired(), TransactionExpired("too late")]
    assert (await client.submit_signed(signed())).succeeded
    first.script["CommitStatus"] = [CommitUnknown()]
    with pytest.raises(TransactionExpired, match="too late"):
        await client.submit_signed(signed())


async def test_a_contract_refusal_is_raised_with_its_code(client: LedgerClient, first: ScriptedNode) -> None:
    """Committed without effect is an error of its own kind, unless its outcome is asked for."""
    one = signed()
    first.script["Submit"] = [submitted(one.id, "notebook.ALREADY_WRITTEN")] * 2 + [submitted(one.id, "ROLE_REFUSED")]
    with pytest.raises(ContractRefused) as refusal:
        await client.submit_signed(one)
    assert refusal.value.facts["code"] == "notebook.ALREADY_WRITTEN"
    assert refusal.value.facts["contract"] == "notebook"
    assert refusal.value.facts["transaction_id"] == one.id.hex()
    outcome = await client.submit_signed(one, raise_refused=False)
    assert (outcome.code, outcome.succeeded) == ("notebook.ALREADY_WRITTEN", False)
    with pytest.raises(RoleRefused):
        await client.submit_signed(one)


async def test_never_is_raised(client: LedgerClient, first: ScriptedNode) -> None:
    """A transaction that will never be committed is no success."""
    one = signed()
    never = Outcome(one.id, Stage.NEVER, "NEVER", "too late")
    first.script["Submit"] = [pb.SubmitResponse(outcome=protobuf.outcome_message(never))]
    with pytest.raises(NeverCommitted, match="too late"):
        await client.submit_signed(one)


async def test_the_budget_is_the_limit_of_the_ledger(client: LedgerClient, first: ScriptedNode) -> None:
    """Who declares nothing declares the most; the ledger is asked for it once."""
    for _ in range(2):
        await client.submit("notebook", "put", {"key": "a"}, signer=SIGNER, wait=Wait.ADMITTED)
    assert [call for call, _ in first.asked] == ["GetLedger", "Submit", "Submit"]
    assert {request.wait for call, request in first.asked if call == "Submit"} == {pb.WAIT_ADMITTED}


async def test_a_silent_node_ends_in_commit_unknown(client: LedgerClient, first: ScriptedNode) -> None:
    """When the time is over the outcome is unknown, and it says so."""
    first.script["Submit"] = [SILENCE]
    async with LedgerClient([first.address], "test", timeout_ms=200) as ledger:
        with pytest.raises(CommitUnknown):
            await ledger.submit_signed(signed())


def test_a_connection_needs_an_endpoint() -> None:
    """An empty list is a mistake of the caller's."""
    with pytest.raises(BadRequest):
        LedgerClient([], "test")


# ---------------------------------------------------------------- streams


async def collect(client: LedgerClient, count: int) -> tuple[list[TransactionId], list[Outcome]]:
    sent = [signed(str(number)) for number in range(count)]
    return [one.id for one in sent], [outcome async for outcome in client.submit_many(sent)]


async def test_every_streamed_transaction_has_one_outcome(client: LedgerClient, first: ScriptedNode) -> None:
    """Batches go out, and each transaction comes back once, in order."""
    ids, outcomes = await collect(client, 250)
    assert [outcome.transaction_id for outcome in outcomes] == ids
    assert [len(request.transactions) for _, request in first.asked] == [100, 100, 50]


async def test_a_broken_stream_is_continued_elsewhere(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """What was unanswered is sent again; a duplicate is answered with its original outcome."""
    first.script["SubmitMany"] = [LedgerHalted("disk full")]
    second.script["SubmitMany"] = ["TRANSACTION_DUPLICATE"]
    ids, outcomes = await collect(client, 30)
    assert [outcome.transaction_id for outcome in outcomes] == ids
    assert all(outcome.succeeded for outcome in outcomes)
    assert sum(call == "CommitStatus" for call, _ in second.asked) == 30


async def test_a_full_mempool_slows_a_stream_down(client: LedgerClient, first: ScriptedNode) -> None:
    """What found no room is sent again after a pause; the caller sees only the outcome."""
    first.script["SubmitMany"] = ["MEMPOOL_FULL"]
    ids, outcomes = await collect(client, 10)
    assert sorted(outcome.transaction_id for outcome in outcomes) == sorted(ids)
    assert all(outcome.succeeded for outcome in outcomes)


async def test_a_streamed_refusal_is_an_outcome(client: LedgerClient, first: ScriptedNode) -> None:
    """One bad transaction does not end the stream."""
    first.script["SubmitMany"] = ["SIGNER_REVOKED"]
    _, outcomes = await collect(client, 3)
    assert [(outcome.stage, outcome.code) for outcome in outcomes] == [(Stage.REFUSED, "SIGNER_REVOKED")] * 3


async def test_an_asynchronous_source_is_read_as_it_comes(client: LedgerClient) -> None:
    """The stream waits for the source, and outcomes come before it has ended."""
    asked = asyncio.Event()

    async def source():
        yield signed("a")
        await asked.wait()
        yield signed("b")

    outcomes = client.submit_many(source())
    assert (await anext(outcomes)).succeeded
    asked.set()
    assert [outcome.succeeded async for outcome in outcomes] == [True]


async def test_a_failing_source_ends_the_stream_with_its_error(client: LedgerClient) -> None:
    """What was sent before has its outcome first."""

    def source():
        yield signed("a")
        raise ValueError("no more paper")

    outcomes = client.submit_many(source())
    assert (await anext(outcomes)).succeeded
    with pytest.raises(ValueError, match="no more paper"):
        await anext(outcomes)


async def test_blocks_go_on_where_they_stopped(client: LedgerClient, first: ScriptedNode, second: ScriptedNode) -> None:
    """After a failure the next node is asked for the first block that is missing."""
    first.script["Blocks"] = [*(pb.BlocksResponse(block=pb.Block(header=bytes([n]))) for n in (3, 4)), NodeStopping()]
    second.script["Blocks"] = [pb.BlocksResponse(block=pb.Block(header=bytes([5])))]
    blocks = [block.header async for block in client.blocks(3, to_height=5)]
    assert blocks == [b"\x03", b"\x04", b"\x05"]
    assert [request.from_height for _, request in second.asked] == [5]


async def test_events_go_on_after_the_last_one_seen(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """Within a block after its number, and after a finished block at the next height."""
    page = [pb.Event(height=4, number=number, name="Written") for number in (1, 2)]
    first.script["Events"] = [pb.EventsResponse(events=page, height=3), NodeStopping()]
    second.script["Events"] = [
        pb.EventsResponse(events=[pb.Event(height=4, number=3, name="Written")], height=4),
        NodeStopping(),
    ]
    first.script["Events"] += [
        pb.EventsResponse(events=[pb.Event(height=6, number=1), pb.Event(height=9, number=1)], height=9)
    ]
    events = [(event.height, event.number) async for event in client.events(4, to_height=8)]
    assert events == [(4, 1), (4, 2), (4, 3), (6, 1)]
    resumed = [(request.from_height, request.after_number) for _, request in second.asked + first.asked[1:]]
    assert resumed == [(4, 2), (5, 0)]


async def test_a_stream_that_makes_no_progress_ends(first: ScriptedNode) -> None:
    """Tries are bounded where nothing comes between them."""
    first.script["Blocks"] = [NodeStopping()] * 20
    async with LedgerClient([first.address], "test", timeout_ms=300) as ledger:
        ledger._connection._retries = 2
        with pytest.raises(NodeStopping):
            await anext(ledger.blocks(1))
    assert len(first.asked) == 3


# ---------------------------------------------------------------- certified reads


async def test_a_certified_answer_needs_as_many_equal_ones(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """Of four validators two must agree, at a height that an honest one has reached."""
    first.validators = second.validators = 4
    first.height, second.height = 9, 6
    answer = await client.evaluate("notebook", "count", {}, signer=SIGNER, level=CERTIFIED)
    assert (answer.result, answer.height) == (b"1", 6)
    second.script["Evaluate"] = [pb.EvaluateResponse(result=b"2", height=6)]
    with pytest.raises(NodeUnreachable, match="agree"):
        await client.evaluate("notebook", "count", {}, signer=SIGNER, level=CERTIFIED)


async def test_a_certified_refusal_is_an_answer(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """What enough nodes refuse alike is refused."""
    first.validators = second.validators = 4
    for node in (first, second):
        node.script["Evaluate"] = [RoleRefused("not for you")]
    with pytest.raises(RoleRefused, match="not for you"):
        await client.evaluate("notebook", "count", {}, signer=SIGNER, level=CERTIFIED)


async def test_too_few_nodes_certify_nothing(client: LedgerClient, first: ScriptedNode, second: ScriptedNode) -> None:
    """With one node of four gone silent, one answer is not enough."""
    first.validators = second.validators = 4
    await second.stop()
    with pytest.raises(NodeUnreachable, match="needs 2"):
        await client.evaluate("notebook", "count", {}, signer=SIGNER, level=CERTIFIED)
    await first.stop()
    with pytest.raises(NodeUnreachable):
        await client.evaluate("notebook", "count", {}, signer=SIGNER, level=CERTIFIED)


async def test_an_unknown_read_level_is_refused(client: LedgerClient) -> None:
    """Before anything is sent."""
    with pytest.raises(BadRequest, match="at-least"):
        await client.evaluate("notebook", "count", {}, signer=SIGNER, level="newest")
