"""A law of conservation: what has to hold of the records after every transaction, and of what each transaction does.

A law says it in up to four ways, as fits it:

    terms    what a record adds to the sums of a subject (an account, a meter, an escrow); `wrong` says what does not
             add up among a subject's sums. Judged for every subject in the end, and after each transaction for those
             it touched, so that the first transaction after which they did not add up is found
    flaw     what is wrong with one record, by itself or beside others that never change. Its break is the
             transaction that wrote it
    change   what is wrong with what one transaction wrote and told: its events explain its writes
    rest     what does not add up in the end, where no transaction can be blamed for it

A law keeps what it needs while an audit runs; each audit makes its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec

from ledgernode.audit.books import Books
from ledgernode.audit.journal import Item, Step
from ledgernode.wire.types import Height

Term = tuple[str, str, int]
"""(subject, name of the sum, amount)"""
Sums = Mapping[str, int]
"""A subject's sums by name; 0 where nothing was added."""


class Range(msgspec.Struct, frozen=True):
    """What the transactions of blocks `first` to `last` did is judged; what stands is what stood after `last`."""

    first: Height
    last: Height


class Finding(msgspec.Struct, frozen=True):
    """A law that holds, with the sums that show it."""

    law: str
    sums: dict[str, int]


class Flaw(NamedTuple):
    """Something that does not add up, the sums that show it, and (if one can be blamed) who wrote the record."""

    text: str
    sums: dict[str, int]
    version: tuple[int, int] | None = None


class Law:
    """`reads` records, as (contract, kind) in this order, where they stand and where they are written; only `follows`
    others where they are written; `hears` the events of contracts."""

    name: ClassVar[str] = ""
    reads: ClassVar[tuple[tuple[str, str], ...]] = ()
    follows: ClassVar[tuple[tuple[str, str], ...]] = ()
    hears: ClassVar[frozenset[str]] = frozenset()

    def begin(self, books: Books, span: Range) -> None:
        """Before anything is read."""
        self.books = books
        self.span = span
        self.counted: dict[str, int] = {}

    def count(self, name: str, more: int = 1) -> None:
        """What is to be said of the range beside the sums, where there is something."""
        if more:
            self.counted[name] = self.counted.get(name, 0) + more

    def terms(self, item: Item) -> Iterable[Term]:  # noqa: ARG002 - most laws sum something
        return ()

    def wrong(self, subject: str, sums: Sums) -> str:
        """'' where the sums of a subject add up; by default they come to zero."""
        whole = sum(sums.values())
        return f"{subject}: {_listed(sums)} differ by {whole}" if whole else ""

    def flaw(self, item: Item) -> str:  # noqa: ARG002 - a record has none by itself
        return ""

    def change(self, step: Step) -> str:  # noqa: ARG002 - what records add up to is all there is to say
        return ""

    def rest(self) -> Iterable[Flaw]:
        return ()

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        """What shows that the law holds, of the sums of all subjects as they stand; empty: nothing is there yet."""
        totals: dict[str, int] = {}
        for terms in sums.values():
            for name, amount in terms.items():
                totals[name] = totals.get(name, 0) + amount
        return {"subjects": len(sums), **dict(sorted(totals.items()))} if sums else {}


def _listed(sums: Sums) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in sorted(sums.items()))


Record = dict[str, Any]
