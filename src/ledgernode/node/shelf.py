"""The snapshots of a ledger that stand on this node's disk: listed, read by pieces, and the oldest thrown away.

Two folders: the node's own, in which it keeps the newest few that it made by itself; and its operator's, in which
nothing is thrown away. A folder without a manifest is none; a manifest is read once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ledgernode.config import SNAPSHOT_MANIFEST_LIMIT_BYTES, SNAPSHOT_PIECE_BYTES
from ledgernode.errors import BadRequest, SnapshotInvalid, UnknownSnapshot
from ledgernode.store.manifest import Manifest, snapshot_id
from ledgernode.store.snapshot import MANIFEST_FILE, chunk_file, read_manifest
from ledgernode.wire.answers import SnapshotFacts
from ledgernode.wire.types import ChainId, Height
from ledgernode.wire.unreadable import UNREADABLE


class _Shelved(msgspec.Struct, frozen=True):
    directory: Path
    written_ns: int
    facts: SnapshotFacts


class Shelf:
    """Called from any thread, one at a time for each call; what disappears meanwhile is not there."""

    def __init__(self, name: str, chain_id: ChainId, own: Path, operators: Path | None = None) -> None:
        self.own = own
        self._name = name
        self._chain_id = chain_id
        self._folders = (own,) if operators is None else (own, operators)
        self._known: dict[Path, _Shelved] = {}

    def place(self, height: Height, folder: Path | None = None) -> Path:
        """Where the snapshot of this height belongs."""
        return (folder or self.own) / f"{self._name}-{height}"

    def look(self) -> tuple[SnapshotFacts, ...]:
        """What is there now, newest first; of two that are the same, one."""
        self._known = {found.directory: found for found in self._stand()}
        facts = {found.facts.id: found.facts for found in self._known.values()}
        return tuple(sorted(facts.values(), key=lambda found: found.height, reverse=True))

    def newest_own(self) -> Height:
        """The height of the last one this node made by itself; 0 when there is none."""
        self.look()
        own = (found.facts.height for found in self._known.values() if found.directory.parent == self.own)
        return max(own, default=Height(0))

    def read(self, snapshot: bytes, chunk: int | None, offset: int) -> bytes:
        """A piece of the manifest, or of a chunk. Refuses what is not there, or no longer (UnknownSnapshot)."""
        directory, facts = self._find(snapshot)
        if offset > SNAPSHOT_MANIFEST_LIMIT_BYTES:  # no file is longer
            return b""
        if chunk is not None and chunk >= facts.chunks:
            raise BadRequest(f"the snapshot of block {facts.height} has {facts.chunks} chunks, none numbered {chunk}")
        path = directory / MANIFEST_FILE if chunk is None else chunk_file(directory, chunk)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(SNAPSHOT_PIECE_BYTES)
        except OSError as error:
            raise UnknownSnapshot(f"the snapshot of block {facts.height} is not here any more") from error

    def throw_away(self, keep: int) -> None:
        """All but the newest `keep` of the node's own, and whatever a creation that was cut short has left."""
        whole = [found for found in self._stand() if found.directory.parent == self.own]
        newest = sorted(whole, key=lambda found: found.facts.height, reverse=True)[:keep]
        kept = {found.directory for found in newest}
        for directory in _directories(self.own):
            if directory not in kept:
                (directory / MANIFEST_FILE).unlink(missing_ok=True)
                shutil.rmtree(directory, ignore_errors=True)

    def _find(self, snapshot: bytes) -> tuple[Path, SnapshotFacts]:
        for _ in range(2):
            for found in self._known.values():
                if found.facts.id == snapshot:
                    return found.directory, found.facts
            self.look()
        raise UnknownSnapshot(f"this node has no snapshot {snapshot.hex()[:16]}")

    def _stand(self) -> Iterator[_Shelved]:
        for folder in self._folders:
            for directory in _directories(folder):
                if directory.name.startswith(f"{self._name}-"):
                    found = self._read(directory)
                    if found is not None:
                        yield found

    def _read(self, directory: Path) -> _Shelved | None:
        """None for what is no snapshot of this ledger, or not yet."""
        try:
            written_ns = (directory / MANIFEST_FILE).stat().st_mtime_ns
            known = self._known.get(directory)
            if known is not None and known.written_ns == written_ns:
                return known
            raw = read_manifest(directory)
            manifest = msgspec.json.decode(raw, type=Manifest)
        except (OSError, SnapshotInvalid, *UNREADABLE):
            return None
        if manifest.chain_id != self._chain_id:
            return None
        size_bytes = sum(chunk.size_bytes for chunk in manifest.chunks)
        facts = SnapshotFacts(snapshot_id(manifest), manifest.height, len(manifest.chunks), size_bytes, len(raw))
        return _Shelved(directory, written_ns, facts)


def _directories(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
