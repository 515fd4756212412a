"""Ledgers: what each customer owes and has paid, by entries that are only added, and how invoices stand.

    ledger     under `ledger`, customer: balance, credit that is free, what is open, and on which invoices
    entry      under `entry`, customer, number: one movement, with the balance after it
    standing   under `standing`, utility, number: what is paid and credited of an invoice, its state of dunning

Always: balance = credit - open = sum of the entries, and total = paid + credited + open for each invoice. Money that
comes for an invoice goes to that one first, then to the oldest open one that nobody disputes; what is left is
credit, and the next invoice takes it. So an overpayment and a bill in the customer's favour are the same thing.

Warning: nothing here moves money of `currency`; billing does, by what these functions answer.
"""

from chaincode.api import Context, Record, Refusal

OPEN_TAKEN = 24
NUMBER_DIGITS = 12
OPEN = "open"
PARTLY = "partly"
PAID = "paid"
OVERDUE = "overdue"
DISPUTED = "disputed"
CREDITED = "credited"
HANDED_OVER = "handed_over"
"""A prepaid meter's vends pay it."""

# ---------------------------------------------------------------- records


class Ledger(Record):
    """Under `ledger`, customer. `open` are numbers of invoices, the oldest first."""

    customer: str
    balance_minor: int = 0
    credit_minor: int = 0
    open_minor: int = 0
    entries: int = 0
    open: tuple[int, ...] = ()


class Entry(Record):
    """Under `entry`, customer, number; `ref` is the invoice, credit note or request."""

    number: int
    kind: str
    amount_minor: int
    ref: str
    balance_minor: int
    time_ms: int
    transaction_id: str


class Standing(Record):
    """Under `standing`, utility, number. `due_ms` 0: nothing is to be paid; `stages`: how many of dunning are over."""

    id: str
    utility: str
    number: int
    customer: str
    total_minor: int
    tax_minor: int
    levy_minor: int
    due_ms: int
    paid_minor: int = 0
    credited_minor: int = 0
    status: str = OPEN
    disputed: bool = False
    overdue: bool = False
    handed_over: bool = False
    stage: str = ""
    stages: int = 0


class Shares(Record):
    """Where the money of a payment belongs."""

    treasury_minor: int
    tax_minor: int
    levy_minor: int


# ---------------------------------------------------------------- refusals


class InvoiceUnknown(Refusal):
    """There is no such invoice."""

    code = "INVOICE_UNKNOWN"


# ---------------------------------------------------------------- what is entered


def charged(ctx: Context, standing: Standing) -> None:
    """Enter a new invoice: what it asks for is open, what it gives is credit. `offset` sets one against the other."""
    ledger = ledger_of(ctx, standing.customer)
    if standing.total_minor > 0:
        ledger = entered(ctx, ledger, "invoice", -standing.total_minor, standing.id).replace(
            open_minor=ledger.open_minor + standing.total_minor, open=(*ledger.open, standing.number)
        )
    else:
        if standing.total_minor:
            ledger = entered(ctx, ledger, "invoice", -standing.total_minor, standing.id)
        ledger = ledger.replace(credit_minor=ledger.credit_minor - standing.total_minor)
    keep(ctx, standing)
    ctx.put(ctx.key("ledger", ledger.customer), ledger)


def offset(ctx: Context, customer: str, utility: str) -> None:
    """Set a customer's free credit against what is open, the oldest first."""
    set_off(ctx, ledger_of(ctx, customer), utility, 0)


def received(ctx: Context, standing: Standing, amount_minor: int, kind: str, ref: str) -> Shares:
    """Enter money for an invoice; answers whose it is: taxes and levies in proportion to what is paid."""
    ledger = entered(ctx, ledger_of(ctx, standing.customer), kind, amount_minor, ref)
    ledger = ledger.replace(credit_minor=ledger.credit_minor + amount_minor)
    fresh_minor = ledger.credit_minor
    taxes, levies = set_off(ctx, ledger, standing.utility, standing.number)
    if fresh_minor != amount_minor:
        taxes, levies = taxes * amount_minor // fresh_minor, levies * amount_minor // fresh_minor
    return Shares(treasury_minor=amount_minor - taxes - levies, tax_minor=taxes, levy_minor=levies)


def credited(ctx: Context, standing: Standing, amount_minor: int, ref: str) -> Standing:
    """Enter a credit note: it lessens what is open; what was paid beyond is the customer's credit."""
    ledger = entered(ctx, ledger_of(ctx, standing.customer), "credit_note", amount_minor, ref)
    off_minor = min(amount_minor, open_of(standing))
    after = standing.replace(
        credited_minor=standing.credited_minor + amount_minor, paid_minor=standing.paid_minor - amount_minor + off_minor
    )
    ledger = closed(ledger, after, off_minor)
    keep(ctx, after)
    told(ctx, standing, after)
    set_off(ctx, ledger.replace(credit_minor=ledger.credit_minor + amount_minor - off_minor), standing.utility, 0)
    return after


def paid_out(ctx: Context, customer: str, amount_minor: int, ref: str) -> Ledger:
    """Enter that credit has gone to the customer."""
    ledger = entered(ctx, ledger_of(ctx, customer), "payout", -amount_minor, ref)
    ledger = ledger.replace(credit_minor=ledger.credit_minor - amount_minor)
    ctx.put(ctx.key("ledger", customer), ledger)
    return ledger


def entered(ctx: Context, ledger: Ledger, kind: str, amount_minor: int, ref: str) -> Ledger:
    """The ledger with one entry more; what it does to credit and open is the caller's."""
    after = ledger.replace(balance_minor=ledger.balance_minor + amount_minor, entries=ledger.entries + 1)
    entry = Entry(
        number=after.entries,
        kind=kind,
        amount_minor=amount_minor,
        ref=ref,
        balance_minor=after.balance_minor,
        time_ms=ctx.time_ms,
        transaction_id=ctx.transaction_id,
    )
    ctx.put(ctx.key("entry", ledger.customer, number_text(entry.number)), entry)
    return after


# ---------------------------------------------------------------- what is set against what


def set_off(ctx: Context, ledger: Ledger, utility: str, first: int) -> tuple[int, int]:
    """Set free credit against open invoices, this one first; answers the taxes and levies in it."""
    taxes, levies = 0, 0
    numbers = [number for number in ledger.open if number == first]
    numbers += [number for number in ledger.open if number != first]
    for number in numbers[:OPEN_TAKEN]:
        standing = standing_of(ctx, utility, number)
        off_minor = min(ledger.credit_minor, open_of(standing))
        if off_minor and (number == first or not standing.disputed):
            after = standing.replace(paid_minor=standing.paid_minor + off_minor)
            taxes += part_of(after.tax_minor, after) - part_of(standing.tax_minor, standing)
            levies += part_of(after.levy_minor, after) - part_of(standing.levy_minor, standing)
            ledger = closed(ledger.replace(credit_minor=ledger.credit_minor - off_minor), after, off_minor)
            keep(ctx, after)
            told(ctx, standing, after)
    ctx.put(ctx.key("ledger", ledger.customer), ledger)
    return taxes, levies


def part_of(amount_minor: int, standing: Standing) -> int:
    """How much of a tax or levy is in what is paid: over all payments exactly it."""
    return amount_minor * standing.paid_minor // standing.total_minor


def closed(ledger: Ledger, standing: Standing, off_minor: int) -> Ledger:
    """The ledger with less open; an invoice of which nothing is open is no longer in its list."""
    left = ledger.open
    if not open_of(standing):
        left = tuple(number for number in left if number != standing.number)
    return ledger.replace(open_minor=ledger.open_minor - off_minor, open=left)


def told(ctx: Context, before: Standing, after: Standing) -> None:
    """Say what is paid now; once, that nothing is left to pay: nobody is reminded of it any more."""
    paid = {"invoice": after.id, "customer": after.customer, "paid_minor": after.paid_minor}
    if open_of(before) and not open_of(after):
        ctx.cancel("dun/" + after.id)
        ctx.emit("InvoicePaid", **paid)
    elif before.paid_minor != after.paid_minor:
        ctx.emit("PaidChanged", **paid)


def open_of(standing: Standing) -> int:
    """What is still to be paid."""
    return max(standing.total_minor, 0) - standing.paid_minor - standing.credited_minor


def status_of(standing: Standing) -> str:
    """One word for how an invoice stands."""
    if standing.handed_over:
        return HANDED_OVER
    if standing.disputed:
        return DISPUTED
    if not open_of(standing):
        return CREDITED if standing.credited_minor and not standing.paid_minor else PAID
    if standing.overdue:
        return OVERDUE
    return PARTLY if standing.paid_minor or standing.credited_minor else OPEN


# ---------------------------------------------------------------- finding and keeping


def keep(ctx: Context, standing: Standing) -> None:
    key = ctx.key("standing", standing.utility, number_text(standing.number))
    ctx.put(key, standing.replace(status=status_of(standing)))


def standing_of(ctx: Context, utility: str, number: int) -> Standing:
    found = ctx.get(ctx.key("standing", utility, number_text(number)), Standing)
    if found is None:
        raise InvoiceUnknown(f"there is no invoice {utility[:40]}:{number}")
    return found


def ledger_of(ctx: Context, customer: str) -> Ledger:
    return ctx.get(ctx.key("ledger", customer), Ledger) or Ledger(customer=customer)


def number_text(number: int) -> str:
    return f"{number:012d}"
