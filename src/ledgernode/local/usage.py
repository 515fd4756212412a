"""What a process costs this machine: processor time and memory, of it and of what it started (Linux)."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY_S: Final = 0.1
_USER_TICKS, _SYSTEM_TICKS = 11, 12  # of /proc/PID/stat, counted after the command's name


class Usage(msgspec.Struct, frozen=True):
    """Processor time since the process began, memory that it holds now."""

    cpu_s: float
    memory_bytes: int


def usage(process_id: int) -> Usage:
    """Of the process and its children; nothing of one that has ended."""
    cpu_s, memory_bytes = 0.0, 0
    for one in (process_id, *_children(process_id)):
        try:
            ticks = (_PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
            status = (_PROC / str(one) / "status").read_text()
        except OSError:  # it ended while we looked
            continue
        cpu_s += (int(ticks[_USER_TICKS]) + int(ticks[_SYSTEM_TICKS])) / _TICKS_PER_S
        memory_bytes += _resident_bytes(status)
    return Usage(cpu_s, memory_bytes)


class MemoryPeak:
    """The most memory that processes held while it was open, by their names."""

    def __init__(self, process_ids: Mapping[str, int]) -> None:
        self._process_ids = dict(process_ids)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory peak", daemon=True)
        self.memory_bytes = dict.fromkeys(process_ids, 0)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        for name, process_id in self._process_ids.items():
            self.memory_bytes[name] = max(self.memory_bytes[name], usage(process_id).memory_bytes)


def machine_busy_s() -> float:
    """Processor time that this machine has given to anything at all, of all its cores."""
    user, nice, system, _idle, _waiting, *others = (
        int(ticks) for ticks in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + sum(others)) / _TICKS_PER_S


def disk_bytes(directory: Path) -> int:
    """What the files of a folder take on the disk; a sparse file counts what it holds."""
    return sum(file.stat().st_blocks * 512 for file in directory.rglob("*") if file.is_file())


def _children(process_id: int) -> list[int]:
    found: list[int] = []
    for listed in (_PROC / str(process_id) / "task").glob("*/children"):
        try:
            own = [int(child) for child in listed.read_text().split()]
        except OSError:
            continue
        found += [*own, *(grandchild for child in own for grandchild in _children(child))]
    return found


def _resident_bytes(status: str) -> int:
    line = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "")
    return int(line.split()[1]) * 1_024 if line else 0
