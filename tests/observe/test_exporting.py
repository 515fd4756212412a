"""Spans on their way: as OTLP has them, bounded, and never in anybody's way."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from ledgernode.config import TRACE_SPANS_OF_MESSAGE, TRACE_SPANS_WAITING
from ledgernode.errors import BadRequest
from ledgernode.observe.exporting import DROPPED, FAILED, SENT, Exporter, collector_at
from ledgernode.observe.traces import Link, Span
from ledgernode.observe.tracing import tracing
from tests.conditions import until
from tests.observe.collector import Collector, Seen

SPAN = Span(
    bytes(range(16)),
    b"12345678",
    b"87654321",
    "order",
    1_000,
    2_000,
    {"a": "text", "n": 7},
    (Link(b"t" * 16, b"s" * 8),),
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as one:
        yield one


def exporting(url: str) -> Exporter:
    """One that does not wait for more."""
    return Exporter(url, "ledgernode-validator", "north/north-1", every_ms=20)


def test_a_span_arrives_as_it_was_told(collector: Collector) -> None:
    """By OpenTelemetry's own messages, at its own path, under the name of who has told it."""
    exporter = exporting(collector.url)
    exporter.tell([SPAN, SPAN._replace(id=b"abcdefgh", parent=b"", failed="ROLE_REFUSED", links=())])
    until(lambda: len(collector.spans) == 2)
    exporter.close()
    assert collector.requests == [("/v1/traces", "application/x-protobuf")]
    assert collector.spans[0] == Seen(
        "ledgernode-validator",
        "north/north-1",
        SPAN.trace.hex(),
        b"12345678".hex(),
        b"87654321".hex(),
        "order",
        1_000,
        2_000,
        {"a": "text", "n": 7},
        [((b"t" * 16).hex(), (b"s" * 8).hex())],
        "",
    )
    assert (collector.spans[1].parent, collector.spans[1].failed) == ("", "ROLE_REFUSED")
    assert exporter.counts == {SENT: 2, DROPPED: 0, FAILED: 0}


def test_what_waits_is_sent_at_the_end(collector: Collector) -> None:
    """More than one message takes."""
    exporter = exporting(collector.url)
    exporter.tell([SPAN] * (2 * TRACE_SPANS_OF_MESSAGE))
    exporter.tell([SPAN])
    exporter.close()
    assert len(collector.spans) == 2 * TRACE_SPANS_OF_MESSAGE + 1


def test_a_collector_that_hangs_costs_spans_and_nothing_else(collector: Collector) -> None:
    """Telling never waits: what finds no room is dropped whole, and counted."""
    collector.fall_silent()
    exporter = exporting(collector.url)
    exporter.tell([SPAN])
    until(lambda: collector.requests)
    began_s = time.monotonic()
    for _ in range(TRACE_SPANS_WAITING // 8 + 10):
        exporter.tell([SPAN] * 8)
    assert time.monotonic() - began_s < 2, "16,000 spans are told while nobody takes them"
    assert exporter.waiting <= TRACE_SPANS_WAITING
    assert exporter.counts[DROPPED] >= 80
    assert exporter.counts[DROPPED] % 8 == 0
    began_s = time.monotonic()
    exporter.close()
    assert time.monotonic() - began_s < 10, "the end is bounded, too"


def test_a_collector_that_is_away_costs_what_it_was_to_be_sent() -> None:
    """Nothing is kept for it, and that is counted."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    exporter = exporting(f"http://127.0.0.1:{port}")
    exporter.tell([SPAN])
    until(lambda: exporter.counts[FAILED] == 1)
    exporter.close()


def test_a_collector_that_refuses_is_counted(collector: Collector) -> None:
    """Sent in vain; and again when it takes them."""
    collector.status = 503
    exporter = exporting(collector.url)
    exporter.tell([SPAN])
    until(lambda: exporter.counts[FAILED] == 1)
    collector.status = 200
    exporter.tell([SPAN])
    until(lambda: exporter.counts[SENT] == 1)
    exporter.close()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://localhost:4318", (False, "localhost:4318", "/v1/traces")),
        ("https://traces.example/otlp/", (True, "traces.example:443", "/otlp/v1/traces")),
        ("http://[::1]:4318/", (False, "[::1]:4318", "/v1/traces")),
    ],
)
def test_where_a_collector_is(url: str, found: tuple[bool, str, str]) -> None:
    """The base address of OTLP; its path is its own."""
    assert collector_at(url) == found


@pytest.mark.parametrize(
    "url", ["localhost:4318", "ftp://x", "http://", "http://u:p@x", "http://x:99999", "http://x?a=1"]
)
def test_what_is_no_collectors_address_is_refused(url: str) -> None:
    """Before anything runs."""
    with pytest.raises(BadRequest):
        tracing(url, 1, service="s", who="w")
