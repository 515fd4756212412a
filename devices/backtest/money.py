"""Who pays whom: each metered Wh gets one class (trade or grid) and each class its price. Exact integers.

    trade    by deal, in their order: min(of the deal, what the seller still exports, what the buyer still imports).
             The buyer pays its price, the local grid's fee and the levy, and tax on all three; the seller gets its
             price
    grid     the rest: retail for what is taken, feed-in for what is given
    amends   a seller who gives less than its deal pays the buyer what the grid costs it more

Sums are in nano (10^-9 of the currency's unit); tax is rounded once for each house and run (`Account.tax_nano`). What
houses pay is what houses get, and what the grid, the operator of the lines, the state and the market's own account get:
`Books.conserved` says so, and tests ask it of every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from devices.backtest.mechanisms import Deal
from devices.house.strategy import MICRO, Terms


@dataclass(slots=True)
class Account:
    """One house's sums over a run."""

    grid_import_wh: int = 0
    grid_export_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    short_wh: int = 0
    """What it had sold and did not give, though the buyer took it."""
    retail_nano: int = 0
    feed_in_nano: int = 0
    paid_nano: int = 0
    """To sellers, and what the mechanism leaves over."""
    earned_nano: int = 0
    fee_nano: int = 0
    levy_nano: int = 0
    amends_paid_nano: int = 0
    amends_got_nano: int = 0
    tax_base: dict[int, int] = field(default_factory=dict)
    """Nano, by the rate in millionths."""

    @property
    def tax_nano(self) -> int:
        return sum(_half_even(base * rate, MICRO) for rate, base in self.tax_base.items())

    @property
    def bill_nano(self) -> int:
        """What it pays in all; below zero it is paid."""
        costs = self.retail_nano + self.paid_nano + self.fee_nano + self.levy_nano + self.tax_nano
        return costs + self.amends_paid_nano - self.feed_in_nano - self.earned_nano - self.amends_got_nano


@dataclass(slots=True)
class Books:
    """All accounts of a run, and what those beyond the houses get."""

    accounts: list[Account]
    surplus_nano: int = 0
    """What buyers paid and sellers did not get: the market's own account."""

    @property
    def conserved(self) -> bool:
        """Bills are what the grid, the lines, the state and the market's account get, and energy sold was bought."""
        accounts = self.accounts
        outside = sum(
            account.retail_nano - account.feed_in_nano + account.fee_nano + account.levy_nano + account.tax_nano
            for account in accounts
        )
        return (
            sum(account.bill_nano for account in accounts) == outside + self.surplus_nano
            and sum(account.paid_nano for account in accounts)
            == sum(account.earned_nano for account in accounts) + self.surplus_nano
            and sum(account.amends_paid_nano for account in accounts)
            == sum(account.amends_got_nano for account in accounts)
            and sum(account.bought_wh for account in accounts) == sum(account.sold_wh for account in accounts)
        )


def settle(
    books: Books, agreed: Sequence[Deal], imports_wh: Sequence[int], exports_wh: Sequence[int], terms: Terms
) -> list[int]:
    """Post one delivery as it was metered; what was delivered of each deal, Wh."""
    lacking, giving = list(imports_wh), list(exports_wh)
    accounts = books.accounts
    delivered: list[int] = []
    for deal in agreed:
        buyer, seller = accounts[deal.buyer], accounts[deal.seller]
        taken_wh = min(deal.energy_wh, lacking[deal.buyer])
        energy_wh = min(taken_wh, giving[deal.seller])
        lacking[deal.buyer] -= energy_wh
        giving[deal.seller] -= energy_wh
        delivered.append(energy_wh)
        if energy_wh:
            paid, earned = deal.buyer_price_micro * energy_wh, deal.price_micro * energy_wh
            fee, levy = terms.fee_micro * energy_wh, terms.levy_micro * energy_wh
            buyer.bought_wh += energy_wh
            buyer.paid_nano += paid
            buyer.fee_nano += fee
            buyer.levy_nano += levy
            if terms.tax_micro:
                buyer.tax_base[terms.tax_micro] = buyer.tax_base.get(terms.tax_micro, 0) + paid + fee + levy
            seller.sold_wh += energy_wh
            seller.earned_nano += earned
            books.surplus_nano += paid - earned
        short_wh = taken_wh - energy_wh
        if short_wh:
            amends = max(0, terms.worth_micro - terms.fee_micro - deal.buyer_price_micro) * short_wh
            seller.short_wh += short_wh
            seller.amends_paid_nano += amends
            buyer.amends_got_nano += amends
    for account, lacking_wh, giving_wh in zip(accounts, lacking, giving, strict=True):
        account.grid_import_wh += lacking_wh
        account.grid_export_wh += giving_wh
        account.retail_nano += terms.retail_micro * lacking_wh
        account.feed_in_nano += terms.feed_in_micro * giving_wh
    return delivered


def _half_even(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def in_minor(nano: int, digits: int) -> int:
    """Nano as the currency's minor units: the nearest, a half to the even one."""
    return _half_even(nano, 10 ** (9 - digits))
