"""Admission: what every envelope must hold by itself, checked once per node."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.client.signer import Signer
from ledgernode.config import QUERY_BUDGET, VERIFY_CHUNK
from ledgernode.errors import (
    BadArguments,
    BadSignature,
    BudgetOutOfRange,
    LedgerError,
    MalformedTransaction,
    TransactionTooLarge,
    WrongChain,
)
from ledgernode.identity.keys import ORDER
from ledgernode.node.admission import Admission
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import Kind
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, sha256
from tests.node.envelopes import CHAIN, KEY, SIGNER, envelope

LIMITS = Parameters(body_bytes=2_000)


@pytest.fixture
def admission() -> Admission:
    return Admission(CHAIN, lambda: LIMITS)


def high_s(raw: bytes) -> bytes:
    end = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
    s = ORDER - int.from_bytes(raw[end - 32 : end], "big")
    return raw[: end - 32] + s.to_bytes(32, "big") + raw[end:]


def altered_body(raw: bytes) -> bytes:
    return raw.replace(b'"x"', b'"y"')


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"", MalformedTransaction),
        (b"\x04" + bytes(300), MalformedTransaction),
        (envelope()[:-1], MalformedTransaction),
        (envelope(text="t" * 2_000), TransactionTooLarge),
        (Signer(KEY, chain_id=ChainId(sha256(b"other"))).transaction("a", "b", {}, budget=1).envelope, WrongChain),
        (envelope(budget=0), BudgetOutOfRange),
        (envelope(budget=LIMITS.budget + 1), BudgetOutOfRange),
        (SIGNER.transaction("book", "put", b'{"a":1.5}', budget=1).envelope, BadArguments),
        (SIGNER.transaction("book", "put", b'{"a":"\xff"}', budget=1).envelope, BadArguments),
        (SIGNER.transaction("book", "put", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", budget=1).envelope, BadArguments),
        (high_s(envelope()), BadSignature),
        (altered_body(envelope()), BadSignature),
        (SIGNER.query("book", "get", {}, budget=1), MalformedTransaction),
    ],
)
def test_what_does_not_hold_is_refused_by_its_own_name(
    admission: Admission, raw: bytes, refusal: type[LedgerError]
) -> None:
    """Each flaw has its own code, and none passes."""
    with pytest.raises(refusal):
        admission.check(raw)


def test_a_question_is_no_transaction(admission: Admission) -> None:
    """Each kind is taken only where it is asked for; a question has the node's own limit of budget."""
    query = SIGNER.query("book", "get", {}, budget=QUERY_BUDGET)
    assert admission.check(query, Kind.QUERY).body.kind is Kind.QUERY
    with pytest.raises(MalformedTransaction):
        admission.check(envelope(), Kind.QUERY)
    with pytest.raises(BudgetOutOfRange):
        admission.check(SIGNER.query("book", "get", {}, budget=QUERY_BUDGET + 1), Kind.QUERY)


def test_a_signature_is_verified_once(admission: Admission) -> None:
    """An envelope met again is not verified again, whatever the verdict was."""
    good, bad = envelope(), altered_body(envelope())
    for _ in range(3):
        assert admission.check(good).raw == good
        with pytest.raises(BadSignature):
            admission.check(bad)
    assert admission.verified == 2


def test_verdicts_are_bounded_and_the_latest_are_kept() -> None:
    """At the limit the verdict that was not asked for longest goes."""
    admission = Admission(CHAIN, lambda: LIMITS, cache=2)
    first, second, third = envelope(), envelope(), envelope()
    for raw in (first, second, first, third, first):
        admission.check(raw)
    assert admission.verified == 3
    admission.check(second)
    assert admission.verified == 4


def test_the_limits_in_force_count() -> None:
    """A limit that was lowered refuses what it let through before, known verdict or not."""
    limits = [LIMITS]
    admission = Admission(CHAIN, lambda: limits[0])
    raw = envelope(budget=1_000)
    admission.check(raw)
    limits[0] = msgspec.structs.replace(LIMITS, budget=999)
    with pytest.raises(BudgetOutOfRange):
        admission.check(raw)


async def test_many_are_checked_in_chunks_in_order(admission: Admission) -> None:
    """Each keeps its place, a refusal in place of what does not hold."""
    envelopes = [envelope(number=number) for number in range(VERIFY_CHUNK + 3)]
    envelopes[1] = b"nonsense"
    chunks = [chunk async for chunk in admission.check_many(envelopes)]
    assert [len(chunk) for chunk in chunks] == [VERIFY_CHUNK, 3]
    checked = [found for chunk in chunks for found in chunk]
    assert isinstance(checked[1], MalformedTransaction)
    assert all(found.raw == raw for found, raw in zip(checked, envelopes, strict=True) if found is not checked[1])
