"""Vending: what an amount of money buys at a point, and where the money goes.

    quote   debts and fixed charges first, within the cap; the rest buys units in the steps a token carries

Rules it keeps: steps go on where the local month's vends stand; the money of a vend waits in the payer's escrow
`vend/<request>` until its token is minted, and then is paid to treasury, tax and levies, all of it; a vend that
is not minted in time gives it back, with its steps, its part of the day's limit, and the debts it held. What the token
cannot carry was never taken. Prices are the contract `tariff`'s matter.
"""

from typing import Any

from chaincode.api import Context, Record, Refusal
from chaincode.debts import CUSTOMER, Debt, debts_due, hold_debts, pay_debts
from chaincode.lots import Worth
from chaincode.prepaid_account import Account, Place, Rules, this_month
from chaincode.prepaid_credit import VEND, Credit, Owed
from chaincode.units import LARGEST, MICRO
from chaincode.vended import MWH_PER_UNIT, Line, encodable

ESCROW = "vend/"
FIXED = "fixed"


class TariffUnknown(Refusal):
    """No tariff holds for the point."""

    code = "TARIFF_UNKNOWN"


class Quote(Record):
    """What an amount buys: the lines are what it costs, debts among them; `rest_minor` stays with the payer."""

    point: str
    tariff: str
    units: int
    energy_mwh: int
    withheld_mwh: int
    lines: tuple[Line, ...]
    total_minor: int
    rest_minor: int


class Sale(Record):
    """A quote with all that a reservation keeps of it."""

    quote: Quote
    worths: tuple[Worth, ...]
    owed: tuple[Owed, ...]
    stepped_mwh: int


class Terms(Record):
    """What `tariff.terms` answers."""

    month: int
    day: int
    fixed_minor: int
    fixed_tax_minor: int
    tariff_class: int
    by_steps: bool


def terms_of(ctx: Context, place: Place, from_day: int) -> Terms:
    """The local month and day, and the fixed charges since a day; refuses a point without a tariff."""
    found = ctx.call("tariff", "terms", id=place.tariff, at_ms=ctx.time_ms, from_day=from_day)
    if found is None:
        raise TariffUnknown(f"no tariff holds for {place.point}")
    return Terms(**found)


def fixed_debt(place: Place, terms: Terms) -> Debt | None:
    """What fixed charges came to since they were last charged, with tax. They begin with the first vend's day."""
    amount_minor = terms.fixed_minor + terms.fixed_tax_minor
    if not amount_minor or not place.customer:
        return None
    return Debt(
        number=LARGEST,
        owner_kind=CUSTOMER,
        owner=place.customer,
        utility=place.utility,
        reason=FIXED,
        amount_minor=amount_minor,
        left_minor=amount_minor,
        cap_micro=MICRO,
        tax_minor=terms.fixed_tax_minor,
    )


def sale(
    ctx: Context,
    place: Place,
    account: Account,
    terms: Terms,
    rules: Rules,
    owing: list[Debt],
    waiting_mwh: int,
    amount_minor: int,
) -> Sale:
    """What an amount buys now. `waiting_mwh` below zero are units the meter had in advance: they are withheld."""
    owed = debts_due(owing, amount_minor, rules.debt_cap_micro)
    owed_minor = sum([each.amount_minor for each in owed])
    made: dict[str, Any] = ctx.call(
        "tariff",
        "vend",
        id=place.tariff,
        at_ms=ctx.time_ms,
        amount_minor=amount_minor - owed_minor,
        vended_mwh=this_month(account, terms.month).vended_mwh,
    )
    most_mwh = made["energy_mwh"] * rules.debt_cap_micro // MICRO
    units = encodable((made["energy_mwh"] - min(max(-waiting_mwh, 0), most_mwh)) // MWH_PER_UNIT)
    reasons = {debt.number: debt.reason for debt in owing}
    quote = Quote(
        point=account.point,
        tariff=place.tariff,
        units=units,
        energy_mwh=units * MWH_PER_UNIT,
        withheld_mwh=made["energy_mwh"] - units * MWH_PER_UNIT,
        lines=tuple([debt_line(each, reasons[each.number]) for each in owed] + lines_of(made)),
        total_minor=made["total_minor"] + owed_minor,
        rest_minor=made["rest_minor"],
    )
    worths = worths_of(place, terms, rules, made)
    return Sale(quote=quote, worths=tuple(worths), owed=tuple(owed), stepped_mwh=made["energy_mwh"])


def debt_line(owed: Owed, reason: str) -> Line:
    return Line(
        kind="debt", name=reason, quantity=owed.number, unit="debt", price_micro=0, amount_minor=owed.amount_minor
    )


def lines_of(made: dict[str, Any]) -> list[Line]:
    return [Line(**line) for line in made["lines"]]


def worths_of(place: Place, terms: Terms, rules: Rules, made: dict[str, Any]) -> list[Worth]:
    """What was bought, by step; the first steps of a step tariff are the lifeline."""
    return [
        Worth(
            vendor=place.utility,
            tariff=place.tariff,
            tariff_class=terms.tariff_class,
            step=part["step"],
            energy_mwh=part["energy_mwh"],
            net_minor=part["net_minor"],
            tax_minor=part["tax_minor"],
            lifeline=terms.by_steps and part["step"] < rules.lifeline_steps,
        )
        for part in made["parts"]
    ]


# ---------------------------------------------------------------- the money


def set_aside(ctx: Context, request: str, amount_minor: int, point: str) -> None:
    """Into the payer's escrow: the signer's own money."""
    ctx.call(
        "currency", "open_escrow", escrow=ESCROW + request, amount_minor=amount_minor, purpose=f"units for {point}"
    )


def pay_out(ctx: Context, credit: Credit) -> None:
    """Money of a vend to treasury, taxes and levies; its debts are paid, what rounding left is noted."""
    utility: dict[str, Any] = ctx.call("registry", "utility", organisation=credit.utility)
    levy_minor, tax_minor = levy_and_tax(credit.lines)
    paid = pay_debts(ctx, credit.owed)
    taxes_minor, levies_minor = tax_minor + paid.tax_minor, levy_minor + paid.levy_minor
    shares = (
        (utility["treasury"], credit.total_minor - taxes_minor - levies_minor),
        (utility["tax_account"], taxes_minor),
        (utility["levy_account"], levies_minor),
    )
    ctx.call(
        "currency",
        "distribute",
        debits=[(credit.payer, ESCROW + credit.request, credit.total_minor)],
        credits=[share for share in shares if share[1]],
        purpose=f"credit {credit.number}",
    )
    left_pico = sum([line.remainder_pico for line in credit.lines])
    if left_pico:
        key = ctx.key("remainder", credit.utility)
        ctx.put(key, (ctx.get(key, int) or 0) + left_pico)


def pay_back(ctx: Context, credit: Credit) -> None:
    """The money of a vend that was not minted, to its payer; its debts are free for another vend."""
    hold_debts(ctx, credit.owed, -1)
    ctx.call("currency", "refund_escrow", owner=credit.payer, escrow=ESCROW + credit.request)


def levy_and_tax(lines: tuple[Line, ...]) -> tuple[int, int]:
    """Of the units alone, without debts."""
    levy_minor = sum([line.amount_minor for line in lines if line.kind == "levy"])
    return levy_minor, sum([line.amount_minor for line in lines if line.kind == "tax"])


def uncounted(account: Account, credit: Credit) -> Account:
    """The account without a vend that came to nothing: its steps and its part of the day's limit are free again."""
    if account.month == credit.month:
        account = account.replace(vended_mwh=account.vended_mwh - credit.stepped_mwh)
    if account.day == credit.day and credit.kind == VEND:
        account = account.replace(paid_minor=account.paid_minor - credit.total_minor)
    return account
