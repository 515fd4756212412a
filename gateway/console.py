"""What a gateway has for people: the read model, who is there, what pages ask, and the pages.

It stands beside the devices' ways in, on the same HTTP listener, and never touches them: what goes wrong here stands in
the model's status and in the log, and stops no device. Without a setting of the console the model is followed alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter

from gateway.api import founding, live
from gateway.api.areas import areas
from gateway.api.asking import Asking, Node
from gateway.api.newsroom import Newsroom
from gateway.http.pages import BUILT, NOT_BUILT, Pages
from gateway.limits import Limits
from gateway.naming import NameBook
from gateway.readmodel.model import LedgerHome, ModelHome, ReadModel
from gateway.sessions import router as sessions
from gateway.sessions import staff
from gateway.sessions.people import People
from gateway.settings import ConsoleSetting
from ledgernode.client import LedgerClient, Signer
from ledgernode.errors import LedgerError
from ledgernode.identity.key_file import load_key
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.tls import channel_credentials
from ledgernode.wire.genesis import chain_id


class Console:
    """The parts; `run` until it is cancelled, `end` before the listener stops, `close` at last."""

    def __init__(
        self,
        home: ModelHome,
        setting: ConsoleSetting | None,
        directory: Path,
        *,
        limits: Limits,
        clock_ms: Callable[[], int],
        digits: Callable[[int], str],
        unlock: Unlock = none_given,
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._digits = digits
        self._log: Any = structlog.get_logger("gateway.console")
        self._clients: list[LedgerClient] = []
        self.model = ReadModel(home.database, home.ledger)
        self.newsroom = Newsroom(self.model)
        self.areas: Sequence[APIRouter] = ()
        self.pages: Pages | None = None
        if setting is not None:
            self.pages = Pages(directory / setting.files if setting.files else BUILT)
            self.areas = self._areas(_with_signer(home.ledger, setting, directory, unlock), setting, clock_ms)
            if not self.pages.is_built:
                self._log.warning(NOT_BUILT)

    def _areas(self, home: LedgerHome, setting: ConsoleSetting, clock_ms: Callable[[], int]) -> list[APIRouter]:
        chain, ledger = chain_id(home.genesis_bytes), self._client(home, home.nodes)

        async def ask(contract: str, function: str, arguments: dict[str, Any]) -> bytes:
            return (await ledger.evaluate(contract, function, arguments, signer=home.signer)).result

        present = sessions.Sessions(chain, setting.origin, People(ask, clock_ms), clock_ms, limits=self._limits)
        entering = [sessions.router(present)]
        if setting.staff:
            file = staff.read_staff(self._directory / setting.staff)
            entering.append(staff.router(staff.Staff(self._directory, file, present, clock_ms)))
        asking = Asking(
            home.ledger,
            chain,
            model=self.model,
            sessions=present,
            ledger=ledger,
            ask=ask,
            clock_ms=home.signer.now_ms,
            nodes=tuple(Node(address, self._client(home, (address,))) for address in home.nodes),
            digits=self._digits,
            names=NameBook(self._directory / setting.names if setting.names else None),
        )
        founded = founding.router(home.genesis_bytes)
        return [*entering, founded, *areas(asking), live.router(asking, self.newsroom)]

    def _client(self, home: LedgerHome, nodes: Sequence[str]) -> LedgerClient:
        client = LedgerClient(nodes, home.ledger, channel_credentials(home.tls))
        self._clients.append(client)
        return client

    async def run(self) -> None:
        """Follow the ledger, and tell who listens."""
        telling = asyncio.create_task(self.newsroom.run())
        try:
            await self.model.run()
        except LedgerError as error:
            self._log.error("the read model is not followed", code=error.code, reason=str(error))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    def end(self) -> None:
        """Those who listen go, and know why."""
        self.newsroom.end()

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.model.close()


def _with_signer(home: LedgerHome, setting: ConsoleSetting, directory: Path, unlock: Unlock) -> LedgerHome:
    """In whose name contracts are asked: the gateway's own, or an identity of the console's."""
    if not setting.signer:
        return home
    key = load_key(directory / setting.signer / "key.pem", unlock)
    return msgspec.structs.replace(home, signer=Signer(key, chain_id=chain_id(home.genesis_bytes)))
