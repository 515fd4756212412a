"""Sharing: units that leave one meter and enter another, on the sender's signed word alone.

    share    pending (asked for by the web) -> debited -> credited; timed_out; returned; under its number
    debit    what a meter signed under a number of its own, so that a repeat has no effect
    payable  what one utility owes another of a day, at the lot cost of the units that its customers sent

Rules it keeps: the sender's meter decrements itself and signs that; nothing else credits anybody. What it signed is a
fact: it is never refused, but returned to the sender where it cannot be credited (a recipient who is unknown or
blocked, a share that timed out). Units shared count in nobody's steps and carry no new tax. Within one utility and
tariff class they keep their lots, else they go at the sender's average price.
"""

from collections.abc import Sequence

from chaincode.api import Context, Record, Refusal
from chaincode.lots import Worth, alike, merged, share_units, take_units, worth_of
from chaincode.prepaid_account import DAY_MS, Account, Place, account_of, place_of, receives
from chaincode.prepaid_credit import (
    RETURN,
    SHARE,
    KeyChanging,
    counted,
    draft,
    number_text,
    reserve,
)
from chaincode.tid import AHEAD_MINUTES, KeyExpired, TidAhead, TidsRunOut
from chaincode.vended import MWH_PER_UNIT, encodable

PENDING = "pending"
DEBITED = "debited"
CREDITED = "credited"
TIMED_OUT = "timed_out"
RETURNED = "returned"
TRY_AGAIN_MS = 600_000
PAGE_SHARES = 100
EXPIRED = "KEY_EXPIRED"

# ---------------------------------------------------------------- records


class Share(Record):
    """Under `share`, number. `reason` is why units went back; `credit` is the number of the credit they became."""

    number: int
    sender: str
    utility: str
    recipient_pan: str
    recipient: str
    energy_mwh: int
    status: str
    request: str = ""
    requested_ms: int = 0
    until_ms: int = 0
    meter: str = ""
    counter: int = 0
    verified: bool = False
    debited_ms: int = 0
    worths: tuple[Worth, ...] = ()
    units: int = 0
    reason: str = ""
    credit: int = 0


class Debit(Record):
    """Under `debit`, meter, counter."""

    recipient_pan: str
    energy_mwh: int
    balance_mwh: int
    asked: int
    share: int


class Payable(Record):
    """Under `payable`, day, debtor, creditor; netted when the day is over, and then paid."""

    day: int
    debtor: str
    creditor: str
    amount_minor: int
    netted: bool = False
    paid: bool = False


# ---------------------------------------------------------------- refusals


class RecipientUnknown(Refusal):
    """No prepaid meter has this PAN."""

    code = "RECIPIENT_UNKNOWN"


class RecipientBlocked(Refusal):
    """The recipient may not share."""

    code = "RECIPIENT_BLOCKED"


class SelfShare(Refusal):
    """Sender and recipient are the same point."""

    code = "SELF_SHARE"


class ShareUnknown(Refusal):
    """There is no such share."""

    code = "SHARE_UNKNOWN"


# ---------------------------------------------------------------- who may have them


def why_not(ctx: Context, pan: str, sender: str) -> tuple[str, str]:
    """(the point with this PAN, '' or the code why it gets nothing from this sender)."""
    meter = ctx.call("registry", "find_pan", pan=pan)
    if meter is None or meter["removed_ms"]:
        return "", RecipientUnknown.code
    place = place_of(ctx, meter["point"])
    account = account_of(ctx, place.point)
    if place.point == sender:
        return place.point, SelfShare.code
    if not place.prepaid:
        return place.point, RecipientUnknown.code
    if account.sharing_blocked or not receives(account, place.meter):
        return place.point, RecipientBlocked.code
    return place.point, ""


def require_recipient(ctx: Context, pan: str, sender: str) -> str:
    """The point of a recipient; refuses one that gets nothing from this sender."""
    point, code = why_not(ctx, pan, sender)
    if code == SelfShare.code:
        raise SelfShare("a meter does not send units to itself")
    if code == RecipientBlocked.code:
        raise RecipientBlocked("the recipient may not share now")
    if code:
        raise RecipientUnknown(f"no prepaid meter has the PAN {pan[:18]}")
    return point


# ---------------------------------------------------------------- from debit to credit


def debited(ctx: Context, share: Share, account: Account) -> Share:
    """The units have left the sender: take them out of its lots, and credit them, or return them.

    Below what a token carries exactly, units stay with the sender: they count as used, and wait to be returned.
    """
    units = encodable(share.energy_mwh // MWH_PER_UNIT)
    to = place_of(ctx, share.recipient) if not share.reason else None
    kind = None if to is None else (to.utility, class_of(ctx, to))
    worths = share_units(ctx, account.point, account.utility, units * MWH_PER_UNIT, kind)
    rest_mwh = share.energy_mwh - units * MWH_PER_UNIT
    if rest_mwh:
        take_units(ctx, account.point, rest_mwh)
    share = share.replace(status=DEBITED, worths=tuple(worths), units=units, debited_ms=ctx.time_ms)
    ctx.emit(
        "ShareDebited",
        share=share.number,
        sender=share.sender,
        recipient_pan=share.recipient_pan,
        energy_mwh=share.energy_mwh,
        verified=share.verified,
    )
    return credited(ctx, share) if units else keep_share(ctx, share.replace(status=RETURNED))


def class_of(ctx: Context, place: Place) -> int:
    """The tariff class of a point now, -1 where no tariff holds: no lot is of that."""
    terms = ctx.call("tariff", "terms", id=place.tariff, at_ms=ctx.time_ms)
    return -1 if terms is None else int(terms["tariff_class"])


def received(ctx: Context, worths: Sequence[Worth], to: Place) -> list[Worth]:
    """What units are worth at another meter: those of its vendor and class are what they were, others its own now."""
    tariff_class = class_of(ctx, to)
    there = {"vendor": to.utility, "tariff": to.tariff, "tariff_class": tariff_class, "step": 0, "lifeline": False}
    kept = (to.utility, tariff_class)
    return merged([worth if alike(worth, kept) else worth.replace(**there) for worth in worths])


def credited(ctx: Context, share: Share) -> Share:
    """Give the units a credit of their own: the recipient's, or the sender's again. Tries later while none is free."""
    back = share.reason != ""
    to = place_of(ctx, share.sender if back else share.recipient)
    worths = list(share.worths) if back else received(ctx, share.worths, to)
    drafted = draft(to, RETURN if back else SHARE, share.units, worths, note=f"share {share.number}")
    try:
        credit = reserve(ctx, to.pan, drafted, AHEAD_MINUTES)
    except (TidAhead, KeyChanging):
        return later(ctx, share)
    except (KeyExpired, TidsRunOut):
        return later(ctx, share) if back else credited(ctx, share.replace(reason=EXPIRED))
    if back:
        ctx.emit("ShareReturned", share=share.number, sender=share.sender, reason=share.reason, credit=credit.number)
        return keep_share(ctx, share.replace(status=RETURNED, credit=credit.number))
    if to.utility != share.utility:
        owe(ctx, share.utility, to.utility, worth_of(worths)[1])
    ctx.emit("ShareCredited", share=share.number, recipient=to.point, credit=credit.number, units=share.units)
    return keep_share(ctx, share.replace(status=CREDITED, credit=credit.number))


def later(ctx: Context, share: Share) -> Share:
    ctx.schedule(f"credit/{share.number}", ctx.time_ms + TRY_AGAIN_MS, "credit_again", share=share.number)
    return keep_share(ctx, share)


# ---------------------------------------------------------------- between utilities


def owe(ctx: Context, debtor: str, creditor: str, amount_minor: int) -> None:
    """One more amount of today between two utilities; netted when the day is over."""
    if amount_minor:
        day = ctx.time_ms // DAY_MS
        before = payable_of(ctx, day, debtor, creditor)
        keep_payable(ctx, before.replace(amount_minor=before.amount_minor + amount_minor))
        ctx.schedule(f"net/{day}", (day + 1) * DAY_MS, "net", day=day)


def netted(ctx: Context, day: int) -> None:
    """Of each two utilities, one owes the difference."""
    found = payables_of(ctx, day)
    owed = {(payable.debtor, payable.creditor): payable.amount_minor for payable in found}
    for payable in found:
        left_minor = max(payable.amount_minor - owed.get((payable.creditor, payable.debtor), 0), 0)
        keep_payable(ctx, payable.replace(amount_minor=left_minor, netted=True))
        ctx.emit(
            "PayableNetted",
            day=day,
            debtor=payable.debtor,
            creditor=payable.creditor,
            amount_minor=left_minor,
        )


def payable_of(ctx: Context, day: int, debtor: str, creditor: str) -> Payable:
    found = ctx.get(ctx.key("payable", number_text(day), debtor, creditor), Payable)
    return found or Payable(day=day, debtor=debtor, creditor=creditor, amount_minor=0)


def payables_of(ctx: Context, day: int) -> list[Payable]:
    return [payable for _, payable in ctx.matching("payable", number_text(day), type=Payable)]


def keep_payable(ctx: Context, payable: Payable) -> Payable:
    ctx.put(ctx.key("payable", number_text(payable.day), payable.debtor, payable.creditor), payable)
    return payable


# ---------------------------------------------------------------- finding


def new_share(ctx: Context, share: Share) -> Share:
    share = share.replace(number=counted(ctx, "share"))
    ctx.put(ctx.key("shares", share.sender, number_text(share.number)), share.number)
    return share


def share_of(ctx: Context, number: int) -> Share:
    found = ctx.get(ctx.key("share", number_text(number)), Share)
    if found is None:
        raise ShareUnknown(f"there is no share {number}")
    return found


def keep_share(ctx: Context, share: Share) -> Share:
    ctx.put(ctx.key("share", number_text(share.number)), share)
    return share


def shares_of(ctx: Context, sender: str, after: int) -> list[Share]:
    """What a point has sent, or asked its meter to send, by number."""
    found: list[Share] = []
    for key, number in ctx.matching("shares", sender, type=int):
        if int(ctx.parts(key)[2]) > after and len(found) < PAGE_SHARES:
            found.append(share_of(ctx, number))
    return found
