"""Blocks as documents: what `--json` prints, and in which order calls are shown."""

from __future__ import annotations

from ledgernode.cli.documents import block_document, calls_of
from ledgernode.wire.answers import Block
from ledgernode.wire.block import encode_header
from ledgernode.wire.types import Height
from ledgernode.wire.validators import encode_certificate
from tests.mined import REWARD_MINOR, MinedLedger


def as_sent(ledger: MinedLedger) -> Block:
    head, chain = ledger.chain.head, ledger.chain
    certificate = encode_certificate(chain.certificate(Height(head.height)))
    return Block(encode_header(head), chain.envelopes(head.height), chain.receipts(head.height), certificate)


def test_a_mined_block_shows_its_miner() -> None:
    """The reward is no timer's call, and stands before all others."""
    ledger = MinedLedger()
    ledger.pay(ledger.till, "allow_rewards", amount_minor=REWARD_MINOR)
    for code, amount_minor in (("OK", REWARD_MINOR), ("currency.REWARDS_SPENT", 0)):
        ledger.mine()
        document = block_document(as_sent(ledger))
        assert document["reward"]["result"] == {"amount_minor": amount_minor, "miner": ledger.miner.id}
        assert (document["reward"]["origin"], document["reward"]["code"], document["timers"]) == ("reward", code, [])
        assert calls_of(document) == [document["reward"], *document["transactions"]]


def test_other_blocks_have_no_reward() -> None:
    """The field is there, and empty."""
    ledger = MinedLedger()
    ledger.block(ledger.transfer())
    document = block_document(as_sent(ledger))
    assert document["reward"] is None
    assert calls_of(document) == document["transactions"]
