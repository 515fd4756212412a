"""Proofs: they hold against the genesis file alone, and no byte of them is idle."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadProof, LedgerError, UnknownBlock, UnknownTransaction
from ledgernode.proof import CheckedProof, build_transaction_proof, check_proof
from ledgernode.testing import TestLedger
from ledgernode.wire.block import encode_header, parse_header
from ledgernode.wire.types import Epoch, Height, TransactionId
from ledgernode.wire.validators import ValidatorSet, encode_certificate, encode_set, set_hash
from tests.handmade import HandmadeChain, HandmadeNetwork, reward_receipt, timer_receipt, transaction_id

KINDS = ["transaction", "item", "timer", "reward"]
READINGS = [{"meter": "A", "energy_mwh": 5}, {"meter": "B", "energy_mwh": 7}, {"meter": "Ä", "energy_mwh": 9}]
ARGUMENTS = json.dumps({"note": [1, 2, 3], "readings": READINGS}).encode()


class Scene:
    """A chain with a batch, a timer's call and two changes of the validator set, and proofs of all."""

    def __init__(self) -> None:
        self.network = network = HandmadeNetwork(4)
        self.chain = chain = HandmadeChain(network)
        self.early = network.envelope()
        chain.append([network.envelope(), self.early])
        first = chain.current.members
        chain.append([network.envelope()], next_members=[*first, network.newcomer("org5")])
        chain.append()
        chain.append(next_members=[*first[1:], network.newcomer("org6")])
        self.batch = network.envelope(ARGUMENTS)
        self.timer = timer_receipt(2)
        self.reward = reward_receipt(first[2].identity, 5)
        self.height = chain.append(
            [self.batch, network.envelope(ARGUMENTS)],
            timers=[self.reward, timer_receipt(1), self.timer],
            items=READINGS,
        )
        chain.append([network.envelope()])

    def prove(self, which: TransactionId, item: int | None = None) -> bytes:
        return build_transaction_proof(self.chain.store, self.network.genesis_bytes, which, item)

    def check(self, proof: bytes) -> Any:
        return check_proof(proof, self.network.genesis_bytes)


@lru_cache
def scene() -> Scene:
    return Scene()


@lru_cache
def proofs() -> dict[str, bytes]:
    found = scene()
    return {
        "transaction": found.prove(transaction_id(found.batch)),
        "item": found.prove(transaction_id(found.batch), 1),
        "timer": found.prove(found.timer.id),
        "reward": found.prove(found.reward.id),
    }


def test_a_transaction_is_proven_with_its_receipt_and_time() -> None:
    """After two changes of the validator set, from the genesis file alone."""
    checked = scene().check(proofs()["transaction"])
    assert (checked.kind, checked.height) == ("transaction", scene().height)
    assert checked.transaction.raw == scene().batch
    assert checked.receipt.id == checked.transaction.id
    assert checked.time_ms == scene().chain.store.header(scene().height).time_ms
    assert checked.item is None


def test_a_transaction_before_any_change_is_proven_too() -> None:
    """With no change to carry, the founding set signs."""
    proof = scene().prove(transaction_id(scene().early))
    assert json.loads(proof)["set_changes"] == []
    assert scene().check(proof).height == 1


@pytest.mark.parametrize("item", [0, 1, 2])
def test_one_reading_is_proven_without_showing_its_neighbours(item: int) -> None:
    """Neither the envelope nor another element is in the document."""
    proof = scene().prove(transaction_id(scene().batch), item)
    checked = scene().check(proof)
    assert json.loads(checked.item) == READINGS[item]
    assert (checked.kind, checked.transaction) == ("item", None)
    assert checked.receipt.id == transaction_id(scene().batch)
    for other in READINGS:
        shown = json.dumps(other, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode().hex().encode()
        assert (shown in proof) == (other == READINGS[item])


def test_a_timers_call_is_proven_by_its_receipt() -> None:
    """Nobody signed it; the receipt alone stands in the block."""
    checked = scene().check(proofs()["timer"])
    assert (checked.kind, checked.transaction, checked.receipt) == ("timer", None, scene().timer)


def test_a_miners_reward_is_proven_by_its_receipt() -> None:
    """Nobody signed it either; it says who found the block."""
    checked = scene().check(proofs()["reward"])
    assert (checked.kind, checked.transaction, checked.receipt) == ("reward", None, scene().reward)


def test_a_reward_is_no_timers_call() -> None:
    """Nor the other way round: the kind says what is proven."""
    for kind, other in (("reward", "timer"), ("timer", "reward")):
        with pytest.raises(BadProof, match="disagree"):
            scene().check(altered(json.loads(proofs()[kind]), ("kind",), lambda _, other=other: other))


@pytest.mark.parametrize("item", [-1, 3])
def test_an_element_that_the_batch_does_not_have_is_refused(item: int) -> None:
    """The receipt says how many there are."""
    with pytest.raises(UnknownTransaction, match="3 elements"):
        scene().prove(transaction_id(scene().batch), item)


def test_what_has_no_elements_proves_none() -> None:
    """A timer's call, and a transaction without a batch."""
    for which in (scene().timer.id, transaction_id(scene().early)):
        with pytest.raises(UnknownTransaction, match="0 elements"):
            scene().prove(which, 0)


def test_an_id_that_is_not_in_the_chain_is_refused() -> None:
    """Nothing is proven of it."""
    with pytest.raises(UnknownTransaction):
        scene().prove(TransactionId(bytes(32)))


def test_a_block_without_a_certificate_is_not_proven_yet() -> None:
    """Only certified blocks make proofs."""
    chain = HandmadeChain(scene().network)
    raw = scene().network.envelope()
    chain.certify = lambda *_: None  # type: ignore[assignment, method-assign, return-value]
    store = chain.store
    append = store.append
    store.append = lambda sealed, _: append(sealed)  # type: ignore[assignment, method-assign]
    chain.append([raw])
    with pytest.raises(UnknownBlock, match="no certificate yet"):
        build_transaction_proof(store, scene().network.genesis_bytes, transaction_id(raw))


# ---------------------------------------------------------------- nothing else holds


@given(st.sampled_from(KINDS), st.data())
def test_no_altered_byte_passes(kind: str, data: st.DataObject) -> None:
    """Whatever byte of the document is changed to whatever, the proof is refused, and in no other way."""
    raw = bytearray(proofs()[kind])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadProof):
        scene().check(bytes(raw))


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all texts and numbers of a document."""
    if isinstance(value, dict):
        return [found for key in value for found in leaves_of(value[key], (*path, key))]
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in leaves_of(inner, (*path, at))]
    return [] if value is None else [path]


def altered(document: Any, path: tuple[Any, ...], change: Any) -> bytes:
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = change(inner[path[-1]])
    return msgspec.json.encode(copy)


def flipped_at(at: int) -> Any:
    def change(value: Any) -> Any:
        if isinstance(value, int):
            return value + abs(at) + 1
        where = at % len(value)
        digit = "0" if value[where] != "0" else "1"
        return value[:where] + digit + value[where + 1 :]

    return change


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 1, 77, -1, -2])
def test_every_field_is_checked_at_its_beginning_middle_and_end(kind: str, at: int) -> None:
    """One digit of each field altered at a time, the document well formed again."""
    document = json.loads(proofs()[kind])
    assert msgspec.json.encode(document) == proofs()[kind], "the test writes documents as the product does"
    for path in leaves_of(document):
        with pytest.raises(BadProof):
            scene().check(altered(document, path, flipped_at(at)))


def test_every_part_is_needed() -> None:
    """A list with one entry fewer, twice, or in another order is refused."""
    document = json.loads(proofs()["transaction"])
    for path in [("set_changes",), ("receipt", "path"), ("envelope", "path")]:
        for change in (lambda part: part[1:], lambda part: part[:-1], lambda part: [*part, part[0]]):
            with pytest.raises(BadProof):
                scene().check(altered(document, path, change))
    with pytest.raises(BadProof, match="set change 1"):
        scene().check(altered(document, ("set_changes",), lambda part: part[::-1]))


@pytest.mark.parametrize("kind", KINDS)
def test_another_genesis_refuses_it(kind: str) -> None:
    """The chain id is the hash of the file, the first set is in it."""
    altered_name = scene().network.genesis_bytes.replace(b'"handmade"', b'"homemade"')
    with pytest.raises(BadProof, match="another ledger"):
        check_proof(proofs()[kind], altered_name)
    stranger = HandmadeNetwork(4)
    with pytest.raises(BadProof):
        check_proof(proofs()[kind], stranger.genesis_bytes)


def test_a_set_that_seats_itself_is_refused() -> None:
    """A forger with keys of its own cannot hand the ledger over to them."""
    forger = HandmadeNetwork(4)
    document = json.loads(proofs()["transaction"])
    change = document["set_changes"][0]
    header = parse_header(bytes.fromhex(change["header"]))
    own = ValidatorSet.of(Epoch(1), [forger.newcomer(f"org{number}") for number in range(4)])
    forged = msgspec.structs.replace(header, next_set=set_hash(own))
    seated = ValidatorSet.of(Epoch(0), own.members)
    certificate = HandmadeChain(forger).certify(forged, seated)
    document["set_changes"] = [
        {
            "header": encode_header(forged).hex(),
            "certificate": encode_certificate(certificate).hex(),
            "next_set": encode_set(own).hex(),
        }
    ]
    with pytest.raises(BadProof, match=r"set change 1: .* does not hold"):
        scene().check(msgspec.json.encode(document))


def test_the_members_of_an_ended_epoch_cannot_sign_later_blocks() -> None:
    """Leaving the set ends a validator's word: an old quorum's block needs the old epoch, and that has ended."""
    chain = HandmadeChain(scene().network)
    old = chain.current
    raw = scene().network.envelope()
    chain.append(next_members=[*old.members[1:], scene().network.newcomer("org7")])
    height = chain.append([raw])
    document = json.loads(build_transaction_proof(chain.store, scene().network.genesis_bytes, transaction_id(raw)))
    header = chain.store.header(height)
    backdated = msgspec.structs.replace(header, epoch=old.epoch, current_set=set_hash(old), next_set=set_hash(old))
    document["header"] = encode_header(backdated).hex()
    document["certificate"] = encode_certificate(chain.certify(backdated, old)).hex()
    with pytest.raises(BadProof, match=r"block: .*epoch"):
        scene().check(msgspec.json.encode(document))


def test_a_block_below_the_last_change_needs_no_later_set() -> None:
    """A proof that claims an old height for a later epoch is refused."""
    chain = HandmadeChain(scene().network)
    chain.append()
    chain.append(next_members=[*chain.current.members, scene().network.newcomer("org8")])
    raw = scene().network.envelope()
    height = chain.append([raw])
    document = json.loads(build_transaction_proof(chain.store, scene().network.genesis_bytes, transaction_id(raw)))
    lowered = msgspec.structs.replace(chain.store.header(height), height=Height(1))
    document["header"] = encode_header(lowered).hex()
    document["certificate"] = encode_certificate(chain.certify(lowered)).hex()
    with pytest.raises(BadProof, match="does not come after"):
        scene().check(msgspec.json.encode(document))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "form"),
        (b"\xff", "form"),
        (b"[]", "form"),
        (b"{}", "form"),
        (b"[" * 100_000, "form"),
        (b" " * (16 * 1024 * 1024 + 1), "at most"),
    ],
)
def test_what_is_no_proof_document_is_refused(raw: bytes, reason: str) -> None:
    """In form, before anything is computed."""
    with pytest.raises(BadProof, match=reason):
        scene().check(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(raw: bytes) -> None:
    """No input raises anything but the one refusal."""
    with pytest.raises(LedgerError):
        scene().check(raw)


def test_a_spaced_or_capital_document_is_refused() -> None:
    """The document has one form."""
    document = json.loads(proofs()["item"])
    with pytest.raises(BadProof, match="one form"):
        scene().check(json.dumps(document).encode())
    with pytest.raises(BadProof, match="lower-case"):
        scene().check(altered(document, ("header",), str.upper))


# ---------------------------------------------------------------- of a chain that was really executed

METERS = '''"""Keeps the last reading of each meter, and looks after itself."""

from chaincode.api import Context, Contract, transaction


class Meters(Contract):
    name = "meters"
    version = "1.0.0"

    @transaction(items="readings")
    def record(self, ctx: Context, readings: list[dict[str, int]]) -> int:
        ctx.put("last", readings[-1])
        ctx.schedule("look", ctx.time_ms + 1_000, "look")
        return len(readings)

    @transaction
    def look(self, ctx: Context) -> int:
        return ctx.time_ms
'''


def test_what_the_ledger_executed_is_proven(tmp_path: Path) -> None:
    """A transaction, one reading of its batch and the timer's call that it asked for."""
    (tmp_path / "meters.py").write_text(METERS)
    ledger = TestLedger()
    ledger.deploy(tmp_path / "meters.py")
    meter = ledger.identity("meter", role="meter")
    readings = [{"wh": 5, "at": 1}, {"wh": 7, "at": 2}]
    done = ledger.submit(meter, "meters", "record", readings=readings)
    (called,) = ledger.advance(seconds=2)
    which = TransactionId(done.receipt.id)

    def shown(which: TransactionId, item: int | None = None) -> CheckedProof:
        proof = build_transaction_proof(ledger.chain, ledger.genesis_bytes, which, item)
        return check_proof(proof, ledger.genesis_bytes)

    whole = shown(which)
    assert whole.transaction is not None
    assert (whole.transaction.body.creator, whole.receipt.result) == (meter.identity, b"2")
    assert [shown(which, item).item for item in (0, 1)] == [b'{"at":1,"wh":5}', b'{"at":2,"wh":7}']
    by_timer = shown(TransactionId(called.receipt.id))
    assert (by_timer.kind, by_timer.height) == ("timer", called.height)
    assert json.loads(by_timer.receipt.result) == by_timer.time_ms
