"""Submissions: joining a wait, the door, back-pressure, streams; subscribers that are bounded."""

from __future__ import annotations

import asyncio

import pytest

from ledgernode.client import Signer
from ledgernode.config import RETRY_ADVICE_MS
from ledgernode.errors import (
    DuplicateTransaction,
    ExpiredSigner,
    MempoolFull,
    RateLimited,
    RevokedSigner,
    SequenceReplayed,
    SuspendedSigner,
    UnknownSigner,
)
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.subscriptions import EventFilter, Subscriptions
from ledgernode.node.waiting import Inbox
from ledgernode.wire.answers import Stage, Wait
from tests.node.conftest import House
from tests.running import Person


async def commit(served: ServedLedger, signed) -> str:  # type: ignore[no-untyped-def]
    return (await served.submissions.submit(signed.envelope, Wait.COMMITTED, 20)).code


async def newcomer(house: House, served: ServedLedger) -> Person:
    """A registered customer."""
    person = house.network.newcomer("north", "anna", Role.CUSTOMER)
    person.signer._clock_ms = house.clock
    register = ("identity", "register", {"certificate": person.certificate})
    assert await commit(served, house.network.admin.signer.transaction(*register, budget=100_000)) == "OK"
    return person


def told(person: Person, **options: object):  # type: ignore[no-untyped-def]
    return person.signer.transaction("identity", "suspend", {"identity": "0", "reason": "x"}, budget=10_000, **options)


async def test_a_second_sending_joins_the_first_ones_wait(house: House, served: ServedLedger) -> None:
    """Sent twice while it waits, both callers hear the one outcome."""
    one = house.remark()
    outcomes = await asyncio.gather(*(served.submissions.submit(one.envelope, Wait.COMMITTED, 20) for _ in range(2)))
    assert outcomes[0] == outcomes[1]
    assert served.chain.head.transactions == 1
    with pytest.raises(DuplicateTransaction):
        await served.submissions.submit(one.envelope, Wait.COMMITTED, 20)


async def test_a_full_mempool_pushes_back(house: House, standing: ServedLedger) -> None:
    """The fourth finds no room and is told when to retry; what waits is not disturbed."""
    for number in range(3):
        await standing.submissions.submit(house.remark(str(number)).envelope, Wait.ADMITTED, 5)
    with pytest.raises(MempoolFull) as refusal:
        await standing.submissions.submit(house.remark().envelope, Wait.ADMITTED, 5)
    assert refusal.value.facts["retry_ms"] == RETRY_ADVICE_MS
    inbox = Inbox()
    await standing.submissions.submit_many([house.remark("late").envelope], Wait.COMMITTED, inbox)
    (outcome,) = await inbox.take()
    assert (outcome.stage, outcome.code) == (Stage.REFUSED, "MEMPOOL_FULL")
    assert standing.status().mempool_transactions == 3


async def test_the_same_transaction_twice_in_a_batch_waits_once(house: House, standing: ServedLedger) -> None:
    """Both copies are answered, one is let in."""
    one, inbox = house.remark(), Inbox()
    await standing.submissions.submit_many([one.envelope, one.envelope, b"junk"], Wait.ADMITTED, inbox)
    stages = [(outcome.transaction_id == one.id, outcome.stage) for outcome in await inbox.take()]
    assert stages == [(True, Stage.ADMITTED), (True, Stage.ADMITTED), (False, Stage.REFUSED)]
    assert len(standing.mempool) == 1


async def test_the_door_knows_who_may_speak(house: House, served: ServedLedger) -> None:
    """Strangers, the suspended, the revoked, and those whose certificate ended are refused before a block."""
    anna = await newcomer(house, served)
    assert await commit(served, told(anna)) != "OK"
    stranger = Signer(PrivateKey.generate(), chain_id=house.network.chain_id, clock_ms=house.clock)
    impostor = Signer(
        PrivateKey.generate(), anna.signer.identity, chain_id=house.network.chain_id, clock_ms=house.clock
    )
    height = served.chain.head.height
    for signer in (stranger, impostor):
        with pytest.raises(UnknownSigner):
            await commit(served, signer.transaction("identity", "suspend", {}, budget=1))
    assert served.chain.head.height == height

    admin = house.network.admin.signer
    about = {"identity": anna.signer.identity.hex(), "reason": "a test"}
    assert await commit(served, admin.transaction("identity", "suspend", about, budget=100_000)) == "OK"
    with pytest.raises(SuspendedSigner):
        await commit(served, told(anna))
    assert await commit(served, admin.transaction("identity", "revoke", about, budget=100_000)) == "OK"
    with pytest.raises(RevokedSigner):
        await commit(served, told(anna))


async def test_a_certificate_that_ended_ends_the_key(house: House, served: ServedLedger) -> None:
    """By the time of the next block, which is the node's clock on an idle chain."""
    anna = await newcomer(house, served)
    house.clock.move(3 * 366 * 86_400_000)
    with pytest.raises(ExpiredSigner):
        await commit(served, told(anna))


async def test_a_used_number_is_a_replay_and_a_resend_a_duplicate(house: House, served: ServedLedger) -> None:
    """A device's number belongs to one transaction; that one sent again is told apart."""
    first = house.remark("first", sequence=7)
    await commit(served, first)
    with pytest.raises(DuplicateTransaction):
        await commit(served, first)
    with pytest.raises(SequenceReplayed):
        await commit(served, house.remark("other", sequence=7))


async def test_subscribers_are_bounded(served: ServedLedger) -> None:
    """One more than there is room for is refused; a place that was left is free again."""
    subscriptions = Subscriptions(served.chain, served.progress, limit=1)
    first = subscriptions.blocks(0)
    await anext(first)
    with pytest.raises(RateLimited):
        await anext(subscriptions.events(0, EventFilter()))
    await first.aclose()
    height, events = await anext(subscriptions.events(0, EventFilter()))
    assert (height, events) == (0, [])


async def test_a_slow_subscriber_misses_nothing(house: House, served: ServedLedger) -> None:
    """It reads on from the store where it stopped, however far the chain has gone meanwhile."""
    slow = served.subscriptions.events(1, EventFilter(names=frozenset({"IdentityRegistered"})))
    anna = await newcomer(house, served)
    for number in range(5):
        await commit(served, house.remark(str(number)))
    pages = []
    async for height, events in slow:
        pages.append((height, [event.name for event in events]))
        if height == served.progress.height:
            break
    assert [names for _, names in pages if names] == [["IdentityRegistered"]]
    assert anna.key
