"""Whether a process writes traces. Where it does not, nothing of them is loaded or made."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from ledgernode.errors import BadRequest
from ledgernode.observe.figures import counter

if TYPE_CHECKING:
    from ledgernode.observe.exporting import Exporter
    from ledgernode.observe.traces import Tracer

SPANS: Final = counter(
    "ledgernode_trace_spans_total",
    "Spans of traces, by what became of them: sent, dropped (told faster than they may be sent), failed (the collector "
    "did not take them).",
    "result",
)


class Tracing:
    """A tracer with the way to its collector; ended by `close`."""

    def __init__(self, tracer: Tracer, exporter: Exporter) -> None:
        self.tracer = tracer
        self._exporter = exporter

    @property
    def spans(self) -> Counter[str]:
        """What became of them."""
        return self._exporter.counts

    def close(self) -> None:
        """Send what waits, for a bounded time."""
        self._exporter.close()


def tracing(url: str, one_in: int, *, service: str, who: str) -> Tracing | None:
    """To the collector at `url`; None where that is empty. Refuses what is no address, and a missing package."""
    if not url:
        return None
    try:
        from ledgernode.observe.exporting import Exporter
    except ModuleNotFoundError as error:
        raise BadRequest(f"traces need {error.name}: install ledgernode[trace]") from error
    from ledgernode.observe.traces import Tracer

    exporter = Exporter(url, service, who)
    return Tracing(Tracer(who, one_in, exporter.tell, time.time_ns), exporter)
