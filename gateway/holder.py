"""One process has a directory: a lock beside what it keeps there, gone with the process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ledgernode.errors import DatabaseInUse


def hold(path: Path, what: str) -> int:
    """Lock the directory for this process, until the descriptor is closed. Refuses one that another has."""
    holder = os.open(path / "holder.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(holder)
        raise DatabaseInUse(f"{path} is in use by another {what}") from error
    return holder
