"""Making a backup, or adding to one what is new.

A state comes first, if one is wanted: it is that of the newest certified block, which only so many blocks later could
not be read any more. Then the chain, segment by segment up to that block, each checked against what stands before it;
after each one the index is written, so that whoever is cut short goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from ledgernode import config
from ledgernode.backup.folder import FORMAT, Folder, Index, Segment, State, part, require_ledger, state_name
from ledgernode.backup.following import Follower
from ledgernode.backup.segment import StoredBlock
from ledgernode.errors import BackupForeign, BackupInvalid, Pruned
from ledgernode.proof import follow_changes, set_changes
from ledgernode.store.chain import ChainStore
from ledgernode.store.files import disk_full_refused
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.manifest import Manifest
from ledgernode.store.snapshot import MANIFEST_FILE, create_snapshot
from ledgernode.wire.block import Header, encode_header, parse_header
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.types import ChainId, Height
from ledgernode.wire.validators import ValidatorSet, encode_certificate, encode_set

Progress = Callable[[int, int], None]
"""(blocks, or records of a state, done; in all)"""
Pace = Callable[[], None]
"""Called after each piece of work: rests, so that a node beside it goes on."""


class Source(Protocol):
    """Where a backup comes from: one moment of a node's chain."""

    @property
    def chain_id(self) -> ChainId: ...
    @property
    def first(self) -> Height:
        """The lowest block it has after genesis."""
        ...

    @property
    def certified(self) -> Height: ...
    @property
    def last(self) -> Height:
        """The highest block that is wanted: the certified one, or above it what has no certificate yet."""
        ...

    def header(self, height: Height) -> Header: ...
    def block(self, height: Height) -> StoredBlock: ...
    def validators(self, height: Height) -> ValidatorSet:
        """The set that certifies this block, followed from the genesis file."""
        ...

    def write_state(self, directory: Path, progress: Progress) -> None:
        """A snapshot of the newest certified block."""
        ...

    def renewed(self) -> Source:
        """The same at this moment: writing a state takes its time."""
        ...


class ChainSource:
    """A database on this machine: a stopped node's, or a running one's looked at beside it."""

    def __init__(self, kv: KeyValueStore, genesis_bytes: bytes, *, uncertified: bool = False) -> None:
        self._kv = kv
        self._genesis_bytes = genesis_bytes
        self._uncertified = uncertified
        self._chain = chain = ChainStore.open(kv, chain_id(genesis_bytes))
        self.chain_id = chain.chain_id
        self.first = Height(chain.base + 1)
        self.certified = chain.certified_height
        self.last = chain.head.height if uncertified else self.certified

    def header(self, height: Height) -> Header:
        return self._chain.header(height)

    def block(self, height: Height) -> StoredBlock:
        chain = self._chain
        header = chain.header(height)
        hands_over = header.next_set != header.current_set
        return StoredBlock(
            header=encode_header(header),
            envelopes=chain.envelopes(height),
            receipts=chain.receipts(height),
            certificate=encode_certificate(chain.certificate(height)) if height <= self.certified else b"",
            next_set=encode_set(chain.validator_set(header.next_set)) if hands_over else b"",
        )

    def validators(self, height: Height) -> ValidatorSet:
        return follow_changes(set_changes(self._chain, height), self._genesis_bytes)[0]

    def write_state(self, directory: Path, progress: Progress) -> None:
        create_snapshot(self._chain, directory, height=self.certified, progress=progress)

    def renewed(self) -> ChainSource:
        return ChainSource(self._kv, self._genesis_bytes, uncertified=self._uncertified)


class Created(msgspec.Struct, frozen=True):
    """What a backup holds now, and what was added to it."""

    index: Index
    blocks_added: int
    bytes_written: int
    state_height: int | None
    seconds: float


def silent(_done: int, _total: int) -> None:
    """Nobody watches."""


def restless() -> None:
    """Nobody else needs the processor."""


def unhurried(share_percent: int, sleep: Callable[[float], object] = time.sleep) -> Pace:
    """Works this share of the time."""
    begun_s = time.monotonic()

    def pace() -> None:
        nonlocal begun_s
        if share_percent < 100:
            sleep((time.monotonic() - begun_s) * (100 - share_percent) / share_percent)
        begun_s = time.monotonic()

    return pace


def create_backup(
    source: Source,
    path: Path,
    *,
    with_state: bool = True,
    keep: int = 2,
    pace: Pace = restless,
    progress: Progress = silent,
) -> Created:
    """Bring the backup in this folder up to the source, or begin it; of its states the newest `keep` stay.

    Refuses another ledger's backup and another history (BackupForeign), one that is damaged where it would be gone on
    with (BackupInvalid), one that ends before the source begins (Pruned), and a full disk (DiskFull): what was a good
    backup before is one afterwards.
    """
    begun_s = time.monotonic()
    with disk_full_refused(path, "the backup is as good as it was"):
        folder = Folder(path)
        with folder.held():
            making = _Making(source, folder, pace, progress)
            state = making.state() if with_state else None
            making.chain(source if state is None else source.renewed())
            making.finish(state, keep)
    return Created(
        index=making.index,
        blocks_added=making.index.last - making.last_before,
        bytes_written=making.bytes_written,
        state_height=None if state is None else state.height,
        seconds=time.monotonic() - begun_s,
    )


class _Making:
    """One run; `index` is what the folder is."""

    def __init__(self, source: Source, folder: Folder, pace: Pace, progress: Progress) -> None:
        self._source = source
        self._folder = folder
        self._pace = pace
        self._progress = progress
        self.bytes_written = 0
        self.index = folder.index() or Index(FORMAT, source.chain_id.hex(), source.first - 1, (), ())
        require_ledger(self.index, source.chain_id)
        self.last_before = self.index.last
        self._kept, self._waiting = self._continued()
        self._waiting_bytes = sum(block.size_bytes for block in self._waiting)
        folder.sweep(self.index)

    def _continued(self) -> tuple[list[Segment], list[StoredBlock]]:
        """The segments that stay, and the blocks with which the next one begins: those of one that takes more.

        Refuses a source whose chain is not the backup's.
        """
        index, source = self.index, self._source
        kept = [segment for segment in index.segments if segment.last <= index.certified_height]
        ending = index.segments[len(kept) : len(kept) + 1] or kept[-1:]
        if not ending:
            return [], []
        blocks = [block for block in self._folder.blocks(ending[0]) if block.certificate]
        for last in (parse_header(block.header) for block in blocks[-1:]):
            if source.first <= last.height <= source.last and source.header(last.height) != last:
                raise BackupForeign(f"the node has another block {last.height} than the backup: one of them is forged")
        if source.first > index.certified_height + 1:
            ends = index.certified_height
            raise Pruned(f"the node's blocks begin with {source.first}, the backup ends with {ends}: begin another")
        if ending[0] in kept:
            if _is_full(len(blocks), sum(block.size_bytes for block in blocks)):
                return kept, []
            kept.pop()
        return kept, blocks

    # ------------------------------------------------------------ the state

    def state(self) -> State | None:
        """None where the newest block's is there already, or the source is behind the backup."""
        height = self._source.certified
        if height < self.index.certified_height or any(state.height == height for state in self.index.states):
            return None
        directory = self._folder.path / state_name(height)
        shutil.rmtree(directory, ignore_errors=True)

        def progress(done: int, total: int) -> None:
            self._progress(done, total)
            self._pace()

        self._source.write_state(directory, progress)
        raw = (directory / MANIFEST_FILE).read_bytes()
        manifest = msgspec.json.decode(raw, type=Manifest)
        size_bytes = len(raw) + sum(chunk.size_bytes for chunk in manifest.chunks)
        self.bytes_written += size_bytes
        return State(manifest.height, size_bytes, hashlib.sha256(raw).hexdigest())

    # ------------------------------------------------------------ the chain

    def chain(self, source: Source) -> None:
        """All segments that are new; the index after each."""
        self._source, waiting = source, self._waiting
        # what had no certificate when it was taken is taken again
        from_height, before = Height(self.index.certified_height + 1), len(waiting)
        if from_height > source.last:
            return
        parent = parse_header(waiting[-1].header) if waiting else source.header(Height(from_height - 1))
        follower = Follower(source.chain_id, [source.validators(from_height)], parent)
        for height in range(from_height, source.last + 1):
            block = source.block(Height(height))
            with part("the node's chain"):
                follower.check(block, certified=height <= source.certified)
            waiting.append(block)
            self._waiting_bytes += block.size_bytes
            if _is_full(len(waiting), self._waiting_bytes):
                self._add()
                before = 0
            self._progress(height - from_height + 1, source.last - from_height + 1)
        if len(waiting) > before:
            self._add()

    def _add(self) -> None:
        """One more segment, and the index that names it, in the place of a shorter one that began like it."""
        segment = self._folder.write_segment(self._waiting)
        self.bytes_written += segment.size_bytes
        self._kept.append(segment)
        self._waiting.clear()
        self._waiting_bytes = 0
        certified = min(int(self._source.certified), segment.last)
        assert certified >= self.index.certified_height, "a backup only grows"
        self.index = msgspec.structs.replace(self.index, segments=tuple(self._kept), certified_height=certified)
        self._folder.put(self.index)
        self._pace()

    # ------------------------------------------------------------ the end

    def finish(self, state: State | None, keep: int) -> None:
        """Name the new state, and no longer the oldest ones."""
        if not self.index.segments and state is None:
            raise BackupInvalid("there is nothing to back up: no block after genesis, and no state was asked for")
        states = self.index.states if state is None else (*self.index.states, state)
        if self.index.first > 1 and not states:
            raise Pruned(
                f"the node's blocks begin with {self.index.first}: without a state this backup restores nothing"
            )
        self.index = msgspec.structs.replace(self.index, states=states[-max(keep, 1) :])
        self._folder.put(self.index)
        self._folder.sweep(self.index)


def _is_full(blocks: int, size_bytes: int) -> bool:
    """Is this as much as one file should hold?"""
    return blocks >= config.BACKUP_SEGMENT_BLOCKS or size_bytes >= config.BACKUP_SEGMENT_BYTES
