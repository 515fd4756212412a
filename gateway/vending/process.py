"""A vending service as a process: webhook, seller, minter, courier, until it is told to stop.

SIGTERM and SIGINT: no more requests, those under way have some seconds. What is open then goes on with the next start,
as it does after a kill.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvloop

from gateway.http.app import create_app
from gateway.http.door import Requests
from gateway.http.server import HttpServer, Listen
from gateway.vending import webhook
from gateway.vending.keystore import open_store, read_passphrase
from gateway.vending.ledger import VendingLedger
from gateway.vending.minter import Courier, Minter
from gateway.vending.module import KeyStoreModule, VendingModule
from gateway.vending.observed import Observed
from gateway.vending.partners import payer_of
from gateway.vending.remote import ModuleServer, SocketModule
from gateway.vending.seller import Seller
from gateway.vending.settings import Settings, gateways_of
from gateway.vending.store import VendingStore
from ledgernode import logs
from ledgernode.client import LedgerClient, Signer
from ledgernode.errors import BadRequest
from ledgernode.identity.tls import TlsFiles, channel_credentials
from ledgernode.observe.listener import Listener
from ledgernode.observe.turning import Turning

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STOP_GRACE_S: Final = 5.0


class Home(msgspec.Struct, frozen=True):
    """What a vending service is started with."""

    directory: Path
    ledger: str
    nodes: tuple[str, ...]
    http: Listen
    tls: TlsFiles
    signer: Signer
    passphrase_file: Path | None
    settings: Settings


class Serving(msgspec.Struct, frozen=True):
    """What is known once it serves."""

    host: str
    http_port: int
    utility: str
    keys: int
    observe_port: int = 0
    """Where its operator asks for health and metrics; 0: nowhere."""


Ready = Callable[[Serving], None]


def run_vending(home: Home, *, ready: Ready | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Refuses a directory, an address or a key store that cannot be used."""
    logs.set_up(as_json=False)
    uvloop.run(_run(home, ready or _say))


async def _run(home: Home, ready: Ready) -> None:
    log: Any = structlog.get_logger("vending")
    stopping = _stopping()
    settings, bounds = home.settings, home.settings.bounds
    async with AsyncExitStack() as ending:
        module = module_of(home.directory, settings, home.passphrase_file)
        ending.push_async_callback(module.close)
        store = VendingStore(home.directory / "purchases")
        ending.callback(store.close)
        client = LedgerClient(home.nodes, home.ledger, channel_credentials(home.tls))
        ending.push_async_callback(client.close)
        ledger = VendingLedger(client, home.signer, settings.utility, settings.supply_group)
        partners = webhook.Partners(home.directory, settings.limits, _clock_ms)
        payers = Payers(home, partners)
        common = (store, ledger, module, bounds)
        trust = ssl.create_default_context()
        trust.load_verify_locations(cadata="".join(home.tls.roots))
        courier = Courier(*common, gateways=gateways_of(home.directory, settings), trust=trust, clock_ms=_clock_ms)
        seller = Seller(*common, payer=payers.of, clock_ms=_clock_ms, on_minted=courier.take)
        ending.push_async_callback(seller.close)
        minter = Minter(*common, is_own=payers.is_one, clock_ms=_clock_ms, on_minted=courier.take)
        area = webhook.router(seller, ledger, partners, answered=courier.answered)
        requests, turning = Requests(), Turning()
        app = create_app(
            [area], limits=settings.limits, steady_ms=_steady_ms, title="ledgernode vending", requests=requests
        )
        observed = Observed(store, seller.codes, requests, turning, _clock_ms)
        listener = Listener(settings.observe, observed.addresses()) if settings.observe else None
        if listener is not None:
            await listener.start()
            ending.push_async_callback(listener.stop)
        server = HttpServer(app, home.http, settings.limits)
        keys = len(await module.keys())
        tasks = [asyncio.create_task(each.run()) for each in (courier, seller, minter)]
        lagging = asyncio.create_task(turning.run())
        ending.push_async_callback(_ended, [*tasks, lagging])
        await server.start()
        observed.serving = True
        observe_port = 0 if listener is None else listener.port
        ready(Serving(home.http.host, server.port, settings.utility, keys, observe_port))
        log.info("serving", port=server.port, keys=keys)
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait((told, *tasks), return_when=asyncio.FIRST_COMPLETED)
        observed.stopping = True
        log.info("stopping")
        await server.stop(_STOP_GRACE_S)
        for task in tasks:
            if task.done():
                task.result()  # none of them ends by itself: say why it did
        told.cancel()


class Payers:
    """Who pays what a partner sells; keys are read once."""

    def __init__(self, home: Home, partners: webhook.Partners) -> None:
        self._home = home
        self._partners = partners
        self._known: dict[str, Signer] = {}
        self._identities = {home.signer.identity.hex()}

    def of(self, name: str) -> Signer:
        """Raises BadRequest for a partner that is no more, KeyFileUnsafe for a key that others can read."""
        found = self._known.get(name)
        if found is None:
            partner = self._partners.find(name)
            if partner is None:
                raise BadRequest(f"there is no partner {name} any more: who pays is not known")
            found = payer_of(self._home.directory, partner, self._home.signer)
            self._known[name] = found
            self._identities.add(found.identity.hex())
        return found

    def is_one(self, identity: str) -> bool:
        return identity in self._identities


def module_of(directory: Path, settings: Settings, passphrase_file: Path | None) -> VendingModule:
    """The one that holds the keys: a process behind a socket, or the key store itself."""
    if settings.module:
        return SocketModule(directory / settings.module)
    if passphrase_file is None:
        raise BadRequest("a key store is opened with a passphrase: name its file (--passphrase-file)")
    return KeyStoreModule(open_store(directory / settings.key_store, read_passphrase(passphrase_file)))


def run_module(key_store: Path, passphrase_file: Path, path: Path, *, ready: Callable[[], None]) -> None:
    """Hold the keys of a key store, and serve them to processes of the same user, until SIGTERM or SIGINT."""
    logs.set_up(as_json=False)

    async def serve() -> None:
        stopping = _stopping()
        module = KeyStoreModule(open_store(key_store, read_passphrase(passphrase_file)))
        server = ModuleServer(module, path)
        await server.start()
        ready()
        await stopping.wait()
        await server.stop()

    uvloop.run(serve())


def _stopping() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _say(serving: Serving) -> None:
    sys.stdout.write(msgspec.json.encode(serving).decode() + "\n")
    sys.stdout.flush()
