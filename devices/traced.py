"""What a meter did with its transactions, and with commands, as spans of traces (`ledgernode.observe.traces`).

    transaction    sign ─▶ send            the root of its trace, until the meter hears the ledger's word
    device         carry out               in the trace of the transaction that commands it

What the meter signs while it carries out a command links to that command. `send` is the time of the message that
brought it to a gateway, and back; what waits in the meter's outbox between the two is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ledgernode.config import TRACED_TRANSACTIONS
from ledgernode.observe.traces import ATTEMPTS, COMMAND, CONTRACT, FUNCTION, HEIGHT, Facts, Link, Step, Tracer, span_of
from ledgernode.wire.transaction import parse_transaction

_DEVICE = "device"


class _Signed(msgspec.Struct):
    contract: str
    function: str
    began_ns: int
    signed_ns: int
    links: tuple[Link, ...] = ()
    brought_ns: int = 0
    answered_ns: int = 0
    attempts: int = 0


class TracedMeter:
    """Of one meter."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._signed: dict[bytes, _Signed] = {}
        self._cause: tuple[Link, ...] = ()

    def now_ns(self) -> int:
        return self._tracer.now_ns()

    def signed(self, envelope: bytes, began_ns: int) -> None:
        """It was signed since then; again, where it is sent again, changes nothing."""
        transaction = parse_transaction(envelope)
        named = bytes(transaction.id)
        if not self._tracer.takes(named) or named in self._signed:
            return
        if len(self._signed) >= TRACED_TRANSACTIONS:
            del self._signed[next(iter(self._signed))]
        body = transaction.body
        self._signed[named] = _Signed(body.contract, body.function, began_ns, self._tracer.now_ns(), self._cause)

    def brought(self, named: Iterable[bytes], began_ns: int) -> None:
        """A gateway was given these, since then, and has answered now."""
        now_ns = self._tracer.now_ns()
        for one in named:
            way = self._signed.get(one)
            if way is not None:
                way.brought_ns, way.answered_ns = way.brought_ns or began_ns, now_ns
                way.attempts += 1

    def settled(self, named: bytes, code: str, height: int) -> None:
        """The ledger's word on it is here."""
        way = self._signed.pop(named, None)
        if way is None:
            return
        now_ns = self._tracer.now_ns()
        steps = (
            Step("sign", way.began_ns, way.signed_ns),
            Step("send", way.brought_ns, way.answered_ns),
            Step("outcome", way.answered_ns, now_ns),
        )
        facts: Facts = {CONTRACT: way.contract, FUNCTION: way.function, HEIGHT: height, ATTEMPTS: way.attempts}
        self._tracer.root(named, steps, facts, links=way.links, code=code)

    def obeying(self, cause: bytes, kind: str, number: int) -> None:
        """What is signed from now on is because of this command, until it is `obeyed`."""
        if cause and self._tracer.takes(cause):
            self._cause = (span_of(cause, self._tracer.who, f"{_DEVICE} {kind} {number}"),)

    def obeyed(self, cause: bytes, kind: str, number: int, began_ns: int, code: str) -> None:
        self._cause = ()
        if cause and self._tracer.takes(cause):
            named = f"{kind} {number}"
            steps = (Step("carry out", began_ns, self._tracer.now_ns()),)
            self._tracer.part(cause, _DEVICE, steps, {COMMAND: named}, of=named, code=code)
