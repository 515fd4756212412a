"""Bringing a store of an older format to this software's, a step for each format between, and each step by pieces.

Rules it keeps:

* a piece's writes and the mark of how far it has come are one write: a crash leaves a piece done or not begun, and the
  next start goes on there;
* from its first piece to its last the store says that it is between two formats, which every program refuses but one
  that knows the step; the last piece writes the new format;
* a store of a newer format is refused, and left as it is.

Today there is one format and no step. A change of what a program writes needs a new one only where an older program
would read it wrongly: beside what it knows it may find more, which it leaves alone. So whoever has upgraded can go back
until the ledger itself has moved on (decision 26).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ledgernode.errors import DatabaseForeign
from ledgernode.logs import logger
from ledgernode.store.failpoint import reach
from ledgernode.store.kv import KeyValueStore, Reader, Table, Write
from ledgernode.store.sealed import FORMAT, META_FORMAT

META_MIGRATING: Final = b"migrating"
_PREFIX, _, _NEWEST = FORMAT.rpartition(b"/")

Piece = Callable[[Reader, bytes], tuple[list[Write], bytes | None]]
"""What one piece writes, beginning at this place (empty: at the beginning), and where the next begins; None: nowhere.

It must come to an end, and may be asked again for a piece that was not written.
"""


class Step(NamedTuple):
    """From one format to the next."""

    changes: str
    piece: Piece


STEPS: Final[Mapping[int, Step]] = {}
"""By the format that each leads from."""


def format_of(reader: Reader) -> tuple[int, int]:
    """The format that a store has, and the one that it is on its way to: mostly the same. Refuses what is no store."""
    raw = reader.get(Table.META, META_FORMAT) or b""
    prefix, _, number = raw.rpartition(b"/")
    begins, between, ends = number.partition(b">")
    if prefix != _PREFIX or not begins.isdigit() or (between and not ends.isdigit()):
        raise DatabaseForeign(f"the database is of format {raw[:40].decode('ascii', 'replace')}, which is none of ours")
    return int(begins), int(ends) if between else int(begins)


def require_readable(reader: Reader, newest: int = int(_NEWEST)) -> None:
    """Refuses (DatabaseForeign) a store of another format than this software's, and says what is to be done."""
    begins, ends = format_of(reader)
    if ends > newest:
        raise DatabaseForeign(
            f"a newer version wrote this database, of format ledgernode/store/{ends}; this software reads {newest}: "
            "install that version again"
        )
    if begins != newest:
        raise DatabaseForeign(
            f"the database is of format {begins}, this software reads {newest}: start the node, it migrates it"
        )


def migrate(
    kv: KeyValueStore, *, steps: Mapping[int, Step] = STEPS, newest: int = int(_NEWEST), log: Any | None = None
) -> bool:
    """Bring a store to the newest format; whether there was anything to do. An empty store is left alone.

    Refuses one of a newer format, and one that no step leads on from (DatabaseForeign), and a full disk (DiskFull).
    """
    with kv.reader() as reader:
        if reader.get(Table.META, META_FORMAT) is None:
            return False
        begins, ends = format_of(reader)
    if ends > newest:
        with kv.reader() as reader:
            require_readable(reader, newest)
    log = log or logger()
    for number in range(begins, newest):
        if number not in steps:
            raise DatabaseForeign(f"the database is of format {number}, which this software does not know any more")
        log.warning("migrating the database", format=number + 1, changes=steps[number].changes)
        pieces = _take(kv, number, steps[number])
        log.warning("the database is migrated", format=number + 1, pieces=pieces)
    return begins < newest


def _take(kv: KeyValueStore, number: int, step: Step) -> int:
    """One step, from where it was left."""
    pieces = 0
    while True:  # ends: a step does
        with kv.reader() as reader:
            place = reader.get(Table.META, META_MIGRATING) or b""
            writes, following = step.piece(reader, place)
        if following is None:
            marks: list[Write] = [
                (Table.META, META_FORMAT, _format(f"{number + 1}")),
                (Table.META, META_MIGRATING, None),
            ]
        else:
            assert following > place, "a step goes forward"
            marks = [
                (Table.META, META_FORMAT, _format(f"{number}>{number + 1}")),
                (Table.META, META_MIGRATING, following),
            ]
        reach("migrate.before_piece")
        kv.write([*writes, *marks])
        pieces += 1
        if following is None:
            return pieces


def _format(number: str) -> bytes:
    return b"%s/%s" % (_PREFIX, number.encode())
