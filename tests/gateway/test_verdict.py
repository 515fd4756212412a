"""What the ledger's answers mean: every code of the error tree has one meaning, and none is lost by a guess."""

from __future__ import annotations

import pytest

from gateway.outbox.verdict import Verdict, judge
from ledgernode.client import Outcome, Stage
from ledgernode.errors import leaves
from ledgernode.wire.types import TransactionId

GIVE_UP_MS = 1_000


def verdict(code: str, stage: Stage = Stage.REFUSED, kept_ms: int = 0) -> Verdict:
    return judge(Outcome(TransactionId(bytes(32)), stage, code), kept_ms, GIVE_UP_MS)


@pytest.mark.parametrize("code", ["OK", "metering.IN_FUTURE", "SIGNER_UNKNOWN", "BUDGET_EXCEEDED", "LEDGER_HALTED"])
def test_what_stands_in_a_block_is_settled(code: str) -> None:
    """Its number is used, whatever the receipt says."""
    assert verdict(code, Stage.COMMITTED) is Verdict.SETTLED


def test_a_duplicate_is_done() -> None:
    """The answer to a sending after a crash."""
    assert verdict("TRANSACTION_DUPLICATE") is Verdict.SETTLED


@pytest.mark.parametrize(
    "code", ["MEMPOOL_FULL", "RATE_LIMITED", "NODE_STOPPING", "LEDGER_HALTED", "COMMIT_UNKNOWN", "DISK_FULL"]
)
def test_a_node_in_trouble_is_no_verdict_on_the_entry(code: str) -> None:
    assert verdict(code, kept_ms=10 * GIVE_UP_MS) is Verdict.AGAIN


@pytest.mark.parametrize(
    "code", ["SIGNER_UNKNOWN", "SIGNER_SUSPENDED", "SIGNER_EXPIRED", "CONTRACT_UNKNOWN", "SEQUENCE_TOO_FAR", "NEW_CODE"]
)
def test_what_someone_may_mend_is_held_for_days_and_then_refused(code: str) -> None:
    assert verdict(code) is Verdict.HOLD
    assert verdict(code, kept_ms=GIVE_UP_MS) is Verdict.REFUSED


@pytest.mark.parametrize(
    "code", ["SIGNATURE_INVALID", "SIGNER_REVOKED", "ARGUMENTS_INVALID", "SEQUENCE_REPLAYED", "BUDGET_OUT_OF_RANGE"]
)
def test_what_can_never_be_right_is_refused(code: str) -> None:
    assert verdict(code) is Verdict.REFUSED


def test_every_code_has_a_verdict() -> None:
    """Nothing is settled that is in no block, but for a duplicate."""
    settled = [error.code for error in leaves() if verdict(error.code) is Verdict.SETTLED]
    assert settled == ["TRANSACTION_DUPLICATE"]
