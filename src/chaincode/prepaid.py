"""Prepaid: units for money, as tokens that a meter takes once; sharing, returns, debts and relocation of units.

    account   of a point: the balance its meter signed last, what came and went            (`prepaid_account.py`)
    credit    units on their way to a meter, each with an identifier (TID)    (`prepaid_credit.py`, `tid.py`)
    lot       what units in the meter were bought for, first in, first out                 (`lots.py`)
    sale      what an amount buys: debts and fixed charges first                           (`vending.py`, `debts.py`)
    share     units from one meter to another, by the sender's signed receipt              (`sharing.py`)
    left      what a cleared meter held, until it is relocated                             (`relocation.py`)
    waiting   returned units of a point that are on no token yet; below zero: had in advance
    return, claw   what settlement gave back and took back, once for a point, an interval and a reference

Rules it keeps:

* a vendor reserves first, and the ledger gives the TID; the same request gives the same answer;
* money waits in escrow until the token exists, and is then paid to treasury, taxes and levies, or given back;
* one credit, one TID; what is minted is taken back only with the meter's signed proof that it is unused and burned;
* the ledger never sees digits, keys or PINs: SHA-256 of the digits;
* meter balance = tokens + transfers in + returns - transfers out - consumption, at every report;
* blocks are three things: vending, sharing, supply; staff actions that move units, money or supply need two.

Warning: who may sign for the treasury, tax and levy accounts can fund refunds and pay what utilities owe each other.

Roles: anyone pays for anyone; the utility's staff mint, deliver, change keys, relocate; two of them block, refund,
correct, write off and set rules; the meter redeems, debits, reports and proves; the tenant's wallet or customer key
shares and takes emergency credit; settlement returns and claws back; billing adds debts.
Events: CreditReserved, CreditMinted, CreditDelivered, CreditRedeemed, CreditBurned, CreditReissued, CreditRefunded,
TokenRefused, BalanceReported, LowCredit, ShareRequested, ShareDebited, ShareCredited, ShareReturned, ShareTimedOut,
PayableNetted, PayablePaid, UnitsReturned, UnitsClawedBack, DebtAdded, DebtPaid, DebtWrittenOff, VendingBlocked,
VendingUnblocked, SharingBlocked, SharingUnblocked, SupplyBlocked, SupplyUnblocked, FinalBalance, MeterCleared,
Relocated, KeySet, KeyChangeAsked, KeyChanged, RefundsFunded, RulesChanged, Proposed, Approved, Withdrawn.
Timers: hold/<credit>, share/<number>, credit/<share>, returns, returns/<point>, net/<day>.
"""

from typing import Any

from chaincode.access import require_caller, require_digest, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.dated import put_dated
from chaincode.debts import CUSTOMER, Debt, add_debt, debts_of, hold_debts
from chaincode.lots import Lot, give_back_units, open_lots, put_units, queue_of, take_units, worth_of
from chaincode.prepaid_account import (
    DAY_MS,
    Account,
    CounterBackwards,
    CounterReused,
    OutOfRange,
    Rules,
    account_of,
    begun,
    keep_account,
    of_signer,
    place_of,
    prepaid_place,
    reported,
    require_rules,
    rules_at,
    this_month,
    today,
)
from chaincode.prepaid_credit import (
    BURNED,
    DELIVERED,
    EMERGENCY,
    MINTED,
    REDEEMED,
    RESERVED,
    VEND,
    AmountNotEncodable,
    Credit,
    CreditRef,
    CreditStatus,
    Setting,
    SettingInvalid,
    TokenOtherMeter,
    TokensPending,
    TokenUnknown,
    TokenUsed,
    burned,
    checked,
    credit_of,
    delivered,
    draft,
    keep_credit,
    listed,
    minted,
    redeemed,
    require_none_open,
    reserve,
    setting_of,
)
from chaincode.prepaid_steps import (
    CODE_CHARACTERS,
    REFUND_ESCROW,
    DayLimit,
    EmergencyUsed,
    NotYours,
    PrepaidAccount,
    RequestReused,
    SharingBlocked,
    TooLittleCredit,
    answered,
    blocked,
    collected,
    corrected,
    field_read,
    gathered,
    indebted,
    let_go,
    moved_back,
    owed_by,
    refunded,
    request_key,
    require_carrier,
    require_encodable,
    require_own_timer,
    require_reader,
    require_replaceable,
    require_share_limit,
    require_tenant,
    require_vending,
    rules_of,
    sold_at,
    stepped,
    utility_of,
    waited,
    waiting_of,
    written_off,
)
from chaincode.relocation import Left, cleared, finalised, left_of, relocated, require_running
from chaincode.sharing import (
    DEBITED,
    PENDING,
    TIMED_OUT,
    Debit,
    Payable,
    Share,
    credited,
    debited,
    keep_payable,
    keep_share,
    netted,
    new_share,
    payable_of,
    payables_of,
    require_recipient,
    share_of,
    shares_of,
)
from chaincode.units import LARGEST
from chaincode.vended import MWH_PER_UNIT, encodable
from chaincode.vending import Quote, levy_and_tax, lines_of, pay_out, set_aside, terms_of, worths_of

REQUEST_CHARACTERS = 64
REASON_CHARACTERS = 140
COLLECTED_AT_ONCE = 50
BLOCKS = ("vending", "sharing", "supply")
DRY = False
WRITE = True

# ---------------------------------------------------------------- the contract


class Prepaid(Contract):
    name = "prepaid"
    version = "1.0.0"

    # ------------------------------------------------------------ vending

    @query
    def quote(self, ctx: Context, point: str, amount_minor: int) -> Quote:
        """What an amount buys at a point now: anyone who may pay may ask."""
        place = prepaid_place(ctx, point)
        return sold_at(ctx, place, account_of(ctx, point, place.utility), amount_minor, DRY)[0].quote

    @transaction
    def reserve(self, ctx: Context, point: str, amount_minor: int, request: str) -> Credit:
        """Buy units for a point with the signer's money: a TID and an amount, not a token yet.

        The same request of the same payer gives the same answer, and refuses another content. What the token
        cannot carry is not taken. Refuses a blocked point, more than the day's limit, less than 0.1 kWh.
        """
        require_direct(ctx)
        require_text(request, REQUEST_CHARACTERS, "request")
        known = ctx.get(request_key(ctx, request), CreditRef)
        if known is not None:
            before = credit_of(ctx, known.pan, known.base, known.tid)
            if before.point != point or before.total_minor + before.rest_minor != amount_minor:
                raise RequestReused("this request was for another point or amount")
            return before
        if not 0 < amount_minor <= LARGEST:
            raise OutOfRange("an amount is 1 to 2^53-1 minor units")
        place = prepaid_place(ctx, point)
        account = today(begun(ctx, point, place.utility, place.meter), ctx.time_ms)
        rules = require_vending(ctx, account, place)
        made, terms = sold_at(ctx, place, account, amount_minor, WRITE)
        quote = made.quote
        if not quote.units:
            raise AmountNotEncodable(f"{amount_minor} minor units buy less than 0.1 kWh after debts")
        if rules.vend_limit_minor and account.paid_minor + quote.total_minor > rules.vend_limit_minor:
            raise DayLimit(f"at most {rules.vend_limit_minor} minor units a day, {account.paid_minor} are spent")
        set_aside(ctx, request, quote.total_minor, point)
        hold_debts(ctx, made.owed, 1)
        account = stepped(account, terms, made.stepped_mwh)
        account = account.replace(paid_minor=account.paid_minor + quote.total_minor, fixed_day=terms.day + 1)
        keep_account(ctx, account)
        waited(ctx, point, quote.withheld_mwh)
        drafted = draft(place, VEND, quote.units, made.worths, quote.withheld_mwh).replace(
            month=terms.month,
            stepped_mwh=made.stepped_mwh,
            day=account.day,
            payer=ctx.creator.id,
            request=request,
            lines=quote.lines,
            owed=made.owed,
            total_minor=quote.total_minor,
            rest_minor=quote.rest_minor,
        )
        credit = reserve(ctx, place.pan, drafted, rules.reserve_minutes)
        ctx.put(request_key(ctx, request), CreditRef(pan=credit.pan, base=credit.base, tid=credit.tid))
        where = {"pan": credit.pan, "base": credit.base, "tid": credit.tid}
        ctx.schedule(f"hold/{credit.number}", ctx.time_ms + rules.hold_ms, "expire", **where)
        return credit

    @transaction
    def mint(self, ctx: Context, pan: str, base: int, tid: int, token_hash: str) -> Credit:
        """The digits of a reserved credit exist, and have this SHA-256; staff of the utility (its vending service).

        Now its money is paid out. The same again has no effect; the digits may be shown once this is final.
        """
        credit = credit_of(ctx, pan, base, tid)
        require_staff(ctx, credit.utility)
        if credit.status in (MINTED, DELIVERED, REDEEMED) and credit.token_hash == token_hash:
            return credit
        credit = minted(ctx, credit, token_hash)
        if credit.payer:
            ctx.cancel(f"hold/{credit.number}")
            pay_out(ctx, credit)
        return credit

    @transaction
    def release(self, ctx: Context, pan: str, base: int, tid: int) -> Credit:
        """Burn a reserved vend that will not be minted, and give its money back; staff."""
        credit = credit_of(ctx, pan, base, tid)
        require_staff(ctx, credit.utility)
        ctx.cancel(f"hold/{credit.number}")
        return let_go(ctx, credit)

    @transaction(roles=("timer",))
    def expire(self, ctx: Context, pan: str, base: int, tid: int) -> None:
        """Called when a vend was not minted in time."""
        require_own_timer(ctx)
        credit = credit_of(ctx, pan, base, tid)
        if credit.status == RESERVED:
            let_go(ctx, credit)

    @transaction
    def delivered(self, ctx: Context, pan: str, base: int, tid: int) -> Credit:
        """A minted token has reached the meter or the customer; the utility's gateway or staff."""
        require_direct(ctx)
        credit = credit_of(ctx, pan, base, tid)
        require_carrier(ctx, credit.utility)
        return delivered(ctx, credit)

    @transaction(roles=("meter",))
    def redeem(
        self, ctx: Context, pan: str, base: int, tid: int, token_hash: str, balance_mwh: int, counter: int
    ) -> Credit:
        """The signing meter has taken a token, by wire or by keypad; its balance afterwards. Once.

        Refuses another meter's, one that was used or burned, and digits that were never minted.
        """
        account, meter = of_signer(ctx)
        if meter["pan"] != pan:
            raise TokenOtherMeter("this token is for another meter")
        credit = credit_of(ctx, pan, base, tid)
        if credit.status == REDEEMED and credit.counter == counter and credit.token_hash == token_hash:
            return credit
        if credit.status in (REDEEMED, BURNED):
            raise TokenUsed(f"token {tid} is {credit.status}: a token is good once")
        if credit.status == RESERVED or credit.token_hash != token_hash:
            raise TokenUnknown(f"no such digits were minted for identifier {tid}")
        put_units(ctx, account.point, credit.worths, credit.number)
        unvalued_mwh = credit.energy_mwh - worth_of(credit.worths)[0]
        if unvalued_mwh > 0:
            give_back_units(ctx, account.point, unvalued_mwh)
        elif unvalued_mwh < 0:
            take_units(ctx, account.point, -unvalued_mwh)
        account = account.replace(credited_mwh=account.credited_mwh + credit.energy_mwh)
        reported(ctx, account, balance_mwh, counter, rules_of(ctx, account).low_mwh)
        return redeemed(ctx, credit, counter)

    @transaction(roles=("meter",))
    def refused(self, ctx: Context, token_hash: str, code: str) -> None:
        """The signing meter has refused digits that were entered: used, old, altered, or another meter's."""
        account, _ = of_signer(ctx)
        require_digest(token_hash, "digest of the digits")
        require_text(code, CODE_CHARACTERS, "code")
        credit = ctx.get(ctx.key("token", token_hash), int) or 0
        ctx.emit("TokenRefused", point=account.point, meter=account.meter, credit=credit, reason=code)

    @transaction(roles=("meter",))
    def report_balance(self, ctx: Context, balance_mwh: int, counter: int) -> Account:
        """The signing meter's balance. Refuses one that is older than its last word."""
        account, _ = of_signer(ctx)
        if counter == account.counter and balance_mwh == account.balance_mwh:
            return account
        if counter <= account.counter:
            raise CounterBackwards(f"the meter has signed number {account.counter} already")
        return reported(ctx, account, balance_mwh, counter, rules_of(ctx, account).low_mwh)

    @transaction
    def take_emergency(self, ctx: Context, point: str) -> Credit:
        """Units on credit, paid by the next vends; tenant's wallet or customer key. Refuses a second before that."""
        place = prepaid_place(ctx, point)
        require_tenant(ctx, place)
        account = begun(ctx, point, place.utility, place.meter)
        rules = require_vending(ctx, account, place)
        units = encodable(min(rules.emergency_mwh, LARGEST) // MWH_PER_UNIT)
        since_ms = ctx.time_ms - account.emergency_ms
        owing = [debt for debt in debts_of(ctx, place.customer, "") if debt.reason == EMERGENCY]
        if not units or owing or (account.emergency_ms and since_ms < rules.emergency_days * DAY_MS):
            raise EmergencyUsed(f"emergency credit is granted once in {rules.emergency_days} days, after it was paid")
        terms = terms_of(ctx, place, 0)
        price = {"id": place.tariff, "at_ms": ctx.time_ms, "vended_mwh": this_month(account, terms.month).vended_mwh}
        made = ctx.call("tariff", "cost", units=units, **price)
        debt = owed_by(place, CUSTOMER, made["total_minor"], EMERGENCY)
        levies_minor, taxes_minor = levy_and_tax(tuple(lines_of(made)))
        add_debt(ctx, debt.replace(levy_minor=levies_minor, tax_minor=taxes_minor))
        keep_account(ctx, stepped(account, terms, made["energy_mwh"]).replace(emergency_ms=ctx.time_ms))
        drafted = draft(place, EMERGENCY, units, worths_of(place, terms, rules, made))
        return reserve(ctx, place.pan, drafted, rules.reserve_minutes)

    # ------------------------------------------------------------ sharing

    @transaction
    def request_share(self, ctx: Context, point: str, recipient_pan: str, energy_mwh: int, request: str) -> Share:
        """Ask the point's meter to send units; pending until it has signed, or the time is over.

        For the tenant's wallet or customer key. Refuses a recipient who gets nothing from this sender, an amount
        that no token carries, more than the meter last had, and more than the day's limit.
        """
        place = prepaid_place(ctx, point)
        require_tenant(ctx, place)
        require_text(request, REQUEST_CHARACTERS, "request")
        key = ctx.key("asked", point, request)
        known = ctx.get(key, int)
        if known is not None:
            share = share_of(ctx, known)
            if share.recipient_pan != recipient_pan or share.energy_mwh != energy_mwh:
                raise RequestReused("this request was for another recipient or amount")
            return share
        account = today(begun(ctx, point, place.utility, place.meter), ctx.time_ms)
        rules = rules_of(ctx, account)
        if account.sharing_blocked:
            raise SharingBlocked(f"{point} shares nothing")
        require_running(account, place)
        require_encodable(energy_mwh)
        recipient = require_recipient(ctx, recipient_pan, point)
        if energy_mwh > account.balance_mwh:
            raise TooLittleCredit(f"the meter last had {account.balance_mwh} mWh")
        require_share_limit(rules, account, energy_mwh)
        share = new_share(
            ctx,
            Share(
                number=0,
                sender=point,
                utility=place.utility,
                recipient_pan=recipient_pan,
                recipient=recipient,
                energy_mwh=energy_mwh,
                status=PENDING,
                request=request,
                requested_ms=ctx.time_ms,
                until_ms=ctx.time_ms + rules.share_wait_ms,
            ),
        )
        ctx.put(key, share.number)
        ctx.schedule(f"share/{share.number}", share.until_ms, "time_out", share=share.number)
        ctx.emit(
            "ShareRequested",
            share=share.number,
            sender=point,
            meter=place.meter,
            recipient_pan=recipient_pan,
            energy_mwh=energy_mwh,
            until_ms=share.until_ms,
        )
        return keep_share(ctx, share)

    @transaction(roles=("meter",))
    def debit(
        self,
        ctx: Context,
        counter: int,
        recipient_pan: str,
        energy_mwh: int,
        balance_mwh: int,
        share: int = 0,
        verified: bool = False,
    ) -> Share:
        """The signing meter has taken these units out of itself for another meter: the receipt that alone credits it.

        `share` is the request it answers, 0 from the keypad; `verified` whether the recipient was confirmed. The same
        number again has no effect. It is never refused for what the recipient is: then the units go back.
        """
        account, meter = of_signer(ctx)
        said = Debit(recipient_pan=recipient_pan, energy_mwh=energy_mwh, balance_mwh=balance_mwh, asked=share, share=0)
        key = ctx.key("debit", meter["id"], f"{counter:015d}")
        before = ctx.get(key, Debit)
        if before is not None:
            if before.replace(share=0) != said:
                raise CounterReused(f"the meter signed another debit under {counter}")
            return share_of(ctx, before.share)
        if not 0 < energy_mwh <= LARGEST:
            raise OutOfRange("a debit is of units")
        found = answered(ctx, account, said).replace(counter=counter, meter=meter["id"], verified=verified)
        ctx.put(key, said.replace(share=found.number))
        rules, account = rules_of(ctx, account), today(account, ctx.time_ms)
        limited = rules.share_limit_mwh and account.sent_mwh + energy_mwh > rules.share_limit_mwh
        if not found.reason and (account.sharing_blocked or limited):
            found = found.replace(reason="SHARING_BLOCKED" if account.sharing_blocked else "DAY_LIMIT")
        sent_mwh = account.sent_mwh + (0 if found.reason else energy_mwh)
        account = account.replace(shared_mwh=account.shared_mwh + energy_mwh, sent_mwh=sent_mwh)
        account = reported(ctx, account, balance_mwh, counter, rules.low_mwh)
        rest_mwh = energy_mwh - encodable(energy_mwh // MWH_PER_UNIT) * MWH_PER_UNIT
        if rest_mwh:
            waited(ctx, account.point, rest_mwh)
        return debited(ctx, found, account)

    @transaction(roles=("timer",))
    def time_out(self, ctx: Context, share: int) -> None:
        """Called when a meter has not signed in time; what it signs later goes back to it."""
        require_own_timer(ctx)
        found = share_of(ctx, share)
        if found.status == PENDING:
            keep_share(ctx, found.replace(status=TIMED_OUT))
            ctx.emit("ShareTimedOut", share=share, sender=found.sender)

    @transaction(roles=("timer",))
    def credit_again(self, ctx: Context, share: int) -> None:
        """Called when the last try found no free identifier."""
        require_own_timer(ctx)
        found = share_of(ctx, share)
        if found.status == DEBITED:
            credited(ctx, found)

    @transaction(roles=("timer",))
    def net(self, ctx: Context, day: int) -> None:
        """Called when a day is over: of each two utilities, one owes the difference."""
        require_own_timer(ctx)
        netted(ctx, day)

    @transaction
    def pay_payable(self, ctx: Context, day: int, debtor: str, creditor: str) -> Payable:
        """Pay what one utility owes another of a day, treasury to treasury; the debtor's treasury signs."""
        require_direct(ctx)
        payable = payable_of(ctx, day, debtor, creditor)
        if not payable.netted or payable.paid or not payable.amount_minor:
            raise OutOfRange(f"{debtor} has nothing to pay to {creditor} for this day")
        if ctx.creator.id != utility_of(ctx, debtor)["treasury"]:
            raise NotYours(f"the treasury of {debtor} pays")
        escrow, to = f"payable/{day}/{creditor}", utility_of(ctx, creditor)["treasury"]
        purpose = f"units shared on day {day}"
        ctx.call("currency", "open_escrow", escrow=escrow, amount_minor=payable.amount_minor, purpose=purpose)
        sides = {"debits": [(ctx.creator.id, escrow, payable.amount_minor)], "credits": [(to, payable.amount_minor)]}
        ctx.call("currency", "distribute", purpose=purpose, **sides)
        ctx.emit("PayablePaid", day=day, debtor=debtor, creditor=creditor, amount_minor=payable.amount_minor)
        return keep_payable(ctx, payable.replace(paid=True))

    # ------------------------------------------------------------ returns, for settlement; debts, for billing

    @transaction
    def return_units(self, ctx: Context, credits: list[tuple[str, int, int, str]]) -> int:
        """Give units back to meters that took them though they were paid otherwise: (point, interval, mWh, reference).

        For settlement. Each is numbered and counts once; answers how many were new. They are on a token as soon as
        they are worth one (`return_least_mwh`): neither a sale nor taxed.
        """
        require_caller(ctx, "settlement")
        return moved_back(ctx, "return", credits, 1)

    @transaction
    def claw_back(self, ctx: Context, debits: list[tuple[str, int, int, str]]) -> int:
        """Take back what was returned in advance and not delivered: off the next returns, then off the next vends."""
        require_caller(ctx, "settlement")
        return moved_back(ctx, "claw", debits, -1)

    @transaction(roles=("timer",))
    def collect(self, ctx: Context) -> None:
        """Called when returned units are worth tokens: some points a block, the others in the next."""
        require_own_timer(ctx)
        ripe = [ctx.parts(key)[1] for key, _ in ctx.matching("ripe")]
        for point in ripe[:COLLECTED_AT_ONCE]:
            ctx.delete(ctx.key("ripe", point))
            gathered(ctx, point)
        if len(ripe) > COLLECTED_AT_ONCE:
            ctx.schedule("returns", ctx.time_ms, "collect")

    @transaction(roles=("timer",))
    def collect_again(self, ctx: Context, point: str) -> None:
        """Called when a meter had no free identifier at the last try."""
        require_own_timer(ctx)
        gathered(ctx, point)

    @transaction
    def collect_returns(self, ctx: Context, point: str) -> Credit:
        """Put returned units on a token now, all that it can carry; the tenant's wallet, or staff."""
        place = prepaid_place(ctx, point)
        if ctx.creator.organisation != place.utility or ctx.creator.role not in ("admin", "operator"):
            require_tenant(ctx, place)
        require_direct(ctx)
        credit = collected(ctx, place)
        if credit is None:
            raise AmountNotEncodable("less than 0.1 kWh waits")
        return credit

    @transaction
    def add_debt(self, ctx: Context, point: str, amount_minor: int, reason: str, ref: str) -> int:
        """A debt that comes off the next vends; for billing. The same reference counts once: its number.

        For tampering it stays with the premises, else it follows the customer.
        """
        require_caller(ctx, "billing")
        known = ctx.get(ctx.key("debt_ref", point, ref), int)
        if known is not None:
            return known
        number = indebted(ctx, place_of(ctx, point), amount_minor, reason)
        ctx.put(ctx.key("debt_ref", point, ref), number)
        return number

    # ------------------------------------------------------------ refunds, keys, relocation

    @transaction(roles=("meter",))
    def prove_unused(self, ctx: Context, pan: str, base: int, tid: int) -> Credit:
        """The signing meter says that it has not taken a token and never will: its TID is burned there."""
        _, meter = of_signer(ctx)
        if meter["pan"] != pan:
            raise TokenOtherMeter("this token is for another meter")
        credit = credit_of(ctx, pan, base, tid)
        if credit.status == BURNED and credit.proven:
            return credit
        if credit.status not in (MINTED, DELIVERED):
            raise CreditStatus(f"token {tid} is {credit.status}")
        return burned(ctx, credit, True)

    @transaction
    def reissue(self, ctx: Context, pan: str, base: int, tid: int, point: str = "") -> Credit:
        """Another token for one that the meter has proven unused, under its present key; staff.

        For the same point, or for another of the same utility where the same customer lives.
        """
        old = credit_of(ctx, pan, base, tid)
        require_staff(ctx, old.utility)
        require_replaceable(old)
        place = prepaid_place(ctx, point or old.point)
        if place.utility != old.utility or place.customer != old.customer:
            raise NotYours("a token is reissued to the same customer of the same utility")
        account = begun(ctx, place.point, place.utility, place.meter)
        require_running(account, place)
        keep_account(ctx, account)
        keep_credit(ctx, old.replace(replaced="reissued"))
        note = f"for credit {old.number}"
        drafted = draft(place, old.kind, old.units, old.worths, old.withheld_mwh, note)
        credit = reserve(ctx, place.pan, drafted, rules_of(ctx, account).reserve_minutes)
        ctx.emit("CreditReissued", credit=old.number, by=credit.number, point=place.point)
        return credit

    @transaction
    def set_key(
        self,
        ctx: Context,
        point: str,
        supply_group: str,
        base: int,
        key_revision: int,
        tariff_index: int,
        key_expiry: int,
    ) -> Setting:
        """What the meter's key is set to as it was delivered; staff, before the first token."""
        place = prepaid_place(ctx, point)
        require_staff(ctx, place.utility)
        for _, _ in ctx.matching("last_tid", place.pan):
            raise TokensPending("this meter had tokens already: change its key")
        setting = Setting(
            pan=place.pan,
            supply_group=supply_group,
            base=base,
            key_revision=key_revision,
            tariff_index=tariff_index,
            key_expiry=key_expiry,
        )
        ctx.put(ctx.key("setting", place.pan), checked(setting))
        ctx.emit("KeySet", point=point, pan=place.pan, base=base, key_revision=key_revision, tariff_index=tariff_index)
        return setting

    @transaction
    def change_key(
        self, ctx: Context, point: str, base: int, key_revision: int, tariff_index: int, key_expiry: int
    ) -> Setting:
        """Begin a key change; staff. Nothing is vended until the meter has confirmed it.

        Refuses while tokens of the old key are open: they are entered first, or proven unused and reissued.
        """
        place = prepaid_place(ctx, point)
        require_staff(ctx, place.utility)
        require_none_open(ctx, point)
        setting = setting_of(ctx, place.pan)
        wanted = {"base": base, "key_revision": key_revision, "tariff_index": tariff_index, "key_expiry": key_expiry}
        checked(setting.replace(**wanted))
        if base < setting.base:
            raise SettingInvalid("a base date is followed by a later one: its identifiers were used before")
        setting = setting.replace(
            wanted_base=base, wanted_revision=key_revision, wanted_index=tariff_index, wanted_expiry=key_expiry
        )
        ctx.put(ctx.key("setting", place.pan), setting)
        ctx.emit("KeyChangeAsked", point=point, pan=place.pan, **wanted)
        return setting

    @transaction(roles=("meter",))
    def key_changed(self, ctx: Context, key_revision: int, tariff_index: int) -> Setting:
        """The signing meter has the new key."""
        account, meter = of_signer(ctx)
        setting = setting_of(ctx, meter["pan"])
        if (setting.key_revision, setting.tariff_index) == (key_revision, tariff_index) and not setting.wanted_revision:
            return setting
        if (setting.wanted_revision, setting.wanted_index) != (key_revision, tariff_index):
            raise OutOfRange("the meter has another key than was asked for")
        setting = Setting(
            pan=setting.pan,
            supply_group=setting.supply_group,
            base=setting.wanted_base,
            key_revision=key_revision,
            tariff_index=tariff_index,
            key_expiry=setting.wanted_expiry,
        )
        ctx.put(ctx.key("setting", setting.pan), setting)
        ctx.emit("KeyChanged", point=account.point, pan=setting.pan, key_revision=key_revision)
        return setting

    @transaction(roles=("meter",))
    def final_balance(self, ctx: Context, balance_mwh: int, counter: int) -> Account:
        """The signing meter's last balance: it takes no more tokens, and clears itself next."""
        account, _ = of_signer(ctx)
        if counter <= account.counter:
            raise CounterBackwards(f"the meter has signed number {account.counter} already")
        account = reported(ctx, account, balance_mwh, counter, 0)
        return finalised(ctx, account)

    @transaction(roles=("meter",))
    def cleared(self, ctx: Context, counter: int) -> Left:
        """The signing meter has cleared its credit; what it held may now be relocated."""
        account, _ = of_signer(ctx)
        if counter <= account.counter:
            raise CounterBackwards(f"the meter has signed number {account.counter} already")
        return cleared(ctx, account, counter)

    @transaction
    def relocate(self, ctx: Context, from_point: str, to_point: str) -> int:
        """Credit what a cleared meter held to the meter where its tenant lives now; staff of the old one's utility.

        Answers what waits there beside the token. Debts follow the customer by themselves.
        """
        place = prepaid_place(ctx, to_point)
        left = left_of(ctx, from_point, place.customer)
        require_staff(ctx, left.utility)
        account = begun(ctx, to_point, place.utility, place.meter)
        require_running(account, place)
        there, gone = waiting_of(ctx, to_point), waiting_of(ctx, from_point)
        follows_mwh = gone.energy_mwh if from_point != to_point else 0
        ctx.put(ctx.key("waiting", from_point), gone.replace(energy_mwh=gone.energy_mwh - follows_mwh))
        rules = rules_of(ctx, account)
        left_mwh = relocated(ctx, left, place, account, rules, there.energy_mwh + follows_mwh)
        there = waiting_of(ctx, to_point)
        ctx.put(ctx.key("waiting", to_point), there.replace(energy_mwh=left_mwh))
        return left_mwh

    @transaction
    def fund(self, ctx: Context, utility: str, amount_minor: int) -> None:
        """Set money aside for refunds; signed by the treasury, the tax or the levy account, each for its own part."""
        require_direct(ctx)
        accounts = utility_of(ctx, utility)
        if ctx.creator.id not in (accounts["treasury"], accounts["tax_account"], accounts["levy_account"]):
            raise NotYours(f"refunds of {utility} are funded by its own accounts")
        escrow = REFUND_ESCROW + utility
        funded = ctx.key("funded", utility, ctx.creator.id)
        so_far = ctx.get(funded, int) or 0
        if so_far:
            ctx.call("currency", "top_up_escrow", escrow=escrow, amount_minor=amount_minor)
        else:
            ctx.call("currency", "open_escrow", escrow=escrow, amount_minor=amount_minor, purpose="refunds of units")
        ctx.put(funded, so_far + amount_minor)
        ctx.emit("RefundsFunded", utility=utility, account=ctx.creator.id, amount_minor=amount_minor)

    # ------------------------------------------------------------ what two of the staff decide

    @transaction
    def propose_rules(self, ctx: Context, utility: str, from_ms: int, rules: Rules) -> str:
        """Limits and terms of a utility, from a time on."""
        require_rules(rules)
        return propose(ctx, "rules", utility, {"rules": rules, "from_ms": from_ms})

    @transaction
    def propose_block(self, ctx: Context, point: str, kind: str, on: bool, reason: str) -> str:
        """Block or unblock vending, sharing or supply of a point."""
        if kind not in BLOCKS:
            raise OutOfRange(f"a block is of {', '.join(BLOCKS)}")
        require_text(reason, REASON_CHARACTERS, "reason")
        values = {"point": point, "kind": kind, "on": on, "reason": reason}
        return propose(ctx, "block", place_of(ctx, point).utility, values)

    @transaction
    def propose_refund(self, ctx: Context, pan: str, base: int, tid: int) -> str:
        """Give the money of a token back to its payer; the meter has proven it unused."""
        credit = credit_of(ctx, pan, base, tid)
        require_replaceable(credit)
        return propose(ctx, "refund", credit.utility, {"pan": pan, "base": base, "tid": tid})

    @transaction
    def propose_vend(self, ctx: Context, point: str, energy_mwh: int, reason: str) -> str:
        """Units without money, to correct something."""
        require_encodable(energy_mwh)
        require_text(reason, REASON_CHARACTERS, "reason")
        values = {"point": point, "energy_mwh": energy_mwh, "reason": reason}
        return propose(ctx, "vend", prepaid_place(ctx, point).utility, values)

    @transaction
    def propose_debt(self, ctx: Context, point: str, amount_minor: int, reason: str) -> str:
        """A debt of the tenant, or (for tampering) of the premises."""
        require_text(reason, CODE_CHARACTERS, "reason")
        values = {"point": point, "amount_minor": amount_minor, "reason": reason}
        return propose(ctx, "debt", place_of(ctx, point).utility, values)

    @transaction
    def propose_write_off(
        self, ctx: Context, utility: str, owner_kind: str, owner: str, number: int, amount_minor: int
    ) -> str:
        """Owe less of a debt."""
        values = {"owner_kind": owner_kind, "owner": owner, "number": number, "amount_minor": amount_minor}
        return propose(ctx, "write_off", utility, values)

    @transaction
    def propose_field_reading(self, ctx: Context, point: str, balance_mwh: int, token_hash: str) -> str:
        """The final balance of a meter that cannot sign, read in the field, and the digest of the clear token there."""
        require_digest(token_hash, "digest of the clear token")
        values = {"point": point, "balance_mwh": balance_mwh, "token_hash": token_hash}
        return propose(ctx, "field_reading", place_of(ctx, point).utility, values)

    @transaction
    def approve(self, ctx: Context, proposal: str) -> None:
        """A second person of the utility carries it out."""
        found = approved(ctx, proposal)
        values: dict[str, Any] = found.values
        match found.kind:
            case "rules":
                put_dated(ctx, "rules", found.organisation, values["from_ms"], values["rules"])
                ctx.emit("RulesChanged", utility=found.organisation, from_ms=values["from_ms"])
            case "block":
                blocked(ctx, values["point"], values["kind"], values["on"], values["reason"])
            case "refund":
                refunded(ctx, credit_of(ctx, values["pan"], values["base"], values["tid"]))
            case "vend":
                corrected(ctx, values["point"], values["energy_mwh"], values["reason"])
            case "debt":
                indebted(ctx, place_of(ctx, values["point"]), values["amount_minor"], values["reason"])
            case "write_off":
                written_off(ctx, found.organisation, values)
            case _:
                field_read(ctx, values["point"], values["balance_mwh"])

    @transaction
    def withdraw(self, ctx: Context, proposal: str) -> None:
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ reading

    @query
    def account(self, ctx: Context, point: str) -> PrepaidAccount:
        """A point's account, what waits for it, its meter's key setting, its debts."""
        require_reader(ctx, point)
        place = place_of(ctx, point)
        return PrepaidAccount(
            account=account_of(ctx, point, place.utility),
            waiting_mwh=waiting_of(ctx, point).energy_mwh,
            short_mwh=queue_of(ctx, point).short_mwh,
            setting=setting_of(ctx, place.pan),
            debts=debts_of(ctx, place.customer, place.premises),
        )

    @query
    def credits(self, ctx: Context, point: str, after: int = 0) -> list[Credit]:
        """A point's credits by number, used ones too: the list of its tokens and what became of them."""
        require_reader(ctx, point)
        return listed(ctx, "listed", point, after)

    @query
    def unused(self, ctx: Context, point: str) -> list[Credit]:
        """What the meter may still take."""
        require_reader(ctx, point)
        return listed(ctx, "open", point, 0)

    @query
    def credit(self, ctx: Context, pan: str, base: int, tid: int) -> Credit:
        """One credit; for those who may read its point, and its payer."""
        found = credit_of(ctx, pan, base, tid)
        if ctx.creator.id != found.payer:
            require_reader(ctx, found.point)
        return found

    @query
    def to_mint(self, ctx: Context, utility: str, after: int = 0) -> list[Credit]:
        """Credits that have no digits yet; for the vending service."""
        require_carrier(ctx, utility)
        return listed(ctx, "mint", utility, after)

    @query
    def lots(self, ctx: Context, point: str) -> list[Lot]:
        """What is left in a point's meter, and what it was bought for, the oldest first."""
        require_reader(ctx, point)
        return open_lots(ctx, point)

    @query
    def shares(self, ctx: Context, point: str, after: int = 0) -> list[Share]:
        """What a point has sent, or asked its meter to send."""
        require_reader(ctx, point)
        return shares_of(ctx, point, after)

    @query
    def debts(self, ctx: Context, point: str) -> list[Debt]:
        """What comes off the next vends of a point."""
        require_reader(ctx, point)
        place = place_of(ctx, point)
        return debts_of(ctx, place.customer, place.premises)

    @query
    def payables(self, ctx: Context, day: int) -> list[Payable]:
        """What utilities owe each other of a day; for their staff and regulators."""
        if ctx.caller or ctx.creator.role in ("regulator", "admin", "operator"):
            organisation = "" if ctx.caller or ctx.creator.role == "regulator" else ctx.creator.organisation
            return [each for each in payables_of(ctx, day) if organisation in ("", each.debtor, each.creditor)]
        raise NotYours("this is read by the utilities' staff and regulators")

    @query
    def rules(self, ctx: Context, utility: str, at_ms: int) -> Rules:
        return rules_at(ctx, utility, at_ms)

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person."""
        return proposals_of(ctx, organisation)
