"""What every release left still holds: its blocks come out the same, its databases open and go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.outbox.store import OutboxStore
from ledgernode import __version__
from ledgernode.consensus.certifier import check_certificate
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.identity.keys import verify
from ledgernode.node.ledger import open_chain
from ledgernode.proof import build_transaction_proof, check_proof
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Table
from ledgernode.store.lattice import EMPTY
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.memory import MemoryStore
from ledgernode.wire.block import Batch, header_hash, parse_header
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Height, TimeMs
from tests.release.kept import Transcript, read_facts, read_outbox, read_transcript, releases, unpack

RELEASES = releases()


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_this_version_has_left_something() -> None:
    """Whatever is changed after it is held against it."""
    assert __version__ in [path.name for path in RELEASES]


@pytest.mark.slow
def test_every_block_comes_out_the_same(release: Path) -> None:
    """Executed again from genesis, by the rules of each height: the same headers (so commitments) and receipts."""
    transcript = read_transcript(release)
    assert transcript.version == release.name
    chain = replayed(transcript)
    facts = read_facts(release)
    assert (chain.head.height, header_hash(chain.head).hex()) == (facts.height, facts.head)
    assert chain.head.state_commitment.hex() == facts.state_commitment


def replayed(transcript: Transcript) -> ChainStore:
    chain = ChainStore.create(MemoryStore(), genesis_block(transcript.genesis))
    executor = Executor(chain)
    for told in transcript.blocks:
        header = parse_header(told.header)
        transactions = [parse_transaction(raw) for raw in told.envelopes]
        sealed = executor.execute(Batch(header.epoch, header.height, header.time_ms, told.envelopes), transactions)
        for position, (stored, computed) in enumerate(zip(told.receipts, sealed.receipts, strict=True)):
            assert stored == computed, f"block {header.height}, receipt {position}: {parse_receipt(computed)}"
        assert sealed.header == header
        chain.append([sealed])
    return chain


def test_a_transcript_goes_through_every_contract_and_kind_of_refusal(release: Path) -> None:
    """What is not in it would not be held against anything."""
    transcript = read_transcript(release)
    called, codes, origins = set(), set(), set()
    for told in transcript.blocks:
        called |= {parse_transaction(raw).body.contract for raw in told.envelopes}
        for raw in told.receipts:
            receipt = parse_receipt(raw)
            codes.add(receipt.code)
            origins.add(receipt.origin)
    assert called >= {
        "billing", "commands", "currency", "governance", "identity", "lifecycle", "market", "metering", "prepaid",
        "registry", "settlement", "tariff",
    }  # fmt: skip
    assert codes >= {
        "OK", "TRANSACTION_DUPLICATE", "SEQUENCE_REPLAYED", "SEQUENCE_TOO_FAR", "FUNCTION_UNKNOWN", "CONTRACT_UNKNOWN",
        "BUDGET_EXCEEDED",
    }  # fmt: skip
    assert len(origins) == 2


def test_a_database_opens_is_whole_and_goes_on(release: Path, tmp_path: Path) -> None:
    """Migrated where it is older: every record is there, proofs hold, and the next block follows."""
    facts, genesis = read_facts(release), read_transcript(release).genesis
    store = LmdbStore(unpack(release, "store", tmp_path))
    chain = open_chain(store, genesis)
    assert (header_hash(chain.head).hex(), chain.base) == (facts.head, facts.base)
    with store.reader() as reader:
        assert {str(table): reader.count(table) for table in Table} == facts.records
    with chain.state() as view:
        assert EMPTY.updated((), view.scan(b"", None)).commitment().hex() == facts.state_commitment
    proven = 0
    for height in map(Height, range(chain.base + 1, chain.head.height + 1)):
        header, certificate = chain.header(height), chain.certificate(height)
        check_certificate(header, certificate, chain.validator_set(header.current_set), verify)
        for raw in chain.receipts(height)[:1]:
            proof = build_transaction_proof(chain, genesis, parse_receipt(raw).id)
            proven += check_proof(proof, genesis).height == height
    assert proven > 10
    head = chain.head
    batch = Batch(head.epoch, Height(head.height + 1), TimeMs(head.time_ms + 1), ())
    chain.append([Executor(chain).execute(batch, [])])
    assert open_chain(store, genesis).head.height == facts.height + 1
    store.close()


def test_an_outbox_opens_with_all_that_waits(release: Path, tmp_path: Path) -> None:
    """What a device was told is safe, is safe over an upgrade."""
    store = OutboxStore(unpack(release, "outbox", tmp_path), entry_bytes=1 << 20, refused_kept=10)
    assert read_outbox(store) == read_facts(release).outbox
    assert len(read_facts(release).outbox) == 4
    store.close()
