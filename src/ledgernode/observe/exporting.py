"""Spans on their way to a collector: OTLP over HTTP, in protobuf, from a thread beside the process' own work.

Whatever happens here costs the process nothing that it needs. What is told is kept in a bounded queue, or dropped whole
and counted; the thread takes at most `TRACE_SHARE_PERCENT` of one core and gives up what a collector does not take in
time. A collector that is away is tried again after a pause that grows.

The messages are OpenTelemetry's own (`opentelemetry-proto`, of the extra `trace`). Its SDK is left out: spans begin and
end there when code does, under ids that it draws, and here both are known afterwards and derived
(docs/decisions/0022-traces-without-propagation.md).
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from ledgernode import __version__
from ledgernode.config import (
    TRACE_ANSWER_MS,
    TRACE_EVERY_MS,
    TRACE_PAUSE_LIMIT_MS,
    TRACE_SHARE_PERCENT,
    TRACE_SPANS_OF_MESSAGE,
    TRACE_SPANS_WAITING,
    TRACE_STOP_MS,
)
from ledgernode.errors import BadRequest
from ledgernode.logs import logger
from ledgernode.observe.traces import Facts, Span

_PATH: Final = "/v1/traces"
_SCOPE: Final = "ledgernode"
SENT, DROPPED, FAILED = "sent", "dropped", "failed"


class Exporter:
    """To one collector. `counts` says what became of spans: sent, dropped (no room), failed (not taken)."""

    def __init__(self, url: str, service: str, who: str, *, every_ms: int = TRACE_EVERY_MS) -> None:
        self._every_s = every_ms / 1_000
        self._url = url
        self._secure, self._host, self._path = collector_at(url)
        self._resource = Resource(
            attributes=_attributes(
                {"service.name": service, "service.instance.id": who, "service.version": __version__}
            )
        )
        self._waiting: deque[Sequence[Span]] = deque()
        self._told = self._taken = 0  # each is counted by one thread alone
        self.counts: Counter[str] = Counter({SENT: 0, DROPPED: 0, FAILED: 0})
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def tell(self, spans: Sequence[Span]) -> None:
        """Keep them to be sent; all of them are dropped where there is no room."""
        if self.waiting + len(spans) > TRACE_SPANS_WAITING:
            self.counts[DROPPED] += len(spans)
            return
        self._told += len(spans)
        self._waiting.append(spans)

    @property
    def waiting(self) -> int:
        """Spans that are kept."""
        return self._told - self._taken

    def close(self) -> None:
        """Send what waits, for a bounded time."""
        self._ending.set()
        self._thread.join(TRACE_STOP_MS / 1_000)

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        pause_s, away = self._every_s, False
        while True:
            ending = self._ending.wait(pause_s)
            spent_s = time.thread_time()
            spans = self._take()
            refusal = self._send(spans) if spans else ""
            self.counts[FAILED if refusal else SENT] += len(spans)
            if spans and bool(refusal) is not away:
                away = bool(refusal)
                if away:
                    logger().warning("the collector does not take our spans", url=self._url, reason=refusal)
                else:
                    logger().info("the collector takes our spans again", url=self._url)
            if ending and (away or not self._waiting):
                return
            spent_s = time.thread_time() - spent_s
            if away:
                pause_s = min(2 * pause_s, TRACE_PAUSE_LIMIT_MS / 1_000)
            else:
                least_s = 0.0 if len(spans) >= TRACE_SPANS_OF_MESSAGE else self._every_s
                pause_s = max(least_s, spent_s * (100 - TRACE_SHARE_PERCENT) / TRACE_SHARE_PERCENT)

    def _take(self) -> list[Span]:
        """As many as one message takes."""
        taken: list[Span] = []
        while self._waiting and len(taken) < TRACE_SPANS_OF_MESSAGE:
            taken += self._waiting.popleft()
        self._taken += len(taken)
        return taken

    def _send(self, spans: Iterable[Span]) -> str:
        """Why the collector did not take them; empty where it did."""
        body = message(self._resource, spans).SerializeToString()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=TRACE_ANSWER_MS / 1_000)
        try:
            connection.request("POST", self._path, body, {"content-type": "application/x-protobuf"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return "" if 200 <= status < 300 else f"HTTP status {status}"


def collector_at(url: str) -> tuple[bool, str, str]:
    """By TLS or not, HOST:PORT, and the path for traces; refuses what is no such address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRequest(f"a collector is written http://HOST:PORT, not {url!r}") from error
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise BadRequest(f"a collector is written http://HOST:PORT, not {url!r}")
    secure = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return secure, f"{host}:{port or (443 if secure else 80)}", parts.path.rstrip("/") + _PATH


def message(resource: Resource, spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """What OTLP calls a request."""
    scope = ScopeSpans(scope=InstrumentationScope(name=_SCOPE, version=__version__), spans=map(_span, spans))
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def _span(span: Span) -> SpanMessage:
    failed = Status(code=Status.STATUS_CODE_ERROR, message=span.failed) if span.failed else None
    return SpanMessage(
        trace_id=span.trace,
        span_id=span.id,
        parent_span_id=span.parent,
        name=span.name,
        kind=SpanMessage.SPAN_KIND_INTERNAL,
        start_time_unix_nano=span.began_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=_attributes(span.facts),
        links=[SpanMessage.Link(trace_id=link.trace, span_id=link.span) for link in span.links],
        status=failed,
    )


def _attributes(facts: Facts) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value))
        for key, value in facts.items()
    ]
