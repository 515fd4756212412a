"""Named places before and after every durable write, where a test can stop the process or fill the disk.

`reach` costs one look at an empty dictionary when nothing is armed. A crash test arms a point through
the environment of a process of its own and looks at what is left on disk:

    LEDGERNODE_FAILPOINT=store.before_commit:3         kill this process when the point is reached a third time
    LEDGERNODE_FAILPOINT=store.before_commit:3:full    raise "no space left on device" there instead
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NoReturn

import msgspec

VARIABLE: Final = "LEDGERNODE_FAILPOINT"

POINTS: Final = (
    "store.before_write",  # the batch is known, nothing of it is in the database
    "store.before_commit",  # every write is in the open transaction, nothing is durable
    "store.after_commit",  # all of it is durable, nobody has been told
    "snapshot.before_chunk",
    "snapshot.before_manifest",  # every chunk is there: without its manifest it is no snapshot
    "backup.before_segment",
    "backup.before_index",  # what is new is written, and not named yet
    "restore.before_chunk",
    "restore.before_completion",  # the whole state is there, the chain on it is not
    "install.before_rename",  # the restored database is whole, the old one is in its place
    "install.after_rename",  # the restored one is in its place, nobody has opened it
    "prune.before_base",  # which blocks are to go is known, all of them are answered still
    "prune.before_piece",  # they are answered with PRUNED, and some are still there
    "migrate.before_piece",  # what one piece of a migration writes is known, nothing of it is written
    "compact.before_rename",  # the database without its free pages is whole, the old one is in its place
)


class Action(StrEnum):
    KILL = "kill"
    FULL = "full"


class Armed(msgspec.Struct):
    """What happens when the point is reached, and how many times more it is passed first."""

    passes_left: int
    action: Action


_armed: dict[str, Armed] = {}


def reach(name: str) -> None:
    """Pass, unless this point is armed and its count is up."""
    if _armed:
        _fire(name)


def arm(name: str, count: int = 1, action: Action = Action.KILL) -> None:
    """Act when the point is reached for the `count`-th time from now; refuses a name that is no point."""
    if name not in POINTS or count < 1:
        raise ValueError(f"{name!r} reached {count} times is no fail-point; there are {', '.join(POINTS)}")
    _armed[name] = Armed(count - 1, action)


def disarm() -> None:
    _armed.clear()


def arm_from(environment: Mapping[str, str]) -> None:
    """Arm what the environment names; refuses a text that is not `name:count` or `name:count:action`."""
    text = environment.get(VARIABLE, "")
    if not text:
        return
    name, _, rest = text.partition(":")
    count, _, action = rest.partition(":")
    arm(name, int(count or "1"), Action(action or "kill"))


def _fire(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    if armed.passes_left:
        armed.passes_left -= 1
        return
    del _armed[name]
    if armed.action is Action.FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _kill()


def _kill() -> NoReturn:
    """The end a power cut gives: no handler, no buffer flushed, no exit code of ours."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not go on")


arm_from(os.environ)
