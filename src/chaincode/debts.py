"""Debts: what comes off the next vend first. Those of a person follow the person, those for tampering stay with the
premises.

    debt   under `debt`, owner's kind (customer, premises), owner, number; gone when it is paid or written off

Rules it keeps: of one vend no more than the cap goes to debts, and of each debt no more than its own cap; the oldest
first; what a vend that is not minted yet will pay is *held*, so that two at once do not pay the same. A debt for
energy (an emergency) holds the levies and the tax in it, which are paid on in proportion.
"""

from chaincode.api import Context, Record
from chaincode.prepaid_credit import Owed, counted, number_text
from chaincode.units import MICRO

CUSTOMER = "customer"
PREMISES = "premises"
TAMPER = "tamper"
DEBTS_READ = 20


class Debt(Record):
    """`amount_minor` with levies and tax, of which these are parts; `held_minor` waits for its vend to be minted."""

    number: int
    owner_kind: str
    owner: str
    utility: str
    reason: str
    amount_minor: int
    left_minor: int
    cap_micro: int
    levy_minor: int = 0
    tax_minor: int = 0
    held_minor: int = 0
    since_ms: int = 0


class Paid(Record):
    """What a payment was for."""

    net_minor: int
    levy_minor: int
    tax_minor: int


def add_debt(ctx: Context, debt: Debt) -> Debt:
    """A debt under its next number."""
    debt = debt.replace(number=counted(ctx, "debt"), left_minor=debt.amount_minor, since_ms=ctx.time_ms)
    ctx.emit("DebtAdded", debt=debt.number, owner=debt.owner, reason=debt.reason, amount_minor=debt.amount_minor)
    return keep_debt(ctx, debt)


def debts_of(ctx: Context, customer: str, premises: str) -> list[Debt]:
    """What the tenant and the premises owe, the oldest of each first; so many as a vend looks at."""
    found: list[Debt] = []
    for kind, owner in ((CUSTOMER, customer), (PREMISES, premises)):
        if owner:
            for _, debt in ctx.matching("debt", kind, owner, type=Debt):
                found.append(debt)
                if len(found) >= DEBTS_READ:
                    break
    return found


def debts_due(debts: list[Debt], amount_minor: int, cap_micro: int) -> list[Owed]:
    """What an amount pays of these: the oldest first, none above its cap, all together not above `cap_micro`."""
    left_minor = amount_minor * cap_micro // MICRO
    taken: list[Owed] = []
    for debt in sorted(debts, key=lambda debt: debt.number):
        most_minor = min(left_minor, debt.left_minor - debt.held_minor, amount_minor * debt.cap_micro // MICRO)
        if most_minor > 0:
            left_minor -= most_minor
            owed = Owed(owner_kind=debt.owner_kind, owner=debt.owner, number=debt.number, amount_minor=most_minor)
            taken.append(owed)
    return taken


def hold_debts(ctx: Context, owed: tuple[Owed, ...], sign: int) -> None:
    """Hold what a vend will pay (1), or let go of it (-1)."""
    for each in owed:
        debt = debt_of(ctx, each)
        keep_debt(ctx, debt.replace(held_minor=debt.held_minor + sign * each.amount_minor))


def pay_debts(ctx: Context, owed: tuple[Owed, ...]) -> Paid:
    """Pay what was held. Levies and tax in it follow what is paid of the whole, so that both come out exactly."""
    net_minor, levy_minor, tax_minor = 0, 0, 0
    for each in owed:
        debt = debt_of(ctx, each)
        levy, tax = parts_between(debt, debt.left_minor - each.amount_minor)
        net_minor += each.amount_minor - levy - tax
        levy_minor += levy
        tax_minor += tax
        lessen_debt(ctx, debt.replace(held_minor=debt.held_minor - each.amount_minor), each.amount_minor)
        ctx.emit("DebtPaid", debt=debt.number, owner=debt.owner, amount_minor=each.amount_minor)
    return Paid(net_minor=net_minor, levy_minor=levy_minor, tax_minor=tax_minor)


def parts_between(debt: Debt, left_minor: int) -> tuple[int, int]:
    """Levy and tax in a payment that leaves so much."""
    before, after = debt.amount_minor - debt.left_minor, debt.amount_minor - left_minor
    levy = debt.levy_minor * after // debt.amount_minor - debt.levy_minor * before // debt.amount_minor
    tax = debt.tax_minor * after // debt.amount_minor - debt.tax_minor * before // debt.amount_minor
    return levy, tax


def lessen_debt(ctx: Context, debt: Debt, amount_minor: int) -> None:
    """So much less is owed; at nothing the debt is gone."""
    left_minor = debt.left_minor - amount_minor
    if left_minor:
        keep_debt(ctx, debt.replace(left_minor=left_minor))
    else:
        ctx.delete(ctx.key("debt", debt.owner_kind, debt.owner, number_text(debt.number)))


def keep_debt(ctx: Context, debt: Debt) -> Debt:
    ctx.put(ctx.key("debt", debt.owner_kind, debt.owner, number_text(debt.number)), debt)
    return debt


def debt_of(ctx: Context, owed: Owed) -> Debt:
    found = ctx.get(ctx.key("debt", owed.owner_kind, owed.owner, number_text(owed.number)), Debt)
    assert found is not None, "what a vend holds is not written off"
    return found
