"""The file around `slots`: what `write` has returned from is on the disk, and one process at a time has it.

The file has its full length from the beginning, so that a write in place needs no room and changes no directory.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from devices.slots import SLOT_BYTES, SLOTS, Kept, encode, newest, place
from ledgernode.errors import DatabaseInUse, DiskFull, RegistersDamaged


class SlotFile:
    """What one device keeps. Close it, or use it as a context."""

    def __init__(self, path: Path, descriptor: int, slot_bytes: int) -> None:
        self._path, self._descriptor, self._slot_bytes = path, descriptor, slot_bytes
        kept = newest([os.pread(descriptor, slot_bytes, number * slot_bytes) for number in range(SLOTS)])
        if kept is None:
            raise RegistersDamaged(f"{path}: neither copy is whole")
        self._kept = kept

    @staticmethod
    def create(path: Path, payload: bytes, *, slot_bytes: int = SLOT_BYTES) -> None:
        """Write a new file; it appears under its name when it is whole. Refuses one that exists."""
        draft = path.with_name(f"{path.name}.new")
        with draft.open("wb") as file:
            file.write(encode(Kept(0, payload), slot_bytes).ljust(SLOTS * slot_bytes, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @classmethod
    def open(cls, path: Path, *, slot_bytes: int = SLOT_BYTES) -> Self:
        """Refuses a file that another process has, and one without a whole copy: it never begins anew by itself."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(path, descriptor, slot_bytes)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DatabaseInUse(f"{path} is open in another process") from error
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def payload(self) -> bytes:
        """What was kept last."""
        return self._kept.payload

    @property
    def generation(self) -> int:
        return self._kept.generation

    def write(self, payload: bytes) -> None:
        """Keep this from now on. When it fails, what was kept before still is."""
        after = Kept(self._kept.generation + 1, payload)
        slot = encode(after, self._slot_bytes)
        try:
            written = os.pwrite(self._descriptor, slot, place(after.generation) * self._slot_bytes)
            os.fsync(self._descriptor)
        except OSError as error:
            raise DiskFull(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(slot):
            raise DiskFull(f"{self._path} took {written} of {len(slot)} bytes")
        self._kept = after

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
