"""A story through every contract, and through what the ledger itself refuses and remembers."""

from __future__ import annotations

from ledgernode.testing import TestLedger
from tests.audit.whole_town import WholeTown, lived
from tests.chaincode.town import CONTRACTS, package


def told() -> TestLedger:
    """The town's evening and night; then commands, second inclusions, numbers, and what organisations decide."""
    town = lived()
    ledger = town.ledger
    ledger.deploy(package("commands"), folder=CONTRACTS)
    house = town.houses[0]
    town.ok(town.operator, "commands", "message", point=house.point, text="a release")
    town.ok(house.meter, "commands", "answer", number=1, code="OK")
    _refused(town)
    ledger.submit(ledger.miner, "governance", "ready", version=1_000)
    ledger.submit(ledger.admin(), "governance", "propose", kind="parameters", change={"events": 300})
    ledger.submit(ledger.admin("regulator"), "governance", "propose", kind="policy", change={"policy": "all"})
    ledger.advance(hours=3)
    return ledger


def _refused(town: WholeTown) -> None:
    """A second inclusion, in its block and in a later one; numbers too far and used again; no such function."""
    ledger, wallet = town.ledger, town.houses[0].wallet
    twice = ledger.sign(wallet, "registry", "nothing", {})
    ledger.block(twice, twice)
    ledger.block(twice, ledger.sign(wallet, "currency", "balance", {}, sequence=1))
    used = ledger.sign(wallet, "currency", "none", {}, sequence=1)
    ledger.block(
        used, ledger.sign(wallet, "currency", "none", {}, sequence=9_999), ledger.sign(wallet, "no", "one", {})
    )
    ledger.block(ledger.sign(town.admin, "governance", "withdraw", {"proposal": "0" * 16}, budget=1))
