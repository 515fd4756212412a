"""What vending asks of the ledger, and says on it: `registry`, `currency` and `prepaid`, by their own functions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from gateway.vending.minting import Token
from ledgernode.client import LedgerClient, Signer
from ledgernode.errors import TransactionExpired

RESERVED: Final = "CreditReserved"
_GROUPS_KEPT: Final = 100_000
_TRIES: Final = 5
_RESERVE_BUDGET: Final = 200_000
_MINT_BUDGET: Final = 100_000
_DELIVERED_BUDGET: Final = 30_000
"""More than ten times what they use (16,000, 6,000 and 1,300), for customers with many debts."""


class VendingLedger:
    """Of one utility, by its vending service (an operator)."""

    def __init__(self, client: LedgerClient, signer: Signer, utility: str, supply_group: str) -> None:
        self.client = client
        self.signer = signer
        self.utility = utility
        self._supply_group = supply_group
        self._groups: OrderedDict[str, str] = OrderedDict()

    # ------------------------------------------------------------ asking

    async def currency(self) -> str:
        """The code of the ledger's money."""
        return str((await self._ask("currency", "book"))["code"])

    async def meter(self, pan: str) -> dict[str, Any]:
        """The meter with this number. Raises the registry's own refusal where there is none."""
        found: dict[str, Any] = await self._ask("registry", "meter_by_pan", pan=pan)
        return found

    async def device(self, point: str) -> str:
        """The meter that hangs at a point, as commands name it."""
        return str((await self._ask("registry", "point", point=point))["meter"])

    async def quote(self, point: str, amount_minor: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._ask("prepaid", "quote", point=point, amount_minor=amount_minor)
        return found

    async def supply_group(self, point: str, pan: str) -> str:
        """Of a meter's key: as the ledger says, else our own. It never changes once a token was reserved."""
        known = self._groups.get(pan)
        if known is None:
            setting = (await self._ask("prepaid", "account", point=point))["setting"]
            known = setting["supply_group"] or self._supply_group
            while len(self._groups) >= _GROUPS_KEPT:
                self._groups.popitem(last=False)
            self._groups[pan] = known
        return known

    async def credit(self, token: Token) -> dict[str, Any]:
        found: dict[str, Any] = await self._ask("prepaid", "credit", **_where(token))
        return found

    async def to_mint(self, after: int) -> list[dict[str, Any]]:
        """Credits of the utility that have no digits yet, a page of them."""
        found: list[dict[str, Any]] = await self._ask("prepaid", "to_mint", utility=self.utility, after=after)
        return found

    async def reservations(self) -> AsyncIterator[None]:
        """Once for each credit that is reserved from now on."""
        height = int((await self.client.facts()).height)
        async for _ in self.client.events(height + 1, contract="prepaid", names=[RESERVED]):
            yield None

    async def _ask(self, contract: str, function: str, **arguments: Any) -> Any:
        answer = await self.client.evaluate(contract, function, arguments, signer=self.signer)
        return msgspec.json.decode(answer.result)

    # ------------------------------------------------------------ saying

    async def reserve(self, payer: Signer, point: str, amount_minor: int, request: str) -> dict[str, Any]:
        """The credit that this request has, now or from before."""
        arguments = {"point": point, "amount_minor": amount_minor, "request": request}
        return await self._say(payer, "reserve", arguments, _RESERVE_BUDGET)

    async def mint(self, token: Token, token_hash: str) -> dict[str, Any]:
        """Its digits exist and have this hash: from now on they may be shown."""
        return await self._say(self.signer, "mint", _where(token) | {"token_hash": token_hash}, _MINT_BUDGET)

    async def delivered(self, token: Token) -> dict[str, Any]:
        return await self._say(self.signer, "delivered", _where(token), _DELIVERED_BUDGET)

    async def _say(self, signer: Signer, function: str, arguments: dict[str, Any], budget: int) -> dict[str, Any]:
        """One that time ran past had no effect, and never will: it is signed anew."""
        for left in reversed(range(_TRIES)):
            try:
                outcome = await self.client.submit("prepaid", function, arguments, signer=signer, budget=budget)
            except TransactionExpired:
                if not left:
                    raise
                continue
            found: dict[str, Any] = msgspec.json.decode(outcome.result)
            return found
        raise AssertionError("the last try is answered or raises")


def _where(token: Token) -> dict[str, Any]:
    return {"pan": token.pan, "base": token.base, "tid": token.tid}
