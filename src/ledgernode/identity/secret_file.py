"""Files that hold a private key: born 0600 in a 0700 directory, never written twice, never read when loose.

The mode is asked of the opened file, not of the path, so that no exchange of files in between counts.
A mounted secret (a symbolic link, read-only) is fine as long as nobody else can read what it leads to: nobody but us,
or nobody but root and a group of ours, as whoever mounts secrets for a service gives them to it (0440 root:service). A
file of our own is ours alone: that others of our group may read it would be our own mistake.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ledgernode.errors import KeyFileUnsafe

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_BEYOND_GROUP_READ: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
_ROOT: Final = 0
SECRET_BYTES: Final = 64 * 1024


def secret_directory(directory: Path) -> None:
    """Make a directory that only its owner enters; one that exists stays as it is."""
    if not directory.exists():
        secret_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def create_secret(path: Path, content: bytes) -> None:
    """Write a new secret, durably; refuses a path that exists, and a directory that cannot be written."""
    try:
        secret_directory(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileUnsafe(f"{path} exists already: a key is never overwritten, move it away first") from error
    except OSError as error:
        raise KeyFileUnsafe(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def read_secret(path: Path) -> bytes:
    """Read a secret; refuses a missing file, an oversized one, and one that group or others can touch."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _OTHERS and not _is_given_to_us(status):
                mode = stat.S_IMODE(status.st_mode)
                raise KeyFileUnsafe(
                    f"{path} can be read or written by others (mode {mode:04o}): run `chmod 600 {path}`"
                )
            content = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise KeyFileUnsafe(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > SECRET_BYTES:
        raise KeyFileUnsafe(f"{path} is no key file: it is larger than {SECRET_BYTES} bytes")
    return content


def _is_given_to_us(status: os.stat_result) -> bool:
    """Root's file, which a group of ours may read and nobody else."""
    ours = {os.getegid(), *os.getgroups()}
    return status.st_uid == _ROOT != os.geteuid() and status.st_gid in ours and not status.st_mode & _BEYOND_GROUP_READ
