"""What becomes of an invoice besides its payment: disputes, credit notes, and who may ask for them or read it."""

from chaincode.access import organisation_of, require_direct, require_staff, require_text
from chaincode.api import Context, Refusal
from chaincode.approvals import Proposal
from chaincode.billed import CreditNote, Dispute, Payment, dispute_key, invoice_of, named, numbered
from chaincode.calendar import DAY_MS
from chaincode.dunning import rules_at, watched
from chaincode.invoices import total_of
from chaincode.ledgers import Standing, credited, keep, ledger_of, number_text, set_off, standing_of
from chaincode.vended import Line

CREDIT_LINES = 40
TEXT_CHARACTERS = 140


class AmountOutOfRange(Refusal):
    """An amount is not above zero, or beyond what it can be."""

    code = "AMOUNT_OUT_OF_RANGE"


class NotYourInvoice(Refusal):
    """Invoices and ledgers are their customer's, whose wallet must sign."""

    code = "NOT_YOUR_INVOICE"


class DisputeState(Refusal):
    """The invoice is in dispute already, or it is not."""

    code = "DISPUTE_STATE"


class NotTheTreasury(Refusal):
    """Payouts are funded by the utility's treasury."""

    code = "NOT_THE_TREASURY"


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
    about = {"invoice": standing.id, "customer": standing.customer}
    ctx.emit("DisputeResolved", resolution=resolution, due_ms=due_ms, **about)


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
