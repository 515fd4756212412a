"""A gateway as a process: intake, outbox, drain, until it is told to stop.

SIGTERM and SIGINT drain: devices are told to go, what was handed in is written, answers that are on their way are
waited for (for a bounded time). What is on disk needs no drain: a gateway that is killed loses nothing that it
acknowledged.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
import uvloop

from gateway.commands.dispatch import Dispatch
from gateway.commands.follower import Follower
from gateway.commands.inbox import Inbox
from gateway.edge.formats import Formats
from gateway.edge.signer import EdgeSigner
from gateway.intake.desk import Desk
from gateway.intake.service import GatewayService, Server
from gateway.metrics import GatewayFigures
from gateway.observed import Observed
from gateway.outbox.drain import Drain
from gateway.outbox.entry import Entry
from gateway.outbox.outbox import Outbox
from gateway.settings import Settings, edge_devices
from ledgernode import logs
from ledgernode.client import LedgerClient
from ledgernode.config import COLLECT_AFTER_OBJECTS
from ledgernode.errors import BadRequest, RevokedSigner
from ledgernode.identity.certificate_profile import read_pem
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.renewal import Renewal
from ledgernode.identity.tls import TlsFiles, Trust, channel_credentials
from ledgernode.observe.listener import Listener
from ledgernode.observe.tracing import Tracing, tracing
from ledgernode.observe.turning import Turning
from ledgernode.wire.types import ChainId

if TYPE_CHECKING:
    from gateway.commands.traced import TracedCommands
    from gateway.console import Console
    from gateway.http.intake import HttpIntake
    from gateway.http.server import Listen
    from gateway.mqtt.connection import Access
    from gateway.mqtt.intake import BrokerIntake
    from gateway.mqtt.trades import TradeFollower
    from gateway.outbox.traced import TracedOutbox
    from gateway.readmodel.model import ModelHome

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STOP_GRACE_S: Final = 1.0
_LOOK_S: Final = 0.05


class Home(msgspec.Struct, frozen=True):
    """What a gateway is started with."""

    directory: Path
    """Where its outbox is."""
    ledger: str
    chain_id: ChainId
    nodes: tuple[str, ...]
    listen: str
    tls: TlsFiles
    organisation: str
    settings: Settings
    http: Listen | None = None
    """Where HTTP is served, if it is."""
    model: ModelHome | None = None
    """Where the read model is, if there is one."""
    tls_now: Callable[[], TlsFiles] | None = None
    """Reads the TLS files again: they may be replaced while it runs."""
    log_level: str = ""
    """Wins over that of the settings."""
    log_json: bool = False
    unlock: Unlock = none_given
    """Gives the passphrase of keys that are encrypted."""


class Serving(msgspec.Struct, frozen=True):
    """What is known once it serves."""

    host: str
    port: int
    ledger: str
    waiting: int
    http_port: int = 0
    console: str = ""
    """Where people find it, if they do."""
    observe_port: int = 0
    """Where its operator asks for health and metrics; 0: nowhere."""


Ready = Callable[[Serving], None]


def run_gateway(home: Home, *, ready: Ready | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Refuses an outbox or address that is in use."""
    logs.set_up(as_json=home.log_json, level=home.log_level or home.settings.log_level)
    uvloop.run(_run(home, ready or _say))


async def _run(home: Home, ready: Ready) -> None:
    await Gateway(home).run(ready)


class Gateway:
    """The parts, and the order in which they begin and end."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._log: Any = structlog.get_logger("gateway")
        limits = home.settings.limits
        self._stop_s = limits.stop_ms / 1_000
        self.traces = tracing(
            home.settings.trace,
            home.settings.trace_one_in,
            service="ledgernode-gateway",
            who=_who(home) if home.settings.trace else "",
        )
        traced = None if self.traces is None else _traced_outbox(home.ledger, self.traces)
        edge = edge_devices(home.directory, home.settings, home.chain_id, home.unlock)
        self.outbox = Outbox(home.directory / "outbox", limits, _clock_ms, steady_ms=_steady_ms, traces=traced)
        self.drain = Drain(self.outbox, self._client)
        signer = EdgeSigner(self.outbox, edge, home.organisation)
        self.desk = Desk(self.outbox, home.chain_id, limits, signer, Formats(home.settings.units))
        self._trust = trust = Trust(home.tls)
        self.renewal = Renewal(home.tls_now or (lambda: home.tls), trust, limits.tls_look_ms, self._renewed)
        inbox = Inbox(limits, home.settings.buses)
        inbox.traces = None if self.traces is None else _traced_commands(home.ledger, self.traces)
        self.dispatch = Dispatch(inbox, self.outbox)
        self.follower = Follower(inbox, self.outbox, self._client, changed=self.dispatch.changed, publish=self._publish)
        self.service = GatewayService(
            self.desk,
            home.ledger,
            trust,
            received=self.dispatch.received,
            devices=self.dispatch.devices,
            ask=self._ask,
        )
        self.server = Server(self.service, trust, home.listen, limits)
        self._questions: LedgerClient | None = None
        self._replaced: list[LedgerClient] = []
        self.broker, self.trades = self._broker()
        self.console = None if home.model is None else self._console(home.model, inbox)
        self.http = None if home.http is None else self._http(home.http, trust, inbox)
        turning = Turning()
        self.observed = Observed(
            self.outbox,
            self.console.model if self.console is not None else None,
            GatewayFigures(
                outbox=self.outbox,
                desk=self.desk,
                service=self.service,
                inbox=inbox,
                turning=turning,
                broker=self.broker,
                http=self.http,
                console=self.console,
                traces=self.traces,
            ),
            turning,
            console=home.settings.console is not None,
            steady_ms=_steady_ms,
        )
        observe = home.settings.observe
        self.listener = Listener(observe, self.observed.addresses()) if observe else None
        self.outbox.settled = self._settled

    def _broker(self) -> tuple[BrokerIntake | None, TradeFollower | None]:
        """The way in by a broker and who tells trades there, where there is one."""
        home, setting = self._home, self._home.settings.broker
        if setting is None:
            return None, None
        try:
            from gateway.mqtt.intake import BrokerIntake
            from gateway.mqtt.reach import broker_access
            from gateway.mqtt.topics import level
            from gateway.mqtt.trades import POSITION, Notices, Tellers, TradeFollower
        except ModuleNotFoundError as error:
            raise BadRequest(f"a broker needs {error.name}: install ledgernode[gateway]") from error

        def access() -> Access:
            return broker_access(setting, home.directory, self._trust.files, home.settings.limits)

        notices = Notices(home.chain_id, self.outbox.store.fact(POSITION))
        turn_ms = home.settings.limits.trades_turn_ms
        tellers = Tellers(level(access().client), turn_ms, setting.trades_after_ms)
        broker = BrokerIntake(
            setting,
            access,
            home.ledger,
            self.desk,
            self.dispatch,
            ask=self._ask,
            trade_said=notices.heard if setting.trades else None,
            teller_said=tellers.heard if setting.trades else None,
        )
        trades = TradeFollower(notices, self.outbox, self._client, broker, tellers)
        return broker, trades if setting.trades else None

    def _http(self, listen: Listen, trust: Trust, inbox: Inbox) -> HttpIntake:
        from gateway.http.intake import HttpIntake  # a gateway without HTTP needs none of its packages

        return HttpIntake(
            listen,
            self._home.directory,
            self._home.organisation,
            trust=trust,
            desk=self.desk,
            inbox=inbox,
            outbox=self.outbox,
            changed=self.dispatch.changed,
            steady_ms=_steady_ms,
            areas=self.console.areas if self.console is not None else (),
            pages=self.console.pages if self.console is not None else None,
        )

    def _console(self, model: ModelHome, inbox: Inbox) -> Console:
        from gateway.console import Console  # a gateway without people needs none of its packages

        setting = self._home.settings.console
        if setting is not None and self._home.http is None:
            raise BadRequest("the console is served by HTTP: say where (--http)")
        limits, at = self._home.settings.limits, self._home.directory
        return Console(
            model, setting, at, limits=limits, clock_ms=_clock_ms, digits=inbox.digits, unlock=self._home.unlock
        )

    def _client(self) -> LedgerClient:
        return LedgerClient(self._home.nodes, self._home.ledger, channel_credentials(self._trust))

    def _renewed(self) -> None:
        """The next question goes over a connection of its own; those under way end where they are."""
        if self._questions is not None:
            self._replaced.append(self._questions)
        self._questions = None

    async def _ask(self, query: bytes) -> tuple[bytes, int]:
        """A device's question, as it has signed it, to a node."""
        if self._questions is None:
            self._questions = self._client()
        answer = await self._questions.evaluate_signed(query)
        return answer.result, int(answer.height)

    def _publish(self, line: str) -> None:
        """What the papers' controllers read: one line for each trade."""
        self._log.info(line)

    def _settled(self, entry: Entry, code: str, height: int) -> None:
        if code == RevokedSigner.code:
            self.desk.revoked(entry.creator)
        self.service.tell(entry, code, height)
        if self.broker is not None:
            self.broker.outcomes.settled(entry, code, height)

    async def run(self, ready: Ready) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stopping.set)
        logs.heed_hangup(loop)
        if self.listener is not None:
            await self.listener.start()
        writing = asyncio.create_task(self.outbox.write())
        draining = asyncio.create_task(self.drain.run())
        told = asyncio.create_task(stopping.wait())
        commanding = [asyncio.create_task(one.run()) for one in (self.follower, self.dispatch, self.renewal)]
        if self.trades is not None:
            commanding.append(asyncio.create_task(self.trades.run()))
        following = [asyncio.create_task(self.console.run())] if self.console is not None else []
        at_broker = [asyncio.create_task(self.broker.run())] if self.broker is not None else []
        looking = asyncio.create_task(self.observed.run())
        await self.server.start()
        if self.http is not None:
            await self.http.start()
        serving = Serving(
            self._home.listen.rpartition(":")[0],
            self.server.port,
            self._home.ledger,
            self.outbox.turns.entries,
            self.http.port if self.http is not None else 0,
            setting.origin if (setting := self._home.settings.console) is not None else "",
            self.listener.port if self.listener is not None else 0,
        )
        gc.freeze()  # what was loaded stays: a long answer does not pay for a look through all of it
        gc.set_threshold(COLLECT_AFTER_OBJECTS)
        self.observed.serving = True
        self._log.info("serving", port=serving.port, waiting=serving.waiting)
        ready(serving)
        await asyncio.wait((told, writing, draining, *commanding, *at_broker), return_when=asyncio.FIRST_COMPLETED)
        self.observed.stopping = True
        self._log.info("stopping", waiting=self.outbox.turns.entries)
        if self.broker is not None:
            self.broker.stop()
            await asyncio.wait(at_broker, timeout=self._stop_s)
        self.outbox.refuse_more()
        if self.console is not None:
            self.console.end()
        if self.http is not None:
            await self.http.stop(_STOP_GRACE_S)
        await self.server.stop(_STOP_GRACE_S)
        await self._emptied()
        self.drain.finish()
        await asyncio.wait((draining,), timeout=self._stop_s)
        draining.cancel()
        self.outbox.finish()
        await asyncio.wait((writing, draining), timeout=self._stop_s)
        failures = [
            task.exception()
            for task in (writing, draining, *commanding, *at_broker)
            if task.done() and not task.cancelled()
        ]
        for task in (writing, told, looking, *commanding, *at_broker, *following):
            task.cancel()
        if self.listener is not None:
            await self.listener.stop()
        if self.console is not None:
            await asyncio.wait(following)
            await self.console.close()
        self._renewed()
        for client in self._replaced:
            await client.close()
        self.outbox.close()
        if self.traces is not None:
            self.traces.close()
        for failure in failures:
            if failure is not None:
                raise failure
        self._log.info("stopped")

    async def _emptied(self) -> None:
        """Until nothing waits any more, or for as long as is set."""
        ends = time.monotonic() + self._home.settings.limits.empty_ms / 1_000
        while self.outbox.turns.entries and time.monotonic() < ends:  # noqa: ASYNC110  # the outbox tells nobody
            await asyncio.sleep(_LOOK_S)
        if self._home.settings.limits.empty_ms:
            self._log.info("emptied", waiting=self.outbox.turns.entries)


def _who(home: Home) -> str:
    """As its certificate names it."""
    leaf = read_pem(home.tls.certificate, 2)[0]
    return f"{leaf.organisation}/{leaf.member.name if leaf.member is not None else ''}"


def _traced_outbox(ledger: str, traces: Tracing) -> TracedOutbox:
    from gateway.outbox.traced import TracedOutbox  # loaded where traces are written, and nowhere else

    return TracedOutbox(ledger, traces.tracer)


def _traced_commands(ledger: str, traces: Tracing) -> TracedCommands:
    from gateway.commands.traced import TracedCommands  # likewise

    return TracedCommands(ledger, traces.tracer)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _say(serving: Serving) -> None:
    sys.stdout.write(msgspec.json.encode(serving).decode() + "\n")
    sys.stdout.flush()
