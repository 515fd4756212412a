"""The server process: every ledger of a node's home behind one gRPC server, until it is told to stop.

    python -m ledgernode.services.process HOME

It says on standard output, in one line of JSON, when it serves and on which port. SIGTERM and SIGINT drain:
nothing more is admitted, what is admitted is committed (for a bounded time), open calls are answered, and the
databases are closed. What is durable needs no drain: a node that is killed loses nothing it acknowledged.

A ledger that was brought forward by a snapshot is closed and opened again on it, while the others go on.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from ledgernode import logs
from ledgernode.config import COLLECT_AFTER_OBJECTS, STOP_GRACE_MS, TLS_LOOK_MS, WATCH_MS
from ledgernode.errors import BadGenesis, BadRequest
from ledgernode.identity.authority import DAY_MS
from ledgernode.identity.endings import endings
from ledgernode.identity.home import NodeConfig, data_directory, genesis_path, tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.renewal import Renewal
from ledgernode.identity.tls import Trust, load_tls
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.snapshots import Upkeep
from ledgernode.observe.listener import Listener
from ledgernode.observe.tracing import Tracing, tracing
from ledgernode.observe.turning import Turning
from ledgernode.services.metrics import NodeFigures
from ledgernode.services.observed import Observed
from ledgernode.services.server import Server
from ledgernode.wire.genesis import SIMULATED
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
) -> None:
    """Serve the node of `home` until SIGTERM or SIGINT. What is given wins over the home's own; ports may be 0.

    `clock_ms` is the time that its ledgers go by; it must be that of the other validators.

    Refuses a home, key, genesis or database that does not hold, an address that is taken, and a ledger of a simulation
    without its clock.
    """
    config = NodeConfig.read(home)
    if clock_ms is system_clock_ms and any(name.startswith(SIMULATED) for name in config.ledgers):
        raise BadRequest(f"{home} serves a simulation, which goes by a clock of its own: `ledgernode community run`")
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    logs.set_up(as_json=log_json, level=log_level or config.log_level)
    if observe is not None:
        config = msgspec.structs.replace(config, observe=observe)
    if trace is not None:
        config = msgspec.structs.replace(config, trace=trace)
    if trace_one_in is not None:
        config = msgspec.structs.replace(config, trace_one_in=trace_one_in)
    uvloop.run(_serve(home, config, listen or config.listen, ready or _say, clock_ms))


async def _serve(home: Path, config: NodeConfig, listen: str, ready: Ready, clock_ms: Clock) -> None:
    log = logs.logger(organisation=config.organisation)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    logs.heed_hangup(loop)
    with ExitStack() as opened:
        tls = Trust(load_tls(tls_directory(home)))
        ledgers: dict[str, ServedLedger] = {}
        opened.callback(_close, ledgers)
        turning = Turning()
        who = f"{config.organisation}/{config.validator}"
        traces = tracing(config.trace, config.trace_one_in, service="ledgernode-validator", who=who)
        if traces is not None:
            opened.callback(traces.close)
        figures = NodeFigures(ledgers, home, turning, traces)
        observed = Observed(ledgers, config.ledgers, config.stuck_after_ms, figures)
        listener = Listener(config.observe, observed.addresses()) if config.observe else None
        if listener is not None:
            await listener.start()
        for name in config.ledgers:
            ledgers[name] = _open(home, name, tls, config, clock_ms, traces=traces)
        server = Server(
            ledgers,
            tls=tls,
            listen=listen,
            organisation=config.organisation,
            started_ms=clock_ms(),
            snapshots=_snapshots(home, config),
        )
        serving = [
            asyncio.create_task(
                _serve_ledger(ledgers, name, partial(_open, home, name, tls, config, clock_ms, traces=traces), stopping)
            )
            for name in config.ledgers
        ]
        await server.start()
        observe_port = 0 if listener is None else listener.port
        log.info("serving", listen=listen, port=server.port, ledgers=sorted(ledgers), observe_port=observe_port)
        host = listen.rpartition(":")[0]
        ready(Serving(host, server.port, config.organisation, config.ledgers, observe_port))
        watching = asyncio.create_task(_watch(ledgers, server, observed))
        lagging = asyncio.create_task(turning.run())
        warning = asyncio.create_task(_warn_of_endings(home, log, clock_ms))
        renewing = asyncio.create_task(Renewal(partial(load_tls, tls_directory(home)), tls, TLS_LOOK_MS).run())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait((told, *serving), return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        log.info("stopping")
        observed.stopping = True
        watching.cancel()
        await server.tell_health(serving=False)
        ended = await asyncio.gather(*serving, return_exceptions=True)
        await server.stop(STOP_GRACE_MS / 1_000)
        warning.cancel()
        renewing.cancel()
        lagging.cancel()
        if listener is not None:
            await listener.stop()
    for failure in ended:
        if failure is not None:
            raise failure
    log.info("stopped")


def _open(
    home: Path, name: str, tls: Trust, config: NodeConfig, clock_ms: Clock, *, traces: Tracing | None
) -> ServedLedger:
    """With what state sync has left whole put in its place."""
    key = PrivateKey.load(validator_directory(home) / "key.pem")
    genesis_bytes = genesis_path(home, name).read_bytes()
    ledger = ServedLedger(
        data_directory(home, name),
        genesis_bytes,
        key,
        clock_ms,
        tls=tls,
        upkeep=Upkeep(config.snapshot_every_blocks, config.snapshots_kept, config.sync_behind_blocks),
        operators_snapshots=_snapshots(home, config),
        nats=config.nats,
        home=home,
        tracer=None if traces is None else traces.tracer,
    )
    if ledger.name != name:
        ledger.close()
        raise BadGenesis(f"{genesis_path(home, name)} is of ledger {ledger.name}, not of {name}")
    return ledger


async def _serve_ledger(
    ledgers: dict[str, ServedLedger], name: str, open_again: Callable[[], ServedLedger], stopping: asyncio.Event
) -> None:
    """Run it until the node stops; a halted one stays open. Who calls while it is opened again is told to ask again."""
    while not stopping.is_set():
        ledger = ledgers[name]
        ledger.start()
        await _either(stopping.wait(), ledger.outgrown())
        if stopping.is_set():
            await ledger.stop()
            return
        await ledger.stop(drain_ms=0)
        ledger.close()
        ledgers[name] = open_again()


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has, and give up the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _close(ledgers: Mapping[str, ServedLedger]) -> None:
    for ledger in ledgers.values():
        ledger.close()


async def _watch(ledgers: dict[str, ServedLedger], server: Server, observed: Observed) -> None:
    """A ledger that makes no more blocks makes the node unhealthy; one that is far behind makes it not ready."""
    while True:
        observed.beat()
        serving = all(ledger.driver.halted is None for ledger in ledgers.values())
        await server.tell_health(serving=serving, ready=all(ledger.is_ready for ledger in ledgers.values()))
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
