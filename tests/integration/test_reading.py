"""Reading from a running node: levels, past heights, blocks, events, proofs."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise

import pytest

from ledgernode.client import CERTIFIED, Ledger, ReadLevel, Signer
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import (
    BadProof,
    BadRequest,
    BudgetExceeded,
    HeightNotReached,
    MalformedTransaction,
    TransactionExpired,
    UnknownBlock,
    UnknownTransaction,
)
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.keys import verify
from ledgernode.proof import check_proof
from ledgernode.wire.block import header_hash, parse_header
from ledgernode.wire.genesis import parse_genesis
from ledgernode.wire.types import Height, TransactionId, sha256
from ledgernode.wire.validators import parse_certificate
from tests.running import NodeProcess, Person, now_ms

pytestmark = pytest.mark.slow


def put(ledger: Ledger, person: Person, key: str, text: str) -> Height:
    return ledger.submit("notebook", "put", {"key": key, "text": text}, signer=person.signer).height


def test_levels_of_reading(ledger: Ledger, anna: Person) -> None:
    """Newest, at least a height, linearizable and certified see what was committed; a past height does not."""
    first = put(ledger, anna, "level", "one")
    second = put(ledger, anna, "level", "two")
    ask = ("notebook", "get", {"key": "level"})
    for level, height in (("local", 0), ("at-least", second), ("linearizable", 0), (CERTIFIED, 0)):
        answer = ledger.evaluate(*ask, signer=anna.signer, level=level, height=height)
        assert (json.loads(answer.result), answer.height) == ("two", second)
    past = ledger.evaluate(*ask, signer=anna.signer, level=ReadLevel.AT_HEIGHT, height=first)
    assert (json.loads(past.result), past.height) == ("one", first)


def test_a_height_that_does_not_come_is_not_waited_for_for_ever(node: NodeProcess, anna: Person) -> None:
    """The caller's deadline bounds the wait."""
    with node.ledger(anna, timeout_ms=1_500) as ledger:
        for level in (ReadLevel.AT_LEAST, ReadLevel.AT_HEIGHT):
            with pytest.raises(HeightNotReached):
                ledger.evaluate("notebook", "count", {}, signer=anna.signer, level=level, height=1 << 40)


def test_at_least_waits_for_the_block(ledger: Ledger, node: NodeProcess, anna: Person) -> None:
    """A question for a height to come is answered as soon as it has come."""
    following = ledger.facts().height + 1
    writer = threading.Timer(0.2, put, (ledger, anna, "later", "here"))
    writer.start()
    with node.ledger(anna) as other:
        ask = ("notebook", "get", {"key": "later"})
        answer = other.evaluate(*ask, signer=anna.signer, level="at-least", height=following)
    writer.join()
    assert json.loads(answer.result) == "here"


def test_a_heavy_question_runs_beside_the_others(ledger: Ledger, anna: Person) -> None:
    """One that needs more than a moment's budget gets all it declares, and no more."""
    heavy = ("notebook", "toil", {"turns": 100_000})
    assert ledger.evaluate(*heavy, signer=anna.signer).result == b"100000"
    for budget in (50_000, 150_000):
        with pytest.raises(BudgetExceeded):
            ledger.evaluate(*heavy, signer=anna.signer, budget=budget)


def test_old_and_numbered_questions_are_refused(ledger: Ledger, anna: Person) -> None:
    """A captured question cannot be asked again later."""
    old = Signer(anna.key, chain_id=anna.signer.chain_id, clock_ms=lambda: now_ms() - 200_000)
    with pytest.raises(TransactionExpired):
        ledger.evaluate("notebook", "count", {}, signer=old)
    with pytest.raises(MalformedTransaction):
        ledger.evaluate("notebook", "count", {}, signer=Sequenced(anna))


class Sequenced(Signer):
    """Signs questions with a sequence number, which no question has."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.key, chain_id=person.signer.chain_id)

    def _nonce(self):  # type: ignore[no-untyped-def]
        from ledgernode.wire.transaction import Sequence

        return Sequence(5)


# ---------------------------------------------------------------- blocks


def test_blocks_are_found_by_height_hash_and_place(ledger: Ledger, anna: Person) -> None:
    """All three name the same block, whose certificate holds against the genesis file."""
    height = put(ledger, anna, "block", "1")
    block = ledger.block(height)
    header = parse_header(block.header)
    assert header.height == height
    assert ledger.block(header_hash(header)) == ledger.block() == block
    genesis = parse_genesis(anna_genesis(anna))
    check_certificate(header, parse_certificate(block.certificate), founding_set(genesis), verify)
    assert ledger.block(Height(0)).certificate == b""


def anna_genesis(anna: Person) -> bytes:
    return (anna.directory.parents[3] / "genesis.json").read_bytes()


def test_blocks_that_do_not_exist_are_unknown(ledger: Ledger) -> None:
    """Neither a height to come nor a hash of nothing."""
    with pytest.raises(UnknownBlock):
        ledger.block(Height(1 << 40))
    with pytest.raises(UnknownBlock):
        ledger.block(sha256(b"nothing"))


def test_a_stream_of_blocks_is_whole_and_goes_on(ledger: Ledger, node: NodeProcess, anna: Person) -> None:
    """From genesis each height once, linked by hash, and then new ones as they come."""
    head = ledger.facts().height
    headers = [parse_header(block.header) for block in ledger.blocks(0, to_height=head, headers_only=True)]
    assert [header.height for header in headers] == list(range(head + 1))
    assert all(header_hash(a) == b.parent_hash for a, b in pairwise(headers))
    live = ledger.blocks(head + 1)
    with node.ledger(anna) as other:
        put(other, anna, "live", "1")
    assert parse_header(next(live).header).height == head + 1
    live.close()


# ---------------------------------------------------------------- events


def test_events_are_filtered_and_resumable(ledger: Ledger, node: NodeProcess, anna: Person) -> None:
    """By contract and name, each with the place from which to go on."""
    start = ledger.facts().height + 1
    for key in ("e1", "e2"):
        ledger.submit("notebook", "write_once", {"key": key, "text": "x"}, signer=anna.signer)
    end = ledger.facts().height
    written = list(ledger.events(start, contract="notebook", names=("Written",), to_height=end))
    assert [json.loads(event.payload) for event in written] == [{"key": "e1"}, {"key": "e2"}]
    assert [event.number for event in written] == [1, 1]
    assert list(ledger.events(start, names=("Vanished",), to_height=end)) == []
    assert list(ledger.events(written[1].height, contract="notebook", to_height=end)) == written[1:]
    live = ledger.events(end + 1, contract="notebook")
    with node.ledger(anna) as other:
        other.submit("notebook", "write_once", {"key": "e3", "text": "x"}, signer=anna.signer)
    assert json.loads(next(live).payload) == {"key": "e3"}
    live.close()


# ---------------------------------------------------------------- proofs, look-ups


def test_a_proof_fetched_online_checks_offline(ledger: Ledger, anna: Person) -> None:
    """With the genesis file only; one changed byte breaks it."""
    outcome = ledger.submit("notebook", "put", {"key": "proof", "text": "x"}, signer=anna.signer)
    proof = ledger.proof(outcome.transaction_id)
    check_proof(proof, anna_genesis(anna))
    with pytest.raises(BadProof):
        check_proof(proof.replace(b"0", b"1", 1), anna_genesis(anna))


def test_one_element_of_a_batch_is_proven_alone(ledger: Ledger, anna: Person) -> None:
    """Its neighbours are not in the proof."""
    outcome = ledger.submit("notebook", "write_many", {"notes": ["alpha", "beta", "gamma"]}, signer=anna.signer)
    proof = ledger.proof(outcome.transaction_id, 1)
    checked = check_proof(proof, anna_genesis(anna))
    assert b"beta" in str(checked).encode()
    assert b"alpha".hex().encode() not in proof


def test_unknown_transactions_are_unknown(ledger: Ledger) -> None:
    """By every look-up, and an id is an id."""
    nothing = TransactionId(sha256(b"nothing"))
    for look in (ledger.transaction, ledger.proof):
        with pytest.raises(UnknownTransaction):
            look(nothing)
    with pytest.raises(BadRequest):
        ledger.transaction(TransactionId(b"short"))


def test_facts_tell_what_a_signer_needs(ledger: Ledger, node: NodeProcess) -> None:
    """Chain id, limits and head."""
    facts = ledger.facts()
    assert facts.chain_id == node.network.chain_id
    assert (facts.ledger, facts.engine, facts.validators) == ("test", "solo", 1)
    assert facts.header_hash == header_hash(parse_header(ledger.block().header))


def test_an_idle_ledger_makes_no_blocks(ledger: Ledger) -> None:
    """Without transactions and due timers the height stays."""
    height = ledger.facts().height
    time.sleep(1.2)
    assert ledger.facts().height == height


def test_a_due_timer_makes_a_block(ledger: Ledger, anna: Person) -> None:
    """A contract is called at its time though no transaction comes; the call has a receipt and a proof."""
    due_ms = now_ms() + 700
    set_at = ledger.submit("notebook", "remind", {"name": "bell", "due_ms": due_ms}, signer=anna.signer).height
    event = next(ledger.events(set_at + 1, names=("Remembered",)))
    assert json.loads(event.payload) == {"key": "bell"}
    assert due_ms <= event.time_ms <= due_ms + 500
    found = ledger.transaction(event.transaction_id)
    assert found.envelope == b""
    check_proof(ledger.proof(event.transaction_id), anna_genesis(anna))
