"""Credits: units on their way to a meter, each with an identifier (TID) of its own, for whatever reason.

    setting   of a PAN: base date, key revision, tariff index and expiry number of the meter's key
    credit    reserved -> minted -> delivered -> redeemed, or burned; under PAN, base date and TID
    listed    the same by point and number; `open` while the meter may still take it; `mint` while no digits exist

Rules it keeps: one credit, one TID, by wire or by keypad, since the same 20 digits are sent both ways; a TID is given
once, whatever becomes of it; only the SHA-256 of the digits stands here; what is minted is never taken back
without the meter's word; the amount is one that a token carries exactly.
"""

from collections.abc import Sequence

from chaincode.access import require_digest
from chaincode.api import Context, Record, Refusal
from chaincode.lots import Worth
from chaincode.prepaid_account import Place
from chaincode.tid import NEVER_EXPIRES, NONE_YET, STARTS_MS, next_tid
from chaincode.vended import MWH_PER_UNIT, Line, encodable

RESERVED = "reserved"
MINTED = "minted"
DELIVERED = "delivered"
REDEEMED = "redeemed"
BURNED = "burned"
OPEN = (RESERVED, MINTED, DELIVERED)

VEND = "vend"
SHARE = "share"
RETURN = "return"
EMERGENCY = "emergency"
CORRECTION = "correction"
RELOCATION = "relocation"
PAGE_CREDITS = 100
LARGEST_REVISION = 9
LARGEST_INDEX = 99

# ---------------------------------------------------------------- records


class Setting(Record):
    """Under `setting`, PAN. `wanted_…` is a key change that the meter has not confirmed yet (revision 0: none)."""

    pan: str
    supply_group: str = ""
    base: int = 2014
    key_revision: int = 1
    tariff_index: int = 1
    key_expiry: int = NEVER_EXPIRES
    wanted_base: int = 0
    wanted_revision: int = 0
    wanted_index: int = 0
    wanted_expiry: int = 0


class Owed(Record):
    """A part of a debt that a vend pays: whose, which, how much."""

    owner_kind: str
    owner: str
    number: int
    amount_minor: int


class Credit(Record):
    """Under `credit`, PAN, base, TID. Without a payer it moves no money.

    `energy_mwh` is what the token carries; `worths` is what was bought, which is more by what is withheld for
    units that the meter had before they were its own.
    """

    point: str
    utility: str
    customer: str
    kind: str
    units: int
    energy_mwh: int
    worths: tuple[Worth, ...]
    number: int = 0
    pan: str = ""
    base: int = 0
    tid: int = 0
    rnd: int = 0
    key_revision: int = 0
    tariff_index: int = 0
    status: str = ""
    reserved_ms: int = 0
    withheld_mwh: int = 0
    month: int = 0
    stepped_mwh: int = 0
    day: int = 0
    payer: str = ""
    request: str = ""
    lines: tuple[Line, ...] = ()
    owed: tuple[Owed, ...] = ()
    total_minor: int = 0
    rest_minor: int = 0
    note: str = ""
    token_hash: str = ""
    minted_ms: int = 0
    delivered_ms: int = 0
    redeemed_ms: int = 0
    counter: int = 0
    proven: bool = False
    replaced: str = ""


class CreditRef(Record):
    """Where a credit is."""

    pan: str
    base: int
    tid: int


# ---------------------------------------------------------------- refusals


class TokenUnknown(Refusal):
    """No token of this PAN, base date, identifier and digest was minted."""

    code = "TOKEN_UNKNOWN"


class TokenUsed(Refusal):
    """The token was used, or burned, or its digits stand for another credit."""

    code = "TOKEN_USED"


class TokenOtherMeter(Refusal):
    """The token is for another meter than the one that signs."""

    code = "TOKEN_OTHER_METER"


class CreditStatus(Refusal):
    """This cannot happen to a credit in its status."""

    code = "CREDIT_STATUS"


class AmountNotEncodable(Refusal):
    """No token carries this amount exactly: at least 0.1 kWh, in the steps of its size."""

    code = "AMOUNT_NOT_ENCODABLE"


class TokensPending(Refusal):
    """Tokens of the meter's present key are not used yet: enter them, or have the meter prove them unused."""

    code = "TOKENS_PENDING"


class KeyChanging(Refusal):
    """The meter gets another key: after that tokens are vended again."""

    code = "KEY_CHANGING"


class SettingInvalid(Refusal):
    """A key has base date 1993, 2014 or 2035, revision 1 to 9, index 0 to 99, expiry number 0 to 255."""

    code = "SETTING_INVALID"


# ---------------------------------------------------------------- the life of a credit


def draft(
    place: Place, kind: str, units: int, worths: Sequence[Worth], withheld_mwh: int = 0, note: str = ""
) -> Credit:
    """A credit before it has its number and identifier."""
    return Credit(
        point=place.point,
        utility=place.utility,
        customer=place.customer,
        kind=kind,
        units=units,
        energy_mwh=units * MWH_PER_UNIT,
        worths=tuple(worths),
        withheld_mwh=withheld_mwh,
        note=note,
    )


def reserve(ctx: Context, pan: str, drafted: Credit, ahead_minutes: int) -> Credit:
    """Give a credit its number, TID and random field. Refuses when none is free, or no token carries the amount."""
    if drafted.units < 1 or encodable(drafted.units) != drafted.units:
        raise AmountNotEncodable(f"a token does not carry {drafted.energy_mwh} mWh exactly")
    setting = setting_of(ctx, pan)
    if setting.wanted_revision:
        raise KeyChanging("the meter's key is being changed: vend when it has confirmed the new one")
    last_key = ctx.key("last_tid", pan, str(setting.base))
    last = ctx.get(last_key, int)
    tid = next_tid(setting.base, ctx.time_ms, NONE_YET if last is None else last, ahead_minutes, setting.key_expiry)
    credit = drafted.replace(
        number=counted(ctx, "credit"),
        pan=pan,
        base=setting.base,
        tid=tid,
        rnd=int(ctx.transaction_id[-1], 16),
        key_revision=setting.key_revision,
        tariff_index=setting.tariff_index,
        status=RESERVED,
        reserved_ms=ctx.time_ms,
    )
    ctx.put(last_key, tid)
    reference = CreditRef(pan=pan, base=credit.base, tid=tid)
    ctx.put(ctx.key("listed", credit.point, number_text(credit.number)), reference)
    ctx.put(ctx.key("open", credit.point, number_text(credit.number)), reference)
    ctx.put(ctx.key("mint", credit.utility, number_text(credit.number)), reference)
    ctx.emit(
        "CreditReserved",
        credit=credit.number,
        kind=credit.kind,
        point=credit.point,
        pan=pan,
        base=credit.base,
        tid=tid,
        rnd=credit.rnd,
        units=credit.units,
    )
    return keep_credit(ctx, credit)


def minted(ctx: Context, credit: Credit, token_hash: str) -> Credit:
    """The digits exist: their digest stands here. Refuses a digest that stands for another credit."""
    require_digest(token_hash, "digest of the token")
    if credit.status != RESERVED:
        raise CreditStatus(f"credit {credit.number} is {credit.status}")
    if ctx.get(ctx.key("token", token_hash)) is not None:
        raise TokenUsed("these digits stand for another credit")
    ctx.put(ctx.key("token", token_hash), credit.number)
    ctx.delete(ctx.key("mint", credit.utility, number_text(credit.number)))
    ctx.emit("CreditMinted", credit=credit.number, point=credit.point, token_hash=token_hash, units=credit.units)
    return keep_credit(ctx, credit.replace(status=MINTED, token_hash=token_hash, minted_ms=ctx.time_ms))


def delivered(ctx: Context, credit: Credit) -> Credit:
    """It has reached the meter, or whoever enters it; later news are not undone."""
    if credit.status in (RESERVED, BURNED):
        raise CreditStatus(f"credit {credit.number} is {credit.status}")
    if credit.status != MINTED:
        return credit
    ctx.emit("CreditDelivered", credit=credit.number, point=credit.point)
    return keep_credit(ctx, credit.replace(status=DELIVERED, delivered_ms=ctx.time_ms))


def redeemed(ctx: Context, credit: Credit, counter: int) -> Credit:
    ctx.delete(ctx.key("open", credit.point, number_text(credit.number)))
    ctx.emit("CreditRedeemed", credit=credit.number, kind=credit.kind, point=credit.point, energy_mwh=credit.energy_mwh)
    return keep_credit(ctx, credit.replace(status=REDEEMED, redeemed_ms=ctx.time_ms, counter=counter))


def burned(ctx: Context, credit: Credit, proven: bool) -> Credit:
    """It will never be used: never minted, or (`proven`) the meter has burned its TID."""
    ctx.delete(ctx.key("open", credit.point, number_text(credit.number)))
    ctx.delete(ctx.key("mint", credit.utility, number_text(credit.number)))
    ctx.emit("CreditBurned", credit=credit.number, point=credit.point, proven=proven)
    return keep_credit(ctx, credit.replace(status=BURNED, proven=proven))


def keep_credit(ctx: Context, credit: Credit) -> Credit:
    ctx.put(credit_key(ctx, credit.pan, credit.base, credit.tid), credit)
    return credit


# ---------------------------------------------------------------- the meter's key


def checked(setting: Setting) -> Setting:
    """The setting; refuses what no key can have."""
    if (
        setting.base not in STARTS_MS
        or not 1 <= setting.key_revision <= LARGEST_REVISION
        or not 0 <= setting.tariff_index <= LARGEST_INDEX
        or not 0 <= setting.key_expiry <= NEVER_EXPIRES
        or not (setting.supply_group == "" or (len(setting.supply_group) == 6 and setting.supply_group.isdecimal()))
    ):
        raise SettingInvalid("base 1993, 2014 or 2035, revision 1-9, index 0-99, expiry 0-255, group of 6 digits")
    return setting


def require_none_open(ctx: Context, point: str) -> None:
    """Refuses while tokens wait that the meter may still take."""
    for _, waiting in ctx.matching("open", point, type=CreditRef):
        raise TokensPending(f"token {waiting.tid} of {point} is not used yet, and maybe others")


# ---------------------------------------------------------------- finding


def setting_of(ctx: Context, pan: str) -> Setting:
    return ctx.get(ctx.key("setting", pan), Setting) or Setting(pan=pan)


def credit_of(ctx: Context, pan: str, base: int, tid: int) -> Credit:
    found = ctx.get(credit_key(ctx, pan, base, tid), Credit)
    if found is None:
        raise TokenUnknown(f"no token {tid} of base date {base} was reserved for this meter")
    return found


def credit_key(ctx: Context, pan: str, base: int, tid: int) -> str:
    return ctx.key("credit", pan, str(base), f"{tid:08d}")


def listed(ctx: Context, kind: str, of: str, after: int) -> list[Credit]:
    """Credits of a list, by number, from the one after `after` on, a page of them."""
    found: list[Credit] = []
    for key, where in ctx.matching(kind, of, type=CreditRef):
        if int(ctx.parts(key)[2]) > after and len(found) < PAGE_CREDITS:
            found.append(credit_of(ctx, where.pan, where.base, where.tid))
    return found


def counted(ctx: Context, kind: str) -> int:
    """The next number of a kind."""
    number = (ctx.get(ctx.key("count", kind), int) or 0) + 1
    ctx.put(ctx.key("count", kind), number)
    return number


def number_text(number: int) -> str:
    return f"{number:012d}"
