"""Past a node that keeps silent, or keeps a transaction to itself: f more are given it, and it has one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ledgernode.client import LedgerClient, Outcome, Signed, Stage, resubmission, stream
from ledgernode.errors import BadSignature, DuplicateTransaction, LedgerError, RoleRefused
from ledgernode.wire.types import TransactionId
from tests.client.scripted import SILENCE, ScriptedNode, committed, submitted
from tests.conditions import eventually
from tests.node.envelopes import SIGNER

pytestmark = pytest.mark.slow

PATIENCE_MS = 400


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (resubmission, stream):
        monkeypatch.setattr(module, "CLIENT_RESUBMIT_MS", PATIENCE_MS)


def signed(key: str = "k"):
    return SIGNER.transaction("notebook", "put", {"key": key}, budget=1)


def batches(node: ScriptedNode) -> list[int]:
    return [len(request.transactions) for call, request in node.asked if call == "SubmitMany"]


# ---------------------------------------------------------------- one transaction


async def test_a_duplicate_elsewhere_is_asked_for_elsewhere(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """The silent node had passed it on: the node that has it says what became of it, and is asked first from now on."""
    first.script["Submit"] = [SILENCE]
    second.script["Submit"] = [DuplicateTransaction()]
    assert (await client.submit_signed(signed())).succeeded
    assert [call for call, _ in second.asked] == ["Submit", "CommitStatus"]
    await client.facts()
    assert second.asked[-1][0] == "GetLedger"


async def test_a_refusal_is_none_while_another_node_may_have_taken_it(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """The first one asked lies, late: the other one has it committed, so it is committed."""
    one, asked, refused = signed(), asyncio.Event(), asyncio.Event()

    async def lie(_: object) -> LedgerError:
        await asked.wait()
        refused.set()
        return BadSignature("so it says")

    async def commit(_: object) -> object:
        asked.set()
        await refused.wait()
        await asyncio.sleep(0.1)  # the lie arrives first
        return submitted(one.id)

    first.script["Submit"], second.script["Submit"] = [lie], [commit]
    assert (await client.submit_signed(one)).succeeded


async def test_the_refusal_of_the_first_is_told_when_no_other_takes_it(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """Whatever the others say."""

    async def late(_: object) -> LedgerError:
        await eventually(lambda: second.asked)
        return BadSignature("of the first")

    first.script["Submit"], second.script["Submit"] = [late], [RoleRefused("of the second")]
    with pytest.raises(BadSignature, match="of the first"):
        await client.submit_signed(signed())


# ---------------------------------------------------------------- streams


class Source:
    """Transactions as they are asked for, until it is told to end."""

    def __init__(self) -> None:
        self.sent: list[TransactionId] = []
        self.ended = False

    async def __aiter__(self) -> AsyncIterator[Signed]:
        while not self.ended:
            one = signed(str(len(self.sent)))
            self.sent.append(one.id)
            yield one
            await asyncio.sleep(0.01)


async def test_a_silent_node_is_left_for_the_next(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """It takes what it is sent and answers nothing: all of it goes to another node, and so does what follows."""
    first.script["SubmitMany"] = [SILENCE] * 100
    sent = [signed(str(number)) for number in range(450)]
    outcomes = [outcome async for outcome in client.submit_many(sent)]
    assert sorted(outcome.transaction_id for outcome in outcomes) == sorted(one.id for one in sent)
    assert all(outcome.succeeded for outcome in outcomes)
    assert batches(first) == [100]  # the first batch of a stream is a trial
    await client.facts()
    assert second.asked[-1][0] == "GetLedger"


async def test_what_one_node_keeps_to_itself_is_given_to_another(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """It answers the others, so it is not left; nothing but what it keeps goes elsewhere."""
    source, kept = Source(), set[TransactionId]()

    async def all_but_one(ids: list[TransactionId]) -> list[Outcome]:
        kept.update(ids[:1] if not kept else ())
        return [committed(one) for one in ids if one not in kept]

    first.script["SubmitMany"] = [all_but_one] * 10_000
    outcomes = []
    async for outcome in client.submit_many(source):
        outcomes.append(outcome)
        source.ended = source.ended or outcome.transaction_id in kept
    assert sorted(outcome.transaction_id for outcome in outcomes) == sorted(source.sent)
    assert batches(second) == [1]
    assert len(outcomes) > 10


async def test_a_streamed_refusal_waits_for_the_other_node(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """What may have been taken elsewhere is not refused before the other node has said so, or failed."""
    source, kept, told = Source(), list[TransactionId](), asyncio.Event()

    async def late_refusal(ids: list[TransactionId]) -> list[Outcome]:
        if not kept:
            kept.append(ids[0])
        refusals = [Outcome(kept[0], Stage.REFUSED, "SIGNER_REVOKED")] if second.asked and not told.is_set() else []
        if refusals:
            told.set()
        return [*refusals, *(committed(one) for one in ids if one not in kept)]

    async def fail(_: object) -> list[Outcome]:
        await told.wait()
        await asyncio.sleep(0.1)
        return [Outcome(kept[0], Stage.REFUSED, "ROLE_REFUSED")]

    first.script["SubmitMany"], second.script["SubmitMany"] = [late_refusal] * 10_000, [fail]
    found = {}
    async for outcome in client.submit_many(source):
        found[outcome.transaction_id] = outcome.code
        source.ended = source.ended or outcome.code != "OK"
    assert found[kept[0]] == "SIGNER_REVOKED"
    assert len(found) == len(source.sent)


async def test_a_false_duplicate_does_not_hold_a_stream_up(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """A node that says it has them all and never what became of them is left like a silent one."""
    first.script["SubmitMany"], first.script["CommitStatus"] = ["TRANSACTION_DUPLICATE"], [SILENCE]
    outcomes = [outcome async for outcome in client.submit_many([signed("a"), signed("b")])]
    assert [outcome.succeeded for outcome in outcomes] == [True, True]
    assert batches(second)


async def test_a_network_that_stands_still_is_waited_for(
    client: LedgerClient, first: ScriptedNode, second: ScriptedNode
) -> None:
    """Silence everywhere is no failure: the nodes are asked in turn until one answers, ever more patiently."""
    first.script["SubmitMany"] = [SILENCE] * 3
    second.script["SubmitMany"] = [SILENCE] * 3
    (outcome,) = [outcome async for outcome in client.submit_many([signed()])]
    assert outcome.succeeded
