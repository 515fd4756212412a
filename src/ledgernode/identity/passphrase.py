"""The passphrase of encrypted key files: where it comes from, and how long it must be.

It comes from a file that is its owner's alone, or from whoever sits at a terminal; never from an argument or from the
environment, which others on the machine may read. A file is read when it is needed, so that it may be replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledgernode.errors import KeyFileUnsafe, PassphraseMissing
from ledgernode.identity.secret_file import read_secret
from ledgernode.sts.keys import Secret

CHARACTERS: Final = 12
"""The fewest that protect a key of ours; what others have encrypted is opened with fewer."""

Unlock = Callable[[Path], Secret]
"""Asked for the passphrase of a file that is encrypted, and of no other."""


def none_given(path: Path) -> Secret:
    raise PassphraseMissing(
        f"{path} is encrypted: name a file with its passphrase (--key-passphrase-file, or key_passphrase_file in the "
        "settings), or work at a terminal"
    )


def from_file(file: Path) -> Unlock:
    """The one passphrase of all key files that a process reads."""
    return lambda _encrypted: read_passphrase(file)


def in_settings(directory: Path, file: str) -> Unlock:
    """As settings name it, seen from their directory; none where they do not."""
    return from_file(directory / file) if file else none_given


def read_passphrase(file: Path) -> Secret:
    """Its first line. Refuses a file that others can read, and an empty one."""
    found = read_secret(file).partition(b"\n")[0].rstrip(b"\r")
    if not found:
        raise KeyFileUnsafe(f"{file} holds no passphrase")
    return Secret(found)


def require_long(passphrase: Secret) -> Secret:
    """Refuses one that is too short to protect a key."""
    if len(passphrase) < CHARACTERS:
        raise KeyFileUnsafe(f"a passphrase has at least {CHARACTERS} characters")
    return passphrase
