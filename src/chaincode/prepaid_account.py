"""Accounts: what a prepaid meter has, by its own signed word, and what came and went to make it so.

    rules    of a utility, dated: limits and terms of prepayment
    place    a point as the registry knows it now: tenant, tariff, meter, PAN
    account  of a point: the balance its meter signed last, and the sums of what entered and left

Rules it keeps, of every account, after every call:

    balance = credited - shared - cleared - consumed

Meters number what they sign. The newest word decides the balance; an older one that arrives late still says that a
token was used or units were shared, and changes no balance. What is consumed follows from the balance, and is taken
out of the lots first in, first out. One meter at a time has an account: the next begins when the last is cleared.
"""

from typing import Any

from chaincode.access import require_direct
from chaincode.api import Context, Record, Refusal
from chaincode.dated import dated_at
from chaincode.lots import give_back_units, take_units
from chaincode.tid import AHEAD_MINUTES
from chaincode.units import LARGEST, MICRO

DAY_MS = 86_400_000
RUNNING = "running"
FINAL = "final"
CLEARED = "cleared"
LONGEST_WAIT_MS = 30 * DAY_MS

# ---------------------------------------------------------------- records


class Rules(Record):
    """Under `rules`, utility, time. A limit of 0 is none."""

    reserve_minutes: int = AHEAD_MINUTES
    hold_ms: int = 600_000
    debt_cap_micro: int = 500_000
    vend_limit_minor: int = 0
    share_limit_mwh: int = 0
    share_wait_ms: int = 120_000
    return_least_mwh: int = 1_000_000
    emergency_mwh: int = 0
    emergency_days: int = 30
    lifeline_steps: int = 1
    low_mwh: int = 2_000_000


class Place(Record):
    """A point now: no record, but what the registry answers."""

    point: str
    utility: str
    premises: str
    customer: str
    prepaid: bool
    tariff: str
    meter: str
    pan: str


class Account(Record):
    """Under `account`, point. Sums are of units since the beginning; `month` and `day` say of when the others are."""

    point: str
    utility: str
    meter: str = ""
    state: str = RUNNING
    balance_mwh: int = 0
    counter: int = 0
    reported_ms: int = 0
    credited_mwh: int = 0
    shared_mwh: int = 0
    cleared_mwh: int = 0
    consumed_mwh: int = 0
    month: int = 0
    vended_mwh: int = 0
    day: int = 0
    paid_minor: int = 0
    sent_mwh: int = 0
    fixed_day: int = 0
    emergency_ms: int = 0
    low: bool = False
    vending_blocked: bool = False
    sharing_blocked: bool = False
    supply_blocked: bool = False


# ---------------------------------------------------------------- refusals


class NotPrepaid(Refusal):
    """The point is not prepaid, or has no meter that takes tokens."""

    code = "NOT_PREPAID"


class CounterBackwards(Refusal):
    """The meter has signed something newer."""

    code = "COUNTER_BACKWARDS"


class CounterReused(Refusal):
    """The meter signed something else under this number: one of both is not its word."""

    code = "COUNTER_REUSED"


class MeterNotCleared(Refusal):
    """The last meter's credit is not cleared yet, so the next one cannot have it."""

    code = "METER_NOT_CLEARED"


class OutOfRange(Refusal):
    """A number, text or kind is not what it can be."""

    code = "OUT_OF_RANGE"


# ---------------------------------------------------------------- the meter's word


def reported(ctx: Context, account: Account, balance_mwh: int, counter: int, low_mwh: int) -> Account:
    """Believe a balance if it is the newest, and let the lots follow what was consumed.

    To be called after `credited_mwh`, `shared_mwh` and the lots have been changed by what happened.
    """
    if not -LARGEST <= balance_mwh <= LARGEST or not 0 < counter <= LARGEST:
        raise OutOfRange("a balance lies within 2^53-1, and what a meter signs is numbered from 1")
    newest = counter > account.counter
    if newest:
        account = account.replace(balance_mwh=balance_mwh, counter=counter, reported_ms=ctx.time_ms)
    consumed_mwh = account.credited_mwh - account.shared_mwh - account.cleared_mwh - account.balance_mwh
    more_mwh = consumed_mwh - account.consumed_mwh
    if more_mwh > 0:
        take_units(ctx, account.point, more_mwh)
    elif more_mwh < 0:
        give_back_units(ctx, account.point, -more_mwh)
    low = account.balance_mwh < low_mwh
    if newest:
        ctx.emit("BalanceReported", point=account.point, balance_mwh=balance_mwh, low=low)
    if low and not account.low:
        ctx.emit("LowCredit", point=account.point, balance_mwh=account.balance_mwh)
    return keep_account(ctx, account.replace(consumed_mwh=consumed_mwh, low=low))


def begun(ctx: Context, point: str, utility: str, meter: str) -> Account:
    """The account of a point for the meter that hangs there. Refuses while another's credit is not cleared."""
    account = account_of(ctx, point, utility)
    if account.meter == meter:
        return account.replace(state=RUNNING) if account.state == CLEARED else account
    if account.meter and account.state != CLEARED:
        raise MeterNotCleared(f"the last meter of {point} has not been cleared: its credit is relocated first")
    return account.replace(meter=meter, state=RUNNING, counter=0, balance_mwh=0)


def of_signer(ctx: Context) -> tuple[Account, dict[str, Any]]:
    """The signing meter's account, and the meter as the registry has it. One that was replaced still tells."""
    require_direct(ctx)
    meter: dict[str, Any] = ctx.call("registry", "meter", meter=ctx.creator.id)
    if not meter["pan"]:
        raise NotPrepaid("this meter has no PAN: it takes no tokens")
    return begun(ctx, meter["point"], meter["utility"], meter["id"]), meter


def receives(account: Account, meter: str) -> bool:
    """Whether the meter may be credited: not while its own balance is final, or the last one's is not cleared."""
    return account.state == CLEARED or (account.meter in ("", meter) and account.state == RUNNING)


def today(account: Account, time_ms: int) -> Account:
    """The account with its daily sums begun anew on another day."""
    day = time_ms // DAY_MS
    return account if account.day == day else account.replace(day=day, paid_minor=0, sent_mwh=0)


def this_month(account: Account, month: int) -> Account:
    """The account with its steps begun anew in another local month."""
    return account if account.month == month else account.replace(month=month, vended_mwh=0)


# ---------------------------------------------------------------- rules


def rules_at(ctx: Context, utility: str, at_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", utility, at_ms, Rules)
    return Rules() if found is None else found


def require_rules(rules: Rules) -> None:
    """Refuses terms that contradict the standard, or themselves."""
    amounts = (rules.vend_limit_minor, rules.share_limit_mwh, rules.emergency_mwh, rules.low_mwh)
    if not all(0 <= amount <= LARGEST for amount in amounts) or not 0 <= rules.debt_cap_micro < MICRO:
        raise OutOfRange("limits are not below zero, and debts take less than all of a vend")
    if not 0 < rules.reserve_minutes <= AHEAD_MINUTES or not 0 < rules.return_least_mwh <= LARGEST:
        raise OutOfRange(f"identifiers are reserved 1 to {AHEAD_MINUTES} minutes ahead, returns collected above 0")
    waits = (rules.hold_ms, rules.share_wait_ms, rules.emergency_days)
    if not all(0 < wait <= LONGEST_WAIT_MS for wait in waits) or rules.lifeline_steps < 0:
        raise OutOfRange("a wait lasts at most 30 days")


# ---------------------------------------------------------------- finding


def account_of(ctx: Context, point: str, utility: str = "") -> Account:
    return ctx.get(ctx.key("account", point), Account) or Account(point=point, utility=utility)


def keep_account(ctx: Context, account: Account) -> Account:
    ctx.put(ctx.key("account", account.point), account)
    return account


def place_of(ctx: Context, point: str) -> Place:
    """A point as it is now."""
    found: dict[str, Any] = ctx.call("registry", "point", point=point)
    span: dict[str, Any] | None = ctx.call("registry", "span", point=point, time_ms=ctx.time_ms)
    pan = ""
    if found["meter"]:
        pan = ctx.call("registry", "meter", meter=found["meter"])["pan"]
    return Place(
        point=point,
        utility=found["utility"],
        premises=found["premises"],
        customer=span["customer"] if span is not None else "",
        prepaid=span is not None and span["prepaid"],
        tariff=span["tariff"] if span is not None else "",
        meter=found["meter"],
        pan=pan,
    )


def prepaid_place(ctx: Context, point: str) -> Place:
    """The same; refuses a point that is not prepaid now, or cannot take a token."""
    place = place_of(ctx, point)
    if not place.prepaid or not place.pan:
        raise NotPrepaid(f"{point} is not prepaid, or has no meter that takes tokens")
    return place


def speaks_for(ctx: Context, point: str) -> bool:
    """Whether the signer is a wallet of the tenant."""
    customer: str = ctx.call("registry", "speaks_for", point=point)
    return customer != ""
