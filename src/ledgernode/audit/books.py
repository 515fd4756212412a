"""The records of contracts as they stood after a block, for those who only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from ledgernode.audit.journal import Item, item_of, prefix
from ledgernode.store.state import StateView, value_of
from ledgernode.wire.keys import composite_key, state_key

_KEPT: Final = 4_096
"""Records that are looked at again and again are decoded once; so many are kept."""


class Books:
    """Records by contract, kind and the parts of their key; plain values, as they are stored.

    `ask(contract, function, **arguments)` is what a contract itself answers of them.
    """

    def __init__(self, view: StateView, ask: Callable[..., Any]) -> None:
        self.ask = ask
        self._view = view
        self._kept: dict[bytes, Any] = {}

    def get(self, contract: str, kind: str, *parts: str) -> Any:
        """The record under a composite key; None where there is none."""
        return self._read(state_key(contract, composite_key(kind, *parts)))

    def named(self, contract: str, key: str) -> Any:
        """The record under a simple key."""
        return self._read(state_key(contract, key))

    def of(self, contract: str, kind: str, *parts: str) -> Iterator[tuple[Item, bytes]]:
        """Every record of a kind, in order of its key, with the record as it is stored (its version before it)."""
        for start in prefix(contract, kind, *parts):
            for key, stored in self._view.scan(start, start[:-1] + bytes([start[-1] + 1])):
                item = item_of(key, value_of(stored))
                if item.kind == kind:
                    yield item, stored

    def _read(self, key: bytes) -> Any:
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            stored = self._view.get(key)
            self._kept[key] = None if stored is None else msgspec.msgpack.decode(value_of(stored))
        return self._kept[key]
