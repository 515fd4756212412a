"""Signing for devices that cannot: each has a key of its own here, and a register on the ledger that says so.

The contract `metering` takes such rows from identities with the role gateway, for meters that were registered without
a key (`record_for`), and tells them from device-signed ones for ever. One transaction is one row: its number is the
row's, so that a row is on the ledger once, whatever is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.edge.cycles import Counter, Row, counted
from gateway.edge.observed import Observed
from gateway.outbox.entry import Entry, Sender, lane_of
from gateway.outbox.outbox import Outbox, Safe
from ledgernode.client import Signer
from ledgernode.errors import ReadingInvalid
from ledgernode.wire.unreadable import UNREADABLE

CONTRACT: Final = "metering"
FUNCTION: Final = "record_for"
ROW_BUDGET: Final = 200_000
FACT: Final = b"edge/"


class EdgeDevice(msgspec.Struct, frozen=True):
    """A device that cannot sign: the channel it speaks on, the meter it is on the ledger, and who signs for it."""

    channel: str
    meter: str
    signer: Signer
    every_ms: int = 60_000


def signed_row(device: EdgeDevice, row: Row, sender: Sender, now_ms: int) -> Entry:
    """The row as a transaction of the device's own identity."""
    arguments = {"meter": device.meter, "rows": [row.numbers], "columns": row.columns}
    sequence = row.numbers[0]
    signed = device.signer.transaction(CONTRACT, FUNCTION, arguments, budget=ROW_BUDGET, sequence=sequence)
    lane = lane_of(sender.account, device.signer.identity)
    return Entry(lane, sequence, bytes(signed.id), now_ms, signed.envelope)


class EdgeSigner:
    """Devices by channel, with their counters. What a counter has moved to is kept together with the row it made."""

    def __init__(self, outbox: Outbox, devices: list[EdgeDevice], organisation: str) -> None:
        self._outbox = outbox
        self._organisation = organisation
        self._devices = {device.channel: device for device in devices}
        self._counters: dict[str, Counter] = {}
        self.unknown = 0

    def take(self, seen: Observed) -> Safe | None:
        """A future that is done when its row is on disk; None where it makes none.

        Raises ReadingInvalid (also for a device nobody has named), and what the outbox refuses: then it is as if it
        had not been seen.
        """
        device = self._devices.get(seen.channel)
        if device is None:
            self.unknown += 1
            raise ReadingInvalid("no device of this name is signed for here")
        before = self._counter(device)
        now_ms = self._outbox.clock_ms()
        after, row = counted(before, seen, now_ms, device.every_ms)
        if row is None:
            self._counters[device.channel] = after
            return None
        sender = Sender(self._organisation, "edge", device.channel)
        entry = signed_row(device, row, sender, now_ms)
        safe = self._outbox.offer(sender, entry, {_key(device): msgspec.msgpack.encode(after)})
        self._counters[device.channel] = after
        safe.add_done_callback(self._forgetting(device))
        return safe

    def _counter(self, device: EdgeDevice) -> Counter:
        known = self._counters.get(device.channel)
        if known is None:
            kept = self._outbox.store.fact(_key(device))
            known = Counter() if kept is None else _read(kept)
            self._counters[device.channel] = known
        return known

    def _forgetting(self, device: EdgeDevice) -> Callable[[Safe], None]:
        """Where the row did not reach the disk, the counter is what the disk says."""

        def ended(safe: Safe) -> None:
            if safe.cancelled() or safe.exception() is not None:
                self._counters.pop(device.channel, None)

        return ended


def _key(device: EdgeDevice) -> bytes:
    return FACT + device.signer.identity


def _read(kept: bytes) -> Counter:
    try:
        return msgspec.msgpack.decode(kept, type=Counter)
    except UNREADABLE as error:
        raise ReadingInvalid("what is kept of this device cannot be read") from error
