"""An audit: every law over the records after a range, and over the range's transactions, the last one first.

The sums of every subject are made from the records as they stood after the range. From there the walk goes back: the
subjects that a transaction touched are judged as it left them, then what it wrote is taken off the sums again. What
was found last is so the first break of a law; the first of all laws' is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from ledgernode.audit.asking import Asking
from ledgernode.audit.books import Books
from ledgernode.audit.journal import Item, Step, walk_back
from ledgernode.audit.law import Finding, Law, Range
from ledgernode.errors import AuditFailed, BadRequest, Pruned
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import version_of
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height

Progress = Callable[[int, int], None]
"""(blocks done, blocks in all)"""


class AuditReport(msgspec.Struct, frozen=True):
    first: Height
    last: Height
    findings: tuple[Finding, ...]


class _Break(NamedTuple):
    """Where a law was first found broken; without a position: before the range, or by no transaction."""

    height: int
    position: int
    text: str
    sums: dict[str, int]


def audit_with(
    chain: ChainStore, laws: Sequence[type[Law]], first: Height | None, last: Height | None, progress: Progress
) -> AuditReport:
    """Judge these laws. Refuses with AuditFailed, Pruned and BadRequest, as `audit` says."""
    span = _span(chain, first, last)
    with chain.state_at(span.last) as view:
        books = Books(view, Asking(chain, view, span.last))
        judged = [_Judged(law(), books, span) for law in laws]
        for one in judged:
            one.read()
        watched = {kind for one in judged for kind in one.watched}
        heard = {contract for one in judged for contract in one.law.hears}
        done, total = 0, span.last - span.first + 1
        for step in walk_back(chain, view, range(span.first, span.last + 1), watched, heard):
            if step.position < 0:
                done += 1
                progress(done, total)
                continue
            for one in judged:
                one.go_back(step)
        for one in judged:
            one.end()
    broken = [one for one in judged if one.broken is not None]
    if broken:
        raise _failure(chain, span, min(broken, key=lambda one: one.place))
    found = [Finding(one.law.name, {**one.shown, **one.law.counted}) for one in judged]
    return AuditReport(span.first, span.last, tuple(finding for finding in found if finding.sums))


def _span(chain: ChainStore, first: Height | None, last: Height | None) -> Range:
    head = chain.head.height
    if last is not None and last > head:
        raise BadRequest(f"there is no block {last}, the last is {head}")
    if first is not None and first <= chain.base > 0:
        raise Pruned(f"what block {first} wrote is not kept here: this node began from block {chain.base}")
    span = Range(Height(chain.base + 1) if first is None else first, head if last is None else last)
    if span.first > span.last + 1:
        raise BadRequest(f"blocks {span.first} to {span.last} are no range")
    return span


class _Judged:
    """One law on its way through an audit."""

    def __init__(self, law: Law, books: Books, span: Range) -> None:
        self.law = law
        self.broken: _Break | None = None
        self.watched = {*law.reads, *law.follows}
        self.shown: dict[str, int] = {}
        self._books = books
        self._span = span
        self._sums: dict[str, dict[str, int]] = {}
        law.begin(books, span)

    @property
    def place(self) -> tuple[int, int]:
        assert self.broken is not None
        return self.broken.height, self.broken.position

    def read(self) -> None:
        """Sum the records that stand, and look at each of them that the range wrote."""
        for contract, kind in self.law.reads:
            for item, stored in self._books.of(contract, kind):
                self._add(item, 1)
                height, position = version_of(stored)
                text = self.law.flaw(item)
                if text and height >= self._span.first:
                    self._found_broken(height, position, text, {})
        for flaw in self.law.rest():
            self._found_broken(*(flaw.version or (self._span.last + 1, -1)), flaw.text, flaw.sums)
        self.shown = self.law.shown(self._sums)

    def go_back(self, step: Step) -> None:
        """Judge what a transaction left, and go back to before it."""
        mine = self._of_law(step)
        if mine is None:
            return
        if text := self.law.change(mine):
            self._found_broken(step.height, step.position, text, {})
        touched = set[str]()
        for written in mine.wrote:
            for _, item in written.sides():
                touched.update(subject for subject, _, _ in self.law.terms(item))
        for subject in sorted(touched):
            sums = self._sums.get(subject, {})
            if text := self.law.wrong(subject, sums):
                self._found_broken(step.height, step.position, text, dict(sums))
        for written in mine.wrote:
            for sign, item in written.sides():
                self._add(item, -sign)

    def end(self) -> None:
        """What was wrong before the range, whether its transactions touched it or not."""
        for subject, sums in sorted(self._sums.items()):
            if text := self.law.wrong(subject, sums):
                self._found_broken(self._span.first - 1, -1, text, dict(sums))

    def _of_law(self, step: Step) -> Step | None:
        wrote = tuple(one for one in step.wrote if (one.contract, one.kind) in self.watched)
        told = tuple(one for one in step.told if one.contract in self.law.hears)
        return step._replace(wrote=wrote, told=told) if wrote or told else None

    def _add(self, item: Item, sign: int) -> None:
        for subject, name, amount in self.law.terms(item):
            sums = self._sums.setdefault(subject, {})
            sums[name] = sums.get(name, 0) + sign * amount

    def _found_broken(self, height: int, position: int, text: str, sums: dict[str, int]) -> None:
        if self.broken is None or (height, position) < (self.broken.height, self.broken.position):
            self.broken = _Break(height, position, text, sums)


def _failure(chain: ChainStore, span: Range, judged: _Judged) -> AuditFailed:
    found = judged.broken
    assert found is not None
    facts: dict[str, Any] = {"law": judged.law.name, "height": found.height, "sums": found.sums}
    if found.position < 0:
        before = found.height < span.first
        where = f"before block {span.first}, or by no transaction" if before else f"after block {span.last}"
        return AuditFailed(f"{judged.law.name}: {where}: {found.text}", **facts)
    id_ = _receipt_id(chain, found.height, found.position)
    where = f"block {found.height}, transaction {id_[:16] or found.position}"
    return AuditFailed(f"{judged.law.name}: {where}: {found.text}", transaction=id_, **facts)


def _receipt_id(chain: ChainStore, height: int, position: int) -> str:
    receipts = chain.receipts(Height(height))
    return parse_receipt(receipts[position]).id.hex() if position < len(receipts) else ""
