"""Verification: a whole chain holds, and whatever is altered in it is found and named."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgernode import config
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import ChainInvalid, DatabaseDamaged
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.replay import remembered
from ledgernode.execution.reward import Reward, encode_reward, miner_of, seat_of
from ledgernode.identity.keys import verify
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Table
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import create_snapshot, restore_snapshot
from ledgernode.testing import TestLedger
from ledgernode.verification import Report, verify_chain
from ledgernode.wire.block import Batch, Header, encode_header, header_hash
from ledgernode.wire.receipt import encode_receipt, parse_receipt
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Height, sha256
from ledgernode.wire.validators import Certificate, encode_certificate, vote_bytes
from tests.mined import REWARD_MINOR, MinedLedger

COUNTER = '''"""A counter that also counts by a timer."""

from chaincode.api import Context, Contract, Refusal, transaction


class TooMuch(Refusal):
    """It counts to a hundred."""

    code = "TOO_MUCH"


class Counter(Contract):
    name = "counter"
    version = "1.0.0"

    @transaction
    def add(self, ctx: Context, amount: int) -> int:
        count = (ctx.get("count", int) or 0) + amount
        if count > 100:
            raise TooMuch("it counts to a hundred")
        ctx.put("count", count)
        ctx.emit("Counted", count=count)
        return count

    @transaction
    def later(self, ctx: Context, delay_ms: int) -> None:
        ctx.schedule("later", ctx.time_ms + delay_ms, "add", amount=1)
'''


@lru_cache
def filled() -> tuple[TestLedger, dict[Table, dict[bytes, bytes]]]:
    """A ledger with a contract, successes, refusals, a duplicate and a timer's call; and all that is stored of it."""
    ledger = TestLedger()
    source = Path(__file__).with_name("counter.py")
    try:
        source.write_text(COUNTER)
        ledger.deploy(source)
    finally:
        source.unlink(missing_ok=True)
    someone = ledger.identity("someone")
    ledger.submit(someone, "counter", "later", delay_ms=1_000)
    twice = ledger.sign(someone, "counter", "add", {"amount": 5})
    ledger.block(twice, ledger.sign(someone, "counter", "add", {"amount": 500}))
    ledger.block(twice, ledger.sign(someone, "counter", "add", {"amount": 7}, sequence=3))
    ledger.advance(seconds=2)
    ledger.submit(someone, "counter", "add", amount=1)
    with ledger.chain._kv.reader() as reader:
        return ledger, {table: dict(reader.scan(table)) for table in Table}


def opened(*writes: tuple[Table, bytes, bytes | None]) -> ChainStore:
    """A copy of the filled chain with these entries altered."""
    ledger, tables = filled()
    kv = MemoryStore()
    kv.write([(table, key, value) for table, rows in tables.items() for key, value in rows.items()])
    kv.write(list(writes))
    return ChainStore.open(kv, ledger.chain.chain_id)


def checked(chain: ChainStore) -> Report:
    return verify_chain(chain, filled()[0].genesis_bytes)


def reason_of(*writes: tuple[Table, bytes, bytes | None]) -> tuple[int, str]:
    with pytest.raises(ChainInvalid) as found:
        checked(opened(*writes))
    assert f"block {found.value.facts['height']}: {found.value.facts['reason']}" == str(found.value)
    return int(str(found.value.facts["height"])), str(found.value.facts["reason"])


def key_of(height: int) -> bytes:
    return height.to_bytes(8, "big")


def forged(change: Callable[[Header, list[bytes], list[bytes]], dict[str, Any]]) -> list[tuple[Table, bytes, bytes]]:
    """The head block, changed and signed anew: what a validator that cheats could write."""
    ledger, _ = filled()
    head = ledger.chain.head
    envelopes, receipts = list(ledger.chain.envelopes(head.height)), list(ledger.chain.receipts(head.height))
    fields = change(head, envelopes, receipts)
    header = msgspec.structs.replace(
        head,
        **{
            "transaction_root": transaction_root([sha256(raw) for raw in envelopes]),
            "receipts_root": receipts_root(receipts),
            "transactions": len(envelopes),
            "receipts": len(receipts),
            **fields,
        },
    )
    hashed, at = header_hash(header), key_of(head.height)
    signature = ledger._validator.key.sign(vote_bytes(header.chain_id, header.epoch, header.height, hashed))
    return [
        (Table.HEADERS, at, encode_header(header)),
        (Table.HASHES, hashed, at),
        (Table.BATCHES, at, msgspec.msgpack.encode(envelopes)),
        (Table.RECEIPTS, at, msgspec.msgpack.encode(receipts)),
        (Table.CERTIFICATES, at, encode_certificate(Certificate(((0, signature),)))),
    ]


# ---------------------------------------------------------------- what holds


def test_a_chain_that_holds_is_reported_whole() -> None:
    """With its blocks and transactions counted, and progress told to the end."""
    ledger, _ = filled()
    seen: list[tuple[int, int]] = []
    report = verify_chain(ledger.chain, ledger.genesis_bytes, progress=lambda done, total: seen.append((done, total)))
    head = ledger.height
    assert (report.head, report.blocks, report.from_height) == (ledger.chain.head, head + 1, 0)
    assert report.transactions == sum(ledger.chain.header(Height(h)).transactions for h in range(head + 1))
    assert (report.certified_height, report.re_executed) == (head, True)
    assert seen == [(height, head) for height in range(1, head + 1)]
    assert 0 < report.seconds < 60


def test_a_chain_of_genesis_alone_holds() -> None:
    """Nothing has happened yet."""
    ledger = TestLedger()
    assert verify_chain(ledger.chain, ledger.genesis_bytes).blocks == 1


def test_blocks_are_written_in_groups_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are saved at a time."""
    monkeypatch.setattr(config, "VERIFY_BLOCKS_PER_WRITE", 2)
    assert checked(opened()).re_executed


# ---------------------------------------------------------------- what does not


def test_another_genesis_file_is_not_this_chains() -> None:
    """The first block says so."""
    other = TestLedger()
    with pytest.raises(ChainInvalid, match="block 0: it is not the block that the genesis file makes"):
        verify_chain(filled()[0].chain, other.genesis_bytes)


@pytest.mark.parametrize(
    ("table", "reason"),
    [(Table.BATCHES, "transaction root"), (Table.RECEIPTS, "receipts root")],
)
def test_an_altered_part_of_a_block_is_found(table: Table, reason: str) -> None:
    """Its root is another one."""
    height = filled()[0].height - 2
    raw = filled()[1][table][key_of(height)]
    assert reason in reason_of((table, key_of(height), raw[:-1] + bytes([raw[-1] ^ 1])))[1]


def test_a_lost_part_of_a_block_is_found() -> None:
    """In the middle of the chain."""
    assert reason_of((Table.RECEIPTS, key_of(3), None))[0] == 3
    assert reason_of((Table.HEADERS, key_of(3), None))[0] == 3


def test_a_missing_envelope_is_found() -> None:
    """The header says how many there are."""
    height = filled()[0].height
    assert reason_of((Table.BATCHES, key_of(height), msgspec.msgpack.encode([]))) == (
        height,
        "it has another number of transactions or receipts than its header says",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parent_hash": bytes(32)}, "it names another parent than the block before it"),
        ({"time_ms": 5}, "its time 5 is not after"),
        ({"current_set": bytes(32)}, "not of the validator set that its parent named"),
        ({"next_set": bytes(32)}, "its header has another next set"),
        ({"epoch": 1}, "it is of epoch 1, its parent of epoch 0"),
    ],
)
def test_a_header_that_does_not_follow_is_found(changes: dict[str, Any], reason: str) -> None:
    """Though a validator signed it."""
    height, found = reason_of(*forged(lambda *_: changes))
    assert (height, reason in found) == (filled()[0].height, True), found


def test_a_header_in_another_place_is_found() -> None:
    """Block 2 stored as block 3."""
    raw = filled()[1][Table.HEADERS][key_of(2)]
    assert reason_of((Table.HEADERS, key_of(3), raw)) == (3, "its header is of another height or another ledger")


def test_an_unsigned_envelope_is_found() -> None:
    """Though its block is certified."""

    def unsign(_: Header, envelopes: list[bytes], __: list[bytes]) -> dict[str, Any]:
        envelopes[0] = envelopes[0][:65] + bytes(64) + envelopes[0][129:]
        return {}

    assert reason_of(*forged(unsign)) == (filled()[0].height, "the signature of envelope 0 does not hold")


def test_an_envelope_of_another_ledger_is_found() -> None:
    """Signed and certified, but not for this chain."""
    other = TestLedger()
    stranger = other.sign(other.admin(), "counter", "add", {"amount": 1}).raw

    def put_in(_: Header, envelopes: list[bytes], __: list[bytes]) -> dict[str, Any]:
        envelopes[0] = stranger
        return {}

    assert reason_of(*forged(put_in))[1] == "envelope 0 holds no transaction of this ledger"


def test_an_invented_result_is_found() -> None:
    """A validator that signs what the contract did not answer."""

    def invent(_: Header, __: list[bytes], receipts: list[bytes]) -> dict[str, Any]:
        receipts[0] = encode_receipt(msgspec.structs.replace(parse_receipt(receipts[0]), result=b"99"))
        return {}

    assert reason_of(*forged(invent)) == (filled()[0].height, "executed again, receipt 0 is another one")


def test_an_invented_receipt_is_found() -> None:
    """A timer's call that never was, before the others."""

    def invent(_: Header, __: list[bytes], receipts: list[bytes]) -> dict[str, Any]:
        receipts.append(receipts[0])
        return {}

    assert reason_of(*forged(invent))[1] == "executed again, it has 1 receipts, not 2"


def test_a_forged_certificate_is_found() -> None:
    """Another signature than the validator's."""
    raw = filled()[1][Table.CERTIFICATES][key_of(4)]
    height, reason = reason_of((Table.CERTIFICATES, key_of(4), raw[:-1] + bytes([raw[-1] ^ 1])))
    assert (height, "does not hold" in reason) == (4, True)


def test_a_lost_certificate_is_found() -> None:
    """Below the height up to which all are certified."""
    assert reason_of((Table.CERTIFICATES, key_of(4), None)) == (4, "block 4 has no certificate yet")


def test_an_altered_state_is_found() -> None:
    """No block was touched, and yet the balance is another."""
    key, record = next((key, value) for key, value in filled()[1][Table.STATE].items() if key.startswith(b"counter"))
    reason = "the stored state has not the commitment of its header"
    altered = record[:-1] + bytes([record[-1] ^ 1])
    assert reason_of((Table.STATE, key, altered)) == (filled()[0].height, reason)
    assert reason_of((Table.STATE, key, None)) == (filled()[0].height, reason)
    assert reason_of((Table.STATE, key + b"x", record)) == (filled()[0].height, reason)


def test_a_lost_index_entry_is_found() -> None:
    """A transaction that cannot be looked up might be taken twice; a timer's call could not be proven."""
    keys = list(filled()[1][Table.INDEX])
    assert len(keys) > 5
    for key in keys:
        assert "the index does not find" in reason_of((Table.INDEX, key, None))[1]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([Table.HEADERS, Table.BATCHES, Table.RECEIPTS, Table.CERTIFICATES, Table.STATE]), st.data())
def test_no_altered_byte_of_a_chain_passes(table: Table, data: st.DataObject) -> None:
    """Wherever it is: found when it is opened, or by verification."""
    rows = filled()[1][table]
    key = data.draw(st.sampled_from(sorted(rows)))
    raw = bytearray(rows[key])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ChainInvalid, DatabaseDamaged)):
        checked(opened((table, key, bytes(raw))))


# ---------------------------------------------------------------- from a snapshot


def restored(tmp_path: Path) -> ChainStore:
    """The same ledger on a node that began from a snapshot and went on."""
    ledger, _ = filled()
    base = Height(ledger.height - 3)
    create_snapshot(ledger.chain, tmp_path / "snapshot", height=base)
    chain = restore_snapshot(
        tmp_path / "snapshot",
        MemoryStore(),
        genesis_block(ledger.genesis_bytes),
        check_certificate=lambda header, certificate, members: check_certificate(header, certificate, members, verify),
        remembered=remembered,
    )
    executor = Executor(chain)
    for height in range(base + 1, ledger.height + 1):
        header, envelopes = ledger.chain.header(Height(height)), ledger.chain.envelopes(Height(height))
        batch = Batch(header.epoch, header.height, header.time_ms, envelopes)
        sealed = executor.execute(batch, [parse_transaction(raw) for raw in envelopes])
        chain.append([sealed], {header.height: ledger.chain.certificate(header.height)})
    return chain


def test_a_chain_from_a_snapshot_is_verified_from_there(tmp_path: Path) -> None:
    """And the report says where it began."""
    report = checked(restored(tmp_path))
    assert (report.from_height, report.blocks, report.re_executed) == (filled()[0].height - 3, 4, True)


def test_an_old_snapshots_blocks_are_checked_without_execution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the state there is out of the window; the report says so."""
    chain = restored(tmp_path)
    monkeypatch.setattr(config, "READABLE_PAST_HEIGHTS", 2)
    assert not checked(chain).re_executed


def test_an_altered_block_after_a_snapshot_is_found(tmp_path: Path) -> None:
    """As anywhere else."""
    chain = restored(tmp_path)
    at = key_of(chain.head.height - 1)
    with chain._kv.reader() as reader:
        raw = reader.get(Table.RECEIPTS, at)
    assert raw is not None
    chain._kv.write([(Table.RECEIPTS, at, raw[:-1] + bytes([raw[-1] ^ 1]))])
    with pytest.raises(ChainInvalid, match="receipts root"):
        checked(chain)


# ---------------------------------------------------------------- mined blocks


def mined() -> MinedLedger:
    """Blocks that paid their miner, some that had nothing to pay, and one after the allowance was spent."""
    ledger = MinedLedger()
    ledger.pay(ledger.till, "allow_rewards", amount_minor=3 * REWARD_MINOR)
    for _ in range(4):
        ledger.mine()
        ledger.block(miner=0)
    return ledger


def test_mined_blocks_are_executed_again_for_the_miners_they_name(tmp_path: Path) -> None:
    """From genesis, and from a snapshot in the midst of them."""
    ledger = mined()
    assert verify_chain(ledger.chain, ledger.genesis_bytes).re_executed
    base = Height(ledger.height - 5)
    create_snapshot(ledger.chain, tmp_path / "snapshot", height=base)
    chain = restore_snapshot(
        tmp_path / "snapshot",
        MemoryStore(),
        genesis_block(ledger.genesis_bytes),
        check_certificate=lambda header, certificate, members: check_certificate(header, certificate, members, verify),
        remembered=remembered,
    )
    executor = Executor(chain)
    for height in range(base + 1, ledger.height + 1):
        header, envelopes = ledger.chain.header(Height(height)), ledger.chain.envelopes(Height(height))
        miner = seat_of(miner_of(ledger.chain.receipts(Height(height))), chain.validator_set(header.current_set))
        batch = Batch(header.epoch, header.height, header.time_ms, envelopes, miner)
        sealed = executor.execute(batch, [parse_transaction(raw) for raw in envelopes])
        assert sealed.header == header
        chain.append([sealed], {header.height: ledger.chain.certificate(header.height)})
    report = verify_chain(chain, ledger.genesis_bytes)
    assert (report.from_height, report.re_executed) == (base, True)


@pytest.mark.parametrize("change", [{"miner": "00" * 32}, {"amount_minor": 7}])
def test_a_block_that_was_certified_with_another_reward_is_found(change: dict[str, Any]) -> None:
    """Though everyone who may sign has signed it: it is not what execution gives."""
    ledger = mined()
    ledger.mine()
    head = ledger.chain.head
    paid, other = ledger.chain.receipts(head.height)
    due = msgspec.structs.replace(Reward(0, ledger.miner.id), **change)
    told = encode_receipt(msgspec.structs.replace(parse_receipt(paid), result=encode_reward(due)))
    header = msgspec.structs.replace(head, receipts_root=receipts_root((told, other)))
    hashed, at = header_hash(header), key_of(head.height)
    signature = ledger._validator.key.sign(vote_bytes(header.chain_id, header.epoch, header.height, hashed))
    ledger.chain._kv.write(
        [
            (Table.HEADERS, at, encode_header(header)),
            (Table.HASHES, hashed, at),
            (Table.RECEIPTS, at, msgspec.msgpack.encode((told, other))),
            (Table.CERTIFICATES, at, encode_certificate(Certificate(((0, signature),)))),
        ]
    )
    with pytest.raises(ChainInvalid, match="executed again, receipt 0 is another one"):
        verify_chain(ChainStore.open(ledger.chain._kv, ledger.chain.chain_id), ledger.genesis_bytes)
