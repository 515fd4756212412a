"""What was read from the log and is not delivered yet: a bounded piece of the line, by sequence."""

from __future__ import annotations

import msgspec

from ledgernode.consensus.jetstream.messages import Entry


class Item(msgspec.Struct):
    """One sequence. `envelopes` are those of a sound cut, or none; `holds` is None while they are being checked."""

    digest: bytes
    log_ms: int
    time_ms: int
    envelopes: tuple[bytes, ...]
    holds: bool | None


class Line:
    """From `next` on, as far as `limit` sequences."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[int, Item] = {}
        self.next = 1

    def has_room(self, sequence: int) -> bool:
        return self.next <= sequence < self.next + self._limit

    def is_read_up_to(self, first: int) -> int:
        """The last sequence that is here with all those from `first` on."""
        sequence = first - 1
        while sequence + 1 in self._items:
            sequence += 1
        return sequence

    def get(self, sequence: int) -> Item | None:
        return self._items.get(sequence)

    def contradicts(self, entry: Entry, digest: bytes) -> bool:
        """Did the log say something else at this sequence before?"""
        known = self._items.get(entry.sequence)
        return known is not None and (known.digest, known.log_ms) != (digest, entry.time_ms)

    def put(self, sequence: int, item: Item) -> None:
        self._items[sequence] = item

    def checked(self, digest: bytes, *, holds: bool) -> None:
        for item in self._items.values():
            if item.digest == digest:
                item.holds = holds

    def head(self) -> Item | None:
        """The next one, if it is here and checked."""
        item = self._items.get(self.next)
        return item if item is not None and item.holds is not None else None

    def advance(self) -> None:
        self._items.pop(self.next, None)
        self.next += 1

    def skip_to(self, sequence: int) -> None:
        """What lies below is settled elsewhere."""
        self.next = sequence
        self._items = {at: item for at, item in self._items.items() if at >= sequence}
