"""The server process: every ledger of a node's home behind one gRPC server, until it is told to stop.

    python -m ledgernode.services.process HOME

It says on standard output, in one line of JSON, when it serves and on which port. SIGTERM and SIGINT drain:
nothing more is admitted, what is admitted is committed (for a bounded time), open calls are answered, and the
databases are closed. What is durable needs no drain: a node that is killed loses nothing it acknowledged.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from ledgernode.config import COLLECT_AFTER_OBJECTS, STOP_GRACE_MS
from ledgernode.errors import BadGenesis
from ledgernode.identity.authority import DAY_MS
from ledgernode.identity.endings import endings
from ledgernode.identity.home import NodeConfig, data_directory, genesis_path, tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.tls import Trust, load_tls
from ledgernode.node import telemetry
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.server import Server
from ledgernode.wire.types import TimeMs

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Serving(msgspec.Struct, frozen=True):
    """What is known once the node serves."""

    host: str
    port: int
    organisation: str
    ledgers: tuple[str, ...]


Ready = Callable[[Serving], None]


def run_node(
    home: Path,
    *,
    listen: str | None = None,
    log_level: str | None = None,
    log_json: bool = False,
    ready: Ready | None = None,
) -> None:
    """Serve the node of `home` until SIGTERM or SIGINT. `listen` wins over the home's own; its port may be 0.

    Refuses a home, key, genesis or database that does not hold, and an address that is taken.
    """
    config = NodeConfig.read(home)
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    telemetry.set_up(as_json=log_json, level=log_level or config.log_level)
    uvloop.run(_serve(home, config, listen or config.listen, ready or _say))


async def _serve(home: Path, config: NodeConfig, listen: str, ready: Ready) -> None:
    log = telemetry.logger(organisation=config.organisation)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    with ExitStack() as opened:
        tls = Trust(load_tls(tls_directory(home)))
        ledgers = {name: _open(home, name, tls, opened) for name in config.ledgers}
        server = Server(
            ledgers,
            tls=tls,
            listen=listen,
            organisation=config.organisation,
            started_ms=_clock_ms(),
            snapshots=(home / config.snapshot_dir).resolve(),
        )
        running = [ledger.start() for ledger in ledgers.values()]
        await server.start()
        log.info("serving", listen=listen, port=server.port, ledgers=sorted(ledgers))
        ready(Serving(listen.rpartition(":")[0], server.port, config.organisation, config.ledgers))
        watching = asyncio.create_task(_watch(running, server))
        warning = asyncio.create_task(_warn_of_endings(home, log))
        await stopping.wait()
        log.info("stopping")
        await server.tell_health(serving=False)
        await asyncio.gather(*(ledger.stop() for ledger in ledgers.values()))
        await server.stop(STOP_GRACE_MS / 1_000)
        await watching
        warning.cancel()
    log.info("stopped")


def _open(home: Path, name: str, tls: Trust, opened: ExitStack) -> ServedLedger:
    key = PrivateKey.load(validator_directory(home) / "key.pem")
    genesis_bytes = genesis_path(home, name).read_bytes()
    ledger = ServedLedger(data_directory(home, name), genesis_bytes, key, _clock_ms, tls=tls)
    opened.callback(ledger.close)
    if ledger.name != name:
        raise BadGenesis(f"{genesis_path(home, name)} is of ledger {ledger.name}, not of {name}")
    return ledger


async def _watch(running: list[asyncio.Task[None]], server: Server) -> None:
    """A ledger that makes no more blocks makes the node unhealthy, though it still answers."""
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    await server.tell_health(serving=False)


async def _warn_of_endings(home: Path, log: Any) -> None:
    """Certificates that end soon, or have ended, are named at the start and once a day."""
    while True:
        for ending in endings(home, _clock_ms()):
            (log.error if ending.urgent else log.warning)(str(ending), days_left=ending.days_left)
        await asyncio.sleep(DAY_MS / 1_000)


def _clock_ms() -> TimeMs:
    return TimeMs(time.time_ns() // 1_000_000)


def _say(serving: Serving) -> None:
    sys.stdout.write(msgspec.json.encode(serving).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_node(Path(sys.argv[1]), listen=sys.argv[2] if len(sys.argv) > 2 else None)
