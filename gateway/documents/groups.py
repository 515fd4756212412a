"""A bill's lines as a person reads them: by stay, then by what they are for; what came late behind.

    stay         the lines of a part, grouped: from the grid, standing charges, tax, fed in, and what is only listed
    corrections  lines whose name begins with "correction <month>", by that month

No line is left out or counted twice: the groups' sums are the total.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.documents.bill import Invoice, Line, Part

TAKEN: Final = "taken"
STANDING: Final = "standing"
TAX: Final = "tax"
GIVEN: Final = "given"
LISTED: Final = "listed"
LATE: Final = "late"
OTHER: Final = "other"
ORDER: Final = (TAKEN, STANDING, TAX, GIVEN, LATE, OTHER, LISTED)
_KINDS: Final = {
    "import": TAKEN,
    "grid_fee": TAKEN,
    "levy": TAKEN,
    "fixed": STANDING,
    "capacity": STANDING,
    "reactive": STANDING,
    "minimum": STANDING,
    "tax": TAX,
    "feed_in": GIVEN,
    "export_fee": GIVEN,
    "late_fee": LATE,
    "listed": LISTED,
}
_CORRECTION: Final = re.compile(r"correction (\d{4})-(\d{2})\s*(.*)", re.DOTALL)
_FLOWS: Final = {
    "trade import": "trade",
    "pool import": "pool",
    "prepaid import": "prepaid",
    "trade export": "trade",
    "pool export": "pool",
}


class Group(msgspec.Struct, frozen=True):
    """Lines for one thing; `name` is of `ORDER`."""

    name: str
    lines: tuple[Line, ...]

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


class Section(msgspec.Struct, frozen=True):
    """A stay, or (`part` is nothing) the corrections of the month `corrects` (year, month), or what is left."""

    part: Part | None
    corrects: tuple[int, int] | None
    groups: tuple[Group, ...]


class Flows(msgspec.Struct, frozen=True):
    """Where energy came from and went to in the bill's own time: (source, mWh), the largest first."""

    taken: tuple[tuple[str, int], ...]
    given: tuple[tuple[str, int], ...]


def sections(invoice: Invoice) -> tuple[Section, ...]:
    """Stays in order, then corrections by month."""
    made: list[Section] = []
    at = 0
    for part in invoice.parts:
        made.append(Section(part, None, _grouped(invoice.lines[at : at + part.lines])))
        at += part.lines
    late: dict[tuple[int, int] | None, list[Line]] = {}
    for line in invoice.lines[at:]:
        found = _CORRECTION.fullmatch(line.name)
        month = (int(found[1]), int(found[2])) if found else None
        late.setdefault(month, []).append(msgspec.structs.replace(line, name=found[3]) if found else line)
    return (*made, *(Section(None, month, _grouped(lines)) for month, lines in late.items()))


def summary(invoice: Invoice) -> tuple[Group, ...]:
    """The whole bill by what it is for; corrections are a group of their own, `other`."""
    own = sum(part.lines for part in invoice.parts)
    if not invoice.parts:
        return _grouped(invoice.lines)
    made = [group for group in _grouped(invoice.lines[:own]) if group.name != LISTED]
    late = invoice.lines[own:]
    return (*made, Group(OTHER, late)) if late else tuple(made)


def flows(invoice: Invoice) -> Flows:
    """From the lines of its stays: what the grid brought, and what is listed."""
    taken: dict[str, int] = {}
    given: dict[str, int] = {}
    for line in invoice.lines[: sum(part.lines for part in invoice.parts)]:
        if line.kind == "import":
            taken["grid"] = taken.get("grid", 0) + line.quantity
        elif line.kind == "feed_in":
            given["grid"] = given.get("grid", 0) + line.quantity
        elif line.kind == "listed" and line.name in _FLOWS:
            side, name = (given if line.name.endswith("export") else taken), _FLOWS[line.name]
            side[name] = side.get(name, 0) + line.quantity
    return Flows(_largest_first(taken), _largest_first(given))


def remainder_pico(invoice: Invoice) -> int:
    """What rounding left over of all lines."""
    return sum(line.remainder_pico for line in invoice.lines)


def _grouped(lines: Iterable[Line]) -> tuple[Group, ...]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(_KINDS.get(line.kind, OTHER), []).append(line)
    return tuple(Group(name, tuple(found[name])) for name in ORDER if name in found)


def _largest_first(sums: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(((name, mwh) for name, mwh in sums.items() if mwh > 0), key=lambda one: (-one[1], one[0])))
