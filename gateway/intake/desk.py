"""The desk: whoever comes in by whatever way hands bytes over here, and hears whether they are safe.

The answer of an item is OK only when it is on disk. Items of one message go into one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from gateway.edge.formats import Formats
from gateway.edge.observed import Observed
from gateway.edge.signer import EdgeSigner
from gateway.intake.relay import Relay, Signers
from gateway.limits import Limits
from gateway.outbox.entry import Entry, Sender
from gateway.outbox.outbox import Outbox, Safe
from ledgernode.errors import LedgerError, NodeStopping, RevokedSigner
from ledgernode.logs import says_all
from ledgernode.observe.figures import Codes
from ledgernode.wire.receipt import OK
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, sha256


class Answer(NamedTuple):
    """Of one item."""

    code: str = OK
    message: str = ""
    retry_ms: int = 0


SAFE = Answer()
STREAM, BROKER = "stream", "broker"
_VERIFY_CHUNK = 25
_REVOKED_KEPT = 100_000


class Desk:
    """Of one ledger and one outbox."""

    def __init__(self, outbox: Outbox, chain_id: ChainId, limits: Limits, edge: EdgeSigner, formats: Formats) -> None:
        self.limits = limits
        self.chain_id = chain_id
        self._outbox = outbox
        self._edge = edge
        self._formats = formats
        self._relay = Relay(chain_id, limits)
        self._revoked: dict[bytes, None] = {}
        self._log: Any = structlog.get_logger("gateway.intake")
        self.answered: dict[str, Codes] = {}
        """Answers since the start, by bearer and code."""

    async def relay(
        self, sender: Sender, envelopes: Sequence[bytes], *, only: Signers = b"", by: str = STREAM
    ) -> list[Answer]:
        """An answer for each, in order, when all of them are known. `by` is the bearer that brought them."""
        offered: list[Safe | Answer] = []
        for at, envelope in enumerate(envelopes, 1):
            offered.append(self._offer(sender, envelope, only))
            if at % _VERIFY_CHUNK == 0:
                await asyncio.sleep(0)  # signatures take their time; others have their turn
        return self._noted(by, await answers(offered))

    async def readings(self, sender: Sender, meter: str, seen: Sequence[Observed], *, by: str = STREAM) -> list[Answer]:
        """Of a device that has a certificate to connect with, and no key to sign with: `direct_channel` names it.

        A reading that makes no row of its own is contained in the next one's registers: OK, too.
        """
        channel = direct_channel(sender, meter)
        found = await answers([self._observe(msgspec.structs.replace(one, channel=channel)) for one in seen])
        return self._noted(by, found)

    async def message(self, topic: str, payload: bytes) -> list[Answer]:
        """Of a device that speaks one of the known formats; an answer for each register in it, mostly none."""
        try:
            seen = self._formats.read(topic, payload)
        except LedgerError as refusal:
            return self._noted(BROKER, [refused(refusal)])
        return self._noted(BROKER, await answers([self._observe(one) for one in seen]))

    def _noted(self, bearer: str, found: list[Answer]) -> list[Answer]:
        self.answered.setdefault(bearer, Codes()).note_all(answer.code for answer in found)
        return found

    def _observe(self, seen: Observed) -> Safe | Answer:
        try:
            return self._edge.take(seen) or SAFE
        except LedgerError as refusal:
            return refused(refusal)

    def now_ms(self) -> int:
        return self._outbox.clock_ms()

    def revoked(self, creator: bytes) -> None:
        """The ledger says that this identity is revoked for ever: nothing of it is taken any more."""
        if len(self._revoked) < _REVOKED_KEPT:
            self._revoked[creator] = None

    def _offer(self, sender: Sender, envelope: bytes, only: Signers) -> Safe | Answer:
        try:
            entry: Entry = self._relay.checked(sender, envelope, self._outbox.clock_ms(), only=only)
            if entry.creator in self._revoked:
                raise RevokedSigner("the ledger takes nothing of this identity any more")
            return self._outbox.offer(sender, entry)
        except LedgerError as refusal:
            if says_all():
                named = sha256(envelope[PUBLIC_KEY_BYTES + SIGNATURE_BYTES :]).hex()
                self._log.debug("transaction refused", transaction=named, code=refusal.code, device=sender.name)
            return refused(refusal)


def direct_channel(sender: Sender, meter: str) -> str:
    """How a device that connects by itself is named in the settings: organisation/name/meter."""
    return f"{sender.organisation}/{sender.name}/{meter}"


async def answers(offered: Sequence[Safe | Answer]) -> list[Answer]:
    """Wait for all that are being written. Giving up the wait does not give up the write."""
    waiting = {one for one in offered if not isinstance(one, Answer)}
    if waiting:
        await asyncio.wait(waiting)
    return [one if isinstance(one, Answer) else _written(one) for one in offered]


def _written(safe: Safe) -> Answer:
    if safe.cancelled():
        return refused(NodeStopping("the gateway is shutting down"))
    error = safe.exception()
    if error is None:
        return SAFE
    if isinstance(error, LedgerError):
        return refused(error)
    raise error


def refused(error: LedgerError) -> Answer:
    retry_ms = error.facts.get("retry_ms", 0)
    return Answer(error.code, str(error), retry_ms if isinstance(retry_ms, int) else 0)
