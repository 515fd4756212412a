"""A ledger whose blocks are mined and paid for: the executor's side of proof of work, without the search."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ledgernode.execution.sandbox.package import pack
from ledgernode.identity.engine_options import BLOCK_REWARD_MINOR
from ledgernode.testing import Committed, Member, TestLedger
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.receipt import Origin

CURRENCY = Path(__file__).parent.parent / "src" / "chaincode" / "currency.py"
REWARD_MINOR = 50
LIMIT_MINOR = 10_000
"""What one person of the issuer may mint, or allow, in a day."""


@lru_cache
def currency_package() -> bytes:
    return pack(CURRENCY)


class MinedLedger(TestLedger):
    """Founded with a reward for each block; the issuer of the currency has two people. One validator mines."""

    __test__ = False

    def __init__(self, reward_minor: int = REWARD_MINOR, *, deployed: bool = True) -> None:
        super().__init__(engine=GenesisEngine("pow", {BLOCK_REWARD_MINOR: reward_minor}))
        self.issuer = self.admin("utility")
        self.till = self.identity("till", role="operator", organisation="utility")
        self.anna = self.identity("anna")
        if deployed:
            self.deploy(currency_package(), folder=CURRENCY.parent)
            self.pay(self.issuer, "establish", code="EUR", digits=2, approval_above_minor=LIMIT_MINOR)
            self.pay(self.till, "mint", account=self.anna.id, amount_minor=1_000, purpose="start")

    def pay(self, signer: Member, function: str, **arguments: Any) -> Any:
        return self.submit(signer, "currency", function, **arguments).result

    def code(self, signer: Member, function: str, **arguments: Any) -> str:
        return self.attempt(signer, "currency", function, **arguments).code

    def available(self, account: str) -> int:
        found: int = self.query(self.issuer, "currency", "balance", account=account)["available_minor"]
        return found

    def supply(self) -> int:
        found: int = self.query(self.issuer, "currency", "book")["supply_minor"]
        return found

    def transfer(self) -> Any:
        """A signed transaction that is always good for the one block it is in."""
        return self.sign(self.anna, "currency", "transfer", {"to": self.issuer.id, "amount_minor": 1})

    def mine(self, *transactions: Any) -> tuple[Committed, ...]:
        """A block that the validator has found: of these, or of one transfer."""
        return self.block(*(transactions or (self.transfer(),)), miner=0)


def by_block(done: Committed) -> bool:
    """Is it the reward, which the block called by itself?"""
    return done.receipt.origin is Origin.REWARD
