"""Submitting to a running node, over mutual TLS: outcomes, duplicates, streams, status."""

from __future__ import annotations

import json
import time

import pytest

from ledgernode.client import Ledger, Stage, Wait
from ledgernode.config import DEFAULT_WAIT_MS
from ledgernode.errors import CommitUnknown, ContractRefused, UnknownLedger
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId, sha256
from tests.running import LEDGER, NodeProcess, Person, notes

pytestmark = pytest.mark.slow


def test_what_is_committed_can_be_read_and_looked_up(ledger: Ledger, anna: Person) -> None:
    """The outcome, the state, the block and the transaction agree."""
    outcome = ledger.submit("notebook", "write_once", {"key": "k1", "text": "hello"}, signer=anna.signer)
    assert (outcome.stage, outcome.code, json.loads(outcome.result)) == (Stage.COMMITTED, "OK", "k1")
    answer = ledger.evaluate("notebook", "get", {"key": "k1"}, signer=anna.signer)
    assert (json.loads(answer.result), answer.height) == ("hello", ledger.facts().height)
    found = ledger.transaction(outcome.transaction_id)
    assert (found.height, found.position) == (outcome.height, outcome.position)
    assert parse_receipt(found.receipt).id == outcome.transaction_id
    block = ledger.block(outcome.height)
    assert block.receipts[outcome.position] == found.receipt
    assert found.envelope in block.envelopes


def test_a_contract_refusal_is_recorded_and_changes_nothing(ledger: Ledger, anna: Person) -> None:
    """It stands in its block with the contract's code; the state is as before."""
    call = ("notebook", "write_once", {"key": "once", "text": "first"})
    ledger.submit(*call, signer=anna.signer)
    with pytest.raises(ContractRefused) as refusal:
        ledger.submit("notebook", "write_once", {"key": "once", "text": "second"}, signer=anna.signer)
    assert refusal.value.facts["code"] == "notebook.ALREADY_WRITTEN"
    transaction_id = TransactionId(bytes.fromhex(str(refusal.value.facts["transaction_id"])))
    assert parse_receipt(ledger.transaction(transaction_id).receipt).code == "notebook.ALREADY_WRITTEN"
    assert json.loads(ledger.evaluate("notebook", "get", {"key": "once"}, signer=anna.signer).result) == "first"


def test_sending_again_takes_effect_once(ledger: Ledger, anna: Person) -> None:
    """The second sending of an envelope is answered with the outcome of the first."""
    signed = anna.signer.transaction("notebook", "write_once", {"key": "again", "text": "1"}, budget=10_000)
    first = ledger.submit_signed(signed)
    height = ledger.facts().height
    assert ledger.submit_signed(signed) == first
    assert ledger.facts().height == height


def test_a_device_that_stored_for_days_is_answered_alike(ledger: Ledger, anna: Person) -> None:
    """Sequence mode has no expiry, and a resend of it is a duplicate too."""
    signed = anna.signer.transaction("notebook", "put", {"key": "meter", "text": "1"}, budget=10_000, sequence=0)
    first = ledger.submit_signed(signed)
    assert ledger.submit_signed(signed) == first


def test_admitted_is_answered_before_the_block(ledger: Ledger, anna: Person) -> None:
    """Who does not wait gets its id; asking later gives the outcome."""
    call = {"key": "quick", "text": "1"}
    admitted = ledger.submit("notebook", "put", call, signer=anna.signer, wait=Wait.ADMITTED)
    assert (admitted.stage, admitted.height) == (Stage.ADMITTED, 0)
    assert ledger.status_of(admitted.transaction_id).succeeded


def test_a_stream_answers_each_with_refusals_in_between(ledger: Ledger, anna: Person, node: NodeProcess) -> None:
    """Good and bad in one stream: each has its outcome, and the good ones are in the chain."""
    good = notes(anna.signer, [f"s{number}" for number in range(300)])
    bad = notes(node.network.newcomer_unregistered().signer, ["nobody"])
    outcomes = {one.transaction_id: one for one in ledger.submit_many([*good[:150], *bad, *good[150:]])}
    assert all(outcomes[one.id].succeeded for one in good)
    assert (outcomes[bad[0].id].stage, outcomes[bad[0].id].code) == (Stage.REFUSED, "SIGNER_UNKNOWN")
    assert ledger.transaction(good[-1].id).envelope == good[-1].envelope


def test_never_is_said_only_when_chain_time_has_passed(ledger: Ledger, anna: Person) -> None:
    """An unknown id may still come until a block lies beyond its validity."""
    unknown = TransactionId(sha256(b"never sent"))
    facts = ledger.facts()
    with pytest.raises(CommitUnknown):
        ledger.status_of(unknown, wait_ms=100, valid_until_ms=facts.time_ms)
    assert ledger.status_of(unknown, wait_ms=0, valid_until_ms=facts.time_ms - 1).stage is Stage.NEVER
    with pytest.raises(CommitUnknown):
        ledger.status_of(unknown, wait_ms=0)


def test_a_wait_for_never_ends_with_the_block_that_decides(ledger: Ledger, anna: Person) -> None:
    """Who waits hears NEVER as soon as a block is beyond the validity."""
    unknown, until_ms = TransactionId(sha256(b"nor this")), ledger.facts().time_ms + 1
    time.sleep(0.01)
    ledger.submit("notebook", "put", {"key": "tick", "text": "1"}, signer=anna.signer)
    assert ledger.status_of(unknown, wait_ms=2_000, valid_until_ms=until_ms).stage is Stage.NEVER


def test_a_deadline_is_kept(node: NodeProcess, anna: Person) -> None:
    """The node answers before the caller's time is over, however long it would wait by itself."""
    with node.ledger(anna, timeout_ms=400) as ledger:
        started = time.monotonic()
        with pytest.raises(CommitUnknown):
            ledger.status_of(TransactionId(sha256(b"unknown")), wait_ms=0)
        assert time.monotonic() - started < DEFAULT_WAIT_MS / 1_000 / 2


def test_every_call_names_its_ledger(node: NodeProcess) -> None:
    """A name this node does not serve is refused as such."""
    with node.ledger() as connected:
        connected._client.ledger = "elsewhere"
        with pytest.raises(UnknownLedger, match="elsewhere"):
            connected.facts()
    assert LEDGER != "elsewhere"
