"""Tickets: random values that stand for a person until they end. Only their hashes are kept.

A ticket ends when it was not used for a while, when it is old, when it is given back, and when its person's identity
does. Nothing is on disk: after a restart a wallet signs in again by itself.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

import msgspec

from ledgernode.errors import TicketInvalid
from ledgernode.identity.records import Role

IDLE_MS: Final = 15 * 60_000
LIFE_MS: Final = 12 * 60 * 60_000
TICKET_BYTES: Final = 32
_OF_PERSON: Final = 10
_ALL: Final = 100_000


class Person(msgspec.Struct, frozen=True):
    """Who is there: an identity of the ledger, with what it may do. Staff may act for their organisation alone.

    `reads_only`: let in by a provider, with no key of the ledger; it looks, and changes nothing.
    """

    identity: str
    organisation: str
    role: Role
    attributes: dict[str, str] = {}
    reads_only: bool = False


class _Ticket(msgspec.Struct):
    person: Person
    ends_ms: int
    idle_ms: int


class Tickets:
    """All that are good. The least recently used go first when there are too many."""

    def __init__(self) -> None:
        self._tickets: dict[bytes, _Ticket] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def give(self, person: Person, secret: bytes, now_ms: int, life_ms: int = LIFE_MS) -> str:
        """A ticket from random bytes."""
        self._make_room(person, now_ms)
        ticket = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
        self._tickets[_hash(ticket)] = _Ticket(person, now_ms + life_ms, now_ms + IDLE_MS)
        return ticket

    def whose(self, ticket: str, now_ms: int) -> Person:
        """Who holds it; it is good for a while longer."""
        person = self.known(ticket, now_ms)
        found = self._tickets.pop(_hash(ticket))
        found.idle_ms = now_ms + IDLE_MS
        self._tickets[_hash(ticket)] = found
        return person

    def known(self, ticket: str, now_ms: int) -> Person:
        """Who holds it, which is no use of it. One that has ended is gone."""
        named = _hash(ticket)
        found = self._tickets.get(named)
        if found is None or now_ms >= min(found.ends_ms, found.idle_ms):
            self._tickets.pop(named, None)
            raise TicketInvalid("sign in again: this session has ended")
        return found.person

    def end(self, ticket: str) -> None:
        self._tickets.pop(_hash(ticket), None)

    def end_all(self, identity: str) -> None:
        """Everything that stands for this identity."""
        for named in [named for named, one in self._tickets.items() if one.person.identity == identity]:
            del self._tickets[named]

    def _make_room(self, person: Person, now_ms: int) -> None:
        own = [named for named, one in self._tickets.items() if one.person.identity == person.identity]
        for named in own[: max(0, len(own) - _OF_PERSON + 1)]:
            del self._tickets[named]
        while self._tickets:
            first = next(iter(self._tickets))
            over = now_ms >= min(self._tickets[first].idle_ms, self._tickets[first].ends_ms)
            if not over and len(self._tickets) < _ALL:
                return
            del self._tickets[first]


def _hash(ticket: str) -> bytes:
    return sha256(ticket.encode()).digest()
