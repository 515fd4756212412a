"""What vending says on the ledger, where time runs past what it has signed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.vending.ledger import VendingLedger
from gateway.vending.minting import Token
from ledgernode.client import LedgerClient, Outcome, Signer
from ledgernode.errors import TransactionExpired
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.answers import Stage
from ledgernode.wire.types import ChainId, Height, TransactionId

TOKEN = Token(1, "north:h03", "00" * 32, "600727000000000033", 2014, 7, 1, 271, 1, 1, "123457")


class Late:
    """A ledger that is too busy for the first so many."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.asked = 0

    async def submit(self, *_: Any, **__: Any) -> Outcome:
        self.asked += 1
        if self.asked <= self.late:
            raise TransactionExpired("valid until 1, and it is 2")
        return Outcome(TransactionId(bytes(32)), Stage.COMMITTED, "OK", height=Height(1), result=b'{"tid":7}')


def vending(late: Late) -> VendingLedger:
    signer = Signer(PrivateKey.generate(), chain_id=ChainId(bytes(32)))
    return VendingLedger(cast("LedgerClient", late), signer, "north", "")


async def test_what_time_ran_past_is_signed_anew() -> None:
    late = Late(2)
    assert await vending(late).mint(TOKEN, "00") == {"tid": 7}
    assert late.asked == 3


async def test_not_for_ever() -> None:
    late = Late(1_000)
    with pytest.raises(TransactionExpired):
        await vending(late).mint(TOKEN, "00")
    assert 2 <= late.asked < 20
