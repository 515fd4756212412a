"""A vending service as its operator's listener shows it: whether it serves, and what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from gateway.http.door import Requests
from gateway.vending.payments import State
from gateway.vending.store import VendingStore
from ledgernode.logs import LINES
from ledgernode.observe.figures import Figure, Sheet, counter, gauge, histogram
from ledgernode.observe.health import Verdict
from ledgernode.observe.listener import Ask, judged
from ledgernode.observe.turning import LAG, LOG_LINES, Turning

OPEN: Final = gauge(
    "ledgernode_vending_open_purchases", "Payments that have neither digits nor a refusal yet.", "state"
)
OLDEST: Final = gauge("ledgernode_vending_oldest_purchase_seconds", "Time since the oldest of them came.")
TOKENS: Final = gauge("ledgernode_vending_tokens_under_way", "Tokens that are on their way to their meters.")
ENDED: Final = counter("ledgernode_vending_purchases_total", "Purchases that ended since the start, by code.", "code")
REQUESTS: Final = counter(
    "ledgernode_vending_http_requests_total",
    "HTTP requests of partners answered, by method, route and status.",
    "method",
    "route",
    "status",
)
REQUEST_TIME: Final = histogram(
    "ledgernode_vending_http_request_seconds", "Time from a request's head to that of its answer.", "route"
)

FIGURES: Final[tuple[Figure, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Figure))


class Observed:
    """Of one vending service."""

    def __init__(
        self,
        store: VendingStore,
        ended: Counter[str],
        requests: Requests,
        turning: Turning,
        clock_ms: Callable[[], int],
    ) -> None:
        """`ended`: purchases that are over, by code."""
        self._store = store
        self._ended = ended
        self._requests = requests
        self._turning = turning
        self._clock_ms = clock_ms
        self.serving = self.stopping = False

    def started(self) -> Verdict:
        return Verdict(self.serving, "started" if self.serving else "starting")

    def ready(self) -> Verdict:
        if self.stopping:
            return Verdict(False, "stopping", "the vending service is shutting down")
        return Verdict(self.serving, "ready" if self.serving else "starting", "", {"open": len(self._store.open())})

    def live(self) -> Verdict:
        return Verdict(True, "live")

    def sheet(self) -> Sheet:
        sheet = Sheet(FIGURES)
        sheet.tally(LAG, self._turning.lag_s)
        sheet.codes(LOG_LINES, LINES)
        found, now_ms = self._store.open(), self._clock_ms()
        for state in (State.RECEIVED, State.RESERVED):
            sheet.put(OPEN, sum(one.state is state for one in found), state.value)
        sheet.put(OLDEST, max((now_ms - one.received_ms for one in found), default=0) / 1_000)
        sheet.put(TOKENS, len(self._store.tokens()))
        sheet.codes(ENDED, self._ended)
        for (method, route, status), number in list(self._requests.answered.items()):
            sheet.put(REQUESTS, number, method, route, str(status))
        for route, tally in list(self._requests.times_s.items()):
            sheet.tally(REQUEST_TIME, tally, route)
        return sheet

    def addresses(self) -> Mapping[str, Ask]:
        """What the listener answers."""
        return {
            "/health/started": judged(self.started),
            "/health/ready": judged(self.ready),
            "/health/live": judged(self.live),
            "/metrics": lambda: self.sheet().answer(),
        }
