"""Purchases and tokens on disk: LMDB, one synced transaction for each step.

    purchases   partner | NUL | key                    for ever: the same key has the same answer
    open        the same, of those that are not over
    tokens      number of the credit (8)               while they are on their way

One process has the directory; others may read it meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import lmdb
import msgspec

from gateway.holder import hold
from gateway.vending.payments import Purchase, Under
from ledgernode.errors import DatabaseDamaged, DiskFull

_NUMBER: Final = struct.Struct(">Q")
_ENCODER: Final = msgspec.msgpack.Encoder()
_MAP_BYTES: Final = 64 << 30
_READERS: Final = 64


class VendingStore:
    """Opens the directory, or makes it. Refuses with DatabaseInUse and DatabaseDamaged."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._holder = -1
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="vending")
        if not readonly:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._holder = hold(path, "vending service")
        try:
            self._environment: Any = lmdb.open(
                str(path), map_size=_MAP_BYTES, max_dbs=3, max_readers=_READERS, mode=0o600, readonly=readonly
            )
            self._purchases = self._environment.open_db(b"purchases", create=not readonly)
            self._open = self._environment.open_db(b"open", create=not readonly)
            self._tokens = self._environment.open_db(b"tokens", create=not readonly)
        except lmdb.Error as error:
            self._release()
            raise DatabaseDamaged(f"{path} cannot be opened: {error}") from error

    def close(self) -> None:
        self._writer.shutdown()
        self._environment.close()
        self._release()

    def write(self, purchases: Iterable[Purchase] = (), tokens: Iterable[Under] = (), gone: Iterable[int] = ()) -> None:
        """Synced when this returns, all of it or nothing."""
        try:
            with self._environment.begin(write=True) as transaction:
                for purchase in purchases:
                    key = key_of(purchase.partner, purchase.key)
                    transaction.put(key, _ENCODER.encode(purchase), db=self._purchases)
                    if purchase.over:
                        transaction.delete(key, db=self._open)
                    else:
                        transaction.put(key, b"", db=self._open)
                for under in tokens:
                    transaction.put(_NUMBER.pack(under.token.credit), _ENCODER.encode(under), db=self._tokens)
                for number in gone:
                    transaction.delete(_NUMBER.pack(number), db=self._tokens)
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise DiskFull(f"{self.path}: nothing was written: {error}") from error
        except lmdb.Error as error:
            raise DatabaseDamaged(f"{self.path}: {error}") from error

    async def keep(
        self, purchases: Iterable[Purchase] = (), tokens: Iterable[Under] = (), gone: Iterable[int] = ()
    ) -> None:
        """The same, on a thread of its own: steps reach the disk in the order in which they were taken."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.write, purchases, tokens, gone)

    def find(self, partner: str, key: str) -> Purchase | None:
        with self._environment.begin(buffers=True) as transaction:
            found = transaction.get(key_of(partner, key), db=self._purchases)
            return None if found is None else msgspec.msgpack.decode(found, type=Purchase)

    def open(self) -> list[Purchase]:
        """Those that are not over."""
        with self._environment.begin() as transaction, transaction.cursor(self._open) as cursor:
            found = [transaction.get(key, db=self._purchases) for key in cursor.iternext(values=False)]
        return [msgspec.msgpack.decode(one, type=Purchase) for one in found]

    def purchases(self) -> Iterator[Purchase]:
        """All of them, by partner and key."""
        with self._environment.begin() as transaction, transaction.cursor(self._purchases) as cursor:
            for value in cursor.iternext(keys=False):
                yield msgspec.msgpack.decode(value, type=Purchase)

    def tokens(self) -> list[Under]:
        """Those on their way, oldest first."""
        with self._environment.begin() as transaction, transaction.cursor(self._tokens) as cursor:
            return [msgspec.msgpack.decode(value, type=Under) for value in cursor.iternext(keys=False)]

    def token(self, credit: int) -> Under | None:
        with self._environment.begin() as transaction:
            found = transaction.get(_NUMBER.pack(credit), db=self._tokens)
            return None if found is None else msgspec.msgpack.decode(found, type=Under)

    def _release(self) -> None:
        if self._holder >= 0:
            os.close(self._holder)
            self._holder = -1


def key_of(partner: str, key: str) -> bytes:
    return f"{partner}\x00{key}".encode()
