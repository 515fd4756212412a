"""Billing: invoices from what settlement classed, and what becomes of them until they are paid.

    run        a utility's local month: counted, then house by house in steps of a timer, with a cursor
    cursor     of a point: the next month to bill, and up to which adjustment all is taken
    invoice    lines that recompute bit by bit from settlement, tariff and registry; never changed once issued
    credit     a credit note: what two people take back of an invoice
    payout     what a treasury has set aside for those who feed in
    the rest   ledgers, entries and standings in `ledgers.py`; rules, stages and fees in `dunning.py`

Rules it keeps:

* one kWh is paid once: grid energy is charged, trades and pool are listed, prepaid import is listed;
* every line is rounded once, the rest summed in `remainder`; the sum of lines is the total;
* a month is billed once for a point and customer, when all its days are settled. What came late by then is in it;
  what comes later is a correction on the next invoice, of whose interval it was, moved out or not;
* a step does nothing twice: run again, interrupted or late, the same invoices come out;
* invoices and credit notes stand for ever; what changes (paid, due, disputed) stands beside them;
* money for an invoice leaves the payer's escrow in the same call: treasury, taxes and levies in proportion;
* a prepaid point is never asked for grid import; what it owes by a correction comes off its next vend.

Grid energy of a time in which nobody had the point is the utility's own. Reactive energy is not billed: settlement
has no class for it.

Roles: staff of the utility run, propose, approve; anyone pays; the customer's wallets dispute and withdraw credit;
the treasury funds payouts; timers run and dun. The customer, staff, regulators and whom the customer lets (bills) read.
Events: RunStarted, RunProgressed, RunDone, HouseWaits, InvoiceIssued, InvoicePaid, InvoiceOverdue, DunningChanged,
PaymentReceived, Disputed, DisputeResolved, CreditNoteIssued, PayoutFunded, PayoutReturned, BalanceWithdrawn,
RulesChanged; Proposed, Approved, Withdrawn.
"""

from typing import Any

from chaincode.access import organisation_of, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS, HOUR_MS, day_start_ms, local, month_span_ms
from chaincode.dated import put_dated
from chaincode.dunning import Rules, advanced, check_rules, fee_lines, rules_at, watched
from chaincode.invoices import (
    LEVY,
    TAX,
    Month,
    Part,
    corrections,
    flat,
    month_lines,
    parts_of,
    tenants,
    total_of,
)
from chaincode.ledgers import (
    Entry,
    InvoiceUnknown,
    Ledger,
    Standing,
    charged,
    credited,
    keep,
    ledger_of,
    number_text,
    open_of,
    paid_out,
    received,
    set_off,
    standing_of,
)
from chaincode.periods import (
    Days,
    Ground,
    Known,
    Late,
    Stay,
    Version,
    boundary_ms,
    late_from,
    lived_in_ms,
    stays,
    tariff_from,
    zone_from,
)
from chaincode.pricing import QUADRANTS
from chaincode.units import LARGEST
from chaincode.vended import Line

HOUSES_A_STEP = 20
STEP_UNITS = 420_000
MONTH_UNITS = 22_000
COLUMN_UNITS = 400
FULL_MONTH_UNITS = 150_000
CORRECTION_UNITS = 44_000
CORRECTED_COLUMN_UNITS = 800
"""What a step may cost; a month, and each day's column that holds energy in it; the most of a month; a correction."""
PAGE_ITEMS = 100
REACTIVE_UNITS = 12_000
"""What asking for the reactive registers of a month may cost."""
COUNTED_PAGES = 10
DAYS_A_PAGE = 31
LATE_PAGES = 5
CORRECTED_MONTHS = 1
AGAIN_MS = HOUR_MS
CALL_UNITS = 1_500
RUN_AFTER_MS = 3 * HOUR_MS
MONTHS = 12
CREDIT_LINES = 40
TEXT_CHARACTERS = 140
REQUEST_CHARACTERS = 60
CONNECTION = "connection"
TIMER = "timer"

PERIOD = "period"
FEE = "late_fee"
COUNTING = "counting"
BILLING = "billing"
WAITING = "waiting"
DONE = "done"

# ---------------------------------------------------------------- records


class Run(Record):
    """Under `run`, utility, month (months since year 0). `done` of `total` points; `again` is the cursor of a retry."""

    utility: str
    year: int
    month: int
    cursor: str
    status: str
    started_ms: int
    done: int = 0
    total: int = 0
    invoices: int = 0
    waiting: int = 0
    left_out: int = 0


class Cursor(Record):
    """Under `cursor`, point. No adjustment up to `low` is of `month` or later; all up to `upto` are taken."""

    month: int
    low: int = 0
    upto: int = 0


class Reactive(Record):
    """Under `reactive`, point, month: of each stay the energy of the four quadrants; what meters showed at the end."""

    until_ms: int
    registers: dict[str, list[int]]
    by_stay: list[list[int]]


class Invoice(Record):
    """Under `invoice`, utility, number. Adjustments above `after` up to `upto` have corrected `corrected` months.

    A late fee is about another invoice, of which `base_minor` was open.
    """

    id: str
    utility: str
    number: int
    kind: str
    point: str
    customer: str
    from_ms: int
    until_ms: int
    parts: list[Part]
    lines: list[Line]
    total_minor: int
    due_ms: int
    issued_ms: int
    month: int = 0
    after: int = 0
    upto: int = 0
    corrected: tuple[int, ...] = ()
    about: str = ""
    base_minor: int = 0


class CreditNote(Record):
    """Under `credit`, utility, number."""

    id: str
    invoice: str
    customer: str
    lines: list[Line]
    total_minor: int
    reason: str
    proposer: str
    approver: str
    issued_ms: int


class Payment(Record):
    """Under `payment`, payer, request."""

    invoice: str
    payer: str
    request: str
    amount_minor: int
    treasury_minor: int
    tax_minor: int
    levy_minor: int
    paid_ms: int


class Payout(Record):
    """Under `payout`, utility: what its treasury has in escrow."""

    owner: str
    amount_minor: int


class Dispute(Record):
    """Under `dispute`, utility, number: the last one of an invoice."""

    reason: str
    opened_ms: int
    resolution: str = ""
    resolved_ms: int = 0


class View(Record):
    """An invoice and how it stands."""

    invoice: Invoice
    standing: Standing
    open_minor: int
    dispute: Dispute | None


class Recomputed(Record):
    """The lines made anew, and whether they are those of the invoice, bit by bit."""

    agrees: bool
    lines: list[Line]


class House(Record):
    """What billing has asked of a point, once: its spans, and the versions of their tariffs."""

    point: str
    spans: list[Any]
    versions: dict[str, list[Version]]


class Billed(Record):
    """What came of a house: why it waits ('': it does not), if months are left, if it is for the next step."""

    invoices: int = 0
    waits: str = ""
    more: bool = False
    later: bool = False
    units: int = 0


# ---------------------------------------------------------------- refusals


class NotDue(Refusal):
    """The month is not over."""

    code = "NOT_DUE"


class RunBusy(Refusal):
    """Another month's run is not done."""

    code = "RUN_BUSY"


class RunUnknown(Refusal):
    """There was no such run."""

    code = "RUN_UNKNOWN"


class AmountOutOfRange(Refusal):
    """An amount is not above zero, or beyond what it can be."""

    code = "AMOUNT_OUT_OF_RANGE"


class RequestUsed(Refusal):
    """This payer has used this request for another payment."""

    code = "REQUEST_USED"


class NotYourInvoice(Refusal):
    """Invoices and ledgers are their customer's, whose wallet must sign."""

    code = "NOT_YOUR_INVOICE"


class DisputeState(Refusal):
    """The invoice is in dispute already, or it is not."""

    code = "DISPUTE_STATE"


class NothingToWithdraw(Refusal):
    """The customer has no credit."""

    code = "NOTHING_TO_WITHDRAW"


class PayoutUnfunded(Refusal):
    """The treasury has set less aside than is to be paid out."""

    code = "PAYOUT_UNFUNDED"


class NotTheTreasury(Refusal):
    """Payouts are funded by the utility's treasury."""

    code = "NOT_THE_TREASURY"


# ---------------------------------------------------------------- the contract


class Billing(Contract):
    name = "billing"
    version = "1.0.0"

    # ------------------------------------------------------------ runs

    @transaction
    def run(self, ctx: Context, utility: str, year: int, month: int) -> Run:
        """Bill a local month that is over; by staff or timer. A run that was interrupted goes on where it stood.

        Refuses while another month's run is not done; the timer comes again in an hour.
        """
        by_timer = ctx.creator.role == TIMER and not ctx.caller
        if not by_timer:
            require_staff(ctx, utility)
        ground = ground_of(ctx, utility)
        if not 1 <= month <= MONTHS or month_span_ms(ground.zone, year, month)[1] > ctx.time_ms:
            raise NotDue(f"{year}-{month} is not over")
        running = ctx.get(ctx.key("running", utility), int)
        if running is not None and running != month_index(year, month):
            if not by_timer:
                raise RunBusy(f"the run of {month_name(running)} is not done")
            ctx.schedule("run/" + utility, ctx.time_ms + AGAIN_MS, "run", utility=utility, year=year, month=month)
            return run_of(ctx, utility, running)
        if by_timer:
            scheduled(ctx, utility, ground)
        ctx.schedule("step/" + utility, ctx.time_ms, "step", utility=utility)
        if running is not None:
            return run_of(ctx, utility, running)
        run = Run(utility=utility, year=year, month=month, cursor="", status=COUNTING, started_ms=ctx.time_ms)
        ctx.put(ctx.key("running", utility), month_index(year, month))
        ctx.put(run_key(ctx, run), run)
        ctx.emit("RunStarted", utility=utility, year=year, month=month)
        return run

    @transaction(roles=("timer",))
    def step(self, ctx: Context, utility: str) -> Run:
        """Count, or bill some houses, and set the timer for the next; by timer."""
        run = run_of(ctx, utility, ctx.get(ctx.key("running", utility), int) or 0)
        if run.status == COUNTING:
            run = counted(ctx, run)
        elif run.status == BILLING:
            run = went_on(ctx, run)
        else:
            run = tried_again(ctx, run)
        ctx.put(run_key(ctx, run), run)
        progress = {"done": run.done, "total": run.total, "invoices": run.invoices, "waiting": run.waiting}
        ctx.emit("RunProgressed", utility=utility, year=run.year, month=run.month, status=run.status, **progress)
        if run.status == DONE:
            ctx.delete(ctx.key("running", utility))
            ctx.emit("RunDone", utility=utility, year=run.year, month=run.month, left_out=run.left_out, **progress)
        else:
            pause_ms = AGAIN_MS if run.status == WAITING and not run.cursor else 0
            ctx.schedule("step/" + utility, ctx.time_ms + pause_ms, "step", utility=utility)
        return run

    # ------------------------------------------------------------ paying

    @transaction
    def pay(self, ctx: Context, invoice: str, amount_minor: int, request: str) -> Payment:
        """Pay an invoice, wholly, partly or beyond; anyone may. The same request of a payer counts once.

        What is beyond pays the customer's other invoices, the oldest first, and is credit then.
        """
        require_direct(ctx)
        require_text(request, REQUEST_CHARACTERS, "request")
        key = ctx.key("payment", ctx.creator.id, request)
        known = ctx.get(key, Payment)
        if known is not None:
            if (known.invoice, known.amount_minor) != (invoice, amount_minor):
                raise RequestUsed(f"request {request} has paid {known.amount_minor} for {known.invoice}")
            return known
        if not 0 < amount_minor <= LARGEST:
            raise AmountOutOfRange(f"a payment is 1 to 2^53-1 minor units, not {amount_minor}")
        standing = named(ctx, invoice)
        shares = received(ctx, standing, amount_minor, "payment", request)
        payment = Payment(
            invoice=invoice,
            payer=ctx.creator.id,
            request=request,
            amount_minor=amount_minor,
            treasury_minor=shares.treasury_minor,
            tax_minor=shares.tax_minor,
            levy_minor=shares.levy_minor,
            paid_ms=ctx.time_ms,
        )
        moved(ctx, standing.utility, payment)
        ctx.put(key, payment)
        ctx.emit(
            "PaymentReceived",
            invoice=invoice,
            customer=standing.customer,
            payer=payment.payer,
            amount_minor=amount_minor,
        )
        return payment

    @transaction
    def fund(self, ctx: Context, amount_minor: int) -> Payout:
        """Set money aside from which credit is paid out; by a utility's treasury."""
        utility = treasury_of(ctx)
        payout = payout_of(ctx, utility)
        if payout.owner not in ("", ctx.creator.id) and payout.amount_minor:
            raise NotTheTreasury("the treasury before has money set aside: it takes that back first")
        escrow = {"escrow": "payout/" + utility, "amount_minor": amount_minor}
        if payout.amount_minor:
            ctx.call("currency", "top_up_escrow", **escrow)
        else:
            ctx.call("currency", "open_escrow", purpose="feed-in and credit of customers", **escrow)
        payout = Payout(owner=ctx.creator.id, amount_minor=payout.amount_minor + amount_minor)
        ctx.put(ctx.key("payout", utility), payout)
        ctx.emit("PayoutFunded", utility=utility, amount_minor=amount_minor, left_minor=payout.amount_minor)
        return payout

    @transaction
    def take_back(self, ctx: Context, utility: str, amount_minor: int) -> Payout:
        """Return money set aside to the treasury that set it aside."""
        require_direct(ctx)
        payout = payout_of(ctx, utility)
        if ctx.creator.id != payout.owner:
            raise NotTheTreasury("only who has set money aside takes it back")
        if not 0 < amount_minor <= payout.amount_minor:
            raise AmountOutOfRange(f"{payout.amount_minor} is set aside")
        escrow = {"owner": payout.owner, "escrow": "payout/" + utility, "amount_minor": amount_minor}
        ctx.call("currency", "refund_part", **escrow)
        payout = payout.replace(amount_minor=payout.amount_minor - amount_minor)
        ctx.put(ctx.key("payout", utility), payout)
        ctx.emit("PayoutReturned", utility=utility, amount_minor=amount_minor, left_minor=payout.amount_minor)
        return payout

    @transaction
    def withdraw_balance(self, ctx: Context) -> int:
        """Pay the customer's whole credit to the wallet that signs: feed-in, overpayments, credit notes."""
        require_direct(ctx)
        customer = own_customer(ctx)
        amount_minor = ledger_of(ctx, customer).credit_minor
        if amount_minor <= 0:
            raise NothingToWithdraw("there is no credit")
        utility = organisation_of(customer)
        payout = payout_of(ctx, utility)
        if payout.amount_minor < amount_minor:
            raise PayoutUnfunded(f"{amount_minor} is to be paid out, {payout.amount_minor} is set aside")
        escrow = {"owner": payout.owner, "escrow": "payout/" + utility}
        ctx.call("currency", "release_escrow", to=ctx.creator.id, amount_minor=amount_minor, **escrow)
        ctx.put(ctx.key("payout", utility), payout.replace(amount_minor=payout.amount_minor - amount_minor))
        paid_out(ctx, customer, amount_minor, ctx.creator.id)
        ctx.emit("BalanceWithdrawn", customer=customer, wallet=ctx.creator.id, amount_minor=amount_minor)
        return amount_minor

    # ------------------------------------------------------------ when it is not paid

    @transaction(roles=("timer",))
    def dun(self, ctx: Context, invoice: str) -> None:
        """Put an invoice that is not paid into its next stage; the first one costs a late fee, by timer."""
        standing = named(ctx, invoice)
        rules = rules_at(ctx, standing.utility, ctx.time_ms)
        if standing.disputed or not open_of(standing) or standing.stages >= len(rules.dunning):
            return
        first = not standing.overdue
        advanced(ctx, standing, rules)
        about = invoice_of(ctx, standing)
        digits = ground_of(ctx, standing.utility).digits
        made = fee_lines(rules, open_of(standing), digits)
        if first and about.kind != FEE and total_of(made):
            fee = about.replace(
                kind=FEE, parts=[], lines=made, corrected=(), about=invoice, base_minor=open_of(standing)
            )
            issue(ctx, fee, rules)

    @transaction
    def dispute(self, ctx: Context, invoice: str, reason: str) -> None:
        """Contest an invoice: it is not dunned until two people of the utility have decided; its customer."""
        require_direct(ctx)
        require_text(reason, TEXT_CHARACTERS, "reason")
        standing = named(ctx, invoice)
        if own_customer(ctx) != standing.customer:
            raise NotYourInvoice(f"{invoice} is another customer's")
        if standing.disputed or standing.handed_over:
            raise DisputeState(f"{invoice} is {standing.status}")
        keep(ctx, standing.replace(disputed=True))
        ctx.cancel("dun/" + invoice)
        ctx.put(dispute_key(ctx, standing), Dispute(reason=reason, opened_ms=ctx.time_ms))
        ctx.emit("Disputed", invoice=invoice, customer=standing.customer, reason=reason)

    @transaction(roles=("admin", "operator"))
    def propose_resolve(self, ctx: Context, invoice: str, resolution: str) -> str:
        """End a dispute: what is then open is due anew. What is wrong in the invoice is a credit note."""
        standing = named(ctx, invoice)
        require_text(resolution, TEXT_CHARACTERS, "resolution")
        require_disputed(standing)
        return propose(ctx, "resolve", standing.utility, {"invoice": invoice, "resolution": resolution})

    @transaction(roles=("admin", "operator"))
    def propose_credit_note(self, ctx: Context, invoice: str, lines: list[Line], reason: str) -> str:
        """Take back a part of an invoice, or all: amounts above zero, together at most what is not yet credited."""
        standing = named(ctx, invoice)
        require_text(reason, TEXT_CHARACTERS, "reason")
        require_creditable(standing, lines)
        return propose(ctx, "credit_note", standing.utility, {"invoice": invoice, "lines": lines, "reason": reason})

    @transaction(roles=("admin", "operator"))
    def propose_rules(self, ctx: Context, utility: str, from_ms: int, rules: Rules) -> str:
        """When invoices are due, what being late costs, when runs begin."""
        check_rules(rules)
        return propose(ctx, "rules", utility, {"from_ms": from_ms, "rules": rules})

    @transaction(roles=("admin", "operator"))
    def approve(self, ctx: Context, proposal: str) -> None:
        """A second person of the utility decides it."""
        found = approved(ctx, proposal)
        if found.kind == "rules":
            put_dated(ctx, "rules", found.organisation, found.values["from_ms"], found.values["rules"])
            ctx.emit("RulesChanged", utility=found.organisation, from_ms=found.values["from_ms"])
            scheduled(ctx, found.organisation, ground_of(ctx, found.organisation))
        elif found.kind == "resolve":
            resolved(ctx, named(ctx, found.values["invoice"]), found.values["resolution"])
        else:
            credit_note(ctx, found)

    @transaction(roles=("admin", "operator"))
    def withdraw(self, ctx: Context, proposal: str) -> None:
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ reading

    @query
    def invoice(self, ctx: Context, invoice: str) -> View:
        """An invoice, `<utility>:<number>`, and how it stands."""
        standing = readable(ctx, invoice)
        return View(
            invoice=invoice_of(ctx, standing),
            standing=standing,
            open_minor=open_of(standing),
            dispute=ctx.get(dispute_key(ctx, standing), Dispute),
        )

    @query
    def invoices(self, ctx: Context, customer: str, after: int = 0) -> list[Standing]:
        """How a customer's invoices stand, those numbered above `after`, the first hundred."""
        require_customer(ctx, customer)
        found: list[Standing] = []
        for key, _ in ctx.matching("of", customer):
            number = int(ctx.parts(key)[2])
            if number > after and len(found) < PAGE_ITEMS:
                found.append(standing_of(ctx, organisation_of(customer), number))
        return found

    @query
    def recompute(self, ctx: Context, invoice: str) -> Recomputed:
        """The lines anew, from settlement, tariffs and registry as they stood for it."""
        found = invoice_of(ctx, readable(ctx, invoice))
        made = remade(ctx, found)
        return Recomputed(agrees=made == found.lines and total_of(made) == found.total_minor, lines=made)

    @query
    def credit(self, ctx: Context, credit: str) -> CreditNote:
        """A credit note, `<utility>:<number>`."""
        utility, number = parted(credit)
        found = ctx.get(ctx.key("credit", utility, number_text(number)), CreditNote)
        if found is None:
            raise InvoiceUnknown(f"there is no credit note {credit[:60]}")
        require_customer(ctx, found.customer)
        return found

    @query
    def ledger(self, ctx: Context, customer: str) -> Ledger:
        """What a customer owes (balance below zero) or has."""
        require_customer(ctx, customer)
        return ledger_of(ctx, customer)

    @query
    def entries(self, ctx: Context, customer: str, before: int = 0, size: int = 20) -> list[Entry]:
        """Movements of a ledger, newest first, those numbered below `before` (0: all)."""
        require_customer(ctx, customer)
        newest = ledger_of(ctx, customer).entries
        newest = min(before - 1, newest) if before else newest
        oldest = max(newest - min(max(size, 1), PAGE_ITEMS), 0)
        found = [ctx.get(ctx.key("entry", customer, number_text(n)), Entry) for n in range(newest, oldest, -1)]
        return [entry for entry in found if entry is not None]

    @query
    def run_status(self, ctx: Context, utility: str, year: int, month: int) -> Run:
        """How far a run is."""
        return run_of(ctx, utility, month_index(year, month))

    @query
    def waiting(self, ctx: Context, utility: str) -> dict[str, str]:
        """Points that wait to be billed, and for what; the first hundred."""
        require_reader(ctx, utility)
        found: dict[str, str] = {}
        for key, reason in ctx.matching("waiting", utility):
            if len(found) < PAGE_ITEMS:
                found[ctx.parts(key)[2]] = reason
        return found

    @query
    def payout(self, ctx: Context, utility: str) -> Payout:
        """What is set aside to be paid out."""
        return payout_of(ctx, utility)

    @query
    def rules(self, ctx: Context, utility: str, at_ms: int) -> Rules:
        return rules_at(ctx, utility, at_ms)

    @query
    def remainder(self, ctx: Context, utility: str) -> int:
        """What rounding of all lines has taken (above zero) or given, in pico."""
        return ctx.get(ctx.key("remainder", utility), int) or 0

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person."""
        return proposals_of(ctx, organisation)


# ---------------------------------------------------------------- the steps of a run


def counted(ctx: Context, run: Run) -> Run:
    """Count points, a thousand in a step."""
    for _ in range(COUNTED_PAGES):
        page = ctx.call("registry", "page", kind="point", organisation=run.utility, after=run.cursor)
        run = run.replace(total=run.total + len(page["ids"]), cursor=page["after"])
        if not run.cursor:
            return run.replace(status=BILLING)
    return run


def went_on(ctx: Context, run: Run) -> Run:
    """Bill the next houses by their ids; those that are not settled yet wait."""
    asked = {"kind": "point", "organisation": run.utility, "after": run.cursor, "size": HOUSES_A_STEP}
    page = ctx.call("registry", "page", **asked)
    run, last = houses(ctx, run, page["ids"])
    if last < len(page["ids"]):
        return run.replace(cursor=page["ids"][last - 1])
    if page["after"]:
        return run.replace(cursor=page["after"])
    return run.replace(cursor="", status=WAITING if run.waiting else DONE)


def tried_again(ctx: Context, run: Run) -> Run:
    """Bill those that waited; who still waits when the time is over is left to the next run."""
    points: list[str] = []
    for key, _ in ctx.matching("waiting", run.utility):
        point = ctx.parts(key)[2]
        if point > run.cursor and len(points) <= HOUSES_A_STEP:
            points.append(point)
    run, last = houses(ctx, run, points[:HOUSES_A_STEP])
    if last < len(points):
        return run.replace(cursor=points[last - 1])
    rules = rules_at(ctx, run.utility, ctx.time_ms)
    if not run.waiting:
        return run.replace(cursor="", status=DONE)
    if ctx.time_ms < run.started_ms + rules.wait_days * DAY_MS:
        return run.replace(cursor="")
    return left_out(ctx, run)


def left_out(ctx: Context, run: Run) -> Run:
    """Give up those that still wait, a hundred in a step: their cursor stays, the next run takes them."""
    keys = [key for key, _ in ctx.matching("waiting", run.utility)]
    for key in keys[:PAGE_ITEMS]:
        ctx.delete(key)
    gone = min(len(keys), PAGE_ITEMS)
    run = run.replace(left_out=run.left_out + gone, waiting=run.waiting - gone, cursor="")
    return run if run.waiting else run.replace(status=DONE)


def houses(ctx: Context, run: Run, points: list[str]) -> tuple[Run, int]:
    """Bill these points, in order, as far as one call goes; how many it were."""
    ground = ground_of(ctx, run.utility)
    known: Known = {}
    versions: dict[str, list[Version]] = {}
    used = 0
    for place, point in enumerate(points):
        billed = bill(ctx, run, point, ground, versions, known, used)
        if billed.later:
            return run, place
        used += billed.units
        run = run.replace(invoices=run.invoices + billed.invoices)
        while billed.more and not billed.later:
            billed = bill(ctx, run, point, ground, versions, known, used)
            used += billed.units
            run = run.replace(invoices=run.invoices + billed.invoices)
        key = ctx.key("waiting", run.utility, point)
        waited = ctx.get(key, str)
        reason = billed.waits or ("earlier months" if billed.later else "")
        if reason and waited != reason:
            ctx.put(key, reason)
            ctx.emit("HouseWaits", point=point, reason=reason)
        if waited and not reason:
            ctx.delete(key)
        run = run.replace(
            waiting=run.waiting + bool(reason) - bool(waited),
            done=run.done + (not reason),
        )
    return run, len(points)


# ---------------------------------------------------------------- one house


def bill(
    ctx: Context,
    run: Run,
    point: str,
    ground: Ground,
    versions: dict[str, list[Version]],
    known: Known,
    used: int,
) -> Billed:
    """Bill a point's next month, if it is one of this run's, and all its days are settled.

    What would take a call beyond its share, after what it has used, is for the next one.
    """
    last = month_index(run.year, run.month)
    cursor = ctx.get(ctx.key("cursor", point), Cursor) or Cursor(month=last)
    if cursor.month > last or ctx.call("registry", "point", point=point)["kind"] != CONNECTION:
        return Billed(units=CALL_UNITS)
    late = lates(ctx, point, cursor.low)
    corrected, upto = touched(ctx, point, cursor, late, ground)
    if used and used + FULL_MONTH_UNITS > STEP_UNITS:
        return Billed(later=True)
    house = house_of(ctx, point, versions)
    month = month_of(ctx, house, cursor.month, ground)
    waits = unready(house, month)
    if waits:
        ctx.put(ctx.key("cursor", point), cursor)
        return Billed(waits=waits, units=units_of(month, 0))
    units = units_of(month, len(corrected))
    if used and used + units > STEP_UNITS:
        return Billed(later=True)
    months = [month_of(ctx, house, index, ground) for index in corrected]
    months = [
        each.replace(late=of_month(each, lates(ctx, point, billed_low(ctx, point, index))))
        for each, index in zip(months, corrected, strict=True)
    ]
    month = month.replace(late=of_month(month, late), reactive=measured(ctx, point, cursor.month, month.stays))
    names: dict[str, bool] = {}
    for each in [month, *months]:
        for customer in tenants(each):
            names[customer] = True
    rules = rules_at(ctx, run.utility, ctx.time_ms)
    issued = 0
    for customer in names:
        parts, made = made_for(month, months, customer, cursor.upto, upto, ground, known)
        if made:
            draft = Invoice(
                id="",
                utility=run.utility,
                number=0,
                kind=PERIOD,
                point=point,
                customer=customer,
                from_ms=parts[0].from_ms if parts else month.start_ms,
                until_ms=parts[-1].until_ms if parts else month.end_ms,
                parts=parts,
                lines=made,
                total_minor=0,
                due_ms=0,
                issued_ms=0,
                month=cursor.month,
                after=cursor.upto,
                upto=upto,
                corrected=tuple(corrected),
            )
            handed_over(ctx, issue(ctx, draft, rules), house)
            issued += 1
    ctx.put(ctx.key("low", point, number_text(cursor.month)), cursor.low)
    ahead = [one.number - 1 for one in late if one.interval_ms >= month.end_ms and one.number <= upto]
    ctx.put(ctx.key("cursor", point), Cursor(month=cursor.month + 1, low=min([upto, *ahead]), upto=upto))
    return Billed(invoices=issued, more=cursor.month < last, units=units)


def units_of(month: Month, corrected: int) -> int:
    """About what a house costs, by the columns that hold energy; earlier months are taken to be like this one."""
    columns = sum(bool(column) for day in month.days.values() for column in day)
    corrections_units = corrected * (CORRECTION_UNITS + CORRECTED_COLUMN_UNITS * columns)
    reactive_units = REACTIVE_UNITS * are_reactive(month.stays)
    return MONTH_UNITS + COLUMN_UNITS * columns + corrections_units + reactive_units


def made_for(
    month: Month, months: list[Month], customer: str, after: int, upto: int, ground: Ground, known: Known
) -> tuple[list[Part], list[Line]]:
    """A customer's lines: of the month, then the corrections of earlier ones, the oldest first."""
    own = month_lines(month, customer, upto, ground, known)
    made = flat(own)
    for each in months:
        made += corrections(each, customer, after, upto, ground, known)
    return parts_of(month, customer, own), made


def remade(ctx: Context, invoice: Invoice) -> list[Line]:
    """An invoice's lines from what they were made of."""
    ground = ground_of(ctx, invoice.utility)
    if invoice.kind == FEE:
        return fee_lines(rules_at(ctx, invoice.utility, invoice.issued_ms), invoice.base_minor, ground.digits)
    house = house_of(ctx, invoice.point, {})
    months: list[Month] = []
    for index in [invoice.month, *invoice.corrected]:
        month = month_of(ctx, house, index, ground)
        late = lates(ctx, invoice.point, billed_low(ctx, invoice.point, index))
        months.append(month.replace(late=of_month(month, late)))
    return made_for(months[0], months[1:], invoice.customer, invoice.after, invoice.upto, ground, {})[1]


def house_of(ctx: Context, point: str, versions: dict[str, list[Version]]) -> House:
    """A point's spans; tariffs are asked for once in a call."""
    spans = ctx.call("registry", "spans", point=point)
    for span in spans:
        tariff = span["tariff"]
        if tariff and tariff not in versions:
            told = ctx.call("tariff", "versions", id=tariff)
            versions[tariff] = [(each["from_ms"], tariff_from(each["tariff"])) for each in told]
    return House(point=point, spans=spans, versions=versions)


def month_of(ctx: Context, house: House, index: int, ground: Ground) -> Month:
    """A local month of a point: stays, and the days that settlement has rolled up."""
    start_ms, end_ms = span_of(ground, index)
    found = stays(house.spans, house.versions, start_ms, end_ms, ground.interval_ms)
    return Month(
        name=month_name(index),
        start_ms=start_ms,
        end_ms=end_ms,
        stays=found,
        days=days_of(ctx, house.point, found),
        late=[],
        reactive=billed_reactive(ctx, house.point, index, found).by_stay,
    )


def span_of(ground: Ground, index: int) -> tuple[int, int]:
    """A local month, on interval boundaries."""
    start_ms, end_ms = month_span_ms(ground.zone, index // MONTHS, index % MONTHS + 1)
    return boundary_ms(start_ms, ground.interval_ms), boundary_ms(end_ms, ground.interval_ms)


def days_of(ctx: Context, point: str, found: list[Stay]) -> Days:
    days: Days = {}
    if found:
        first, last = found[0].from_ms // DAY_MS, (found[-1].until_ms - 1) // DAY_MS
        for start in range(first, last + 1, DAYS_A_PAGE):
            page = {"first_day": start, "last_day": min(start + DAYS_A_PAGE - 1, last)}
            for day in ctx.call("settlement", "days", point=point, brief=True, **page):
                days[day["day"]] = day["columns"]
    return days


def unready(house: House, month: Month) -> str:
    """Why a month cannot be billed yet, '' if it can."""
    if sum(stay.until_ms - stay.from_ms for stay in month.stays) < lived_in_ms(
        house.spans, month.start_ms, month.end_ms
    ):
        return "tariff missing"
    if month.stays:
        last = (month.stays[-1].until_ms - 1) // DAY_MS
        if last not in month.days or len(month.days) <= last - min(month.days):
            return "days not settled"
    return ""


def are_reactive(found: list[Stay]) -> bool:
    """Whether a tariff of a month asks for reactive energy."""
    return any(stay.tariff.reactive_micro and not stay.prepaid for stay in found)


def billed_reactive(ctx: Context, point: str, index: int, found: list[Stay]) -> Reactive:
    """What a month was billed with; nothing where it was not, or no tariff asks for it."""
    kept = ctx.get(ctx.key("reactive", point, number_text(index)), Reactive) if are_reactive(found) else None
    return kept or Reactive(until_ms=0, registers={}, by_stay=[])


def measured(ctx: Context, point: str, index: int, found: list[Stay]) -> list[list[int]]:
    """The reactive energy of each stay, by the registers as they stand now, kept so that it recomputes.

    Where the month before was billed up to the same time, by what was billed then: what came late is not lost. A
    register that shows less than before says nothing.
    """
    if not are_reactive(found):
        return []
    before = ctx.get(ctx.key("reactive", point, number_text(index - 1)), Reactive)
    registers, until_ms = (before.registers, before.until_ms) if before is not None else ({}, 0)
    by_stay: list[list[int]] = []
    for stay in found:
        told = ctx.call("metering", "quadrants", point=point, from_ms=stay.from_ms, until_ms=stay.until_ms)
        first = registers if until_ms == stay.from_ms else {}
        sums = [0 for _ in range(QUADRANTS)]
        for one in told:
            begun = first.get(one["meter"], one["first_mvarh"])
            for place, mvarh in enumerate(one["last_mvarh"]):
                sums[place] += max(mvarh - begun[place], 0)
        by_stay.append(sums)
        registers, until_ms = {one["meter"]: one["last_mvarh"] for one in told}, stay.until_ms
    kept = Reactive(until_ms=until_ms, registers=registers, by_stay=by_stay)
    ctx.put(ctx.key("reactive", point, number_text(index)), kept)
    return by_stay


def lates(ctx: Context, point: str, after: int) -> list[Late]:
    """A point's adjustments after a number, as many as one call reads."""
    found: list[Late] = []
    for _ in range(LATE_PAGES):
        page = ctx.call("settlement", "adjustments", point=point, after=after)
        found += [late_from(each) for each in page]
        if len(page) < PAGE_ITEMS:
            break
        after = found[-1].number
    return found


def touched(ctx: Context, point: str, cursor: Cursor, late: list[Late], ground: Ground) -> tuple[list[int], int]:
    """The billed months that adjustments not yet taken change, and up to which of these one invoice goes."""
    found: dict[int, bool] = {}
    upto = cursor.upto
    start_ms = span_of(ground, cursor.month)[0]
    for one in late:
        if one.number > upto:
            if one.interval_ms < start_ms:
                at = local(ground.zone, one.interval_ms)
                index = month_index(at.year, at.month)
                if billed_low(ctx, point, index) >= 0:
                    if index not in found and len(found) == CORRECTED_MONTHS:
                        return sorted(found), upto
                    found[index] = True
            upto = one.number
    return sorted(found), upto


def billed_low(ctx: Context, point: str, index: int) -> int:
    """After which adjustment those of a billed month begin, -1 if it was not billed."""
    low = ctx.get(ctx.key("low", point, number_text(index)), int)
    return -1 if low is None else low


def of_month(month: Month, late: list[Late]) -> list[Late]:
    return [one for one in late if month.start_ms <= one.interval_ms < month.end_ms]


# ---------------------------------------------------------------- issuing


def issue(ctx: Context, draft: Invoice, rules: Rules) -> Standing:
    """Number an invoice, write it, enter it, and set its timer."""
    utility = draft.utility
    number = numbered(ctx, utility, "invoices")
    total_minor = total_of(draft.lines)
    invoice = draft.replace(
        id=f"{utility}:{number}",
        number=number,
        total_minor=total_minor,
        due_ms=ctx.time_ms + rules.due_days * DAY_MS if total_minor > 0 else 0,
        issued_ms=ctx.time_ms,
    )
    ctx.put(ctx.key("invoice", utility, number_text(number)), invoice)
    ctx.put(ctx.key("of", invoice.customer, number_text(number)), True)
    rest_pico = sum(line.remainder_pico for line in invoice.lines)
    if rest_pico:
        ctx.put(ctx.key("remainder", utility), (ctx.get(ctx.key("remainder", utility), int) or 0) + rest_pico)
    tax_minor, levy_minor = carried(invoice)
    standing = charged(
        ctx,
        Standing(
            id=invoice.id,
            utility=utility,
            number=number,
            customer=invoice.customer,
            total_minor=total_minor,
            tax_minor=tax_minor,
            levy_minor=levy_minor,
            due_ms=invoice.due_ms,
        ),
    )
    ctx.emit(
        "InvoiceIssued",
        invoice=invoice.id,
        kind=invoice.kind,
        point=invoice.point,
        customer=invoice.customer,
        total_minor=total_minor,
        due_ms=invoice.due_ms,
    )
    watched(ctx, standing, rules)
    return standing


def carried(invoice: Invoice) -> tuple[int, int]:
    """Taxes and levies that a payment of the invoice carries; never more than all of it."""
    tax_minor, levy_minor = max(total_of(invoice.lines, TAX), 0), max(total_of(invoice.lines, LEVY), 0)
    if tax_minor + levy_minor > max(invoice.total_minor, 0):
        tax_minor = max(invoice.total_minor, 0) * tax_minor // (tax_minor + levy_minor)
        levy_minor = max(invoice.total_minor, 0) - tax_minor
    return tax_minor, levy_minor


def handed_over(ctx: Context, standing: Standing, house: House) -> None:
    """What a prepaid point's tenant still owes comes off its vends; `prepaid` has it from here on."""
    now = [span for span in house.spans if span["from_ms"] <= ctx.time_ms][-1]
    owed_minor = open_of(standing)
    if owed_minor and now["prepaid"] and now["customer"] == standing.customer:
        debt = {"point": house.point, "amount_minor": owed_minor, "reason": "billing", "ref": standing.id}
        ctx.call("prepaid", "add_debt", **debt)
        received(ctx, standing, owed_minor, "debt", standing.id)
        keep(ctx, standing_of(ctx, standing.utility, standing.number).replace(handed_over=True))


def credit_note(ctx: Context, found: Proposal) -> None:
    """Issue a credit note that two people want."""
    values = found.values
    standing = named(ctx, values["invoice"])
    lines = [Line(**each) for each in values["lines"]]
    require_creditable(standing, lines)
    number = numbered(ctx, standing.utility, "credits")
    note = CreditNote(
        id=f"{standing.utility}:{number}",
        invoice=standing.id,
        customer=standing.customer,
        lines=lines,
        total_minor=total_of(lines),
        reason=values["reason"],
        proposer=found.proposer,
        approver=ctx.creator.id,
        issued_ms=ctx.time_ms,
    )
    ctx.put(ctx.key("credit", standing.utility, number_text(number)), note)
    credited(ctx, standing, note.total_minor, note.id)
    ctx.emit(
        "CreditNoteIssued",
        credit=note.id,
        invoice=standing.id,
        customer=note.customer,
        total_minor=note.total_minor,
        reason=note.reason,
    )


def resolved(ctx: Context, standing: Standing, resolution: str) -> None:
    """End a dispute: free credit is set against the invoice, what is open then is due anew."""
    require_disputed(standing)
    rules = rules_at(ctx, standing.utility, ctx.time_ms)
    due_ms = ctx.time_ms + rules.due_days * DAY_MS
    keep(ctx, standing.replace(disputed=False, overdue=False, stage="", stages=0, due_ms=due_ms))
    set_off(ctx, ledger_of(ctx, standing.customer), standing.utility, 0)
    watched(ctx, standing_of(ctx, standing.utility, standing.number), rules)
    key = dispute_key(ctx, standing)
    dispute = ctx.get(key, Dispute)
    assert dispute is not None, "what is disputed has its dispute"
    ctx.put(key, dispute.replace(resolution=resolution, resolved_ms=ctx.time_ms))
    ctx.emit("DisputeResolved", invoice=standing.id, customer=standing.customer, resolution=resolution)


def moved(ctx: Context, utility: str, payment: Payment) -> None:
    """Move the signer's money through an escrow to the accounts of the utility."""
    accounts = ctx.call("registry", "utility", organisation=utility)
    escrow, purpose = "bill/" + payment.request, "invoice " + payment.invoice
    ctx.call("currency", "open_escrow", escrow=escrow, amount_minor=payment.amount_minor, purpose=purpose)
    shares = [
        (accounts["treasury"], payment.treasury_minor),
        (accounts["tax_account"], payment.tax_minor),
        (accounts["levy_account"], payment.levy_minor),
    ]
    ctx.call(
        "currency",
        "distribute",
        debits=[(payment.payer, escrow, payment.amount_minor)],
        credits=[share for share in shares if share[1]],
        purpose=purpose,
    )


# ---------------------------------------------------------------- months and timers


def month_index(year: int, month: int) -> int:
    """Months since year 0."""
    return year * MONTHS + month - 1


def month_name(index: int) -> str:
    return f"{index // MONTHS:04d}-{index % MONTHS + 1:02d}"


def scheduled(ctx: Context, utility: str, ground: Ground) -> None:
    """Set the timer that bills the present month once it is over."""
    now = local(ground.zone, ctx.time_ms)
    following = month_index(now.year, now.month) + 1
    run_day = rules_at(ctx, utility, ctx.time_ms).run_day
    due_ms = day_start_ms(ground.zone, following // MONTHS, following % MONTHS + 1, run_day) + RUN_AFTER_MS
    ctx.schedule("run/" + utility, due_ms, "run", utility=utility, year=now.year, month=now.month)


# ---------------------------------------------------------------- who may


def own_customer(ctx: Context) -> str:
    """The customer that the signer's wallet speaks for."""
    customer: str = ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id)
    if not customer:
        raise NotYourInvoice("this wallet speaks for no customer")
    return customer


def require_reader(ctx: Context, utility: str) -> None:
    """Contracts, regulators and the utility's staff."""
    if not ctx.caller and ctx.creator.role != "regulator":
        require_staff(ctx, utility)


def reads_all(ctx: Context, utility: str) -> bool:
    creator = ctx.creator
    staff = creator.organisation == utility and creator.role in ("admin", "operator")
    return bool(ctx.caller) or creator.role == "regulator" or staff


def require_customer(ctx: Context, customer: str) -> None:
    """Contracts, regulators, staff, and the customer's own wallets."""
    if not reads_all(ctx, organisation_of(customer)) and own_customer(ctx) != customer:
        raise NotYourInvoice("this is another customer's")


def readable(ctx: Context, invoice: str) -> Standing:
    """An invoice that the signer may read: also whom the present tenant lets read its own bills."""
    standing = named(ctx, invoice)
    if reads_all(ctx, standing.utility):
        return standing
    if ctx.call("registry", "customer_of_wallet", wallet=ctx.creator.id) == standing.customer:
        return standing
    point = invoice_of(ctx, standing).point
    span = ctx.call("registry", "span", point=point, time_ms=ctx.time_ms)
    allowed = ctx.call("registry", "may_read", point=point, scope="bills")
    if not allowed or span is None or span["customer"] != standing.customer:
        raise NotYourInvoice(f"{invoice} is another customer's")
    return standing


def require_disputed(standing: Standing) -> None:
    if not standing.disputed:
        raise DisputeState(f"{standing.id} is not in dispute")


def require_creditable(standing: Standing, lines: list[Line]) -> None:
    """Refuses lines that are none, not above zero, or together more than is not yet credited."""
    left_minor = standing.total_minor - standing.credited_minor
    if not 0 < len(lines) <= CREDIT_LINES or standing.handed_over:
        raise AmountOutOfRange(f"a credit note has 1 to {CREDIT_LINES} lines, and an invoice that is billed here")
    for line in lines:
        require_text(line.kind, TEXT_CHARACTERS, "kind of a line")
        if line.amount_minor <= 0 or len(line.name) > TEXT_CHARACTERS or len(line.unit) > TEXT_CHARACTERS:
            raise AmountOutOfRange("a line takes back more than nothing, and has short names")
    if total_of(lines) > left_minor:
        raise AmountOutOfRange(f"{max(left_minor, 0)} of {standing.id} is not credited yet")


def treasury_of(ctx: Context) -> str:
    """The utility whose treasury signs."""
    require_direct(ctx)
    utility = ctx.creator.organisation
    if ctx.call("registry", "utility", organisation=utility)["treasury"] != ctx.creator.id:
        raise NotTheTreasury(f"this is done by the treasury of {utility}")
    return utility


# ---------------------------------------------------------------- finding


def ground_of(ctx: Context, utility: str) -> Ground:
    ground = ctx.call("registry", "ground")
    zone = zone_from(ctx.call("registry", "utility", organisation=utility)["zone"])
    return Ground(zone=zone, interval_ms=ground["interval_ms"], digits=ground["digits"])


def numbered(ctx: Context, utility: str, what: str) -> int:
    """The next number, from 1, without a gap."""
    key = ctx.key("numbers", utility, what)
    number = (ctx.get(key, int) or 0) + 1
    ctx.put(key, number)
    return number


def parted(id: str) -> tuple[str, int]:
    """Utility and number of `<utility>:<number>`."""
    utility, _, digits = id.partition(":")
    if not digits.isdigit() or len(digits) > len(number_text(0)):
        raise InvoiceUnknown(f"{id[:60]} is not <utility>:<number>")
    return utility, int(digits)


def named(ctx: Context, invoice: str) -> Standing:
    utility, number = parted(invoice)
    return standing_of(ctx, utility, number)


def invoice_of(ctx: Context, standing: Standing) -> Invoice:
    found = ctx.get(ctx.key("invoice", standing.utility, number_text(standing.number)), Invoice)
    assert found is not None, "what has a standing has an invoice"
    return found


def payout_of(ctx: Context, utility: str) -> Payout:
    return ctx.get(ctx.key("payout", utility), Payout) or Payout(owner="", amount_minor=0)


def run_of(ctx: Context, utility: str, index: int) -> Run:
    found = ctx.get(ctx.key("run", utility, number_text(index)), Run)
    if found is None:
        raise RunUnknown(f"there was no run of {utility[:40]} for {month_name(index)}")
    return found


def run_key(ctx: Context, run: Run) -> str:
    return ctx.key("run", run.utility, number_text(month_index(run.year, run.month)))


def dispute_key(ctx: Context, standing: Standing) -> str:
    return ctx.key("dispute", standing.utility, number_text(standing.number))
