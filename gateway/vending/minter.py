"""Credits that others have reserved (a wallet's vend, a share, units returned), and tokens on their way to meters.

The ledger tells of each reservation, and has a list of those without digits: the list is what counts, being told only
makes it quick. A record on disk stands before the minting, so that a token that was minted just before a crash is told
all the same.

A token is delivered when a gateway has it for its meter, or the partner for the customer; then the ledger is told so.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from gateway.http.post import post
from gateway.http.signature import Request, authorization
from gateway.vending import payments
from gateway.vending.ledger import VendingLedger
from gateway.vending.minting import Token, digits_of, hash_of
from gateway.vending.module import VendingModule
from gateway.vending.payments import Under
from gateway.vending.settings import Bounds, GatewayAt
from gateway.vending.store import VendingStore
from ledgernode.errors import ContractRefused, LedgerError, NodeUnreachable

_KIND: Final = "token"


class Courier:
    """Tokens to gateways, and the word on the ledger. Runs until it is cancelled."""

    def __init__(
        self,
        store: VendingStore,
        ledger: VendingLedger,
        module: VendingModule,
        bounds: Bounds,
        *,
        gateways: list[GatewayAt],
        trust: ssl.SSLContext,
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._module = module
        self._bounds = bounds
        self._gateways = gateways
        self._trust = trust
        self._clock_ms = clock_ms
        self._waiting: dict[int, Under] = {}
        self._new: asyncio.Queue[int] = asyncio.Queue()
        self._room = asyncio.Semaphore(bounds.deliveries)
        self._log: Any = structlog.get_logger("vending.courier")

    def take(self, under: Under) -> None:
        """A minted token, which is on disk."""
        if under.token.credit not in self._waiting:
            self._waiting[under.token.credit] = under
            self._new.put_nowait(under.token.credit)

    async def answered(self, credit: int) -> None:
        """The partner has the digits."""
        under = self._waiting.get(credit)
        if under is not None and not under.answered:
            await self._keep(msgspec.structs.replace(under, answered=True))

    async def run(self) -> None:
        for under in self._store.tokens():
            if under.minted:
                self.take(under)
        async with asyncio.TaskGroup() as deliveries:
            while True:
                deliveries.create_task(self._deliver(await self._new.get()))

    async def _deliver(self, credit: int) -> None:
        """Again and again, with growing pauses, until there is nothing more to be done."""
        pause_ms = self._bounds.again_ms
        while not self._is_over(credit):
            try:
                async with self._room:
                    await self._try(credit)
            except LedgerError as error:
                self._log.warning("a token is not delivered yet", credit=credit, code=error.code, reason=str(error))
            if not self._is_over(credit):
                await asyncio.sleep(pause_ms / 1_000)
                pause_ms = min(2 * pause_ms, self._bounds.courier_ms)
        await self._store.keep(gone=[credit])
        del self._waiting[credit]

    def _is_over(self, credit: int) -> bool:
        bounds = self._bounds
        return payments.is_delivered(self._waiting[credit], len(self._gateways), self._clock_ms(), bounds.give_up_ms)

    async def _try(self, credit: int) -> None:
        await self._tell_gateways(credit)
        under = self._waiting[credit]
        if (under.told or under.answered) and not under.said:
            with suppress(ContractRefused):  # it has gone further: burned with the meter's proof
                await self._ledger.delivered(under.token)
            await self._keep(msgspec.structs.replace(self._waiting[credit], said=True))

    async def _tell_gateways(self, credit: int) -> None:
        """All of them: who knows where the meter is connected? One that has it is enough to call it delivered."""
        under = self._waiting[credit]
        late = self._clock_ms() >= under.made_ms + self._bounds.give_up_ms
        untold = [gateway for gateway in self._gateways if gateway.address not in under.told]
        if late or not untold:
            return
        body = await self._command(under.token)
        taken = await asyncio.gather(*(self._tell(gateway, body) for gateway in untold))
        told = [gateway.address for gateway, took in zip(untold, taken, strict=True) if took]
        if told:
            under = self._waiting[credit]
            await self._keep(msgspec.structs.replace(under, told=(*under.told, *told)))

    async def _tell(self, gateway: GatewayAt, body: bytes) -> bool:
        signed = Request("POST", gateway.url.target, body)
        header = authorization(gateway.name, gateway.key, signed, self._clock_ms(), secrets.token_hex(8))
        headers = {"Authorization": header, "Content-Type": "application/json"}
        try:
            limit_s = self._bounds.gateway_ms / 1_000
            reply = await post(gateway.url, body, headers, timeout_s=limit_s, trust=self._trust)
        except NodeUnreachable as error:
            self._log.info("a gateway does not answer", gateway=gateway.address, reason=str(error))
            return False
        if not reply.taken:
            self._log.warning("a gateway takes no token", gateway=gateway.address, status=reply.status)
        return reply.taken

    async def _command(self, token: Token) -> bytes:
        payload = {
            "digits": await digits_of(self._module, token),
            "pan": token.pan,
            "base": token.base,
            "tid": token.tid,
            "energy_mwh": token.energy_mwh,
        }
        given = {"kind": _KIND, "number": token.credit, "device": token.device, "payload": payload}
        return msgspec.json.encode(given | {"text": f"{token.units // 10}.{token.units % 10} kWh"})

    async def _keep(self, under: Under) -> None:
        self._waiting[under.token.credit] = under
        await self._store.keep(tokens=[under])


class Minter:
    """Of one utility: digits for the credits that are nobody's purchase here. Runs until it is cancelled."""

    def __init__(
        self,
        store: VendingStore,
        ledger: VendingLedger,
        module: VendingModule,
        bounds: Bounds,
        *,
        is_own: Callable[[str], bool],
        clock_ms: Callable[[], int],
        on_minted: Callable[[Under], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._module = module
        self._bounds = bounds
        self._is_own = is_own
        self._clock_ms = clock_ms
        self._on_minted = on_minted
        self._work = asyncio.Event()
        self._log: Any = structlog.get_logger("vending.minter")

    async def run(self) -> None:
        listening = asyncio.create_task(self._listen())
        pause_ms = self._bounds.again_ms
        try:
            while True:
                self._work.clear()
                try:
                    await self._mint_all()
                    pause_ms = self._bounds.look_ms
                except LedgerError as error:
                    self._log.warning("credits wait for their digits", code=error.code, reason=str(error))
                    pause_ms = self._bounds.again_ms
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_ms / 1_000):
                        await self._work.wait()
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        while True:
            with suppress(LedgerError):
                async for _ in self._ledger.reservations():
                    self._work.set()
            await asyncio.sleep(self._bounds.again_ms / 1_000)
            self._work.set()

    async def _mint_all(self) -> None:
        """What was begun before, then what has no digits yet. One that cannot be minted holds up no other."""
        for under in self._store.tokens():
            if not under.minted:
                await self._mint(under)
        after = 0
        while page := await self._ledger.to_mint(after):
            for credit in page:
                after = credit["number"]
                if not (credit["payer"] and self._is_own(credit["payer"])) and self._store.token(after) is None:
                    await self._begin(credit)

    async def _begin(self, credit: dict[str, Any]) -> None:
        group = await self._ledger.supply_group(credit["point"], credit["pan"])
        device = await self._ledger.device(credit["point"])
        under = Under(payments.token_of(credit, device, group), self._clock_ms())
        await self._keep(under)
        await self._mint(under)

    async def _mint(self, under: Under) -> None:
        token = under.token
        try:
            digits = await digits_of(self._module, token)
            await self._ledger.mint(token, hash_of(digits))
        except ContractRefused as error:
            if payments.was_let_go(await self._ledger.credit(token)):
                await self._store.keep(gone=[token.credit])
            else:
                self._log.error("a credit cannot be minted", credit=token.credit, code=payments.code_of(error))
            return
        except LedgerError as error:
            self._log.error("a credit is not minted yet", credit=token.credit, code=error.code, reason=str(error))
            return
        minted = msgspec.structs.replace(under, minted=True)
        await self._keep(minted)
        self._on_minted(minted)

    async def _keep(self, under: Under) -> None:
        await self._store.keep(tokens=[under])
