"""What stands on the ledger of a fleet, by meter and number: the judge of whether anything was lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from devices.fleet.meters import key_of
from devices.fleet.plan import Plan
from ledgernode.client import LedgerClient
from ledgernode.wire.answers import Block
from ledgernode.wire.receipt import OK, Receipt, parse_receipt
from ledgernode.wire.transaction import Sequence, parse_transaction
from ledgernode.wire.types import identity_id

LISTED: Final = 20
Progress = Callable[[int, int], None]


class Tally(msgspec.Struct):
    """`numbers` of each meter: in how many transactions each number took effect."""

    numbers: list[Counter[int]]
    ineffective: Counter[str] = msgspec.field(default_factory=Counter)
    """Transactions of the fleet that stand in a block and took no effect, by code."""
    rows: Counter[str] = msgspec.field(default_factory=Counter)
    """What the contract made of rows: accepted, held, known, conflicts, ignored."""
    height: int = 0

    def add(self, place: int, number: int, receipt: Receipt) -> None:
        if receipt.code != OK:
            self.ineffective[receipt.code] += 1
            return
        self.numbers[place][number] += 1
        result = msgspec.json.decode(receipt.result)
        for name in ("accepted", "held", "known", "conflicts", "ignored"):
            self.rows[name] += result[name]

    def missing(self, until: int) -> list[tuple[int, int]]:
        """(place, number) of readings up to this number that are not there."""
        return [
            (place, number)
            for place, numbers in enumerate(self.numbers)
            for number in range(1, until + 1)
            if number not in numbers
        ]

    @property
    def last(self) -> int:
        """The highest number of any meter."""
        return max((max(numbers, default=0) for numbers in self.numbers), default=0)

    def document(self, until: int = 0) -> dict[str, Any]:
        until = until or self.last
        missing = self.missing(until)
        doubled = [
            (place, number) for place, numbers in enumerate(self.numbers) for number in numbers if numbers[number] > 1
        ]
        return {
            "height": self.height,
            "meters": len(self.numbers),
            "last_sequence": until,
            "readings": sum(len(numbers) for numbers in self.numbers),
            "missing": len(missing),
            "doubled": len(doubled),
            "first_missing": missing[:LISTED],
            "first_doubled": doubled[:LISTED],
            "without_effect": dict(sorted(self.ineffective.items())),
            "rows": dict(sorted(self.rows.items())),
        }


class Counting:
    """Reads blocks, each once, and keeps the tally."""

    def __init__(self, client: LedgerClient, plan: Plan, secret: bytes) -> None:
        self.tally = Tally([Counter() for _ in range(plan.meters)])
        self._client = client
        self._places = {identity_id(key_of(secret, place).public_key): place for place in range(plan.meters)}

    async def up_to_now(self, progress: Progress = lambda _done, _total: None) -> Tally:
        """With the newest block of whichever node answers."""
        head, tally = int((await self._client.facts()).height), self.tally
        if head > tally.height:
            async for block in self._client.blocks(tally.height + 1, to_height=head):
                self._read(block)
                tally.height += 1
                progress(tally.height, head)
        return tally

    def _read(self, block: Block) -> None:
        receipts = block.receipts[len(block.receipts) - len(block.envelopes) :]
        for raw, receipt in zip(block.envelopes, receipts, strict=True):
            body = parse_transaction(raw).body
            place = self._places.get(body.creator)
            if place is not None and isinstance(body.replay, Sequence):
                self.tally.add(place, body.replay.number, parse_receipt(receipt))
