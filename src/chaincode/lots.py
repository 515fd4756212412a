"""Lots: what the units in a prepaid meter were bought for, consumed first in, first out.

    worth   a quantity of units and what was paid for it: by whom vended, under which tariff and step, net and tax
    lot     a worth that is in a point's meter, numbered in the order in which it entered
    queue   of a point: its first lot that is not used up, the next number, and what was taken beyond all lots

Rules it keeps: no unit has two prices; value is split in proportion and never lost, so what was consumed, shared and
is left of a lot always sums to what was paid. Units given back (a return) refill the lots that were consumed
last: they have never left. What a meter used beyond its known lots (a token whose report is still under way, an
emergency) is `short`, and the next lot covers it first; below zero it is what came back beyond them.
"""

from collections.abc import Sequence

from chaincode.api import Context, Record
from chaincode.units import largest_remainder

REFILLED_LOTS = 100
OPEN_LOTS = 300


class Worth(Record):
    """Units and what they cost. `tariff_class` is the tariff index of tokens; `tax_minor` is beside `net_minor`."""

    vendor: str
    tariff: str
    tariff_class: int
    step: int
    energy_mwh: int
    net_minor: int
    tax_minor: int
    lifeline: bool = False


class Lot(Record):
    """Under `lot`, point, number. `worth` is of all that entered and was not shared, the rest of what is left."""

    number: int
    worth: Worth
    left_mwh: int
    left_net_minor: int
    left_tax_minor: int
    source: int
    """The number of the credit that brought it."""


class Queue(Record):
    """Under `queue`, point."""

    first: int = 1
    next: int = 1
    short_mwh: int = 0


# ---------------------------------------------------------------- entering and leaving


def put_units(ctx: Context, point: str, worths: Sequence[Worth], source: int) -> None:
    """Units enter the meter; what was short is covered by them first."""
    queue = queue_of(ctx, point)
    for worth in worths:
        if worth.energy_mwh:
            lot = Lot(
                number=queue.next,
                worth=worth,
                left_mwh=worth.energy_mwh,
                left_net_minor=worth.net_minor,
                left_tax_minor=worth.tax_minor,
                source=source,
            )
            keep(ctx, point, lot)
            queue = queue.replace(next=queue.next + 1)
    covered_mwh = max(queue.short_mwh, 0)
    ctx.put(ctx.key("queue", point), queue.replace(short_mwh=queue.short_mwh - covered_mwh))
    if covered_mwh:
        take_units(ctx, point, covered_mwh)


def take_units(ctx: Context, point: str, energy_mwh: int) -> None:
    """Units are consumed, the oldest first."""
    queue = queue_of(ctx, point)
    left_mwh = energy_mwh - min(max(-queue.short_mwh, 0), energy_mwh)
    short_mwh = queue.short_mwh + energy_mwh - left_mwh
    first = queue.first
    while left_mwh and first < queue.next:
        lot = lot_of(ctx, point, first)
        used_mwh = min(left_mwh, lot.left_mwh)
        if used_mwh:
            keep(ctx, point, lessened(lot, used_mwh))
        left_mwh -= used_mwh
        if used_mwh == lot.left_mwh:
            first += 1
    ctx.put(ctx.key("queue", point), queue.replace(first=first, short_mwh=short_mwh + left_mwh))


def give_back_units(ctx: Context, point: str, energy_mwh: int) -> None:
    """Units come back that were counted as consumed: into the lots that were consumed last."""
    queue = queue_of(ctx, point)
    left_mwh = energy_mwh - min(max(queue.short_mwh, 0), energy_mwh)
    short_mwh = queue.short_mwh - energy_mwh + left_mwh
    first, number = queue.first, min(queue.first, queue.next - 1)
    oldest = max(number - REFILLED_LOTS, 0)
    while left_mwh and number > oldest:
        lot = lot_of(ctx, point, number)
        room_mwh = min(left_mwh, lot.worth.energy_mwh - lot.left_mwh)
        if room_mwh:
            keep(ctx, point, refilled(lot, room_mwh))
            first = number
        left_mwh -= room_mwh
        number -= 1
    ctx.put(ctx.key("queue", point), queue.replace(first=first, short_mwh=short_mwh - left_mwh))


def share_units(ctx: Context, point: str, utility: str, energy_mwh: int, to: tuple[str, int] | None) -> list[Worth]:
    """Units leave for another meter, of this vendor and tariff class; for none, to come back as they were.

    Lots of that vendor and class leave as they are, but for lifeline lots. Where these are too few, units leave at the
    average price of all that is there. Units that no lot covers are worth nothing.
    """
    queue, lots = queue_of(ctx, point), open_lots(ctx, point)
    if to is not None and sum([lot.left_mwh for lot in lots if alike(lot.worth, to)]) < energy_mwh:
        lots, to = averaged(lots), None
    moved: list[Worth] = []
    left_mwh = energy_mwh
    for lot in lots:
        leaving_mwh = min(left_mwh, lot.left_mwh)
        if leaving_mwh and (to is None or alike(lot.worth, to)):
            left_mwh -= leaving_mwh
            moved.append(part(lot, leaving_mwh))
            keep(ctx, point, shrunk(lot, leaving_mwh))
        else:
            keep(ctx, point, lot)
    if left_mwh:
        moved.append(unpaid(utility, left_mwh))
        ctx.put(ctx.key("queue", point), queue.replace(short_mwh=queue.short_mwh + left_mwh))
    return merged(moved)


def clear_units(ctx: Context, point: str) -> list[Worth]:
    """All units leave: what is left of each lot. Nothing is short afterwards."""
    queue = queue_of(ctx, point)
    moved = [part(lot, lot.left_mwh) for lot in open_lots(ctx, point) if lot.left_mwh]
    for lot in open_lots(ctx, point):
        keep(ctx, point, shrunk(lot, lot.left_mwh))
    ctx.put(ctx.key("queue", point), queue.replace(first=queue.next, short_mwh=0))
    return merged(moved)


# ---------------------------------------------------------------- pure: one lot


def part(lot: Lot, energy_mwh: int) -> Worth:
    """So much of what is left, and its share of the value, rounded down."""
    return lot.worth.replace(
        energy_mwh=energy_mwh,
        net_minor=lot.left_net_minor * energy_mwh // lot.left_mwh,
        tax_minor=lot.left_tax_minor * energy_mwh // lot.left_mwh,
    )


def lessened(lot: Lot, energy_mwh: int) -> Lot:
    """Less is left: consumed."""
    gone = part(lot, energy_mwh)
    return lot.replace(
        left_mwh=lot.left_mwh - energy_mwh,
        left_net_minor=lot.left_net_minor - gone.net_minor,
        left_tax_minor=lot.left_tax_minor - gone.tax_minor,
    )


def refilled(lot: Lot, energy_mwh: int) -> Lot:
    """More is left again, at the price at which it was consumed."""
    used_mwh = lot.worth.energy_mwh - lot.left_mwh
    net_minor, tax_minor = lot.worth.net_minor - lot.left_net_minor, lot.worth.tax_minor - lot.left_tax_minor
    return lot.replace(
        left_mwh=lot.left_mwh + energy_mwh,
        left_net_minor=lot.left_net_minor + net_minor * energy_mwh // used_mwh,
        left_tax_minor=lot.left_tax_minor + tax_minor * energy_mwh // used_mwh,
    )


def shrunk(lot: Lot, energy_mwh: int) -> Lot:
    """The lot is smaller: what left for another meter was never consumed here."""
    if not energy_mwh:
        return lot
    gone, worth = part(lot, energy_mwh), lot.worth
    return lessened(lot, energy_mwh).replace(
        worth=worth.replace(
            energy_mwh=worth.energy_mwh - energy_mwh,
            net_minor=worth.net_minor - gone.net_minor,
            tax_minor=worth.tax_minor - gone.tax_minor,
        )
    )


def alike(worth: Worth, to: tuple[str, int]) -> bool:
    """Whether units may go as they are to a meter of this vendor and tariff class."""
    return (worth.vendor, worth.tariff_class) == to and not worth.lifeline


def averaged(lots: list[Lot]) -> list[Lot]:
    """The same lots with their value shared by energy, so that none is cheaper; all of them are worth the same."""
    weights = [lot.left_mwh for lot in lots]
    if not sum(weights):
        return lots
    nets = largest_remainder(sum([lot.left_net_minor for lot in lots]), weights)
    taxes = largest_remainder(sum([lot.left_tax_minor for lot in lots]), weights)
    return [
        lot.replace(
            worth=lot.worth.replace(
                net_minor=lot.worth.net_minor + net_minor - lot.left_net_minor,
                tax_minor=lot.worth.tax_minor + tax_minor - lot.left_tax_minor,
            ),
            left_net_minor=net_minor,
            left_tax_minor=tax_minor,
        )
        for lot, net_minor, tax_minor in zip(lots, nets, taxes, strict=True)
    ]


def unpaid(vendor: str, energy_mwh: int) -> Worth:
    """Units for which nobody has paid, or nobody knows yet."""
    return Worth(vendor=vendor, tariff="", tariff_class=0, step=0, energy_mwh=energy_mwh, net_minor=0, tax_minor=0)


def merged(worths: Sequence[Worth]) -> list[Worth]:
    """Units of one origin and step together, in the order of the first of each."""
    together: dict[tuple[str, str, int, int, bool], Worth] = {}
    for worth in worths:
        kind = (worth.vendor, worth.tariff, worth.tariff_class, worth.step, worth.lifeline)
        alike = [together[kind], worth] if kind in together else [worth]
        energy_mwh, net_minor, tax_minor = worth_of(alike)
        together[kind] = worth.replace(energy_mwh=energy_mwh, net_minor=net_minor, tax_minor=tax_minor)
    return list(together.values())


def worth_of(worths: Sequence[Worth]) -> tuple[int, int, int]:
    """(energy, net, tax) of all of them."""
    return (
        sum([worth.energy_mwh for worth in worths]),
        sum([worth.net_minor for worth in worths]),
        sum([worth.tax_minor for worth in worths]),
    )


# ---------------------------------------------------------------- finding


def queue_of(ctx: Context, point: str) -> Queue:
    return ctx.get(ctx.key("queue", point), Queue) or Queue()


def lot_of(ctx: Context, point: str, number: int) -> Lot:
    found = ctx.get(lot_key(ctx, point, number), Lot)
    assert found is not None, "every number of a queue has its lot"
    return found


def open_lots(ctx: Context, point: str) -> list[Lot]:
    """What is left, the oldest first; so many as one call can look at."""
    queue = queue_of(ctx, point)
    return [lot_of(ctx, point, number) for number in range(queue.first, min(queue.next, queue.first + OPEN_LOTS))]


def keep(ctx: Context, point: str, lot: Lot) -> None:
    ctx.put(lot_key(ctx, point, lot.number), lot)


def lot_key(ctx: Context, point: str, number: int) -> str:
    return ctx.key("lot", point, f"{number:012d}")
