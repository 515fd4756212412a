"""Vending: money becomes units, once, in the steps a token carries, and every unit of money arrives somewhere."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.audit import audit
from tests.chaincode.vending_town import VendingTown, kwh


@pytest.fixture
def town() -> VendingTown:
    return VendingTown()


def where(credit: dict[str, Any]) -> dict[str, Any]:
    return {name: credit[name] for name in ("pan", "base", "tid")}


def test_money_becomes_units_and_arrives_at_treasury_taxes_and_levies(town: VendingTown) -> None:
    """Life: reserved -> minted -> delivered -> redeemed; tariff, levy and tax decide the kWh; money in = money out."""
    [home, _] = town.homes
    amount = 100_000  # 10.0000
    quote = town.ask(home.wallet, "prepaid", "quote", point=home.point, amount_minor=amount)
    # 0.31 per kWh and 19 %: 0.3689 a kWh, 27.1 kWh in steps of 0.1
    assert quote["units"] == 271
    credit = town.reserve(home, amount, "r1")
    assert (credit["status"], credit["units"], credit["energy_mwh"]) == ("reserved", 271, kwh(27.1))
    assert credit["total_minor"] + credit["rest_minor"] == amount
    assert town.has(home.wallet) == (10_000_000 - credit["total_minor"], credit["total_minor"])
    minted = town.mint(credit)
    assert minted["status"] == "minted"
    net, levy, tax = 81_300, 2_710, 15_962
    assert credit["total_minor"] == net + levy + tax
    assert (town.has(town.treasury), town.has(town.levies), town.has(town.taxes)) == ((net, 0), (levy, 0), (tax, 0))
    assert town.has(home.wallet) == (10_000_000 - credit["total_minor"], 0)
    assert town.ok(town.operator, "prepaid", "delivered", **where(credit))["status"] == "delivered"
    assert home.take(credit)["status"] == "redeemed"
    account = town.account(home)["account"]
    assert (account["balance_mwh"], account["credited_mwh"]) == (kwh(27.1), kwh(27.1))
    audit(town.ledger.chain)
