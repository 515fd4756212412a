"""Who did not mine a block learns its miner from the receipts, and believes no peer about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ledgernode.errors import BadProof, StateDiverged
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.reward import Reward, encode_reward, miner_of
from ledgernode.identity.engine_options import BLOCK_REWARD_MINOR
from ledgernode.identity.keys import PrivateKey
from ledgernode.node.catching_up import checked
from ledgernode.node.ledger import ServedLedger
from ledgernode.store.chain import ChainStore
from ledgernode.store.memory import MemoryStore
from ledgernode.wire.answers import Block
from ledgernode.wire.block import Batch, encode_header, header_hash
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.quorum import quorum
from ledgernode.wire.receipt import encode_receipt, parse_receipt
from ledgernode.wire.roots import receipts_root
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Height, TimeMs
from ledgernode.wire.validators import Certificate, encode_certificate, vote_bytes
from tests.conditions import eventually
from tests.handmade import FOUNDED_MS, HandmadeNetwork

ENGINE = GenesisEngine("pow", {BLOCK_REWARD_MINOR: 50})


class Miners:
    """Four of them, and the chain that they have executed and certified. There is no currency: receipts say so."""

    def __init__(self) -> None:
        self.network = HandmadeNetwork(4, engine=ENGINE)
        self.chain = ChainStore.create(MemoryStore(), genesis_block(self.network.genesis_bytes))
        self.executor = Executor(self.chain)

    @property
    def members(self) -> list[str]:
        head = self.chain.validator_set(self.chain.head.next_set)
        return [member.identity.hex() for member in head.members]

    def mine(self, miner: int, envelopes: int = 2) -> Block:
        """The next block, found by this member, as a peer gives it."""
        head = self.chain.head
        sent = tuple(self.network.envelope() for _ in range(envelopes))
        batch = Batch(head.epoch, Height(head.height + 1), TimeMs(head.time_ms + 500), sent, miner)
        sealed = self.executor.execute(batch, [parse_transaction(raw) for raw in sent])
        header = sealed.header
        vote = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
        members = sealed.current_set.members
        signed = tuple((at, self.network.keys[members[at].identity].sign(vote)) for at in range(quorum(len(members))))
        certificate = Certificate(signed)
        self.chain.append([sealed], {header.height: certificate})
        return Block(encode_header(header), sealed.envelopes, sealed.receipts, encode_certificate(certificate))


@pytest.fixture
def miners() -> Miners:
    return Miners()


@pytest.fixture
async def observer(miners: Miners, tmp_path: Path) -> AsyncIterator[ServedLedger]:
    """A node that mines nothing, running."""
    key = PrivateKey.generate()
    served = ServedLedger(tmp_path / "data", miners.network.genesis_bytes, key, lambda: TimeMs(FOUNDED_MS + 60_000))
    served.start()
    yield served
    await served.stop()
    served.close()


def naming(block: Block, miner: str) -> Block:
    """The same block with receipts that name another miner."""
    first, *others = block.receipts
    told = msgspec.structs.replace(parse_receipt(first), result=encode_reward(Reward(0, miner)))
    return msgspec.structs.replace(block, receipts=(encode_receipt(told), *others))


async def test_every_miners_blocks_are_executed_as_they_were_mined(miners: Miners, observer: ServedLedger) -> None:
    """Whoever found them, and also those that pay nothing."""
    for miner in (2, 0, 3, 3, 1):
        block = miners.mine(miner)
        assert miner_of(block.receipts) == miners.members[miner]
        observer.driver.fetched(checked(block))
        observer.driver.fetched(checked(miners.mine(miner, envelopes=0)))
    await eventually(lambda: observer.driver.certified == 10)
    assert observer.chain.head == miners.chain.head


async def test_a_lie_about_the_miner_is_refused_and_no_divergence(miners: Miners, observer: ServedLedger) -> None:
    """Another member named, one of nowhere, or nobody: the peer is refused, and the next one's block is executed."""
    block = miners.mine(2)
    for lie in (naming(block, miners.members[0]), naming(block, "00" * 32)):
        with pytest.raises(BadProof, match="other receipts"):
            checked(lie)
    with pytest.raises(BadProof, match="other receipts"):
        checked(msgspec.structs.replace(block, receipts=block.receipts[1:]))
    observer.driver.fetched(checked(block))
    await eventually(lambda: observer.driver.certified == 1)
    assert (observer.driver.halted, observer.chain.head) == (None, miners.chain.head)


async def test_a_header_of_a_liars_own_counts_for_nothing(miners: Miners, observer: ServedLedger) -> None:
    """It may fit its receipts: it is not certified."""
    block = miners.mine(1)
    lie = naming(block, miners.members[0])
    header = msgspec.structs.replace(miners.chain.head, receipts_root=receipts_root(lie.receipts))
    observer.driver.fetched(checked(msgspec.structs.replace(lie, header=encode_header(header))))
    await eventually(lambda: not len(observer.driver._executing))
    observer.driver.fetched(checked(block))
    await eventually(lambda: observer.driver.certified == 1)
    assert (observer.driver.halted, observer.chain.head) == (None, miners.chain.head)


async def test_believing_it_would_be_a_divergence(miners: Miners, observer: ServedLedger) -> None:
    """What the check is for: executed for another miner the block is another one."""
    believed = msgspec.structs.replace(checked(miners.mine(2)), miner=miners.members[0])
    observer.driver.fetched(believed)
    await eventually(lambda: observer.driver.halted is not None)
    assert StateDiverged.code in str(observer.driver.halted)
