"""Who mints: the vending service of the utility. It has the vending key, and mints what the ledger has reserved.

Three kinds of credit come this way: a purchase, units that another house shares, and units that settlement returns
because a neighbour was paid for them. A bought token's digits are typed at the keypad; the others come by wire.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from living.people import Call
from living.place import Place, key_of


class Vending:
    """Mints for the operator of the utility."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def mint(self, reserved: dict[str, Any]) -> str:
        """The twenty digits, once the ledger holds their digest for good; '' where it has given the credit up."""
        token = Credit(tid=Tid(reserved["tid"]), random=reserved["rnd"], units=reserved["units"])
        digits = mint(token, key_of(reserved["pan"]))
        where = {name: reserved[name] for name in ("pan", "base", "tid")}
        digest = {"token_hash": hashlib.sha256(digits.encode()).hexdigest()}
        outcome = await self._place.people.attempt(Call(self._place.operator, "prepaid", "mint", where | digest))
        return digits if outcome.succeeded else ""
