"""The database that a snapshot is restored into while the old one is in use beside it.

    INCOMING/manifest.json   which snapshot it is to become
    INCOMING/data.mdb …      as far as it has come

It survives a crash at any point: a restoration goes on where it was, and one that was whole is put in place of the
old database by the next start, in one rename. What the engine has promised is taken along: it is this validator's
word, whatever blocks the database holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ledgernode.errors import SnapshotInvalid
from ledgernode.store.chain import ChainStore, holds_chain
from ledgernode.store.files import disk_full_refused, write_durably
from ledgernode.store.kv import KeyValueStore, Table, Write
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.manifest import CertificateCheck, CheckedManifest, check_manifest
from ledgernode.store.migrating import migrate
from ledgernode.store.restoring import Restoration, is_unfinished
from ledgernode.store.sealed import SealedBlock
from ledgernode.store.snapshot import MANIFEST_FILE, read_manifest
from ledgernode.wire.block import Header


class Incoming:
    """Of one ledger; `directory` belongs to it alone."""

    def __init__(self, directory: Path, genesis: SealedBlock, check_certificate: CertificateCheck) -> None:
        self.directory = directory
        self._genesis = genesis
        self._check_certificate = check_certificate

    def check(self, raw: bytes) -> CheckedManifest:
        """Refuses a manifest that the genesis file does not lead to (SnapshotInvalid)."""
        genesis = self._genesis
        return check_manifest(raw, genesis.header, genesis.next_set, self._check_certificate)

    def begun(self) -> CheckedManifest | None:
        """The snapshot whose restoration was begun here; None where there is none, or none that can be read."""
        try:
            return self.check(read_manifest(self.directory))
        except SnapshotInvalid:
            return None

    def begin(self, raw: bytes) -> CheckedManifest:
        """Drop what is here, and begin with this one. Refuses as `check`, and a full disk (DiskFull)."""
        checked = self.check(raw)
        self.discard()
        with disk_full_refused(self.directory, "the snapshot was not begun"):
            self.directory.mkdir(mode=0o700, parents=True)
            write_durably(self.directory / MANIFEST_FILE, raw)
        return checked

    @contextmanager
    def opened(self, checked: CheckedManifest) -> Iterator[Restoration]:
        """The restoration that was begun with this manifest, or is begun now."""
        kv = LmdbStore(self.directory)
        try:
            yield Restoration(kv, self._genesis, checked)
        finally:
            kv.close()

    def free_bytes(self) -> int:
        """What the disk has left, beside the database in use."""
        return shutil.disk_usage(self.directory.parent).free

    def discard(self) -> None:
        """The manifest first: what is left without one is nothing."""
        (self.directory / MANIFEST_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def install(self, current: Path) -> Header | None:
        """Put what is whole here in place of the database in `current`; its head. None, where nothing is to be done.

        What is not newer is dropped. Refuses a database in `current` that another process holds, or of another
        ledger, or damaged.
        """
        if not (self.directory / MANIFEST_FILE).exists():
            shutil.rmtree(self.directory, ignore_errors=True)
            return None
        head = self._whole()
        if head is None:
            return None
        installed = _replace(current, self.directory, head)
        self.discard()
        return head if installed else None

    def _whole(self) -> Header | None:
        with closing(LmdbStore(self.directory)) as made:
            if is_unfinished(made) or not holds_chain(made):
                return None
            return ChainStore.open(made, self._genesis.header.chain_id).head


def _replace(current: Path, made: Path, head: Header) -> bool:
    """False where the database in place is as new."""
    with ExitStack() as opened:
        old = opened.enter_context(closing(LmdbStore(current)))
        new = opened.enter_context(closing(LmdbStore(made)))
        migrate(old)
        if holds_chain(old) and ChainStore.open(old, head.chain_id).head.height >= head.height:
            return False
        _carry_over(old, new)
        opened.pop_all()
        old.give_way_to(new)
    return True


def _carry_over(old: KeyValueStore, new: KeyValueStore) -> None:
    """The engine's log as it is in the old store, and nothing else of it."""
    with old.reader() as reader:
        kept = dict(reader.scan(Table.VOTES))
    with new.reader() as reader:
        writes: list[Write] = [(Table.VOTES, key, None) for key, _ in reader.scan(Table.VOTES) if key not in kept]
    new.write([*writes, *((Table.VOTES, key, record) for key, record in kept.items())])
