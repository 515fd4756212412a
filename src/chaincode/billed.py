"""What billing keeps: runs, invoices, credit notes, payments, payouts, disputes.

run/      utility, month   how far it has come
invoice/  number         lines and their total; never changed once issued
cursor/   point          the next month to bill, and up to which adjustment all is taken
credit, payment, payout, dispute
"""

from chaincode.api import Context, Record, Refusal
from chaincode.invoices import Part
from chaincode.ledgers import InvoiceUnknown, Standing, number_text, standing_of
from chaincode.vended import Line

PAGE_ITEMS = 100
MONTHS = 12


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


class RunUnknown(Refusal):
    """There was no such run."""

    code = "RUN_UNKNOWN"


def month_index(year: int, month: int) -> int:
    """Months since year 0."""
    return year * MONTHS + month - 1


def month_name(index: int) -> str:
    return f"{index // MONTHS:04d}-{index % MONTHS + 1:02d}"


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
