"""A whole backup checked by itself: what `ledgernode backup verify` does. Needs the folder and the genesis file.

States first: their manifests carry every change of the validator set since genesis, so that also the blocks of a chain
whose beginning is not kept have somebody who signs them. Then every block.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ledgernode.backup.creating import Progress, silent
from ledgernode.backup.folder import Folder, Index, State, part, segment_name, state_name
from ledgernode.backup.following import Follower
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import BackupInvalid, LedgerError
from ledgernode.execution.genesis import genesis_block
from ledgernode.identity.keys import verify
from ledgernode.store.manifest import CheckedManifest, check_manifest
from ledgernode.store.restoring import check_chunk
from ledgernode.store.sealed import SealedBlock
from ledgernode.store.snapshot import chunk_file, read_manifest
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.validators import Certificate, ValidatorSet


class Checked(msgspec.Struct, frozen=True):
    """A backup that holds. `head` is its last block."""

    index: Index
    head: Header
    seconds: float

    @property
    def head_hash(self) -> bytes:
        return header_hash(self.head)


def verify_backup(path: Path, genesis_bytes: bytes, *, progress: Progress = silent) -> Checked:
    """Check every byte of it; refuses (BackupInvalid) with the first part that does not hold, by name."""
    begun_s = time.monotonic()
    genesis = genesis_block(genesis_bytes)
    folder = Folder(path)
    index = folder.of_ledger(genesis.header.chain_id)
    states = {state.height: check_state(folder, state, genesis) for state in index.states}
    follower = beginning(genesis, index, states.values())
    head = genesis.header
    for segment in index.segments:
        blocks = folder.blocks(segment)
        with part(segment_name(segment)):
            for height, block in enumerate(blocks, segment.first):
                head, _ = follower.check(block, certified=height <= index.certified_height, signatures=True)
                require_place(head, height)
                if height in states and states[height].header != head:
                    raise BackupInvalid(f"block {height} is another than that of {state_name(height)}")
        progress(segment.last - index.first + 1, index.last - index.first + 1)
    return Checked(index, head, time.monotonic() - begun_s)


def beginning(genesis: SealedBlock, index: Index, states: Iterable[CheckedManifest]) -> Follower:
    """Of the first block of the chain; where that is not kept from genesis on, its set is one that a state names."""
    if index.first == 1:
        return Follower(genesis.header.chain_id, [genesis.next_set], genesis.header)
    changes = [change.next_set for state in states for change in state.set_changes]
    return Follower(genesis.header.chain_id, [genesis.next_set, *changes])


def require_place(header: Header, height: int) -> None:
    if header.height != height:
        raise BackupInvalid(f"block {header.height} stands in the place of block {height}")


def check_state(folder: Folder, state: State, genesis: SealedBlock) -> CheckedManifest:
    """Its manifest and every chunk. Refuses (BackupInvalid) what does not hold."""
    checked = state_manifest(folder, state, genesis)
    with part(state_name(state.height)):
        for number, chunk in enumerate(checked.chunks):
            path = chunk_file(folder.path / state_name(state.height), number)
            try:
                check_chunk(path.read_bytes(), number, chunk)
            except OSError as error:
                raise BackupInvalid(f"chunk {number} cannot be read: {error.strerror}") from error
            except LedgerError as error:
                raise BackupInvalid(str(error)) from error
    return checked


def state_manifest(folder: Folder, state: State, genesis: SealedBlock) -> CheckedManifest:
    """Its manifest, followed from the genesis file. Refuses (BackupInvalid) one that does not hold."""
    with part(state_name(state.height)):
        try:
            raw = read_manifest(folder.state(state))
            checked = check_manifest(raw, genesis.header, genesis.next_set, certified_by)
        except BackupInvalid:
            raise
        except LedgerError as error:
            raise BackupInvalid(str(error)) from error
        require_place(checked.header, state.height)
    return checked


def certified_by(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
    check_certificate(header, certificate, validators, verify)
