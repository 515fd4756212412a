"""Evidence: it holds for who knows a validator set, and no byte of it is idle."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.evidence import evidence_of
from ledgernode.errors import BadProof
from ledgernode.evidence import Evidence, Shown, check_evidence, encode_evidence, place_of
from ledgernode.identity.keys import verify
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.types import Epoch, Height, TimeMs, TransactionId
from tests.devices.meter.sayings import METER, Saying


@lru_cache
def scene() -> tuple[Saying, bytes, int]:
    """An event after two changes of the validators."""
    saying = Saying()
    saying.change()
    saying.change()
    evidence, place = saying.say("SupplyBlocked", "prepaid", meter=METER)
    return saying, evidence, place


def check(raw: bytes) -> Shown:
    saying, _, _ = scene()
    return check_evidence(raw, saying.chain_id, {Epoch(0): saying.founders}, verify)


def test_an_event_is_shown_with_its_place_its_time_and_the_sets_on_the_way() -> None:
    saying, evidence, place = scene()
    shown = check(evidence)
    assert (shown.event.contract, shown.event.name) == ("prepaid", "SupplyBlocked")
    assert shown.place == place
    assert place >> 32 == saying.chain.store.head.height
    assert shown.time_ms == saying.chain.store.head.time_ms
    assert [one.epoch for one in shown.sets] == [1, 2]
    assert shown.sets[-1] == saying.chain.current
    known = {one.epoch: one for one in shown.sets}
    assert check_evidence(evidence, saying.chain_id, known, verify).sets == ()


@given(st.data())
def test_no_altered_byte_is_believed(data: st.DataObject) -> None:
    """Wherever it is, whatever it becomes. Byte 1 chooses among the receipt's events: each of them was said."""
    _, evidence, _ = scene()
    at = data.draw(st.integers(0, len(evidence) - 1).filter(lambda at: at != 1))
    altered = bytearray(evidence)
    altered[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadProof):
        check(bytes(altered))


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(raw: bytes) -> None:
    with pytest.raises(BadProof):
        check(raw)


def test_who_knows_no_validators_believes_nothing() -> None:
    saying, evidence, _ = scene()
    with pytest.raises(BadProof, match="no validators"):
        check_evidence(evidence, saying.chain_id, {}, verify)


def test_a_forgotten_set_certifies_nothing() -> None:
    """Of an epoch before all that are known."""
    saying = Saying()
    evidence, _ = saying.say("SupplyBlocked", "prepaid", meter=METER)
    saying.change()
    with pytest.raises(BadProof, match="epoch 0"):
        check_evidence(evidence, saying.chain_id, {Epoch(1): saying.chain.current}, verify)


def test_a_handover_to_an_epoch_that_does_not_follow_is_refused() -> None:
    _, evidence, _ = scene()
    found = msgspec.msgpack.decode(evidence, type=Evidence)
    for handovers in (found.handovers[1:], found.handovers[:1], found.handovers[::-1]):
        with pytest.raises(BadProof):
            check(encode_evidence(msgspec.structs.replace(found, handovers=handovers)))


@pytest.mark.parametrize("place", [(1, 1 << 20, 0), (1, 0, 1 << 12), (-1, 0, 0)])
def test_a_place_that_no_block_has_is_refused(place: tuple[int, int, int]) -> None:
    with pytest.raises(BadProof):
        place_of(*place)


def test_a_nodes_proof_without_the_event_is_refused_by_the_gateway() -> None:
    """Before anything is told to a device."""
    event = NumberedEvent(Height(1), 1, TimeMs(1), TransactionId(bytes(32)), "prepaid", "SupplyBlocked", b"{}")
    for proof in (b"", b"{}", b'{"receipt":{"data":"zz","index":0,"path":[]},"header":"","certificate":""}'):
        with pytest.raises(BadProof):
            evidence_of(proof, event)
