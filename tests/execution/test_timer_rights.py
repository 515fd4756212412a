"""What a contract marks as for timers is for its own: another contract's timer does not pass for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode.testing import TestLedger

CLOSING = '''"""Closes something when its time has come."""

from chaincode.api import Context, Contract, query, transaction


class Closing(Contract):
    name = "closing"
    version = "1.0.0"

    @transaction
    def wait(self, ctx: Context, due_ms: int) -> None:
        ctx.schedule("close", due_ms, "close")

    @transaction(roles=("timer",))
    def close(self, ctx: Context) -> None:
        ctx.put("closed", (ctx.get("closed") or 0) + 1)

    @query
    def closed(self, ctx: Context) -> int:
        return ctx.get("closed") or 0
'''

MEDDLING = '''"""Sets a timer of its own, which calls what is for the timers of another contract."""

from chaincode.api import Context, Contract, transaction


class Meddling(Contract):
    name = "meddling"
    version = "1.0.0"

    @transaction
    def wait(self, ctx: Context, due_ms: int) -> None:
        ctx.schedule("meddle", due_ms, "meddle")

    @transaction(roles=("timer",))
    def meddle(self, ctx: Context) -> None:
        ctx.call("closing", "close")
'''


@pytest.fixture
def ledger(tmp_path: Path) -> TestLedger:
    found = TestLedger()
    for name, source in (("closing", CLOSING), ("meddling", MEDDLING)):
        (tmp_path / f"{name}.py").write_text(source)
        found.deploy(tmp_path / f"{name}.py")
    return found


def test_a_contracts_own_timer_reaches_what_is_for_timers(ledger: TestLedger) -> None:
    """Nobody else does: not a person either."""
    anna = ledger.identity("anna")
    ledger.submit(anna, "closing", "wait", due_ms=ledger.time_ms + 1_000)
    [done] = ledger.advance(seconds=2)
    assert (done.code, ledger.query(anna, "closing", "closed")) == ("OK", 1)
    assert ledger.attempt(anna, "closing", "close").code == "ROLE_REFUSED"


def test_another_contracts_timer_does_not_pass_for_it(ledger: TestLedger) -> None:
    """Its call fails whole, and changes nothing."""
    anna = ledger.identity("anna")
    ledger.submit(anna, "meddling", "wait", due_ms=ledger.time_ms + 1_000)
    done = ledger.advance(seconds=2)
    assert {one.code for one in done} == {"ROLE_REFUSED"}
    assert ledger.query(anna, "closing", "closed") == 0
