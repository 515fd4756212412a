"""The folder of a backup: its index, its segments and its states, read and written.

`backup.json` names every part with its size and hash. It is written after what it names, and what it names no more is
removed after it: at any moment the folder is one whole backup.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from ledgernode import config
from ledgernode.backup.segment import StoredBlock, encode_segment, parse_segment
from ledgernode.errors import BackupForeign, BackupInUse, BackupInvalid, UnknownBackup
from ledgernode.store.failpoint import reach
from ledgernode.store.files import write_durably
from ledgernode.store.snapshot import MANIFEST_FILE
from ledgernode.wire.block import parse_header
from ledgernode.wire.types import ChainId

FORMAT: Final = "ledgernode/backup/1"
INDEX_FILE: Final = "backup.json"
_LOCK_FILE: Final = "writer.lock"
_OURS: Final = ("blocks-", "state-")


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ends_ms` is the time of its last block."""

    first: int
    last: int
    transactions: int
    ends_ms: int
    size_bytes: int
    sha256: str


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    height: int
    size_bytes: int
    manifest_sha256: str


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Blocks above `certified_height` had no certificate where they were taken from."""

    format: str
    chain_id: str
    certified_height: int
    segments: tuple[Segment, ...]
    states: tuple[State, ...]

    @property
    def first(self) -> int:
        """The first block; genesis is in no backup, so that a whole chain begins with 1."""
        return self.segments[0].first if self.segments else self.last + 1

    @property
    def last(self) -> int:
        return self.segments[-1].last if self.segments else self.certified_height

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.segments) + sum(one.size_bytes for one in self.states)

    @property
    def transactions(self) -> int:
        return sum(segment.transactions for segment in self.segments)


class Folder:
    """One ledger's backup; nothing of it is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # ------------------------------------------------------------ reading

    def index(self) -> Index | None:
        """None where no backup was begun; refuses an index that does not hold in itself (BackupInvalid)."""
        path = self.path / INDEX_FILE
        if not path.exists():
            return None
        raw = _read(path, config.BACKUP_INDEX_LIMIT_BYTES)
        try:
            found = msgspec.json.decode(raw, type=Index)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BackupInvalid(f"{INDEX_FILE} cannot be read: {error}") from error
        if found.format != FORMAT:
            raise BackupInvalid(f"{INDEX_FILE} is of format {found.format[:40]!r}, this software reads {FORMAT!r}")
        _check_order(found)
        return found

    def of_ledger(self, chain: ChainId) -> Index:
        """The index of this ledger's backup. Refuses a folder without one, and one of another ledger."""
        found = self.index()
        if found is None:
            raise UnknownBackup(f"there is no backup in {self.path}")
        require_ledger(found, chain)
        return found

    def blocks(self, segment: Segment) -> tuple[StoredBlock, ...]:
        """Refuses (BackupInvalid) a file that is not the one that was written."""
        path = self.path / segment_name(segment)
        raw = _read(path, config.BACKUP_SEGMENT_LIMIT_BYTES)
        if len(raw) != segment.size_bytes or hashlib.sha256(raw).hexdigest() != segment.sha256:
            raise BackupInvalid(f"{path.name} has not the hash that {INDEX_FILE} names")
        with part(path.name):
            blocks = parse_segment(raw)
            if len(blocks) != segment.last - segment.first + 1:
                raise BackupInvalid(f"it has {len(blocks)} blocks, {INDEX_FILE} names others")
        return blocks

    def state(self, state: State) -> Path:
        """Where its snapshot is. Refuses (BackupInvalid) another manifest than the one that was written."""
        directory = self.path / state_name(state.height)
        raw = _read(directory / MANIFEST_FILE, config.SNAPSHOT_MANIFEST_LIMIT_BYTES)
        if hashlib.sha256(raw).hexdigest() != state.manifest_sha256:
            raise BackupInvalid(f"the manifest of {directory.name} has not the hash that {INDEX_FILE} names")
        return directory

    # ------------------------------------------------------------ writing

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else writes it meanwhile; refuses where somebody does (BackupInUse)."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        holder = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BackupInUse(f"another process is writing the backup in {self.path}") from error
        finally:
            os.close(holder)

    def write_segment(self, blocks: Sequence[StoredBlock]) -> Segment:
        """A file that belongs to nothing until the index names it."""
        first, last = parse_header(blocks[0].header), parse_header(blocks[-1].header)
        raw = encode_segment(blocks)
        segment = Segment(
            first=first.height,
            last=last.height,
            transactions=sum(len(block.envelopes) for block in blocks),
            ends_ms=last.time_ms,
            size_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        reach("backup.before_segment")
        write_durably(self.path / segment_name(segment), raw)
        return segment

    def put(self, index: Index) -> None:
        """This is the backup from now on."""
        _check_order(index)
        reach("backup.before_index")
        write_durably(self.path / INDEX_FILE, msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n")

    def sweep(self, index: Index) -> None:
        """Remove what a replaced index named, and what a backup that was cut short has left."""
        named = {segment_name(segment) for segment in index.segments}
        named |= {state_name(state.height) for state in index.states}
        for path in sorted(self.path.iterdir()):
            if not path.name.startswith(_OURS) or path.name in named:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def segment_name(segment: Segment) -> str:
    return f"blocks-{segment.first:012d}-{segment.last:012d}"


def state_name(height: int) -> str:
    return f"state-{height:012d}"


def require_ledger(index: Index, chain: ChainId) -> None:
    if index.chain_id != chain.hex():
        raise BackupForeign(f"the backup is of the ledger {index.chain_id[:16]}…, not of {chain.hex()[:16]}…")


@contextmanager
def part(name: str) -> Iterator[None]:
    """What does not hold here is refused with the name of its file."""
    try:
        yield
    except BackupInvalid as error:
        raise BackupInvalid(f"{name}: {error}", part=name) from error


def _check_order(index: Index) -> None:
    for segment in index.segments:
        if not 0 < segment.first <= segment.last:
            raise BackupInvalid(f"{INDEX_FILE} names a segment of the blocks {segment.first} to {segment.last}")
    for before, after in pairwise(index.segments):
        if after.first != before.last + 1:
            raise BackupInvalid(f"{INDEX_FILE} names no segment for the blocks after {before.last}")
    for one, other in pairwise(index.states):
        if one.height >= other.height:
            raise BackupInvalid(f"{INDEX_FILE} names its states out of order")
    if not 0 <= index.certified_height <= index.last:
        raise BackupInvalid(
            f"{INDEX_FILE} names {index.certified_height} as the last certified block, out of its range"
        )
    if any(not 0 <= state.height <= index.certified_height for state in index.states):
        raise BackupInvalid(f"{INDEX_FILE} names a state of a block that is not certified in it")


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        if path.stat().st_size > limit_bytes:
            raise BackupInvalid(f"{path.name} is larger than any part of a backup")
        return path.read_bytes()
    except OSError as error:
        raise BackupInvalid(f"{path.name} cannot be read: {error.strerror}") from error
