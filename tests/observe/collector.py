"""A collector of traces, for tests: a real HTTP server that decodes what it is sent, and may fall silent."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Seen(NamedTuple):
    """A span as it came."""

    service: str
    who: str
    trace: str
    id: str
    parent: str
    name: str
    began_ns: int
    ended_ns: int
    facts: dict[str, str | int]
    links: list[tuple[str, str]]
    failed: str


class Collector:
    """A context; `url` is what processes are told. While `silent` it takes connections and answers nothing."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.requests: list[tuple[str, str]] = []
        """Path and type of each."""
        self.status = 200
        self._speaking = threading.Event()
        self._speaking.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests.append((self.path, self.headers["content-type"]))
                collector._speaking.wait(60)
                if collector.status == 200:
                    collector.spans += read(body)
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fall_silent(self) -> None:
        self._speaking.clear()

    def speak(self) -> None:
        self._speaking.set()

    def of(self, transaction_id: str) -> list[Seen]:
        """The spans of a transaction's trace, in the order of time, and what lasts longer first."""
        found = [span for span in list(self.spans) if span.trace == transaction_id[:32]]
        return sorted(found, key=lambda span: (span.began_ns, -span.ended_ns))

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.speak()
        self._server.shutdown()
        self._server.server_close()


def read(body: bytes) -> list[Seen]:
    request = ExportTraceServiceRequest.FromString(body)
    found = []
    for of_resource in request.resource_spans:
        about = _facts(of_resource.resource.attributes)
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
                found.append(
                    Seen(
                        str(about["service.name"]),
                        str(about["service.instance.id"]),
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.name,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _facts(span.attributes),
                        links,
                        span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else "",
                    )
                )
    return found


def _facts(attributes: Any) -> dict[str, str | int]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
