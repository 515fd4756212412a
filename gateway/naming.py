"""Names and addresses of people, which are never on the ledger: a utility's own file beside the gateway.

    {
      "utilities": {"north": {"name": "North Power", "lines": ["1 Dam Road"]}},
      "customers": {"north:house-7": {"name": "A. Example", "lines": ["7 Mill Lane"], "place": "7 Mill Lane, left"}}
    }

It is read when it has changed, so that who moves in has a name without a restart. Nobody but its owner may read it.
One that cannot be read is refused at the start; later the last good one holds.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from gateway.documents.bill import Names
from ledgernode.errors import BadRequest
from ledgernode.wire.unreadable import UNREADABLE

BYTES_LIMIT: Final = 256 << 20
_LINES: Final = 4
_CHARACTERS: Final = 200


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`place`: where the connection is, in words."""

    name: str = ""
    lines: tuple[str, ...] = ()
    place: str = ""

    def __post_init__(self) -> None:
        if len(self.lines) > _LINES or any(len(one) > _CHARACTERS for one in (self.name, self.place, *self.lines)):
            raise ValueError(f"a name and up to {_LINES} lines, of {_CHARACTERS} characters each")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    utilities: dict[str, Named] = {}
    customers: dict[str, Named] = {}


class NameBook:
    """Names by customer. Without a file nobody has one."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file = _File()
        self._seen: object = None
        self._log: Any = structlog.get_logger("gateway.names")
        if path is not None:
            self._file, self._seen = _read(path)

    def customer(self, customer: str) -> Named | None:
        self._look()
        return self._file.customers.get(customer)

    def of_bill(self, utility: str, customer: str) -> Names:
        """For paper: who asks and who is asked, in words."""
        self._look()
        own = self._file.utilities.get(utility, Named())
        found = self._file.customers.get(customer, Named())
        return Names(own.name, own.lines, found.name, found.lines, found.place)

    def _look(self) -> None:
        if self._path is None:
            return
        try:
            if _version(self._path.stat()) != self._seen:
                self._file, self._seen = _read(self._path)
        except (OSError, BadRequest) as error:
            self._log.warning("names are as they were", reason=str(error))


def _version(found: os.stat_result) -> object:
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _read(path: Path) -> tuple[_File, object]:
    """Refuses a file that others may read, and one that is no such file."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BadRequest(f"{path} holds names of people and may be read by others: run `chmod 600 {path}`")
            content = file.read(min(found.st_size, BYTES_LIMIT))
        return msgspec.json.decode(content, type=_File), _version(found)
    except (OSError, *UNREADABLE) as error:
        raise BadRequest(f"{path}: {error}") from error
