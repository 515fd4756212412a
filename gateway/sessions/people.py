"""Whose a key is, as the ledger says: asked of it each time somebody enters, and again while they stay.

What is known is believed for a few seconds, so that a page with many requests asks once; a revoked identity is out
after that time. While no node answers it is believed for as long as an unused ticket lasts, so that whoever is here can
go on reading; nobody enters meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from gateway.sessions.tickets import IDLE_MS, Person
from ledgernode.errors import (
    CredentialsInvalid,
    Late,
    LedgerError,
    Missing,
    RevokedSigner,
    SuspendedSigner,
    Unavailable,
    UnknownIdentity,
)
from ledgernode.identity.records import IdentityRecord, Role, Status
from ledgernode.wire.unreadable import UNREADABLE

BELIEVED_MS: Final = 5_000
AWAY_MS: Final = IDLE_MS
ENTERING: Final = (Role.ADMIN, Role.OPERATOR, Role.REGULATOR, Role.CUSTOMER)
"""For whom there are pages. Meters, gateways and validators speak to the intake and to nodes."""
_KEPT: Final = 10_000

Ask = Callable[[str, str, dict[str, Any]], Awaitable[bytes]]
"""A query of a contract: its name, the function, the arguments; the JSON that it answers."""


class People:
    """`ask` reaches the ledger; `clock_ms` is the time of day."""

    def __init__(self, ask: Ask, clock_ms: Callable[[], int]) -> None:
        self._ask = ask
        self._clock_ms = clock_ms
        self._known: dict[str, tuple[int, IdentityRecord]] = {}

    async def by_key(self, public_key: bytes) -> Person:
        """Who signs with this key now. A key that is not on the ledger, or not any more, is nobody's."""
        try:
            record = await self._record("by_key", public_key=public_key.hex())
        except (UnknownIdentity, Missing) as unknown:
            raise CredentialsInvalid("the ledger knows no identity with this key") from unknown
        self._require_key(record, public_key)
        return self._remembered(record)

    async def still(self, person: Person) -> Person:
        """The same person, as of now; raises when it may not enter any more."""
        known = self._known.get(person.identity)
        age_ms = self._clock_ms() - known[0] if known is not None else AWAY_MS
        if known is None or age_ms > BELIEVED_MS:
            try:
                return self._remembered(await self._record("describe", identity=person.identity))
            except (Unavailable, Late):
                if known is None or age_ms > AWAY_MS:
                    raise
        return _active(known[1])

    async def _record(self, function: str, **named: str) -> IdentityRecord:
        answer = await self._ask("identity", function, dict(named))
        try:
            return msgspec.json.decode(answer, type=IdentityRecord)
        except UNREADABLE as error:
            raise LedgerError("the ledger's answer about an identity is none") from error

    def _remembered(self, record: IdentityRecord) -> Person:
        self._known.pop(record.id, None)
        self._known[record.id] = (self._clock_ms(), record)
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return _active(record)

    def _require_key(self, record: IdentityRecord, public_key: bytes) -> None:
        now_ms = self._clock_ms()
        for place, key in enumerate(record.keys):
            if key.public_key == public_key.hex():
                until_ms = key.not_after_ms if place == 0 else min(key.not_after_ms, key.overlap_until_ms)
                if now_ms < until_ms:
                    return
                raise CredentialsInvalid("this key is not good any more: rotate, or have a certificate renewed")
        raise CredentialsInvalid("the ledger knows no identity with this key")


def _active(record: IdentityRecord) -> Person:
    if record.status is Status.REVOKED:
        raise RevokedSigner("this identity is revoked for ever")
    if record.status is Status.SUSPENDED:
        raise SuspendedSigner("this identity is suspended: ask your utility")
    return Person(record.id, record.organisation, record.role, record.attributes)
