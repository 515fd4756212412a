"""What the transactions of a range did, the last one first: what each told, and what each wrote.

The ledger keeps what every call replaced. What a call wrote is what the next write of the same key replaced, so that
a walk back from the end of the range knows both sides of every write, holding one record for each key written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from ledgernode.store.chain import ChainStore
from ledgernode.store.state import StateView, is_grave, value_of
from ledgernode.wire.keys import composite_key, is_composite, split_composite, split_state_key, state_key
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height

_SLASH: Final = "/"


class Item(NamedTuple):
    """A record with what its key says: of the composite key (kind, part, …), or of the simple one `kind/part`."""

    contract: str
    kind: str
    parts: tuple[str, ...]
    record: Any


class Written(NamedTuple):
    """A key, and the records before and after; None where there was, or is, none."""

    contract: str
    kind: str
    parts: tuple[str, ...]
    before: Any
    after: Any

    def sides(self) -> Iterator[tuple[int, Item]]:
        """(-1, what was there before), (1, what is there after)."""
        for sign, record in ((-1, self.before), (1, self.after)):
            if record is not None:
                yield sign, Item(self.contract, self.kind, self.parts, record)


class Told(NamedTuple):
    contract: str
    name: str
    payload: dict[str, Any]


class Step(NamedTuple):
    """What one transaction, or one timer's call, did; all in order."""

    height: int
    position: int
    id: str
    told: tuple[Told, ...]
    wrote: tuple[Written, ...]

    def events(self, contract: str, *names: str) -> Iterator[Told]:
        for one in self.told:
            if one.contract == contract and one.name in names:
                yield one

    def writes(self, contract: str, *kinds: str) -> Iterator[Written]:
        for one in self.wrote:
            if one.contract == contract and one.kind in kinds:
                yield one


def item_of(key: bytes, value: bytes) -> Item:
    return Item(*_parted(key), msgspec.msgpack.decode(value))


def prefix(contract: str, kind: str, *parts: str) -> tuple[bytes, ...]:
    """Where records of a kind begin: under composite keys, and (without parts) under simple ones."""
    composite = state_key(contract, composite_key(kind, *parts))
    return (composite,) if parts else (composite, state_key(contract, kind))


def walk_back(
    chain: ChainStore,
    view: StateView,
    heights: range,
    watched: Collection[tuple[str, str]],
    heard: Collection[str],
) -> Iterator[Step]:
    """The steps of these blocks, the last first, with their writes to watched kinds and events of heard contracts.

    `view` is the state after the last of them. Ends each block with a step without a position (-1).
    """
    contracts = {contract.encode() for contract, _ in watched}
    later: dict[bytes, bytes | None] = {}
    for height in reversed(heights):
        wrote: dict[int, list[Written]] = {}
        for position, key, before in reversed(chain.replaced(Height(height))):
            if key.partition(b"\x00")[0] not in contracts:
                continue
            contract, kind, parts = _parted(key)
            if (contract, kind) in watched:
                after = later[key] if key in later else view.get(key)
                later[key] = before
                wrote.setdefault(position, []).append(Written(contract, kind, parts, _value(before), _value(after)))
        receipts = chain.receipts(Height(height))
        for position in range(max(len(receipts), *(at + 1 for at in wrote), 0) - 1, -1, -1):
            id_, told = _told(receipts[position], heard) if position < len(receipts) else ("", ())
            yield Step(height, position, id_, told, tuple(reversed(wrote.get(position, ()))))
        yield Step(height, -1, "", (), ())


def _told(raw: bytes, heard: Collection[str]) -> tuple[str, tuple[Told, ...]]:
    receipt = parse_receipt(raw)
    return receipt.id.hex(), tuple(
        Told(event.contract, event.name, msgspec.json.decode(event.payload))
        for event in receipt.events
        if event.contract in heard
    )


def _value(stored: bytes | None) -> Any:
    return None if stored is None or is_grave(stored) else msgspec.msgpack.decode(value_of(stored))


def _parted(key: bytes) -> tuple[str, str, tuple[str, ...]]:
    contract, text = split_state_key(key)
    if is_composite(text):
        kind, *parts = split_composite(text)
        return contract, kind, tuple(parts)
    kind, slash, rest = text.partition(_SLASH)
    return contract, kind, (rest,) if slash else ()
