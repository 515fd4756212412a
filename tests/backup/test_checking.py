"""A backup is checked by itself: with the genesis file, whatever was altered is found and named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledgernode.backup.checking import verify_backup
from ledgernode.backup.folder import INDEX_FILE, Folder, Index, Segment, segment_name
from ledgernode.backup.segment import StoredBlock, encode_segment, parse_segment
from ledgernode.errors import BackupInvalid
from ledgernode.identity.records import Role
from ledgernode.testing import TestLedger
from ledgernode.wire.block import encode_header, parse_header
from tests.backup.conftest import back_up, grow


@pytest.fixture
def folder(ledger: TestLedger, tmp_path: Path) -> Path:
    back_up(ledger, tmp_path)
    return tmp_path


def refused(folder: Path, ledger: TestLedger, reason: str) -> None:
    with pytest.raises(BackupInvalid, match=reason):
        verify_backup(folder, ledger.genesis_bytes)


def test_any_byte_of_any_file_counts(folder: Path, ledger: TestLedger) -> None:
    """Each file, at places spread over it: the refusal names it."""
    named = [path for path in folder.rglob("*") if path.is_file() and path.name not in (INDEX_FILE, "writer.lock")]
    assert len(named) > 4
    for path in named:
        good = path.read_bytes()
        for at in range(0, len(good), max(1, len(good) // 5)):
            path.write_bytes(good[:at] + bytes((good[at] ^ 0x10,)) + good[at + 1 :])
            refused(folder, ledger, path.name if path.parent == folder else path.parent.name)
        path.write_bytes(good[:-1])
        refused(folder, ledger, path.name if path.parent == folder else path.parent.name)
        path.unlink()
        refused(folder, ledger, r"cannot be read")
        path.write_bytes(good)
    assert verify_backup(folder, ledger.genesis_bytes).head == ledger.chain.head


def altered(folder: Path, number: int, change: Callable[[list[StoredBlock]], object]) -> None:
    """A segment as one who can write into the folder would forge it: the index names the new hash."""
    index = Folder(folder).index()
    assert index is not None
    segment = index.segments[number]
    path = folder / segment_name(segment)
    blocks = list(parse_segment(path.read_bytes()))
    change(blocks)
    raw = encode_segment(blocks)
    path.write_bytes(raw)
    forged = msgspec.structs.replace(segment, size_bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())
    rewrite(folder, segments=(*index.segments[:number], forged, *index.segments[number + 1 :]))


def rewrite(folder: Path, **changes: Any) -> None:
    index = msgspec.json.decode((folder / INDEX_FILE).read_bytes(), type=Index)
    (folder / INDEX_FILE).write_bytes(msgspec.json.encode(msgspec.structs.replace(index, **changes)))


def _with(blocks: list[StoredBlock], at: int, **changes: Any) -> None:
    blocks[at] = msgspec.structs.replace(blocks[at], **changes)


def _later(blocks: list[StoredBlock]) -> None:
    header = parse_header(blocks[2].header)
    _with(blocks, 2, header=encode_header(msgspec.structs.replace(header, time_ms=header.time_ms + 1)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_later, "signature"),
        (lambda blocks: _with(blocks, 2, certificate=blocks[1].certificate), "signature"),
        (lambda blocks: _with(blocks, 2, certificate=b"\x00\x00"), "signatures"),
        (lambda blocks: _with(blocks, 2, certificate=b""), "certificate"),
        (lambda blocks: _with(blocks, 2, receipts=blocks[2].receipts[:-1]), "receipts"),
        (lambda blocks: _with(blocks, 2, envelopes=(*blocks[2].envelopes, *blocks[3].envelopes)), "transactions"),
        (lambda blocks: _with(blocks, 2, envelopes=blocks[3].envelopes, receipts=blocks[3].receipts), "root"),
        (lambda blocks: _with(blocks, 2, next_set=b"x"), "hands over to nobody"),
        (lambda blocks: _with(blocks, 2, header=b"nonsense"), "header"),
        (lambda blocks: blocks.__setitem__(slice(1, 3), [blocks[2], blocks[1]]), "height|another"),
        (lambda blocks: blocks.pop(), "blocks"),
    ],
)
def test_a_forged_segment_is_found_although_its_hash_is_named(
    folder: Path, ledger: TestLedger, change: Callable[[list[StoredBlock]], object], reason: str
) -> None:
    """Only validators can make a block that holds."""
    altered(folder, 0, change)
    refused(folder, ledger, rf"blocks-000000000001.*{reason}")


def test_an_index_that_leaves_out_what_lies_between_is_refused(folder: Path, ledger: TestLedger) -> None:
    index = Folder(folder).index()
    assert index is not None
    assert len(index.segments) > 2
    rewrite(folder, segments=(index.segments[0], *index.segments[2:]))
    refused(folder, ledger, "names no segment for the blocks after 5")
    rewrite(folder, segments=index.segments[:-1])
    refused(folder, ledger, "last certified block")
    rewrite(folder, segments=index.segments, certified_height=index.certified_height, states=index.states * 2)
    refused(folder, ledger, "out of order")


def test_without_its_beginning_a_chain_is_of_nobody(folder: Path, ledger: TestLedger) -> None:
    """Blocks that do not begin with genesis are signed by a set that a state names; there it is the founders'."""
    index = Folder(folder).index()
    assert index is not None
    rewrite(folder, segments=index.segments[1:])
    assert verify_backup(folder, ledger.genesis_bytes).index.first == 6


def test_another_form_is_refused(folder: Path, ledger: TestLedger) -> None:
    rewrite(folder, format="ledgernode/backup/2")
    refused(folder, ledger, "of format")


def test_a_set_change_in_the_chain_is_followed(tmp_path: Path, ledger: TestLedger) -> None:
    """Blocks after it are signed by the new set, which the block that hands over carries."""
    new = ledger._organisations["utility"].member("validator-1", Role.VALIDATOR)
    rekey = {"identity": ledger._validator.id, "certificate": new.certificate, "reason": "a new machine"}
    ledger.submit(ledger.admin(), "identity", "rekey", **rekey)
    back_up(ledger, tmp_path, with_state=False)
    while not ledger.chain.set_changes():
        grow(ledger, 1)
    ledger._validator = new
    grow(ledger, 4)
    back_up(ledger, tmp_path)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head
    index = Folder(tmp_path).index()
    assert index is not None
    (handed_over,) = ledger.chain.set_changes()
    number = next(at for at, one in enumerate(index.segments) if one.first <= handed_over <= one.last)
    rewrite(tmp_path, segments=index.segments[number + 1 :])
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head  # by the state's own changes
    rewrite(tmp_path, segments=index.segments)
    altered(
        tmp_path,
        number,
        lambda blocks: [_with(blocks, at, next_set=b"") for at in range(len(blocks)) if blocks[at].next_set],
    )
    refused(tmp_path, ledger, "validator set")


def test_a_segment_says_what_it_holds(folder: Path) -> None:
    index = Folder(folder).index()
    assert index is not None
    segment: Segment = index.segments[0]
    last = parse_header(Folder(folder).blocks(segment)[-1].header)
    assert (segment.last, segment.ends_ms) == (last.height, last.time_ms)
