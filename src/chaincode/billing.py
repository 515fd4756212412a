"""Billing: invoices from what settlement classed, and what becomes of them until they are paid.

    run        a utility's local month: counted, then house by house in steps of a timer, with a cursor
    cursor     of a point: the next month to bill, and up to which adjustment all is taken
    invoice    lines that recompute bit by bit from settlement, tariff and registry; never changed once issued
    credit     a credit note: what two people take back of an invoice
    payout     what a treasury has set aside for those who feed in

`billed` says how these are kept, `monthly` makes a month's invoices, `runs` takes all houses in turn, `relief` is
disputes and credit notes; ledgers, entries and standings are in `ledgers`, stages and fees in `dunning`.

Rules it keeps:

* one kWh is paid once: grid energy is charged, trades and pool are listed, prepaid import is listed;
* every line is rounded once, the rest summed in `remainder`; the sum of lines is the total;
* a bill is told by a call of its own: whoever proves it shows nobody else's;
* a month is billed once for a point and customer, when all its days are settled. What came late by then is in it;
  what comes later is a correction on the next invoice, of whose interval it was, moved out or not;
* a step does nothing twice: run again, interrupted or late, the same invoices come out;
* invoices and credit notes stand for ever; what changes (paid, due, disputed) stands beside them;
* money for an invoice leaves the payer's escrow in the same call: treasury, taxes and levies in proportion;
* a prepaid point is never asked for grid import; what it owes by a correction comes off its next vend.

Grid energy of a time in which nobody had the point is the utility's own.

Roles: staff of the utility run, propose, approve; anyone pays; the customer's wallets dispute and withdraw credit;
the treasury funds payouts; timers run and dun. The customer, staff, regulators and whom the customer lets (bills) read.
Events: RunStarted, RunProgressed, RunDone, HouseWaits, InvoiceIssued, HandedOver, PaidChanged, InvoicePaid,
InvoiceOverdue, DunningChanged, PaymentReceived, Disputed, DisputeResolved, CreditNoteIssued, PayoutFunded,
PayoutReturned, BalanceWithdrawn, RulesChanged; Proposed, Approved, Withdrawn.
"""

from chaincode.access import organisation_of, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.billed import (
    MONTHS,
    PAGE_ITEMS,
    CreditNote,
    Dispute,
    Invoice,
    Payment,
    Payout,
    Run,
    dispute_key,
    invoice_of,
    month_index,
    month_name,
    named,
    parted,
    payout_of,
    run_key,
    run_of,
)
from chaincode.calendar import HOUR_MS, month_span_ms
from chaincode.dated import put_dated
from chaincode.dunning import Rules, advanced, check_rules, fee_lines, rules_at
from chaincode.invoices import total_of
from chaincode.ledgers import (
    Entry,
    InvoiceUnknown,
    Ledger,
    Standing,
    keep,
    ledger_of,
    number_text,
    open_of,
    paid_out,
    received,
    standing_of,
)
from chaincode.monthly import FEE, ground_of, handed_over, issue, remade, tell
from chaincode.relief import (
    TEXT_CHARACTERS,
    AmountOutOfRange,
    DisputeState,
    NotTheTreasury,
    NotYourInvoice,
    credit_note,
    moved,
    own_customer,
    readable,
    require_creditable,
    require_customer,
    require_disputed,
    require_reader,
    resolved,
    treasury_of,
)
from chaincode.runs import BILLING, DONE, WAITING, counted, scheduled, tried_again, went_on
from chaincode.units import LARGEST
from chaincode.vended import Line

AGAIN_MS = HOUR_MS
REQUEST_CHARACTERS = 60
TIMER = "timer"
COUNTING = "counting"


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


class NotDue(Refusal):
    """The month is not over."""

    code = "NOT_DUE"


class RunBusy(Refusal):
    """Another month's run is not done."""

    code = "RUN_BUSY"


class RequestUsed(Refusal):
    """This payer has used this request for another payment."""

    code = "REQUEST_USED"


class NothingToWithdraw(Refusal):
    """The customer has no credit."""

    code = "NOTHING_TO_WITHDRAW"


class PayoutUnfunded(Refusal):
    """The treasury has set less aside than is to be paid out."""

    code = "PAYOUT_UNFUNDED"


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

    @transaction(roles=("timer",))
    def tell(self, ctx: Context, utility: str, number: int) -> None:
        """Say what an invoice of a run asks for, in a receipt of its own: its proof shows no other; by timer."""
        invoice = invoice_of(ctx, standing_of(ctx, utility, number))
        tell(ctx, invoice, rules_at(ctx, utility, invoice.issued_ms))
        handed_over(ctx, invoice)

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
            tell(ctx, issue(ctx, fee, rules), rules)

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
