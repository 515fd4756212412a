"""A ledger with contracts whose functions are written in the test: what a context does, seen from inside a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaincode.api import Contract, Refusal, query, transaction
from ledgernode.execution.block import Executor
from ledgernode.execution.contracts import Contracts, system_contracts
from ledgernode.testing import Committed, Member, TestLedger
from ledgernode.wire.parameters import Parameters

Action = Callable[[Any], Any]
ACTIONS: dict[str, Action] = {}


def _number(result: Any) -> int:
    return result if type(result) is int else 0


class Denied(Refusal):
    """The test says no."""

    code = "DENIED"


class _Acting(Contract):
    version = "1"

    @transaction
    def act(self, ctx: Any, action: str) -> int:
        """Do what the test registered under this name."""
        return _number(ACTIONS[action](ctx))

    @transaction(roles=("admin",))
    def admin_act(self, ctx: Any, action: str) -> int:
        return _number(ACTIONS[action](ctx))

    @transaction(items="readings")
    def record(self, ctx: Any, readings: list[dict[str, int]]) -> int:
        ctx.put("count", len(readings))
        return len(readings)

    @transaction(items="note")
    def remark(self, ctx: Any, note: str | None = None) -> str:
        """Names a batch that is none, and answers at length."""
        return (note or "") * 1_000

    @query
    def ask(self, ctx: Any, action: str) -> int:
        return _number(ACTIONS[action](ctx))


class Probe(_Acting):
    name = "probe"


class Other(_Acting):
    name = "other"


class ProbeLedger(TestLedger):
    """A test ledger that also knows the contracts `probe` and `other`."""

    __test__ = False

    def __init__(self, parameters: Parameters | None = None, **natives: type[Contract]) -> None:
        super().__init__(parameters=parameters)
        known: dict[str, type[Contract]] = {**system_contracts(), "probe": Probe, "other": Other, **natives}
        self.contracts = self._contracts = Contracts(known)
        self.executor = self._executor = Executor(self.chain, self._contracts)
        self.alice: Member = self.identity("alice", attributes={"meter": "m-1"})

    def run(
        self, action: Action, contract: str = "probe", function: str = "act", signer: Member | None = None
    ) -> Committed:
        """Run this as one transaction, in its own block."""
        return self.attempt(signer or self.alice, contract, function, action=named(action))

    def ask(self, action: Action, height: int | None = None, contract: str = "probe") -> Any:
        """Run this as a query; raises its refusal."""
        at = self.height if height is None else height
        return self.query_at(at, self.alice, contract, "ask", action=named(action))


def named(action: Action) -> str:
    """Register an action; the name under which a call finds it."""
    name = f"action-{len(ACTIONS)}"
    ACTIONS[name] = action
    return name
