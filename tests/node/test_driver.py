"""The driver: effects in order, nothing told before it is durable, and a loud halt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from ledgernode.consensus.engine import (
    Engine,
    Event,
    LogEntry,
    ProposalAvailable,
    Ready,
    Send,
    Shown,
    Started,
    Ticked,
)
from ledgernode.consensus.solo import Solo
from ledgernode.errors import BadCertificate, BadGenesis, CommitUnknown, DiskFull, LedgerHalted, NodeStopping
from ledgernode.identity.keys import PrivateKey
from ledgernode.node.driver import Driver
from ledgernode.node.engine_log import EngineLog
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.surroundings import Alone
from ledgernode.store.failpoint import Action, arm
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.answers import Stage, Wait
from ledgernode.wire.block import Batch
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.types import Epoch, Height, identity_id
from ledgernode.wire.validators import Validator, ValidatorSet, set_hash
from tests.node.conftest import House


async def test_an_idle_driver_cuts_a_block_at_once(house: House, served: ServedLedger) -> None:
    """One transaction is one block, durable and certified when its sender hears of it."""
    outcome = await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    assert (outcome.stage, outcome.code, outcome.height) == (Stage.COMMITTED, "IDENTITY_UNKNOWN", 1)
    assert served.chain.certified_height == served.chain.head.height == 1


async def test_what_gathers_shares_a_block(house: House, served: ServedLedger) -> None:
    """All that waits when a block is cut goes into it, up to the limits."""
    waiting = [served.submissions.submit(house.remark(str(n)).envelope, Wait.COMMITTED, 20) for n in range(20)]
    outcomes = await asyncio.gather(*waiting)
    assert len({outcome.height for outcome in outcomes}) < 5
    assert sorted(outcome.position for outcome in outcomes if outcome.height == outcomes[-1].height)[0] == 0


async def test_a_halt_is_told_to_everyone_and_admits_nothing_more(house: House, served: ServedLedger) -> None:
    """A full disk at the write: nobody hears "committed", and the height stays."""
    arm("store.before_commit", action=Action.FULL)
    with pytest.raises(LedgerHalted, match="DISK_FULL"):
        await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    with pytest.raises(LedgerHalted):
        await served.submissions.submit(house.remark().envelope, Wait.ADMITTED, 5)
    with pytest.raises(LedgerHalted):
        await anext(served.subscriptions.blocks(1))
    assert (await anext(served.subscriptions.blocks(0))).header == served.lookups.block(None).header
    assert served.lookups.facts().height == served.chain.head.height == 0
    status = served.status()
    assert status.halted
    assert DiskFull.code in status.halt_reason


async def test_a_fault_of_our_own_halts(house: House, served: ServedLedger) -> None:
    """An unexpected error is no receipt: the ledger stops, and says what kind of error it was."""
    served.driver._executing._executor = None  # type: ignore[assignment]
    with pytest.raises(LedgerHalted, match="AttributeError"):
        await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)


async def test_a_key_that_is_not_in_the_set_does_not_serve(house: House) -> None:
    """A node whose key no epoch knows refuses to start, and gives the database back."""
    own, house.key = house.key, PrivateKey.generate()
    with pytest.raises(BadCertificate, match="not in the validator set"):
        house.open()
    house.key = own
    house.open()
    house.close()


async def test_a_stopping_ledger_commits_what_was_admitted(house: House, served: ServedLedger) -> None:
    """Everything admitted is in the chain when `stop` returns; nothing more is let in."""
    sent = [house.remark(str(number)) for number in range(10)]
    for one in sent:
        await served.submissions.submit(one.envelope, Wait.ADMITTED, 5)
    await served.stop()
    assert all(served.chain.locate(one.id) for one in sent)
    with pytest.raises(NodeStopping):
        await served.submissions.submit(house.remark().envelope, Wait.ADMITTED, 5)


async def test_what_a_stop_leaves_is_told(house: House, standing: ServedLedger) -> None:
    """A drain is bounded; who still waits afterwards is sent elsewhere."""
    waiting = asyncio.create_task(standing.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20))
    await asyncio.sleep(0)
    standing.driver.stop()
    house.clock.move(60_000)
    await standing.driver.run()
    with pytest.raises(NodeStopping):
        await waiting
    assert standing.chain.head.height == 0


async def test_a_restart_goes_on_where_the_chain_stands(house: House, served: ServedLedger) -> None:
    """The next block follows the last one, also when the clock was set back."""
    await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    await served.stop()
    house.close()
    house.clock.move(-30_000)
    again = house.open()
    again.start()
    outcome = await again.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    assert outcome.height == 2
    assert again.chain.header(Height(2)).time_ms > again.chain.header(Height(1)).time_ms
    await again.stop()


# ---------------------------------------------------------------- the order of effects


class Chatty:
    """Solo, with a promise to keep and a word to others in every proposal, and blocks two at a time."""

    def __init__(self, solo: Solo) -> None:
        self._solo = solo
        self.started: list[Started] = []

    def step(self, event: Event) -> Ready:
        if isinstance(event, Started):
            self.started.append(event)
        ready = self._solo.step(event)
        if not isinstance(event, ProposalAvailable):
            return ready
        following = self._solo.step(ProposalAvailable(event.now_ms, ()))
        return msgspec.structs.replace(
            ready,
            persist=(LogEntry(b"promise", b"kept"),),
            send=(Send(b"hello"),),
            deliver=ready.deliver + following.deliver,
        )


class Ears(Alone):
    """Hears what is sent."""

    def __init__(self, heard: Callable[[Sequence[Send]], None]) -> None:
        self._heard = heard

    def send(self, sends: Sequence[Send]) -> None:
        if sends:
            self._heard(sends)


def driver_with(served: ServedLedger, engine: Engine, heard: Callable[[Sequence[Send]], None]) -> Driver:
    parts = served.driver
    return Driver(
        chain=served.chain,
        executor=parts._executing._executor,
        head=served.head,
        make_engine=lambda _: engine,
        engine_log=parts._engine_log,
        network=Ears(heard),
        endorsement=served.endorsement,
        checker=parts._checker,
        mempool=served.mempool,
        announcement=served.announcement,
        accuse=served.accuser.notice,
        clock_ms=parts._clock_ms,
        log=parts._log,
    )


async def test_persist_then_send_then_deliver(house: House, standing: ServedLedger) -> None:
    """What is sent was promised on disk before, and is sent before anything is executed; two blocks, one write."""
    seen: list[tuple[int, tuple[LogEntry, ...]]] = []
    log = EngineLog(standing._kv)
    engine = Chatty(Solo(standing.endorsement.validators.epoch))
    driver = driver_with(standing, engine, lambda messages: seen.append((standing.chain.head.height, log.records())))
    standing.mempool.add(standing.submissions._admission.check(house.remark().envelope))
    driver.stop()
    await driver.run()
    assert seen == [(0, (LogEntry(b"promise", b"kept"),))]
    assert (standing.chain.head.height, standing.chain.certified_height) == (2, 2)
    assert [started.height for started in engine.started] == [0]
    again = Chatty(Solo(standing.endorsement.validators.epoch))
    following = driver_with(standing, again, lambda _: None)
    following.stop()
    await following.run()
    assert again.started[0].persisted == (LogEntry(b"promise", b"kept"),)


async def test_a_single_validator_has_nobody_to_send_to(house: House, standing: ServedLedger) -> None:
    """An engine that sends where there are no peers is our own fault, and halts."""
    engine = Chatty(Solo(standing.endorsement.validators.epoch))
    standing.driver._make_engine = lambda _: engine
    standing.mempool.add(standing.submissions._admission.check(house.remark().envelope))
    standing.driver.stop()
    await standing.driver.run()
    assert standing.driver.halted is not None
    assert "AssertionError" in str(standing.driver.halted)


async def test_a_certificate_that_the_engine_was_shown_is_taken(standing: ServedLedger) -> None:
    """As if a peer had given it to us: the block may lack it, and nobody else may hold it any more."""
    taken: list[tuple[Height, bytes]] = []
    standing.driver._certifying.take = lambda height, raw: taken.append((height, raw))  # type: ignore[method-assign]
    standing.driver._perform(Ready(shown=Shown(Height(3), b"proof")))
    assert taken == [(3, b"proof")]


def test_an_engine_that_is_not_there_is_refused(standing: ServedLedger) -> None:
    """By its name, with those that are."""
    with pytest.raises(BadGenesis, match="solo"):
        standing._make_engine_of(GenesisEngine("raft"), standing.endorsement.validators)


# ---------------------------------------------------------------- a new epoch


def handing_over(served: ServedLedger, house: House, key: PrivateKey) -> SealedBlock:
    """A block that hands over to a set of this one key."""
    batch = Batch(Epoch(0), Height(1), house.clock.now_ms, ())
    sealed = served.driver._executing._executor.execute(batch, [])
    following = ValidatorSet.of(Epoch(1), [Validator(identity_id(key.public_key), "north", key.public_key)])
    header = msgspec.structs.replace(sealed.header, next_set=set_hash(following))
    return msgspec.structs.replace(sealed, header=header, next_set=following)


async def test_a_new_epoch_begins_with_its_own_engine_and_set(house: House, standing: ServedLedger) -> None:
    """After the block that hands over, blocks are ordered and signed in the next epoch; not before it is certified."""
    block = handing_over(standing, house, house.key)
    standing.chain.append([block])
    standing.driver._stored([block])
    standing.driver._hand_over()
    assert standing.endorsement.validators.epoch == 0
    standing.driver._certifying.executed(block)
    standing.driver._hand_over()
    assert standing.endorsement.validators.epoch == 1
    assert standing.driver.engine is not None
    ready = standing.driver.engine.step(ProposalAvailable(house.clock.now_ms, ()))
    assert ready.deliver[0].epoch == 1


async def test_a_node_that_left_the_set_halts(house: House, standing: ServedLedger) -> None:
    """It cannot certify what follows, so it must not make it."""
    block = handing_over(standing, house, PrivateKey.generate())
    standing.chain.append([block])
    standing.driver._certifying.executed(block)
    with pytest.raises(BadCertificate):
        standing.driver._hand_over()


async def test_what_peers_say_of_blocks_outlives_the_epoch(house: House, standing: ServedLedger) -> None:
    """Messages for the engine of an epoch end with it; votes and certificates for its last blocks do not."""
    taken: list[Height] = []
    standing.driver._certifying.take = lambda height, _: taken.append(height)  # type: ignore[method-assign]
    steps: list[Event] = []
    former = standing.driver.engine = Solo(Epoch(0))
    former.step = lambda event: steps.append(event) or Ready()  # type: ignore[func-returns-value,method-assign]
    block = handing_over(standing, house, house.key)
    standing.chain.append([block])
    standing.driver.happened(Ticked(house.clock.now_ms))
    standing.driver.given(Height(1), b"a certificate")
    standing.driver._certifying.executed(block)
    standing.driver._hand_over()
    standing.driver._turn()
    assert taken == [1]
    assert not [event for event in steps if isinstance(event, Ticked)]


# ---------------------------------------------------------------- what can no longer be committed


async def test_what_expires_while_it_waits_is_never_committed(house: House, standing: ServedLedger) -> None:
    """It leaves the mempool with the block whose time has passed it, and its waiter hears NEVER."""
    early = house.remark("early")
    waiting = asyncio.create_task(standing.submissions.submit(early.envelope, Wait.COMMITTED, 20))
    await asyncio.sleep(0)
    # a block that leaves it out, as another leader's would
    standing.mempool.take = lambda limits: []  # type: ignore[method-assign]
    house.clock.move(121_000)
    standing.driver.stop()
    await standing.driver.run()
    outcome = await waiting
    assert (outcome.stage, outcome.code) == (Stage.NEVER, "NEVER")


async def test_lowered_limits_refuse_what_waits(house: House, standing: ServedLedger) -> None:
    """What fits no block under the new limits is refused to its waiter, not left to wait."""
    waiting = asyncio.create_task(standing.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20))
    await asyncio.sleep(0)
    standing.announcement.limits_changed(msgspec.structs.replace(standing.head.parameters, budget=1_000))
    assert (await waiting).stage is Stage.REFUSED
    assert len(standing.mempool) == 0


async def test_a_wait_is_bounded(house: House, standing: ServedLedger) -> None:
    """When the time is over the outcome is unknown; the transaction goes on waiting for its block."""
    one = house.remark()
    with pytest.raises(CommitUnknown) as unknown:
        await standing.submissions.submit(one.envelope, Wait.COMMITTED, 0.01)
    assert unknown.value.facts["transaction_id"] == one.id.hex()
    assert one.id in standing.mempool


async def test_a_batch_beyond_the_limits_makes_an_empty_block_where_order_comes_first(
    house: House, standing: ServedLedger
) -> None:
    """Its height stands in the log for all, so nobody skips it; what it held is offered again."""
    parts, limits = standing.driver, standing.head.parameters
    parts._executing._order_first = True
    low = msgspec.structs.replace(limits, budget=1)
    executor = parts._executing._executor
    executor.limits = lambda batch: low if batch.height == 1 else limits  # type: ignore[method-assign]
    standing.mempool.add(standing.submissions._admission.check(house.remark().envelope))
    parts.stop()
    await parts.run()
    assert parts.halted is None
    assert [standing.chain.header(Height(height)).transactions for height in (1, 2)] == [0, 1]
    assert (parts._executing.voided, len(standing.mempool)) == (1, 0)
