"""One point's month: whose it was, what settlement classed, and the invoices that follow.

A month is billed once for a point and customer, when all its days are settled. What came late by then is in it; what
comes later is a correction on the next invoice, of whose interval it was, moved out or not. Done again, interrupted or
late, the same invoices come out.
"""

from typing import Any

from chaincode.api import Context, Record
from chaincode.billed import MONTHS, PAGE_ITEMS, Cursor, Invoice, Reactive, Run, month_index, month_name, numbered
from chaincode.calendar import DAY_MS, local, month_span_ms
from chaincode.dunning import Rules, fee_lines, rules_at, watched
from chaincode.invoices import LEVY, TAX, Month, Part, corrections, flat, month_lines, parts_of, tenants, total_of
from chaincode.ledgers import Standing, charged, keep, number_text, offset, open_of, received, standing_of
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
from chaincode.vended import Line

STEP_UNITS = 420_000
MONTH_UNITS = 22_000
COLUMN_UNITS = 400
FULL_MONTH_UNITS = 150_000
CORRECTION_UNITS = 44_000
CORRECTED_COLUMN_UNITS = 800
"""What a step may cost; a month, and each day's column that holds energy in it; the most of a month; a correction."""
REACTIVE_UNITS = 12_000
"""What asking for the reactive registers of a month may cost."""
LINES_TOLD = 200
"""An invoice's event holds its lines, so that they are proven with it; of one that has more it holds none."""
DAYS_A_PAGE = 31
LATE_PAGES = 5
CORRECTED_MONTHS = 1
CALL_UNITS = 1_500
CONNECTION = "connection"
PERIOD = "period"
FEE = "late_fee"


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
            told_later(ctx, issue(ctx, draft, rules))
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


def issue(ctx: Context, draft: Invoice, rules: Rules) -> Invoice:
    """Number an invoice, write it and enter it."""
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
    standing = Standing(
        id=invoice.id,
        utility=utility,
        number=number,
        customer=invoice.customer,
        total_minor=total_minor,
        tax_minor=tax_minor,
        levy_minor=levy_minor,
        due_ms=invoice.due_ms,
    )
    charged(ctx, standing)
    return invoice


def told_later(ctx: Context, invoice: Invoice) -> None:
    """A step makes many customers' invoices; each is told by a call of its own, whose proof shows nobody else's."""
    utility, number = invoice.utility, invoice.number
    ctx.schedule(f"tell/{utility}:{number_text(number)}", ctx.time_ms, "tell", utility=utility, number=number)


def tell(ctx: Context, invoice: Invoice, rules: Rules) -> None:
    """Say what an invoice asks for, set the customer's credit against it, and set its timer."""
    ctx.emit(
        "InvoiceIssued",
        invoice=invoice.id,
        kind=invoice.kind,
        point=invoice.point,
        customer=invoice.customer,
        total_minor=invoice.total_minor,
        issued_ms=invoice.issued_ms,
        due_ms=invoice.due_ms,
        from_ms=invoice.from_ms,
        until_ms=invoice.until_ms,
        about=invoice.about,
        parts=invoice.parts,
        lines=invoice.lines if len(invoice.lines) <= LINES_TOLD else [],
    )
    offset(ctx, invoice.customer, invoice.utility)
    watched(ctx, standing_of(ctx, invoice.utility, invoice.number), rules)


def carried(invoice: Invoice) -> tuple[int, int]:
    """Taxes and levies that a payment of the invoice carries; never more than all of it."""
    tax_minor, levy_minor = max(total_of(invoice.lines, TAX), 0), max(total_of(invoice.lines, LEVY), 0)
    if tax_minor + levy_minor > max(invoice.total_minor, 0):
        tax_minor = max(invoice.total_minor, 0) * tax_minor // (tax_minor + levy_minor)
        levy_minor = max(invoice.total_minor, 0) - tax_minor
    return tax_minor, levy_minor


def handed_over(ctx: Context, invoice: Invoice) -> None:
    """What a prepaid point's tenant still owes comes off its vends; `prepaid` has it from here on."""
    standing = standing_of(ctx, invoice.utility, invoice.number)
    now = ctx.call("registry", "span", point=invoice.point, time_ms=ctx.time_ms)
    owed_minor = 0 if standing.disputed else open_of(standing)
    if owed_minor and now["prepaid"] and now["customer"] == standing.customer:
        debt = {"point": invoice.point, "amount_minor": owed_minor, "reason": "billing", "ref": standing.id}
        ctx.call("prepaid", "add_debt", **debt)
        received(ctx, standing, owed_minor, "debt", standing.id)
        keep(ctx, standing_of(ctx, standing.utility, standing.number).replace(handed_over=True))
        ctx.emit("HandedOver", invoice=standing.id, customer=standing.customer, amount_minor=owed_minor)


def ground_of(ctx: Context, utility: str) -> Ground:
    ground = ctx.call("registry", "ground")
    zone = zone_from(ctx.call("registry", "utility", organisation=utility)["zone"])
    return Ground(zone=zone, interval_ms=ground["interval_ms"], digits=ground["digits"])
