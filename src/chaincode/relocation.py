"""Relocation: a tenant's unused units go to another meter, once the old one has signed what it held and lost it.

    left   under `left`, point, customer: what a cleared meter held, and in which lots

Rules it keeps: the old meter signs its final balance, then that it cleared itself (or two of the staff read it in the
field and enter a clear token), and only then the new one is credited, once. Under the same tariff the units
go in their lots; else they are valued at lot cost and vended again, and between utilities that value is owed.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.lots import Worth, clear_units, unpaid, worth_of
from chaincode.prepaid_account import (
    CLEARED,
    FINAL,
    Account,
    MeterNotCleared,
    Place,
    Rules,
    keep_account,
    receives,
    this_month,
)
from chaincode.prepaid_credit import RELOCATION, draft, require_none_open, reserve
from chaincode.sharing import owe
from chaincode.vended import MWH_PER_UNIT, encodable
from chaincode.vending import terms_of, worths_of


class Left(Record):
    """Under `left`, point, customer; gone when it is relocated."""

    point: str
    utility: str
    meter: str
    tariff: str
    customer: str
    energy_mwh: int
    worths: list[Worth]


class NothingLeft(Refusal):
    """No cleared credit waits at this point."""

    code = "NOTHING_LEFT"


def finalised(ctx: Context, account: Account) -> Account:
    """The meter has signed its last balance; nothing is vended to it any more."""
    ctx.emit("FinalBalance", point=account.point, meter=account.meter, balance_mwh=account.balance_mwh)
    return keep_account(ctx, account.replace(state=FINAL))


def cleared(ctx: Context, account: Account, counter: int) -> Left:
    """The meter holds nothing any more: what it held waits for its tenant. Refuses while tokens are open.

    Steps, fixed charges and emergency credit begin anew with the next tenant.
    """
    if account.state != FINAL:
        raise MeterNotCleared("the meter signs its final balance first")
    require_none_open(ctx, account.point)
    customer, tariff = last_tenant(ctx, account.point)
    worths = clear_units(ctx, account.point)
    energy_mwh = max(account.balance_mwh, 0)
    missing_mwh = energy_mwh - worth_of(worths)[0]
    if missing_mwh > 0:
        worths = [*worths, unpaid(account.utility, missing_mwh)]
    left = Left(
        point=account.point,
        utility=account.utility,
        meter=account.meter,
        tariff=tariff,
        customer=customer,
        energy_mwh=energy_mwh,
        worths=worths,
    )
    before = ctx.get(left_key(ctx, left.point, customer), Left)
    if before is not None:
        both = [*before.worths, *worths]
        left = left.replace(energy_mwh=before.energy_mwh + energy_mwh, worths=both)
    ctx.put(left_key(ctx, left.point, customer), left)
    account = account.replace(vended_mwh=0, fixed_day=0, emergency_ms=0, low=False)
    cleared_mwh = account.cleared_mwh + account.balance_mwh
    keep_account(ctx, account.replace(state=CLEARED, counter=counter, cleared_mwh=cleared_mwh, balance_mwh=0))
    ctx.emit("MeterCleared", point=left.point, meter=left.meter, customer=customer, energy_mwh=energy_mwh)
    return left


def relocated(ctx: Context, left: Left, place: Place, account: Account, rules: Rules, waiting_mwh: int) -> int:
    """Credit what is left to a meter of the same tenant. Answers what waits there: too little for a token."""
    terms = terms_of(ctx, place, 0)
    kinds = [(worth.vendor, worth.tariff) for worth in left.worths if worth.tariff]
    alike = left.utility == place.utility and all(kind == (place.utility, place.tariff) for kind in kinds)
    if alike:
        energy_mwh, worths = left.energy_mwh, left.worths
    else:
        account = this_month(account, terms.month)
        value_minor = sum(worth_of(left.worths)[1:])
        price = {"id": place.tariff, "at_ms": ctx.time_ms, "vended_mwh": account.vended_mwh}
        made = ctx.call("tariff", "vend", amount_minor=value_minor, **price)
        by = made if made["total_minor"] else ctx.call("tariff", "cost", units=1, **price)
        rest_mwh = made["rest_minor"] * by["energy_mwh"] // by["total_minor"]
        worths = worths_of(place, terms, rules, made)
        if rest_mwh:
            rest = worths_of(place, terms, rules, by)[-1]
            worths.append(rest.replace(energy_mwh=rest_mwh, net_minor=made["rest_minor"], tax_minor=0))
        energy_mwh = made["energy_mwh"] + rest_mwh
        account = account.replace(vended_mwh=account.vended_mwh + made["energy_mwh"])
        if place.utility != left.utility:
            owe(ctx, left.utility, place.utility, value_minor)
    ctx.delete(left_key(ctx, left.point, left.customer))
    keep_account(ctx, account)
    units = encodable(energy_mwh // MWH_PER_UNIT)
    rest_mwh = energy_mwh - units * MWH_PER_UNIT
    ctx.emit("Relocated", point=left.point, to=place.point, customer=left.customer, energy_mwh=energy_mwh)
    if units:
        note = f"from {left.point}"
        drafted = draft(place, RELOCATION, units, worths, rest_mwh, note)
        reserve(ctx, place.pan, drafted, rules.reserve_minutes)
    return waiting_mwh + rest_mwh


def left_of(ctx: Context, point: str, customer: str) -> Left:
    found = ctx.get(left_key(ctx, point, customer), Left)
    if found is None or not customer:
        raise NothingLeft(f"no cleared credit of {customer or 'nobody'} waits at {point}: it follows its tenant")
    return found


def left_key(ctx: Context, point: str, customer: str) -> str:
    return ctx.key("left", point, customer or "nobody")


def last_tenant(ctx: Context, point: str) -> tuple[str, str]:
    """(customer, tariff) of a point now, or of the last who lived there."""
    for span in reversed(ctx.call("registry", "spans", point=point)):
        if span["from_ms"] <= ctx.time_ms and span["customer"]:
            return span["customer"], span["tariff"]
    return "", ""


def require_running(account: Account, place: Place) -> None:
    """Refuses to credit a meter whose balance is final, or one after it while that is not cleared."""
    if not receives(account, place.meter):
        raise MeterNotCleared(f"the credit of {place.point} is being relocated")
