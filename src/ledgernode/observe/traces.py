"""Traces: what each process did with one transaction, as spans that a viewer puts together.

Signed bytes carry no context of a trace, so nothing is propagated. Everything follows from the transaction's id, which
every process that handles it knows:

    trace     the first 16 bytes of the id
    root      the next 8: the signer's own span, from signing until it knows the outcome
    others    the first 8 bytes of SHA-256(id | who | name): who writes the span, and what it is of

Beneath the root each process has one span of its own, and its steps beneath that:

    transaction                    the meter
    ├── sign, send                 its steps
    ├── gateway                    the gateway: intake, outbox, submit
    └── validator                  each validator: admission, mempool, order, execution, store, certificate

So a parent never has to be told: it is the root, or of the same process. One transaction of `one_in` is traced, by
bytes 8 to 16 of its id, as OpenTelemetry's own sampler of ratios looks at them: all processes choose the same ones, and
those of a smaller share are among those of a larger one.

A span holds ids, heights, counts, codes, names of contracts and functions, and times: no arguments, no results, no
names of people. Times are nanoseconds of the system's clock. Pure: the clock and the way out are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8
_ALL: Final = 1 << 64

TRANSACTION: Final = "ledgernode.transaction"
LEDGER: Final = "ledgernode.ledger"
HEIGHT: Final = "ledgernode.height"
POSITION: Final = "ledgernode.position"
CODE: Final = "ledgernode.code"
CONTRACT: Final = "ledgernode.contract"
FUNCTION: Final = "ledgernode.function"
ATTEMPTS: Final = "ledgernode.attempts"
COMMAND: Final = "ledgernode.command"
"""Attributes of spans, by their names."""

Facts: TypeAlias = Mapping[str, str | int]


class Link(NamedTuple):
    """To a span of another trace."""

    trace: bytes
    span: bytes


class Step(NamedTuple):
    """Of what one process did. One that did not begin, or not end (0), is left out."""

    name: str
    began_ns: int
    ended_ns: int
    links: tuple[Link, ...] = ()


class Span(NamedTuple):
    trace: bytes
    id: bytes
    parent: bytes
    """Empty for the root."""
    name: str
    began_ns: int
    ended_ns: int
    facts: Facts
    links: tuple[Link, ...] = ()
    failed: str = ""
    """A stable code, where it came to no good end."""


Tell = Callable[[Sequence[Span]], None]
"""Takes spans, or drops them; it never waits and never fails."""


def root_of(transaction_id: bytes) -> Link:
    """Where the signer's own span is."""
    return Link(transaction_id[:TRACE_BYTES], transaction_id[TRACE_BYTES : TRACE_BYTES + SPAN_BYTES])


def span_of(transaction_id: bytes, who: str, name: str) -> Link:
    """Where a process writes this one."""
    named = sha256(b"\x00".join((transaction_id, who.encode(), name.encode())))
    return Link(transaction_id[:TRACE_BYTES], named.digest()[:SPAN_BYTES])


class Tracer:
    """Of one process: which transactions it writes spans about, under whose name, and where to."""

    def __init__(self, who: str, one_in: int, tell: Tell, clock_ns: Callable[[], int]) -> None:
        assert one_in >= 1, "at most every transaction is traced"
        self.who = who
        self.tell = tell
        self.now_ns = clock_ns
        self._below = None if one_in == 1 else (_ALL // one_in).to_bytes(SPAN_BYTES, "big")

    def takes(self, transaction_id: bytes) -> bool:
        """Is it one of the chosen? The same everywhere."""
        return self._below is None or transaction_id[SPAN_BYTES:TRACE_BYTES] < self._below

    def root(
        self, transaction_id: bytes, steps: Iterable[Step], facts: Facts, *, links: tuple[Link, ...] = (), code: str
    ) -> None:
        """What the signer did; `code` is what became of the transaction."""
        own = root_of(transaction_id)
        self._tell(transaction_id, Span(own.trace, own.span, b"", "transaction", 0, 0, facts, links), steps, code)

    def part(
        self,
        transaction_id: bytes,
        name: str,
        steps: Iterable[Step],
        facts: Facts,
        *,
        of: str = "",
        code: str,
    ) -> None:
        """What this process did with it, in these steps; `of` tells two such of one transaction apart."""
        own, root = span_of(transaction_id, self.who, f"{name} {of}"), root_of(transaction_id)
        self._tell(transaction_id, Span(own.trace, own.span, root.span, name, 0, 0, facts), steps, code)

    def _tell(self, transaction_id: bytes, whole: Span, steps: Iterable[Step], code: str) -> None:
        """The whole lasts from the first step to the last."""
        taken = [step for step in steps if step.began_ns and step.ended_ns]
        if not taken:
            return
        spans = []
        for step in taken:
            place = span_of(transaction_id, self.who, f"{whole.id.hex()} {step.name}")
            ended_ns = max(step.began_ns, step.ended_ns)  # the clock may have been set between the two
            spans.append(Span(place.trace, place.span, whole.id, step.name, step.began_ns, ended_ns, {}, step.links))
        own = whole._replace(
            began_ns=min(span.began_ns for span in spans),
            ended_ns=max(span.ended_ns for span in spans),
            facts={TRANSACTION: transaction_id.hex(), **({CODE: code} if code else {}), **whole.facts},
            failed="" if code in ("", "OK") else code,
        )
        self.tell([own, *spans])
