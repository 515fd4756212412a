"""What a gateway did with the transactions that are traced: noted as they pass, told when the ledger has answered.

    gateway    intake ─▶ outbox ─▶ submit

`intake` ends on the disk, `outbox` when it is sent to a node for the first time, `submit` with the ledger's answer. Of
what the process before this one took, the disk knows since when it waits.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.outbox.entry import Entry
from gateway.outbox.verdict import Verdict
from ledgernode.client import Outcome
from ledgernode.config import TRACED_TRANSACTIONS
from ledgernode.observe.traces import ATTEMPTS, HEIGHT, LEDGER, Facts, Step, Tracer


class _Carried(msgspec.Struct):
    came_ns: int
    safe_ns: int = 0
    sent_ns: int = 0
    attempts: int = 0


class TracedOutbox:
    """Of one ledger."""

    def __init__(self, ledger: str, tracer: Tracer) -> None:
        self._ledger = ledger
        self._tracer = tracer
        self._carried: dict[bytes, _Carried] = {}

    def offered(self, entry: Entry) -> None:
        """It is handed in, and on its way to the disk."""
        if self._tracer.takes(entry.id):
            self._keep(entry.id, _Carried(self._tracer.now_ns()))

    def safe(self, entries: Iterable[Entry]) -> None:
        """They are on the disk."""
        now_ns = self._tracer.now_ns()
        for entry in entries:
            way = self._carried.get(entry.id)
            if way is not None:
                way.safe_ns = way.safe_ns or now_ns

    def sent(self, entries: Iterable[Entry]) -> None:
        """They go to a node."""
        now_ns = self._tracer.now_ns()
        for entry in entries:
            if not self._tracer.takes(entry.id):
                continue
            way = self._carried.get(entry.id)
            if way is None:
                way = _Carried(0, entry.taken_ms * 1_000_000)
                self._keep(entry.id, way)
            way.sent_ns = way.sent_ns or now_ns
            way.attempts += 1

    def answered(self, entry: Entry, outcome: Outcome, verdict: Verdict) -> None:
        """The ledger says what became of it; one that is tried again goes on."""
        if verdict not in (Verdict.SETTLED, Verdict.REFUSED):
            return
        way = self._carried.pop(entry.id, None)
        if way is None:
            return
        steps = (
            Step("intake", way.came_ns, way.safe_ns),
            Step("outbox", way.safe_ns, way.sent_ns),
            Step("submit", way.sent_ns, self._tracer.now_ns()),
        )
        facts: Facts = {LEDGER: self._ledger, HEIGHT: int(outcome.height), ATTEMPTS: way.attempts}
        self._tracer.part(entry.id, "gateway", steps, facts, code=outcome.code)

    def _keep(self, named: bytes, way: _Carried) -> None:
        """Beyond a bound the oldest is forgotten."""
        if len(self._carried) >= TRACED_TRANSACTIONS:
            del self._carried[next(iter(self._carried))]
        self._carried[named] = way
