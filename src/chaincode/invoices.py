"""Invoices: what a customer owes for a point and a local month, as lines that recompute bit by bit.

    month       the stays of one local month, its days as settled, and what came late
    lines       those of `pricing` for each stay, each rounded once; before them what is only listed: energy of
                trades and pool, which is paid already, and what a prepaid meter has taken off its credit itself
    correction  an earlier month once more with what came late since, less what it came to then: line by line

Steps go on from one stay of a customer to the next within the month. A prepaid stay has no charges here, only lists,
feed-in and corrections of it. What a late reading has changed of trades and pool is owed as settlement posted it.

Reactive energy is what the registers showed when the month was first billed: what came late is in the next one.

Pure functions over integers; no state.
"""

from collections.abc import Sequence

from chaincode.api import Record
from chaincode.periods import Days, Flow, Ground, Known, Late, Stay, adjusted, flow_of
from chaincode.pricing import lines, netted
from chaincode.vended import Line

LISTED = "listed"
TAX = "tax"
LEVY = "levy"
GRID_FEE = "grid_fee"
TRADE = "trade"
LATE_FEE = "late_fee"


class Month(Record):
    """A local month of a point, by its name such as 2026-01."""

    name: str
    start_ms: int
    end_ms: int
    stays: list[Stay]
    days: Days
    late: list[Late]
    """Numbered upwards; only those of its own intervals."""
    reactive: list[list[int]]
    """Of each stay the energy of the four quadrants; [] where no tariff asks for it."""


class Part(Record):
    """A stay of an invoice, and how many of its lines, in order, are that stay's."""

    from_ms: int
    until_ms: int
    tariff: str
    version_ms: int
    prepaid: bool
    lines: int


# ---------------------------------------------------------------- a month, an invoice


def month_lines(month: Month, customer: str, upto: int, ground: Ground, known: Known) -> list[list[Line]]:
    """The lines of each of a customer's stays, with what came late up to that number."""
    days = adjusted(month.days, [one for one in month.late if one.number <= upto], ground.interval_ms)
    made: list[list[Line]] = []
    before_mwh = 0
    for place, stay in enumerate(month.stays):
        if stay.customer == customer:
            flow = flow_of(stay, days, before_mwh, ground, known)
            if month.reactive and stay.tariff.reactive_micro:
                quadrants = month.reactive[place]
                counted_mvarh = sum(quadrants[one - 1] for one in stay.tariff.reactive_quadrants)
                flow = flow.replace(use=flow.use.replace(reactive_mvarh=counted_mvarh))
            made.append(stay_lines(stay, flow, ground.digits))
            before_mwh += sum(netted(stay.tariff, flow.use)[0])
    return made


def stay_lines(stay: Stay, flow: Flow, digits: int) -> list[Line]:
    """What is listed, then what is charged."""
    listed = [
        ("trade import", flow.trade_import_mwh),
        ("pool import", flow.pool_import_mwh),
        ("trade export", flow.trade_export_mwh),
        ("pool export", flow.pool_export_mwh),
    ]
    if not stay.prepaid:
        return listing(listed) + lines(stay.tariff, flow.use, digits)
    use = flow.use.replace(import_mwh=[0 for _ in flow.use.import_mwh], peak_w=0)
    plain = stay.tariff.replace(fixed_minor=0, minimum_minor=0, reactive_micro=0)
    return listing([*listed, ("prepaid import", sum(flow.use.import_mwh))]) + lines(plain, use, digits)


def listing(rows: Sequence[tuple[str, int]]) -> list[Line]:
    return [
        Line(kind=LISTED, name=name, quantity=energy_mwh, unit="mwh", price_micro=0, amount_minor=0)
        for name, energy_mwh in rows
        if energy_mwh
    ]


def parts_of(month: Month, customer: str, made: Sequence[Sequence[Line]]) -> list[Part]:
    """Which lines are which stay's."""
    own = [stay for stay in month.stays if stay.customer == customer]
    return [
        Part(
            from_ms=stay.from_ms,
            until_ms=stay.until_ms,
            tariff=stay.tariff.id,
            version_ms=stay.version_ms,
            prepaid=stay.prepaid,
            lines=len(lines_of_stay),
        )
        for stay, lines_of_stay in zip(own, made, strict=True)
    ]


# ---------------------------------------------------------------- corrections


def corrections(month: Month, customer: str, after: int, upto: int, ground: Ground, known: Known) -> list[Line]:
    """What adjustments from after one number up to another change of a month that was billed before."""
    fresh = [one for one in month.late if after < one.number <= upto and tenant(month, one) == customer]
    if not fresh:
        return []
    then = flat(month_lines(month, customer, after, ground, known))
    now = flat(month_lines(month, customer, upto, ground, known))
    label = f"correction {month.name}"
    return differences(then, now, label) + owed_for_trades(fresh, label)


def tenant(month: Month, late: Late) -> str:
    """Whose interval it was, '' if nobody's."""
    for stay in month.stays:
        if stay.from_ms <= late.interval_ms < stay.until_ms:
            return stay.customer
    return ""


def tenants(month: Month) -> list[str]:
    """The customers of a month in order of their first stay."""
    found: dict[str, bool] = {}
    for stay in month.stays:
        found[stay.customer] = True
    return list(found)


def differences(then: Sequence[Line], now: Sequence[Line], label: str) -> list[Line]:
    """Line by line what is more (below zero: less) than before; what is equal has no line."""
    before, after = summed(then), summed(now)
    names = list(after) + [name for name in before if name not in after]
    made: list[Line] = []
    for key in names:
        kind, name, unit, price_micro = key
        was, is_now = before.get(key, (0, 0, 0)), after.get(key, (0, 0, 0))
        quantity, amount_minor, remainder_pico = (one - other for one, other in zip(is_now, was, strict=True))
        if quantity or amount_minor or remainder_pico:
            made.append(
                Line(
                    kind=kind,
                    name=f"{label} {name}".strip(),
                    quantity=quantity,
                    unit=unit,
                    price_micro=price_micro,
                    amount_minor=amount_minor,
                    remainder_pico=remainder_pico,
                )
            )
    return made


def summed(made: Sequence[Line]) -> dict[tuple[str, str, str, int], tuple[int, int, int]]:
    """(quantity, amount, remainder) of each kind, name, unit and price."""
    sums: dict[tuple[str, str, str, int], tuple[int, int, int]] = {}
    for line in made:
        key = (line.kind, line.name, line.unit, line.price_micro)
        quantity, amount_minor, remainder_pico = sums.get(key, (0, 0, 0))
        sums[key] = (quantity + line.quantity, amount_minor + line.amount_minor, remainder_pico + line.remainder_pico)
    return sums


def owed_for_trades(late: Sequence[Late], label: str) -> list[Line]:
    """What late readings have changed of trades and pool, to the minor unit that settlement posted."""
    amounts = [
        (TRADE, sum(one.amount_minor for one in late)),
        (GRID_FEE, sum(one.fee_minor for one in late)),
        (LEVY, sum(one.levy_minor for one in late)),
        (TAX, sum(one.tax_minor for one in late)),
    ]
    return [
        Line(
            kind=kind,
            name=f"{label} trades",
            quantity=len(late),
            unit="adjustments",
            price_micro=0,
            amount_minor=amount_minor,
        )
        for kind, amount_minor in amounts
        if amount_minor
    ]


def flat(made: Sequence[Sequence[Line]]) -> list[Line]:
    return [line for stay in made for line in stay]


def total_of(made: Sequence[Line], *kinds: str) -> int:
    """The sum of these lines in minor units, or of some kinds of them."""
    return sum(line.amount_minor for line in made if not kinds or line.kind in kinds)
