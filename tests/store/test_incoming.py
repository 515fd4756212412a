"""A snapshot restored beside the database in use, and put in its place: the old one or the new one, whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledgernode.errors import DatabaseForeign, SnapshotInvalid
from ledgernode.identity.keys import PrivateKey
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.incoming import Incoming
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.memory import MemoryStore
from ledgernode.store.snapshot import MANIFEST_FILE, chunk_file, create_snapshot
from ledgernode.store.state import StateView
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import Height
from ledgernode.wire.validators import Certificate, vote_bytes
from tests.store.blocks import CHAIN, Builder, check

pytestmark = pytest.mark.slow

VOTE = (Table.VOTES, b"\x00" * 8 + b"0/view", b"what this validator has said")


def remembered(_: StateView) -> Iterator[tuple[bytes, Height, int]]:
    yield from ()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledgernode.config.SNAPSHOT_CHUNK_BYTES", 700)


@pytest.fixture
def builder() -> Builder:
    """Eight blocks, the set changed once."""
    made = Builder([PrivateKey.generate() for _ in range(4)])
    for height in range(1, 9):
        made.block(
            [{f"key {number:03d}": b"%d" % height * 20 for number in range(height, 60, 3)}],
            next_keys=[PrivateKey.generate() for _ in range(4)] if height == 3 else (),
        )
    return made


def chain_of(builder: Builder) -> ChainStore:
    made = ChainStore.create(MemoryStore(), builder.genesis)
    made.append(builder.blocks[1:], {Height(height): builder.certificate(height) for height in range(1, 9)})
    return made


@pytest.fixture
def snapshot(builder: Builder, tmp_path: Path) -> Path:
    create_snapshot(chain_of(builder), tmp_path / "snapshot")
    return tmp_path / "snapshot"


@pytest.fixture
def incoming(builder: Builder, tmp_path: Path) -> Incoming:
    return Incoming(tmp_path / "incoming", builder.genesis, check)


@pytest.fixture
def current(builder: Builder, tmp_path: Path) -> Path:
    """A database that stands at block 2, with a promise of its engine."""
    with closing(LmdbStore(tmp_path / "data")) as kv:
        chain = ChainStore.create(kv, builder.genesis)
        chain.append(builder.blocks[1:3], beside=[VOTE])
    return tmp_path / "data"


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    failpoint.disarm()


def fill(incoming: Incoming, snapshot: Path, chunks: int | None = None) -> None:
    """Take the snapshot in, or so many chunks of it."""
    checked = incoming.begun() or incoming.begin((snapshot / MANIFEST_FILE).read_bytes())
    with incoming.opened(checked) as restoration:
        while restoration.next is not None and (chunks is None or restoration.done < chunks):
            restoration.add(chunk_file(snapshot, restoration.done).read_bytes())
        if restoration.next is None:
            restoration.complete(remembered)


def state_of(path: Path) -> tuple[int, int, dict[bytes, bytes], dict[bytes, bytes]]:
    """Base, head, state and the engine's log of the database there."""
    with closing(LmdbStore(path)) as kv:
        chain = ChainStore.open(kv, CHAIN)
        with kv.reader() as reader:
            log = dict(reader.scan(Table.VOTES))
        with chain.state() as view:
            return chain.base, chain.head.height, dict(view.scan(b"", None)), log


def test_a_whole_one_takes_the_place_and_keeps_the_promises(
    builder: Builder, incoming: Incoming, snapshot: Path, current: Path
) -> None:
    """State and head are the snapshot's, the engine's log is this node's own, and nothing is left beside it."""
    fill(incoming, snapshot)
    head = incoming.install(current)
    assert head == builder.blocks[8].header
    assert state_of(current) == (8, 8, builder.states[8], {VOTE[1]: VOTE[2]})
    assert not incoming.directory.exists()
    assert incoming.install(current) is None


def test_it_takes_an_empty_place(builder: Builder, incoming: Incoming, snapshot: Path, tmp_path: Path) -> None:
    """A node that was wiped in between has nothing to be kept."""
    fill(incoming, snapshot)
    assert incoming.install(tmp_path / "data") is not None
    assert state_of(tmp_path / "data") == (8, 8, builder.states[8], {})


def test_half_of_one_changes_nothing_and_goes_on(
    builder: Builder, incoming: Incoming, snapshot: Path, current: Path
) -> None:
    """What is there of it is not asked for again."""
    fill(incoming, snapshot, 2)
    assert incoming.install(current) is None
    assert state_of(current)[:2] == (0, 2)
    chunk_file(snapshot, 0).unlink()
    chunk_file(snapshot, 1).unlink()
    fill(incoming, snapshot)
    assert incoming.install(current) == builder.blocks[8].header


def test_an_older_one_is_dropped(builder: Builder, incoming: Incoming, snapshot: Path, current: Path) -> None:
    """The node came further by blocks in the meantime: its own database stays."""
    with closing(LmdbStore(current)) as kv:
        ChainStore.open(kv, CHAIN).append(builder.blocks[3:])
    fill(incoming, snapshot)
    assert incoming.install(current) is None
    assert state_of(current)[:2] == (0, 8)
    assert not incoming.directory.exists()


def test_another_begins_from_nothing(builder: Builder, incoming: Incoming, snapshot: Path, tmp_path: Path) -> None:
    """The chunks of the one before are gone; a manifest that does not hold replaces nothing."""
    fill(incoming, snapshot, 2)
    create_snapshot(chain_of(builder), tmp_path / "other", height=Height(6))
    with pytest.raises(SnapshotInvalid):
        incoming.begin(b"{}")
    assert incoming.begun() is not None
    checked = incoming.begin((tmp_path / "other" / MANIFEST_FILE).read_bytes())
    with incoming.opened(checked) as restoration:
        assert restoration.done == 0


def signed_by_others(builder: Builder, height: int) -> Certificate:
    """The last three of four, not the first."""
    validators, keys = builder.signers[height]
    header = builder.blocks[height].header
    message = vote_bytes(CHAIN, header.epoch, header.height, header_hash(header))
    by_key = {key.public_key: key for key in keys}
    signed = [(at, by_key[member.public_key].sign(message)) for at, member in enumerate(validators.members)]
    return Certificate(tuple(signed[1:]))


def test_the_same_state_has_the_same_name_on_every_node(builder: Builder, snapshot: Path, tmp_path: Path) -> None:
    """Whoever signed its certificate: chunks of one node fit the manifest of another."""
    other = ChainStore.create(MemoryStore(), builder.genesis)
    other.append(builder.blocks[1:], {Height(at): builder.certificate(at) for at in range(1, 8)})
    other.certify(Height(8), signed_by_others(builder, 8))
    create_snapshot(other, tmp_path / "other")
    genesis = Incoming(tmp_path / "in", builder.genesis, check)
    raw, again = (snapshot / MANIFEST_FILE).read_bytes(), (tmp_path / "other" / MANIFEST_FILE).read_bytes()
    assert raw != again
    assert genesis.check(raw).id == genesis.check(again).id
    create_snapshot(other, tmp_path / "earlier", height=Height(7))
    assert genesis.check((tmp_path / "earlier" / MANIFEST_FILE).read_bytes()).id != genesis.check(raw).id


def test_another_ledgers_database_is_left_alone(incoming: Incoming, snapshot: Path, tmp_path: Path) -> None:
    """The node then refuses to start, as it would without a snapshot."""
    with closing(LmdbStore(tmp_path / "data")) as kv:
        ChainStore.create(kv, Builder(chain_id=type(CHAIN)(bytes(32))).genesis)
    fill(incoming, snapshot)
    with pytest.raises(DatabaseForeign):
        incoming.install(tmp_path / "data")
    with closing(LmdbStore(tmp_path / "data")):
        pass


def test_a_failed_rename_leaves_the_old_one_whole(
    builder: Builder, incoming: Incoming, snapshot: Path, current: Path, armed: None
) -> None:
    """And the next start finishes it."""
    fill(incoming, snapshot)
    failpoint.arm("install.before_rename", action=Action.FULL)
    with pytest.raises(OSError, match=os.strerror(28)):
        incoming.install(current)
    assert state_of(current)[:2] == (0, 2)
    assert incoming.install(current) == builder.blocks[8].header


def killed(point: str, incoming: Incoming, current: Path) -> None:
    failpoint.arm(point)
    incoming.install(current)


@pytest.mark.parametrize(
    ("point", "heights"),
    [("store.before_commit", (0, 2)), ("store.after_commit", (0, 2)), ("install.before_rename", (0, 2)),
     ("install.after_rename", (8, 8))],
)  # fmt: skip
def test_a_kill_leaves_the_one_or_the_other(
    builder: Builder, incoming: Incoming, snapshot: Path, current: Path, point: str, heights: tuple[int, int]
) -> None:
    """At every point of the installation; the next start ends with the new one, promises and all."""
    fill(incoming, snapshot)
    child = multiprocessing.get_context("spawn").Process(target=killed, args=(point, incoming, current))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert state_of(current)[:2] == heights
    incoming.install(current)
    assert state_of(current) == (8, 8, builder.states[8], {VOTE[1]: VOTE[2]})
