"""Whom what stands on the ledger is about, for a caller who may not read all of it (decision 30).

    an identity     is named by its id; those of customers and meters are somebody's own
    other names     are for contracts to say: one with the query `whose` is asked, as the caller, which of some names
                    stand for somebody, and since when they are the caller's

An event is told to whom one of its fields names, and to everybody where nothing in it stands for anybody. A name
within a list or map is one of many: it makes the event somebody's, and tells it to nobody. A transaction is shown to
who has signed it, and to whom all of its events are told, one of them by name.

What a contract has changed counts from the next look. Answers are those of the newest state: who has moved out hears
no more of a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ledgernode.config import CONCERN_NAMES
from ledgernode.errors import LedgerError
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.query import Asker, asker
from ledgernode.identity.records import Role
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import LocatedTransaction, NumberedEvent
from ledgernode.wire.receipt import Event, parse_receipt
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import HASH_BYTES
from ledgernode.wire.unreadable import UNREADABLE

WHOSE: Final = "whose"
_NAME_BYTES: Final = 128
_NEVER: Final = -1
_PERSONS: Final = (Role.CUSTOMER.value, Role.METER.value)


class _Names(NamedTuple):
    """Of an event: what its fields say, and everything that stands in it."""

    fields: frozenset[str]
    everything: frozenset[str]


class Concern:
    """Of one ledger. A caller is the id of its identity, '' where nobody has registered one."""

    def __init__(self, chain: ChainStore, contracts: Contracts) -> None:
        self._chain = chain
        self._contracts = contracts

    def told(self, caller: str, events: Sequence[NumberedEvent]) -> list[NumberedEvent]:
        """Those of these events that are for the caller."""
        named = [_names(event.payload) for event in events]
        whose = self._whose(caller, named)
        return [
            event
            for event, names in zip(events, named, strict=True)
            if _is_told(names, whose, event.time_ms) or _is_nobodys(names, whose)
        ]

    def shows(self, caller: str, found: LocatedTransaction) -> bool:
        """Whether the caller may see a transaction with its receipt."""
        if caller and found.envelope and parse_transaction(found.envelope).body.creator.hex() == caller:
            return True
        events: tuple[Event, ...] = parse_receipt(found.receipt).events
        named = [_names(event.payload) for event in events]
        whose = self._whose(caller, named)
        by_name = [_is_told(names, whose, found.time_ms) for names in named]
        return any(by_name) and all(
            is_told or _is_nobodys(names, whose) for is_told, names in zip(by_name, named, strict=True)
        )

    def _whose(self, caller: str, named: Sequence[_Names]) -> Mapping[str, int]:
        """Of the names in these those that stand for somebody: since when they are the caller's, -1 for another's."""
        names = sorted(frozenset[str]().union(*(one.everything for one in named)))
        with asker(self._chain, self._contracts, caller) as asking:
            found = {name: _NEVER for name in names if _is_id(name) and asking.role_of(name) in _PERSONS}
            for contract in asking.offering(WHOSE) if names else ():
                for at in range(0, len(names), CONCERN_NAMES):
                    part = names[at : at + CONCERN_NAMES]
                    found |= {name: since_ms for name, since_ms in _answer(asking, contract, part) if name in part}
        if caller:
            found[caller] = 0
        return found


def _answer(asking: Asker, contract: str, names: list[str]) -> Sequence[tuple[str, int]]:
    """What a contract says of these names; all are somebody else's where it does not answer."""
    try:
        raw = asking.answer(contract, WHOSE, {"names": names})
        return msgspec.json.decode(raw, type=list[tuple[str, int]])
    except (LedgerError, *UNREADABLE):
        return [(name, _NEVER) for name in names]


def _is_told(names: _Names, whose: Mapping[str, int], time_ms: int) -> bool:
    return any(0 <= whose.get(name, _NEVER) <= time_ms for name in names.fields)


def _is_nobodys(names: _Names, whose: Mapping[str, int]) -> bool:
    return not names.everything & whose.keys()


def _names(payload: bytes) -> _Names:
    """Texts that could be names; keys of maps are, too."""
    said = msgspec.json.decode(payload) if payload else {}
    top = said.values() if isinstance(said, dict) else ()
    fields = frozenset(one for one in top if isinstance(one, str) and _is_name(one))
    everything: set[str] = set()
    waiting: list[Any] = [said]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            everything.add(one)
        elif isinstance(one, dict):
            waiting += (*one.keys(), *one.values())
        elif isinstance(one, list):
            waiting += one
    return _Names(fields, frozenset(filter(_is_name, everything)))


def _is_name(text: str) -> bool:
    return 0 < len(text.encode()) <= _NAME_BYTES and "\x00" not in text


def _is_id(text: str) -> bool:
    return len(text) == 2 * HASH_BYTES and all(sign in "0123456789abcdef" for sign in text)
