"""The steps of prepaid's functions: what is vended, refunded, shared, returned, owed and blocked; and who may.

Each refuses by the rules of `prepaid`. Kept here are returned units that are on no token yet (`waiting`), and that each
return and claim counts once (`return`, `claw`).
"""

from typing import Any

from chaincode.access import DirectCallsOnly, NotYourOrganisation, require_direct, require_text
from chaincode.api import Context, Record, Refusal
from chaincode.debts import CUSTOMER, PREMISES, TAMPER, Debt, add_debt, debt_of, debts_of, lessen_debt
from chaincode.lots import unpaid
from chaincode.prepaid_account import (
    Account,
    OutOfRange,
    Place,
    Rules,
    account_of,
    begun,
    keep_account,
    place_of,
    prepaid_place,
    receives,
    reported,
    rules_at,
    speaks_for,
    this_month,
)
from chaincode.prepaid_credit import (
    BURNED,
    CORRECTION,
    RESERVED,
    RETURN,
    AmountNotEncodable,
    Credit,
    CreditStatus,
    KeyChanging,
    Owed,
    Setting,
    burned,
    draft,
    keep_credit,
    reserve,
)
from chaincode.relocation import cleared, finalised, require_running
from chaincode.sharing import DEBITED, PENDING, TIMED_OUT, Debit, RecipientUnknown, Share, new_share, share_of, why_not
from chaincode.tid import KeyExpired, TidAhead, TidsRunOut
from chaincode.units import LARGEST, MICRO
from chaincode.vended import MWH_PER_UNIT, encodable
from chaincode.vending import Sale, Terms, fixed_debt, levy_and_tax, pay_back, sale, terms_of, uncounted

CODE_CHARACTERS = 40
RETURNS_AT_ONCE = 250
REFUND_ESCROW = "refund/"
RETRY_MS = 3_600_000

# ---------------------------------------------------------------- records


class Waiting(Record):
    """Under `waiting`, point. `number` counts returns and claims; `collecting` while a timer is on its way."""

    energy_mwh: int = 0
    number: int = 0
    collecting: bool = False


class Returned(Record):
    """Under `return` or `claw`, point, interval, reference."""

    number: int
    energy_mwh: int


class PrepaidAccount(Record):
    """An account with all that belongs to it. What its lots hold, less `short_mwh`, is its balance."""

    account: Account
    waiting_mwh: int
    short_mwh: int
    setting: Setting
    debts: list[Debt]


# ---------------------------------------------------------------- refusals


class VendingBlocked(Refusal):
    """Nothing is vended to this point."""

    code = "VENDING_BLOCKED"


class SharingBlocked(Refusal):
    """This point shares nothing."""

    code = "SHARING_BLOCKED"


class DayLimit(Refusal):
    """The day's limit is reached."""

    code = "DAY_LIMIT"


class RequestReused(Refusal):
    """This request was for something else."""

    code = "REQUEST_REUSED"


class TooLittleCredit(Refusal):
    """The meter has less than is to be shared."""

    code = "TOO_LITTLE_CREDIT"


class EmergencyUsed(Refusal):
    """There is no emergency credit now: none is granted, or the last is not paid yet, or too recent."""

    code = "EMERGENCY_USED"


class NotYours(Refusal):
    """Only the tenant's wallet or customer key may do this, or whom it concerns may read it."""

    code = "NOT_YOURS"


class DebtHeld(Refusal):
    """A vend that is not minted yet will pay of this debt."""

    code = "DEBT_HELD"


# ---------------------------------------------------------------- vending


def sold_at(ctx: Context, place: Place, account: Account, amount_minor: int, write: bool) -> tuple[Sale, Terms]:
    """What an amount buys at a place. Fixed charges that have come due are a debt; kept only when it is `write`."""
    terms = terms_of(ctx, place, account.fixed_day)
    fixed = fixed_debt(place, terms)
    if fixed is not None and write:
        add_debt(ctx, fixed)
    owing = debts_of(ctx, place.customer, place.premises)
    if fixed is not None and not write:
        owing.append(fixed)
    waiting_mwh = waiting_of(ctx, place.point).energy_mwh
    return sale(ctx, place, account, terms, rules_of(ctx, account), owing, waiting_mwh, amount_minor), terms


def require_vending(ctx: Context, account: Account, place: Place) -> Rules:
    """The rules; refuses a point to which nothing is vended."""
    if account.vending_blocked:
        raise VendingBlocked(f"nothing is vended to {place.point}")
    require_running(account, place)
    return rules_of(ctx, account)


def stepped(account: Account, terms: Terms, energy_mwh: int) -> Account:
    """The account with these units counted in its steps."""
    account = this_month(account, terms.month)
    return account.replace(vended_mwh=account.vended_mwh + energy_mwh)


def let_go(ctx: Context, credit: Credit) -> Credit:
    """Burn a vend that was never minted: money, steps, limit, debts and withheld units are as before."""
    if credit.status != RESERVED or not credit.payer:
        raise CreditStatus(f"credit {credit.number} is {credit.status}, of kind {credit.kind}")
    pay_back(ctx, credit)
    keep_account(ctx, uncounted(account_of(ctx, credit.point), credit))
    waited(ctx, credit.point, -credit.withheld_mwh)
    return burned(ctx, credit, False)


def require_replaceable(credit: Credit) -> None:
    """Refuses what the meter has not proven unused, and what was replaced already."""
    if credit.status != BURNED or not credit.proven or credit.replaced:
        raise CreditStatus("only what the meter has proven unused and burned is replaced, once")


def refunded(ctx: Context, credit: Credit) -> None:
    """Money of the units back to the payer, from what treasury, taxes and levies have set aside; debts stay paid."""
    require_replaceable(credit)
    utility = utility_of(ctx, credit.utility)
    levy_minor, tax_minor = levy_and_tax(credit.lines)
    total_minor = credit.total_minor - sum([each.amount_minor for each in credit.owed])
    if not total_minor:
        raise CreditStatus("no money was paid for these units")
    sources: dict[str, int] = {}
    for account, minor in (
        (utility["treasury"], total_minor - levy_minor - tax_minor),
        (utility["tax_account"], tax_minor),
        (utility["levy_account"], levy_minor),
    ):
        sources[account] = sources.get(account, 0) + minor
    escrow = REFUND_ESCROW + credit.utility
    debits = [(account, escrow, sources[account]) for account in sorted(sources) if sources[account]]
    sides = {"debits": debits, "credits": [(credit.payer, total_minor)]}
    ctx.call("currency", "distribute", purpose=f"refund of credit {credit.number}", **sides)
    for account, _, minor in debits:
        key = ctx.key("funded", credit.utility, account)
        ctx.put(key, (ctx.get(key, int) or 0) - minor)
    keep_account(ctx, uncounted(account_of(ctx, credit.point), credit))
    waited(ctx, credit.point, -credit.withheld_mwh)
    keep_credit(ctx, credit.replace(replaced="refunded"))
    ctx.emit("CreditRefunded", credit=credit.number, payer=credit.payer, amount_minor=total_minor)


def corrected(ctx: Context, point: str, energy_mwh: int, reason: str) -> Credit:
    """Units that nobody paid for."""
    place = prepaid_place(ctx, point)
    account = keep_account(ctx, begun(ctx, point, place.utility, place.meter))
    require_running(account, place)
    tariff_class = terms_of(ctx, place, 0).tariff_class
    worths = [unpaid(place.utility, energy_mwh).replace(tariff=place.tariff, tariff_class=tariff_class)]
    drafted = draft(place, CORRECTION, energy_mwh // MWH_PER_UNIT, worths, 0, reason)
    return reserve(ctx, place.pan, drafted, rules_of(ctx, account).reserve_minutes)


# ---------------------------------------------------------------- sharing


def answered(ctx: Context, account: Account, said: Debit) -> Share:
    """The share that a debit is for: the pending one it answers, else a new one, with why its units go back if so."""
    if said.asked:
        asked = share_of(ctx, said.asked)
        fits = asked.sender == account.point and asked.recipient_pan == said.recipient_pan
        if fits and asked.energy_mwh == said.energy_mwh and asked.status in (PENDING, TIMED_OUT):
            ctx.cancel(f"share/{asked.number}")
            reason = "TIMED_OUT" if asked.status == TIMED_OUT else why_not(ctx, said.recipient_pan, account.point)[1]
            return asked.replace(reason=reason)
    point, reason = why_not(ctx, said.recipient_pan, account.point)
    if said.asked:
        reason = "NOT_ASKED"
    share = Share(
        number=0,
        sender=account.point,
        utility=account.utility,
        recipient_pan=said.recipient_pan,
        recipient=point,
        energy_mwh=said.energy_mwh,
        status=DEBITED,
        reason=reason,
    )
    return new_share(ctx, share)


def require_share_limit(rules: Rules, account: Account, energy_mwh: int) -> None:
    if rules.share_limit_mwh and account.sent_mwh + energy_mwh > rules.share_limit_mwh:
        raise DayLimit(f"at most {rules.share_limit_mwh} mWh are shared a day, {account.sent_mwh} were")


def require_encodable(energy_mwh: int) -> None:
    units = energy_mwh // MWH_PER_UNIT
    if units < 1 or encodable(units) * MWH_PER_UNIT != energy_mwh:
        raise AmountNotEncodable(f"a token does not carry {energy_mwh} mWh exactly")


# ---------------------------------------------------------------- returns


def moved_back(ctx: Context, kind: str, rows: list[tuple[str, int, int, str]], sign: int) -> int:
    """Count each row once; what has become worth a token is collected in the next block."""
    if len(rows) > RETURNS_AT_ONCE:
        raise OutOfRange(f"at most {RETURNS_AT_ONCE} at once")
    told: list[tuple[str, int, int, int]] = []
    least: dict[str, int] = {}
    ripe = False
    for point, interval_ms, energy_mwh, reference in rows:
        key = ctx.key(kind, point, f"{interval_ms:015d}", reference)
        if ctx.get(key) is None:
            if energy_mwh <= 0:
                raise OutOfRange("units go back in positive amounts")
            waiting = waiting_of(ctx, point)
            waiting = waiting.replace(energy_mwh=waiting.energy_mwh + sign * energy_mwh, number=waiting.number + 1)
            utility = point.partition(":")[0]
            if utility not in least:
                least[utility] = rules_at(ctx, utility, ctx.time_ms).return_least_mwh
            if waiting.energy_mwh >= least[utility] and not waiting.collecting:
                ctx.put(ctx.key("ripe", point), True)
                waiting = waiting.replace(collecting=True)
                ripe = True
            ctx.put(ctx.key("waiting", point), waiting)
            ctx.put(key, Returned(number=waiting.number, energy_mwh=energy_mwh))
            told.append((point, interval_ms, energy_mwh, waiting.number))
    if ripe:
        ctx.schedule("returns", ctx.time_ms, "collect")
    if told:
        ctx.emit("UnitsReturned" if sign > 0 else "UnitsClawedBack", units=told)
    return len(told)


def collected(ctx: Context, place: Place | None) -> Credit | None:
    """Put what waits at a point on a token; nothing when it is too little, or nobody could take it."""
    if place is None:
        return None
    waiting = waiting_of(ctx, place.point)
    units = encodable(max(waiting.energy_mwh, 0) // MWH_PER_UNIT)
    if not units:
        return None
    account = keep_account(ctx, begun(ctx, place.point, place.utility, place.meter))
    drafted = draft(place, RETURN, units, ())
    credit = reserve(ctx, place.pan, drafted, rules_of(ctx, account).reserve_minutes)
    ctx.put(ctx.key("waiting", place.point), waiting.replace(energy_mwh=waiting.energy_mwh - credit.energy_mwh))
    return credit


def gathered(ctx: Context, point: str) -> None:
    """Put what waits at a point on a token; tried again later while none is free."""
    try:
        collected(ctx, prepaid_place_or_none(ctx, point))
    except (TidAhead, KeyChanging, KeyExpired, TidsRunOut):
        ctx.schedule(f"returns/{point}", ctx.time_ms + RETRY_MS, "collect_again", point=point)
    else:
        ctx.put(ctx.key("waiting", point), waiting_of(ctx, point).replace(collecting=False))


def prepaid_place_or_none(ctx: Context, point: str) -> Place | None:
    """The place, when its meter can take a token now."""
    place = place_of(ctx, point)
    account = account_of(ctx, point, place.utility)
    return place if place.pan and receives(account, place.meter) else None


def waited(ctx: Context, point: str, more_mwh: int) -> None:
    """So much more waits at a point."""
    if more_mwh:
        waiting = waiting_of(ctx, point)
        ctx.put(ctx.key("waiting", point), waiting.replace(energy_mwh=waiting.energy_mwh + more_mwh))


def waiting_of(ctx: Context, point: str) -> Waiting:
    return ctx.get(ctx.key("waiting", point), Waiting) or Waiting()


# ---------------------------------------------------------------- debts and blocks


def indebted(ctx: Context, place: Place, amount_minor: int, reason: str) -> int:
    """A new debt; its number."""
    if not 0 < amount_minor <= LARGEST:
        raise OutOfRange("a debt is 1 to 2^53-1 minor units")
    require_text(reason, CODE_CHARACTERS, "reason")
    kind = PREMISES if reason == TAMPER else CUSTOMER
    return add_debt(ctx, owed_by(place, kind, amount_minor, reason)).number


def owed_by(place: Place, kind: str, amount_minor: int, reason: str) -> Debt:
    owner = place.premises if kind == PREMISES else place.customer
    if not owner:
        raise RecipientUnknown(f"nobody lives at {place.point}")
    return Debt(
        number=0,
        owner_kind=kind,
        owner=owner,
        utility=place.utility,
        reason=reason,
        amount_minor=amount_minor,
        left_minor=amount_minor,
        cap_micro=MICRO,
    )


def written_off(ctx: Context, utility: str, values: dict[str, Any]) -> None:
    """Owe less; refuses what a vend holds, and debts of another utility."""
    debt = debt_of(
        ctx, Owed(owner_kind=values["owner_kind"], owner=values["owner"], number=values["number"], amount_minor=0)
    )
    amount_minor = values["amount_minor"]
    if debt.utility != utility:
        raise NotYourOrganisation(f"this debt is owed to {debt.utility}")
    if not 0 < amount_minor <= debt.left_minor - debt.held_minor:
        raise DebtHeld(f"{debt.left_minor - debt.held_minor} of this debt is free to be written off")
    lessen_debt(ctx, debt, amount_minor)
    ctx.emit("DebtWrittenOff", debt=debt.number, owner=debt.owner, amount_minor=amount_minor)


def blocked(ctx: Context, point: str, kind: str, on: bool, reason: str) -> None:
    account = account_of(ctx, point, place_of(ctx, point).utility)
    match kind:
        case "vending":
            account = account.replace(vending_blocked=on)
        case "sharing":
            account = account.replace(sharing_blocked=on)
        case _:
            account = account.replace(supply_blocked=on)
    keep_account(ctx, account)
    ctx.emit(f"{kind.capitalize()}{'Blocked' if on else 'Unblocked'}", point=point, meter=account.meter, reason=reason)


def field_read(ctx: Context, point: str, balance_mwh: int) -> None:
    """What two of the staff read at a meter that cannot sign, and cleared; what it signed is not believed any more."""
    account = account_of(ctx, point)
    account = reported(ctx, account, balance_mwh, min(account.counter + 1, LARGEST), 0)
    cleared(ctx, finalised(ctx, account), LARGEST)


# ---------------------------------------------------------------- who may


def require_tenant(ctx: Context, place: Place) -> None:
    """Refuses all but the tenant's wallets and the customer key of the meter, called directly."""
    require_direct(ctx)
    if speaks_for(ctx, place.point):
        return
    if ctx.call("registry", "meter", meter=place.meter)["customer_key"] != ctx.creator.id:
        raise NotYours("only the tenant's wallet or the meter's customer key may do this")


def require_carrier(ctx: Context, utility: str) -> None:
    """Refuses all but staff and gateways of the utility, and contracts."""
    if ctx.caller:
        return
    if ctx.creator.organisation != utility or ctx.creator.role not in ("admin", "operator", "gateway"):
        raise NotYourOrganisation(f"this is for staff and gateways of {utility}")


def require_own_timer(ctx: Context) -> None:
    """Refuses other contracts' timers, which have the role too."""
    if ctx.caller:
        raise DirectCallsOnly("this is called by a timer of this contract")


def require_reader(ctx: Context, point: str) -> None:
    if not ctx.caller and not ctx.call("registry", "may_read", point=point, scope="bills"):
        raise NotYours(f"what concerns {point} is read by its tenant, its utility, and whom they let")


# ---------------------------------------------------------------- finding


def rules_of(ctx: Context, account: Account) -> Rules:
    return rules_at(ctx, account.utility, ctx.time_ms)


def utility_of(ctx: Context, organisation: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.call("registry", "utility", organisation=organisation)
    return found


def request_key(ctx: Context, request: str) -> str:
    return ctx.key("request", ctx.creator.id, request)
