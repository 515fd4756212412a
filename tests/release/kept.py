"""The files of a release in `tests/data/golden/VERSION/`, written and read.

transcript.xz   MessagePack, compressed: who wrote it, the genesis file, and every block: header, envelopes, receipts
store.xz        a node's database, pruned, as LMDB's own file, compressed
outbox.xz       a gateway's outbox, likewise
facts.json      what they must give: the head, its state commitment, how many records each table has
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.outbox.store import OutboxStore, Refused, Writes
from ledgernode import __version__
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore, compact
from ledgernode.testing import TestLedger
from ledgernode.wire.block import encode_header, header_hash
from ledgernode.wire.types import Height
from tests.gateway.outbox_at_work import entry

GOLDEN: Final = Path(__file__).parent.parent / "data" / "golden"
KEPT_BLOCKS: Final = 40
DATA: Final = "data.mdb"


class Told(msgspec.Struct, frozen=True, array_like=True):
    """One block as it must come out again."""

    header: bytes
    envelopes: tuple[bytes, ...]
    receipts: tuple[bytes, ...]


class Transcript(msgspec.Struct, frozen=True):
    version: str
    genesis: bytes
    blocks: tuple[Told, ...]


class Facts(msgspec.Struct, frozen=True):
    version: str
    height: int
    head: str
    state_commitment: str
    base: int
    records: dict[str, int]
    outbox: dict[str, str]


def releases() -> list[Path]:
    return sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def read_transcript(release: Path) -> Transcript:
    return msgspec.msgpack.decode(lzma.decompress((release / "transcript.xz").read_bytes()), type=Transcript)


def read_facts(release: Path) -> Facts:
    return msgspec.json.decode((release / "facts.json").read_bytes(), type=Facts)


def unpack(release: Path, name: str, into: Path) -> Path:
    """A database of the release, as files that may be opened and changed."""
    folder = into / name
    folder.mkdir(mode=0o700)
    (folder / DATA).write_bytes(lzma.decompress((release / f"{name}.xz").read_bytes()))
    return folder


def write_release(ledger: TestLedger, release: Path, work: Path) -> Facts:
    """Make every file of a release from this ledger, which stands on a database of `work`."""
    release.mkdir(parents=True)
    chain = ledger.chain
    transcript = Transcript(__version__, ledger.genesis_bytes, tuple(_blocks(chain)))
    _pack(release / "transcript.xz", msgspec.msgpack.encode(transcript))
    records = _copy(chain, work / "store")
    _pack(release / "store.xz", (work / "store" / DATA).read_bytes())
    entries = _outbox(work / "outbox")
    _pack(release / "outbox.xz", (work / "outbox" / DATA).read_bytes())
    head = chain.head
    facts = Facts(
        version=__version__,
        height=head.height,
        head=header_hash(head).hex(),
        state_commitment=head.state_commitment.hex(),
        base=head.height - KEPT_BLOCKS,
        records=records,
        outbox=entries,
    )
    (release / "facts.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
    return facts


def _blocks(chain: ChainStore) -> Iterator[Told]:
    for height in map(Height, range(1, chain.head.height + 1)):
        yield Told(encode_header(chain.header(height)), chain.envelopes(height), chain.receipts(height))


def _copy(chain: ChainStore, path: Path) -> dict[str, int]:
    """The chain's database as a node has it: with an engine's promises, and pruned; how many records each table has."""
    store = LmdbStore(path)
    with chain._kv.reader() as reader:
        for table in Table:
            rows = [(table, key, value) for key, value in reader.scan(table)]
            if rows:
                store.write(rows)
    store.write([(Table.VOTES, b"an engine's promise", b"kept")])
    copy = ChainStore.open(store, chain.chain_id)
    copy.prune(Height(chain.head.height - KEPT_BLOCKS + 1))
    while copy.prune_on():
        pass
    with store.reader() as reader:
        records = {str(table): reader.count(table) for table in Table}
    store.close()
    compact(path)
    empty = [table for table, count in records.items() if not count]
    assert not empty, f"a golden database has records of every kind, and none of {empty}"
    return records


def _outbox(path: Path) -> dict[str, str]:
    """What waits, what was refused, and a fact; by what it is."""
    store = OutboxStore(path, entry_bytes=1 << 20, refused_kept=10)
    entries = [entry(number) for number in (1, 2, 3)]
    refused = Refused(1_000, "ARGUMENTS_INVALID", entries[2])
    store.write(Writes(kept=entries[:2], refused=(refused,), facts={b"a": b"fact"}))
    found = read_outbox(store)
    store.close()
    return found


def read_outbox(store: OutboxStore) -> dict[str, str]:
    """Everything that is kept, as text."""
    waits = {
        f"{lane.hex()} {number}": (store.find(lane + number.to_bytes(8, "big")) or b"").hex()
        for lane, number, _ in store.lanes()
    }
    refused = {f"{one.code} {one.at_ms}": one.entry.id.hex() for one in store.refused()}
    return {**waits, **refused, **{key.decode(): value.decode() for key, value in store.facts(b"")}}


def _pack(path: Path, raw: bytes) -> None:
    path.write_bytes(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
