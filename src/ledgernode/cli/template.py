"""What ``chaincode new`` writes: a contract that works as it stands, and its test."""

from __future__ import annotations

from string import Template
from typing import Final

_CONTRACT: Final = Template(
    '''"""$title: entries that are written once and stay.

Rules it keeps: an entry never changes; only its owner can withdraw it; what was withdrawn can be
written again.
"""

from chaincode.api import Context, Contract, Page, Record, Refusal, query, transaction


class Entry(Record):
    owner: str
    text: str
    written_ms: int


class EntryExists(Refusal):
    """There is an entry of this name."""

    code = "ENTRY_EXISTS"


class EntryUnknown(Refusal):
    """There is no entry of this name."""

    code = "ENTRY_UNKNOWN"


class NotTheOwner(Refusal):
    """Only the owner may do this."""

    code = "NOT_THE_OWNER"


class $title(Contract):
    name = "$name"
    version = "1.0.0"

    @transaction
    def write(self, ctx: Context, entry: str, text: str) -> Entry:
        """Keep a text under a name. Refuses a name that is taken."""
        if ctx.get(entry, Entry) is not None:
            raise EntryExists("there is an entry " + entry + " already")
        written = Entry(owner=ctx.creator.id, text=text, written_ms=ctx.time_ms)
        ctx.put(entry, written)
        ctx.emit("EntryWritten", entry=entry, owner=written.owner)
        return written

    @transaction
    def withdraw(self, ctx: Context, entry: str) -> None:
        """Remove an entry. Refuses anyone but its owner."""
        if self.read(ctx, entry).owner != ctx.creator.id:
            raise NotTheOwner("entry " + entry + " belongs to another")
        ctx.delete(entry)
        ctx.emit("EntryWithdrawn", entry=entry)

    @query
    def read(self, ctx: Context, entry: str) -> Entry:
        """One entry."""
        found = ctx.get(entry, Entry)
        if found is None:
            raise EntryUnknown("there is no entry " + entry)
        return found

    @query
    def all(self, ctx: Context, bookmark: str = "") -> Page:
        """Entries in the order of their names, a page at a time."""
        return ctx.page(bookmark=bookmark, type=Entry)
'''
)

_TEST: Final = Template(
    '''"""$title keeps its rules. Run with: pytest test_$name.py"""

from pathlib import Path

import pytest

from ledgernode.errors import ContractRefused
from ledgernode.testing import TestLedger

CONTRACT = Path(__file__).with_name("$name.py")


@pytest.fixture
def ledger() -> TestLedger:
    ledger = TestLedger()
    ledger.deploy(CONTRACT)
    return ledger


def test_entry_is_written_once(ledger: TestLedger) -> None:
    """A second entry of the same name is refused, and the first stays."""
    writer = ledger.identity("writer")
    ledger.submit(writer, "$name", "write", entry="a", text="first")
    with pytest.raises(ContractRefused, match="already"):
        ledger.submit(writer, "$name", "write", entry="a", text="second")
    assert ledger.query(writer, "$name", "read", entry="a")["text"] == "first"


def test_only_the_owner_withdraws(ledger: TestLedger) -> None:
    """Another's entry stays; one's own is gone, and its name is free again."""
    owner, other = ledger.identity("owner"), ledger.identity("other")
    ledger.submit(owner, "$name", "write", entry="a", text="mine")
    assert ledger.attempt(other, "$name", "withdraw", entry="a").code == "$name.NOT_THE_OWNER"
    ledger.submit(owner, "$name", "withdraw", entry="a")
    ledger.submit(other, "$name", "write", entry="a", text="mine now")
'''
)


def contract(name: str) -> str:
    """The source of a contract of this name."""
    return _CONTRACT.substitute(name=name, title=_title(name))


def test(name: str) -> str:
    """The source of its test."""
    return _TEST.substitute(name=name, title=_title(name))


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
