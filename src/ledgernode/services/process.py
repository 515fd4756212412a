"""The server process: every ledger of a node's home behind one gRPC server, until it is told to stop.

    python -m ledgernode.services.process HOME

It says on standard output, in one line of JSON, when it serves and on which port. SIGTERM and SIGINT drain:
nothing more is admitted, what is admitted is committed (for a bounded time), open calls are answered, and the
databases are closed. What is durable needs no drain: a node that is killed loses nothing it acknowledged.

Which ledgers it serves is followed while it runs (`services.roster`): what is added to the node's file is opened, what
is taken out of it is drained and closed, and the others go on.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import uvloop

from ledgernode import logs
from ledgernode.config import COLLECT_AFTER_OBJECTS, ROSTER_LOOK_MS, STOP_GRACE_MS, TLS_LOOK_MS, WATCH_MS
from ledgernode.errors import BadGenesis, BadRequest, LedgerError
from ledgernode.identity.authority import DAY_MS
from ledgernode.identity.endings import endings
from ledgernode.identity.home import (
    LedgerLimits,
    NodeConfig,
    data_directory,
    genesis_path,
    tls_directory,
    validator_directory,
)
from ledgernode.identity.key_file import load_key
from ledgernode.identity.passphrase import Unlock, in_settings, none_given
from ledgernode.identity.renewal import Renewal
from ledgernode.identity.tls import Trust, load_tls
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.mempool import Mempool
from ledgernode.node.snapshots import Upkeep
from ledgernode.node.turns import Turns
from ledgernode.observe.listener import Listener
from ledgernode.observe.tracing import Tracing, tracing
from ledgernode.observe.turning import Turning
from ledgernode.services.metrics import NodeFigures
from ledgernode.services.observed import Observed
from ledgernode.services.roster import Roster
from ledgernode.services.server import Server
from ledgernode.wire.genesis import SIMULATED, parse_genesis
from ledgernode.wire.types import TimeMs

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Serving(msgspec.Struct, frozen=True):
    """What is known once the node serves."""

    host: str
    port: int
    organisation: str
    ledgers: tuple[str, ...]
    observe_port: int = 0
    """Where its operator asks for health and metrics; 0: nowhere."""


Ready = Callable[[Serving], None]
Clock = Callable[[], TimeMs]


def system_clock_ms() -> TimeMs:
    return TimeMs(time.time_ns() // 1_000_000)


class Start(NamedTuple):
    """What the process was started with: the home's settings, and what stands in their place."""

    home: Path
    config: NodeConfig
    listen: str
    ready: Ready
    clock_ms: Clock
    unlock: Unlock


def run_node(
    home: Path,
    *,
    listen: str | None = None,
    observe: str | None = None,
    trace: str | None = None,
    trace_one_in: int | None = None,
    log_level: str | None = None,
    log_json: bool = False,
    ready: Ready | None = None,
    clock_ms: Clock = system_clock_ms,
    unlock: Unlock = none_given,
) -> None:
    """Serve the node of `home` until SIGTERM or SIGINT. What is given wins over the home's own; ports may be 0.

    `unlock` gives the passphrase of encrypted keys, where the home's settings do not name its file.

    `clock_ms` is the time that its ledgers go by; it must be that of the other validators.

    Refuses a home, key, genesis or database that does not hold, an address that is taken, and a ledger of a simulation
    without its clock.
    """
    config = NodeConfig.read(home)
    for name in config.ledgers:
        _require_clock(home, name, clock_ms)
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    logs.set_up(as_json=log_json, level=log_level or config.log_level)
    if observe is not None:
        config = msgspec.structs.replace(config, observe=observe)
    if trace is not None:
        config = msgspec.structs.replace(config, trace=trace)
    if trace_one_in is not None:
        config = msgspec.structs.replace(config, trace_one_in=trace_one_in)
    if config.key_passphrase_file:
        unlock = in_settings(home, config.key_passphrase_file)
    uvloop.run(_serve(Start(home, config, listen or config.listen, ready or _say, clock_ms, unlock)))


async def _serve(start: Start) -> None:
    home, config, listen, clock_ms = start.home, start.config, start.listen, start.clock_ms
    log = logs.logger(organisation=config.organisation)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    logs.heed_hangup(loop)
    with ExitStack() as opened:
        tls = Trust(load_tls(tls_directory(home), start.unlock))
        who = f"{config.organisation}/{config.validator}"
        traces = tracing(config.trace, config.trace_one_in, service="ledgernode-validator", who=who)
        if traces is not None:
            opened.callback(traces.close)
        roster = Roster(partial(_open, start, tls, traces, Turns()), tls.forget, log)
        opened.callback(roster.close)
        turning = Turning()
        figures = NodeFigures(roster.ledgers, home, turning, traces)
        observed = Observed(roster.ledgers, roster.names, config.stuck_after_ms, figures, failed=roster.failed)
        listener = Listener(config.observe, observed.addresses()) if config.observe else None
        if listener is not None:
            await listener.start()
        _trust_founders(home, config.ledgers, tls)
        roster.open(config.ledgers)
        server = Server(
            roster.ledgers,
            tls=tls,
            listen=listen,
            organisation=config.organisation,
            started_ms=clock_ms(),
            snapshots=_snapshots(home, config),
        )
        roster.start()
        await server.start()
        observe_port = 0 if listener is None else listener.port
        log.info("serving", listen=listen, port=server.port, ledgers=sorted(roster.ledgers), observe_port=observe_port)
        host = listen.rpartition(":")[0]
        start.ready(Serving(host, server.port, config.organisation, config.ledgers, observe_port))
        watching = asyncio.create_task(_watch(roster, server, observed))
        following = asyncio.create_task(_follow(home, roster, tls, log))
        lagging = asyncio.create_task(turning.run())
        warning = asyncio.create_task(_warn_of_endings(home, log, clock_ms))
        renewal = Renewal(partial(load_tls, tls_directory(home), start.unlock), tls, TLS_LOOK_MS)
        renewing = asyncio.create_task(renewal.run())
        told = asyncio.create_task(stopping.wait())
        broken = asyncio.create_task(roster.broken())
        await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        log.info("stopping")
        observed.stopping = True
        for task in (watching, following, broken, told):
            task.cancel()
        await server.tell_health(serving=False)
        await roster.stop()
        await server.stop(STOP_GRACE_MS / 1_000)
        warning.cancel()
        renewing.cancel()
        lagging.cancel()
        if listener is not None:
            await listener.stop()
    roster.require_any()
    log.info("stopped")


def _open(start: Start, tls: Trust, traces: Tracing | None, turns: Turns, name: str) -> ServedLedger:
    """With what state sync has left whole put in its place."""
    home, config = start.home, start.config
    _require_clock(home, name, start.clock_ms)
    key = load_key(validator_directory(home) / "key.pem", start.unlock)
    genesis_bytes = genesis_path(home, name).read_bytes()
    limits = config.limits.get(name) or LedgerLimits()
    ledger = ServedLedger(
        data_directory(home, name),
        genesis_bytes,
        key,
        start.clock_ms,
        mempool=Mempool(transactions=limits.mempool_transactions, size_bytes=limits.mempool_bytes),
        store_bytes=limits.store_bytes,
        turns=turns,
        tls=tls,
        upkeep=Upkeep(
            config.snapshot_every_blocks,
            config.snapshots_kept,
            config.sync_behind_blocks,
            config.keep_blocks,
            config.archives,
        ),
        operators_snapshots=_snapshots(home, config),
        tracer=None if traces is None else traces.tracer,
        nats=config.nats,
        home=home,
    )
    if ledger.name != name:
        ledger.close()
        raise BadGenesis(f"{genesis_path(home, name)} is of ledger {ledger.name}, not of {name}")
    return ledger


def _require_clock(home: Path, name: str, clock_ms: Clock) -> None:
    if clock_ms is system_clock_ms and name.startswith(SIMULATED):
        raise BadRequest(f"{home} serves a simulation, which goes by a clock of its own: `ledgernode community run`")


def _trust_founders(home: Path, names: Iterable[str], tls: Trust) -> None:
    """Which roots are whose, before any ledger is open: one that does not open lends its roots to no other."""
    for name in names:
        with suppress(OSError, LedgerError):
            genesis = parse_genesis(genesis_path(home, name).read_bytes())
            tls.name(name, [root for organisation in genesis.organisations for root in organisation.roots])


async def _follow(home: Path, roster: Roster[ServedLedger], tls: Trust, log: Any) -> None:
    """Serve what the node's file names, as it stands now; its other settings hold from the next start."""
    refused = ""
    while True:
        await asyncio.sleep(ROSTER_LOOK_MS / 1_000)
        try:
            names = NodeConfig.read(home).ledgers
        except LedgerError as error:
            if refused != str(error):
                log.warning("the node's file cannot be read", reason=str(error))
            refused = str(error)
            continue
        refused = ""
        if names != tuple(roster.names):
            _trust_founders(home, [name for name in names if name not in roster.names], tls)
            await roster.follow(names)


async def _watch(roster: Roster[ServedLedger], server: Server, observed: Observed) -> None:
    """A node is healthy while any ledger of it makes blocks, and ready when all of those are near the others."""
    while True:
        observed.beat()
        going = [ledger for ledger in roster.ledgers.values() if ledger.driver.halted is None]
        serving = bool(going) or not roster.names
        await server.tell_health(serving=serving, ready=all(ledger.is_ready for ledger in going))
        await asyncio.sleep(WATCH_MS / 1_000)


def _snapshots(home: Path, config: NodeConfig) -> Path:
    """Where the node writes what its operator asks for."""
    return (home / config.snapshot_dir).resolve()


async def _warn_of_endings(home: Path, log: Any, clock_ms: Clock) -> None:
    """Certificates that end soon, or have ended, are named at the start and once a day."""
    while True:
        for ending in endings(home, clock_ms()):
            (log.error if ending.urgent else log.warning)(str(ending))
        await asyncio.sleep(DAY_MS / 1_000)


def _say(serving: Serving) -> None:
    sys.stdout.write(msgspec.json.encode(serving).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_node(Path(sys.argv[1]), listen=sys.argv[2] if len(sys.argv) > 2 else None)
