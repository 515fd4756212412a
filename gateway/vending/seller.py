"""The steps of a purchase: each is on disk before the next is taken, so that any may be the last before a crash.

    received on disk ─▶ reserve on the ledger ─▶ reserved on disk ─▶ mint on the ledger ─▶ minted on disk ─▶ answer

A step that is taken again does nothing new: the ledger knows a request and a hash it has had, and the digits follow
from the credit. What was open when the process ended is taken up when it begins again. Digits leave only when the
ledger holds their hash for good.

Who paid has paid: a purchase that is in trouble (no node, no key module, a suspended identity) is tried until it is
through or the ledger itself says no. Whoever waits hears of the trouble, and asks again with the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog

from gateway.vending import payments
from gateway.vending.ledger import VendingLedger
from gateway.vending.minting import digits_of, hash_of
from gateway.vending.module import VendingModule
from gateway.vending.payments import PaymentForm, Purchase, State, Under
from gateway.vending.settings import Bounds
from gateway.vending.store import VendingStore
from ledgernode.client import Signer
from ledgernode.errors import (
    CommitUnknown,
    ContractRefused,
    CurrencyRefused,
    LedgerError,
    PaymentAboveLimit,
    PaymentInvalid,
    PurchaseUnknown,
    RateLimited,
    VendingKeyUnknown,
)
from ledgernode.observe.figures import Codes
from ledgernode.wire.receipt import OK

Name: TypeAlias = tuple[str, str]
"""Partner and key."""
_NOT_OURS: Final = "the meter with this number is another utility's, or hangs nowhere any more"


class Seller:
    """Of one utility. `on_minted` is called with each token that is to be delivered."""

    def __init__(
        self,
        store: VendingStore,
        ledger: VendingLedger,
        module: VendingModule,
        bounds: Bounds,
        *,
        payer: Callable[[str], Signer],
        clock_ms: Callable[[], int],
        on_minted: Callable[[Under], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._module = module
        self._bounds = bounds
        self._payer = payer
        self._clock_ms = clock_ms
        self._on_minted = on_minted
        self._under_way: dict[Name, tuple[Purchase, asyncio.Task[Purchase]]] = {}
        self._failed: dict[Name, int] = {}
        self._currency = ""
        self.codes = Codes()
        """Purchases that are over, by code, since the start."""
        self._log: Any = structlog.get_logger("vending")

    # ------------------------------------------------------------ for partners

    async def pay(self, partner: str, key: str, payment: PaymentForm, *, limit_minor: int = 0) -> Purchase:
        """The purchase when it is over: minted, or refused for good.

        The same again is the same purchase. Raises PaymentInvalid, CurrencyRefused and PaymentKeyReused with nothing
        kept; else it is on disk, and what is raised says only that it is not over yet.
        """
        fresh = payments.received(partner, key, payment, self._clock_ms())
        name = (partner, key)
        if name not in self._under_way:
            known = self._store.find(partner, key)
            if known is not None and payments.same(known, payment).over:
                return known
            if known is None:
                await self._require_currency(payment)
                if limit_minor and payment.amount_minor > limit_minor:
                    raise PaymentAboveLimit(f"{partner} takes at most {limit_minor} minor units at once")
        return await self._awaited(self._started(name, fresh))

    def find(self, partner: str, key: str) -> Purchase:
        """How far it is. Raises PurchaseUnknown."""
        found = self._store.find(partner, key)
        if found is None:
            raise PurchaseUnknown("no payment with this key has come from this partner")
        return found

    async def digits(self, purchase: Purchase) -> str:
        """Of a minted one: the same each time."""
        assert purchase.token is not None, "it is minted"
        return await digits_of(self._module, purchase.token)

    async def _require_currency(self, payment: PaymentForm) -> None:
        self._currency = self._currency or await self._ledger.currency()
        if payment.currency != self._currency:
            raise CurrencyRefused(f"the ledger's money is {self._currency}")

    # ------------------------------------------------------------ its life

    async def run(self) -> None:
        """Take up what is open, again and again while it is in trouble, until cancelled."""
        rounds = 0
        while True:
            for purchase in self._store.open():
                name = (purchase.partner, purchase.key)
                due = rounds % min(1 << self._failed.get(name, 0), self._bounds.slowest_rounds) == 0
                if due and name not in self._under_way and len(self._under_way) < self._bounds.purchases:
                    self._started(name, purchase)
            rounds += 1
            await asyncio.sleep(self._bounds.again_ms / 1_000)

    async def close(self) -> None:
        """What is under way is left as it stands on disk."""
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _started(self, name: Name, purchase: Purchase) -> asyncio.Task[Purchase]:
        """The one task of this purchase. Refuses another payment under its key."""
        found = self._under_way.get(name)
        if found is not None:
            payments.same(found[0], purchase.payment)
            return found[1]
        if len(self._under_way) >= self._bounds.purchases:
            raise RateLimited("as many purchases as may be are under way", retry_ms=self._bounds.again_ms)
        task = asyncio.create_task(self._complete(purchase))
        self._under_way[name] = (purchase, task)
        task.add_done_callback(lambda done: self._ended(name, done))
        return task

    async def _awaited(self, task: asyncio.Task[Purchase]) -> Purchase:
        """Giving up the wait gives nothing else up."""
        try:
            async with asyncio.timeout(self._bounds.answer_ms / 1_000):
                return await asyncio.shield(task)
        except TimeoutError:
            raise CommitUnknown("not over yet: ask again with the same key", retry_ms=self._bounds.again_ms) from None

    def _ended(self, name: Name, task: asyncio.Task[Purchase]) -> None:
        self._under_way.pop(name, None)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._failed.pop(name, None)
            if not task.cancelled():
                purchase = task.result()
                self.codes.note(OK if purchase.state is State.MINTED else purchase.code)
        else:
            self._failed[name] = min(self._failed.get(name, 0) + 1, 16)
            code = error.code if isinstance(error, LedgerError) else type(error).__name__
            self._log.warning("a purchase is in trouble", partner=name[0], code=code, reason=str(error))

    async def _complete(self, purchase: Purchase) -> Purchase:
        known = self._store.find(purchase.partner, purchase.key)
        if known is None:
            await self._store.keep([purchase])
        else:
            purchase = payments.same(known, purchase.payment)
        while not purchase.over:
            step = self._reserve if purchase.state is State.RECEIVED else self._mint
            purchase = await step(purchase)
        return purchase

    async def _reserve(self, purchase: Purchase) -> Purchase:
        """Reserve it, or refuse it for good."""
        payment = purchase.payment
        try:
            meter = await self._ledger.meter(payment.meter)
            if meter["removed_ms"] or meter["utility"] != self._ledger.utility:
                return await self._refused(purchase, PaymentInvalid.code, _NOT_OURS)
            group = await self._ledger.supply_group(meter["point"], payment.meter)
            if not any(facts.supply_group == group for facts in await self._module.keys()):
                return await self._refused(purchase, VendingKeyUnknown.code, f"there is no key of group {group} here")
            payer = self._payer(purchase.partner)
            credit = await self._ledger.reserve(payer, meter["point"], payment.amount_minor, purchase.request)
        except LedgerError as error:
            if payments.is_final(error):
                return await self._refused(purchase, payments.code_of(error), str(error))
            raise
        purchase = payments.reserved(purchase, credit, meter["id"], group, self._clock_ms())
        await self._store.keep([purchase])
        return purchase

    async def _mint(self, purchase: Purchase) -> Purchase:
        """Mint it; reserve it anew where the ledger has let it go."""
        token = purchase.token
        assert token is not None, "a reserved purchase has its token"
        digits = await digits_of(self._module, token)
        try:
            await self._ledger.mint(token, hash_of(digits))
        except ContractRefused:
            credit = await self._ledger.credit(token)
            if payments.was_let_go(credit):
                again = payments.let_go(purchase)
                await self._store.keep([again])
                return again
            if credit["token_hash"] != hash_of(digits):
                raise  # else it was minted before, and has gone further since
        purchase = payments.minted(purchase, self._clock_ms())
        under = Under(token, self._clock_ms(), minted=True)
        await self._store.keep([purchase], [under])
        self._on_minted(under)
        return purchase

    async def _refused(self, purchase: Purchase, code: str, message: str) -> Purchase:
        purchase = payments.refused(purchase, code, message, self._clock_ms())
        await self._store.keep([purchase])
        self._log.info("refused", partner=purchase.partner, code=code)
        return purchase
