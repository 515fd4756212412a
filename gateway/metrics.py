"""The figures of a gateway: what they are called and mean, and where each is read when somebody asks."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from gateway.commands.inbox import Inbox
from gateway.intake.desk import Desk
from gateway.outbox.outbox import Outbox
from ledgernode import __version__
from ledgernode.logs import LINES
from ledgernode.observe.figures import Figure, Sheet, counter, gauge, histogram
from ledgernode.observe.tracing import SPANS, Tracing
from ledgernode.observe.turning import LAG, LOG_LINES, Turning

if TYPE_CHECKING:
    from gateway.console import Console
    from gateway.http.door import Requests
    from gateway.http.intake import HttpIntake
    from gateway.intake.service import GatewayService
    from gateway.mqtt.intake import BrokerIntake

BUILD: Final = gauge("ledgernode_gateway_build_info", "Always 1; the labels say what runs.", "version", "python")
INTAKE: Final = counter(
    "ledgernode_gateway_intake_total",
    "Items that devices handed in, by bearer (stream, broker, http) and code: OK is safe on disk.",
    "bearer",
    "code",
)
STREAMS: Final = gauge("ledgernode_gateway_streams", "Devices with an open stream.")
HTTP_WAITING: Final = gauge("ledgernode_gateway_http_waiting", "Devices that wait for a command by HTTP.")
BROKER_UP: Final = gauge("ledgernode_gateway_broker_up", "1 while the gateway is at its MQTT broker.")
BROKER_CONNECTS: Final = counter(
    "ledgernode_gateway_broker_connects_total", "Connections to the broker that came about."
)

WAITING: Final = gauge("ledgernode_gateway_outbox_entries", "Transactions that are kept for the ledger.")
KEPT: Final = gauge("ledgernode_gateway_outbox_bytes", "Bytes that are kept for the ledger.")
LIMIT: Final = gauge("ledgernode_gateway_outbox_limit_bytes", "Bytes that may be kept for the ledger.")
LANES: Final = gauge("ledgernode_gateway_outbox_lanes", "Devices of which something is kept.")
RESTING: Final = gauge(
    "ledgernode_gateway_outbox_resting_lanes",
    "Of these, such whose next transaction the ledger does not take yet: each is tried again, later each time.",
)
IN_FLIGHT: Final = gauge("ledgernode_gateway_outbox_in_flight", "Transactions that are on their way to the ledger.")
OLDEST: Final = gauge(
    "ledgernode_gateway_outbox_oldest_seconds",
    "For how long the device that waits longest has had something here of which nothing left, since the start at most.",
)
UNWRITTEN: Final = gauge("ledgernode_gateway_outbox_unwritten", "Items that were handed in and are not on disk yet.")
WRITES: Final = histogram(
    "ledgernode_gateway_outbox_write_seconds", "Time of one synced write of the outbox, to its end on the disk."
)
SETTLED: Final = counter(
    "ledgernode_gateway_settled_total", "Transactions that have left the outbox, by the ledger's code.", "code"
)
AWAY: Final = gauge(
    "ledgernode_gateway_ledger_away_seconds", "For how long the ledger has taken nothing of what waits."
)

COMMANDS: Final = gauge(
    "ledgernode_gateway_commands",
    "Commands to devices that are under way: pending, or delivered and not acknowledged on the ledger.",
    "kind",
    "status",
)

MODEL_HEIGHT: Final = gauge("ledgernode_gateway_read_model_height", "Height that the read model has come to.")
MODEL_BEHIND: Final = gauge(
    "ledgernode_gateway_read_model_behind_blocks", "Blocks that the ledger is known to be ahead of the read model."
)
MODEL_STATE: Final = gauge("ledgernode_gateway_read_model_state", "1 for the state that the read model is in.", "state")
MODEL_UNREAD: Final = gauge(
    "ledgernode_gateway_read_model_unread", "Events that the read model could not make rows of."
)
LISTENERS: Final = gauge("ledgernode_gateway_listeners", "People's pages that are told news.")

REQUESTS: Final = counter(
    "ledgernode_gateway_http_requests_total",
    "HTTP requests answered, by method, route and status.",
    "method",
    "route",
    "status",
)
REQUEST_TIME: Final = histogram(
    "ledgernode_gateway_http_request_seconds", "Time from a request's head to that of its answer.", "route"
)
UNDER_WAY: Final = gauge(
    "ledgernode_gateway_http_requests", "HTTP requests under way, those that wait on purpose apart."
)

FIGURES: Final[tuple[Figure, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Figure))


class GatewayFigures:
    """Reads them all for one answer. Parts that a gateway does not have are None."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        desk: Desk,
        service: GatewayService,
        inbox: Inbox,
        turning: Turning,
        broker: BrokerIntake | None,
        http: HttpIntake | None,
        console: Console | None,
        traces: Tracing | None = None,
    ) -> None:
        self._traces = traces
        self._outbox = outbox
        self._desk = desk
        self._service = service
        self._inbox = inbox
        self._turning = turning
        self._broker = broker
        self._http = http
        self._console = console

    def sheet(self, ledger_away_ms: int) -> Sheet:
        sheet = Sheet(FIGURES)
        sheet.put(BUILD, 1, __version__, platform.python_version())
        sheet.tally(LAG, self._turning.lag_s)
        sheet.codes(LOG_LINES, LINES)
        if self._traces is not None:
            sheet.codes(SPANS, self._traces.spans)
        self._devices(sheet)
        self._kept(sheet)
        sheet.put(AWAY, ledger_away_ms / 1_000)
        for (kind, status), number in self._inbox.under_way().items():
            sheet.put(COMMANDS, number, kind, status)
        if self._console is not None:
            _read_model(sheet, self._console)
        if self._http is not None:
            _requests(sheet, self._http.requests)
        return sheet

    def _devices(self, sheet: Sheet) -> None:
        for bearer, codes in self._desk.answered.items():
            sheet.codes(INTAKE, codes, bearer)
        sheet.put(STREAMS, self._service.connected)
        if self._http is not None:
            sheet.put(HTTP_WAITING, self._http.polled.waiting)
        if self._broker is not None:
            sheet.put(BROKER_UP, self._broker.is_up)
            sheet.put(BROKER_CONNECTS, self._broker.connects)

    def _kept(self, sheet: Sheet) -> None:
        outbox = self._outbox
        sheet.put(WAITING, outbox.turns.entries)
        sheet.put(KEPT, outbox.room.size)
        sheet.put(LIMIT, outbox.limits.outbox_bytes)
        sheet.put(LANES, outbox.turns.lanes)
        sheet.put(RESTING, outbox.turns.resting)
        sheet.put(IN_FLIGHT, outbox.turns.in_flight)
        sheet.put(OLDEST, outbox.oldest_ms() / 1_000)
        sheet.put(UNWRITTEN, outbox.unwritten)
        sheet.tally(WRITES, outbox.write_s)
        sheet.codes(SETTLED, outbox.settled_codes)


def _read_model(sheet: Sheet, console: Console) -> None:
    status = console.model.status
    sheet.put(MODEL_HEIGHT, status.height)
    sheet.put(MODEL_BEHIND, status.behind)
    sheet.put(MODEL_UNREAD, status.unread)
    for state in type(status.state):
        sheet.put(MODEL_STATE, state is status.state, state.value)
    sheet.put(LISTENERS, len(console.newsroom))


def _requests(sheet: Sheet, requests: Requests) -> None:
    sheet.put(UNDER_WAY, requests.under_way)
    for (method, route, status), number in list(requests.answered.items()):
        sheet.put(REQUESTS, number, method, route, str(status))
    for route, tally in list(requests.times_s.items()):
        sheet.tally(REQUEST_TIME, tally, route)
