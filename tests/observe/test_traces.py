"""What spans are derived from, which transactions are chosen, and how they hang together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256

import pytest

from ledgernode.observe.traces import Link, Span, Step, Tracer, root_of, span_of

ID = bytes(range(32))


def tracer(one_in: int = 1, who: str = "north/gateway-1") -> tuple[Tracer, list[Span]]:
    told: list[Span] = []

    def tell(spans: Sequence[Span]) -> None:
        told.extend(spans)

    return Tracer(who, one_in, tell, lambda: 1_000), told


def ids(count: int) -> list[bytes]:
    return [sha256(number.to_bytes(4, "big")).digest() for number in range(count)]


def test_a_trace_is_named_by_its_transaction() -> None:
    """The first 16 bytes of the id, and the next 8 for the root: whoever has the id has both."""
    assert root_of(ID) == Link(ID[:16], ID[16:24])


def test_a_span_is_named_by_what_it_is_of_and_who_writes_it() -> None:
    """The same wherever it is asked; another for each process and step. These bytes are fixed."""
    own = span_of(ID, "north/gateway-1", "gateway ")
    assert own.trace == ID[:16]
    assert own.span == sha256(ID + b"\x00north/gateway-1\x00gateway ").digest()[:8]
    others = {span_of(ID, "north/gateway-2", "gateway "), span_of(ID, "north/gateway-1", "validator ")}
    assert own not in others
    assert span_of(ID[::-1], "north/gateway-1", "gateway ") != own


def test_all_processes_choose_the_same_transactions() -> None:
    """Whoever they are; and whoever takes a smaller share takes some of those of a larger one."""
    one, other = tracer(10)[0], tracer(10, "south/south-1")[0]
    chosen = [named for named in ids(2_000) if one.takes(named)]
    assert chosen == [named for named in ids(2_000) if other.takes(named)]
    assert 120 < len(chosen) < 280
    few = [named for named in ids(2_000) if tracer(100)[0].takes(named)]
    assert few
    assert set(few) < set(chosen)


def test_a_share_is_that_of_opentelemetrys_own_sampler() -> None:
    """The low 8 bytes of the trace id below a bound, as an unsigned number."""
    below = (1 << 64) // 4
    for named in ids(200):
        low = int.from_bytes(named[8:16], "big")
        assert tracer(4)[0].takes(named) is (low < below)


@pytest.mark.parametrize("named", [bytes(32), b"\xff" * 32])
def test_one_in_one_is_every_one(named: bytes) -> None:
    """The first and the last id there can be."""
    assert tracer(1)[0].takes(named)


def test_what_a_process_did_hangs_beneath_the_root_and_its_steps_beneath_that() -> None:
    """From the first step to the last; a step that did not begin or end is left out."""
    traces, told = tracer()
    steps = (Step("intake", 10, 20), Step("outbox", 0, 25), Step("submit", 30, 50, (Link(b"t" * 16, b"s" * 8),)))
    traces.part(ID, "gateway", steps, {"ledgernode.height": 7}, code="OK")
    own, intake, submit = told
    assert (own.name, own.parent, own.began_ns, own.ended_ns, own.failed) == ("gateway", ID[16:24], 10, 50, "")
    assert own.facts == {"ledgernode.transaction": ID.hex(), "ledgernode.code": "OK", "ledgernode.height": 7}
    assert [(step.name, step.parent, step.began_ns, step.ended_ns) for step in (intake, submit)] == [
        ("intake", own.id, 10, 20),
        ("submit", own.id, 30, 50),
    ]
    assert submit.links == (Link(b"t" * 16, b"s" * 8),)
    assert len({span.id for span in told}) == 3
    assert {span.trace for span in told} == {ID[:16]}


def test_two_commands_of_one_transaction_are_two() -> None:
    """And their steps with them."""
    traces, told = tracer()
    for of in ("share 1", "share 2"):
        traces.part(ID, "command", (Step("event", 10, 20),), {}, of=of, code="OK")
    assert len({span.id for span in told}) == 4


def test_the_signers_span_is_the_root() -> None:
    """It has no parent, and says what it failed of."""
    traces, told = tracer()
    traces.root(ID, (Step("sign", 10, 20),), {}, links=(Link(b"t" * 16, b"s" * 8),), code="SIGNER_UNKNOWN")
    assert (told[0].id, told[0].parent, told[0].failed) == (ID[16:24], b"", "SIGNER_UNKNOWN")
    assert told[0].links == (Link(b"t" * 16, b"s" * 8),)


def test_a_clock_that_was_set_back_makes_no_span_that_ends_before_it_begins() -> None:
    """Viewers refuse such."""
    traces, told = tracer()
    traces.part(ID, "gateway", (Step("intake", 20, 10),), {}, code="OK")
    assert all(span.ended_ns >= span.began_ns for span in told)


def test_of_nothing_nothing_is_told() -> None:
    """A process that knows no time of it was not there."""
    traces, told = tracer()
    traces.part(ID, "gateway", (Step("intake", 0, 10),), {}, code="OK")
    assert told == []


def test_a_process_without_traces_loads_nothing_of_them() -> None:
    """Neither the messages nor the thread, nor what notes transactions: of a node, a gateway, a meter."""
    script = """
import sys
import ledgernode.services.process, gateway.process, devices.meter_process
from ledgernode.observe.tracing import tracing
assert tracing("", 1, service="x", who="y") is None
loaded = [name for name in sys.modules if name.startswith("opentelemetry") or name in (
    "ledgernode.observe.traces", "ledgernode.observe.exporting", "ledgernode.node.tracing",
    "gateway.outbox.traced", "gateway.commands.traced",
    "devices.traced")]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)
