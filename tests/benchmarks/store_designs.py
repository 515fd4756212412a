"""Measures the two durable designs of a block. Run by hand: `python tests/benchmarks/store_designs.py`.

A   one synced LMDB transaction holds everything of one height (or of a group of heights)
B   the block is appended to a log and synced with one fdatasync; state and index go to LMDB unsynced,
    to be replayed from the log after a crash (the replay itself is not built here, nor its cost counted)

Each transaction is an envelope of 300 bytes, a receipt of 120, one record of 200 under a random one of a
million keys, what that record replaced, and one index entry. Both designs keep the same bytes. The last
row of A is the product's own `ChainStore.append`, which besides checks and hashes. Figures are medians
over repetitions, microseconds a transaction; they move from machine to machine: compare within one run.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import msgspec

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ledgernode.store.chain import ChainStore, SealedBlock  # noqa: E402  the path is set above
from ledgernode.store.lmdb import LmdbStore  # noqa: E402
from ledgernode.store.state import Change, record  # noqa: E402
from ledgernode.wire.block import Header, header_hash  # noqa: E402
from ledgernode.wire.types import Height, TimeMs, TransactionId  # noqa: E402
from tests.store.blocks import Builder  # noqa: E402

MAP_BYTES = 8 << 30
KEYS = 1_000_000
SHAPES = ((10, 1), (10, 10), (100, 1), (100, 10), (1_000, 1), (1_000, 4))
"""(transactions in a block, blocks in one write)"""

Row = tuple[bytes, bytes]
Block = tuple[bytes, bytes, bytes, list[Row], list[Row]]
"""envelopes, receipts, undo, state rows, index rows"""


def blocks(transactions: int) -> Iterator[Block]:
    """Blocks of random content, without end."""
    chance, encoder, height = random.Random(7), msgspec.msgpack.Encoder(), 0
    while True:
        height += 1
        keys = [b"bench\x00%08d" % chance.randrange(KEYS) for _ in range(transactions)]
        undo = encoder.encode([(position, key, bytes(212)) for position, key in enumerate(keys)])
        state = [(key, record(height, position, bytes(200))) for position, key in enumerate(keys)]
        index = [(bytes(4) + chance.randbytes(16), bytes(12)) for _ in range(transactions)]
        envelopes = encoder.encode([chance.randbytes(300) for _ in range(transactions)])
        yield envelopes, encoder.encode([bytes(120)] * transactions), undo, state, index


class OneTransaction:
    """Design A, bare."""

    def __init__(self, path: Path) -> None:
        self.environment = lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=3)
        self.tables = [self.environment.open_db(name) for name in (b"blocks", b"state", b"index")]
        self.height = 0

    def write(self, group: list[Block]) -> None:
        with self.environment.begin(write=True) as transaction:
            parts, state, index = list[Row](), dict[bytes, bytes](), list[Row]()
            for envelopes, receipts, undo, rows, entries in group:
                self.height += 1
                key = self.height.to_bytes(8, "big")
                parts += ((b"b" + key, envelopes), (b"r" + key, receipts), (b"u" + key, undo))
                state.update(rows)
                index += entries
            for table, rows in zip(self.tables, (sorted(parts), sorted(state.items()), sorted(index)), strict=True):
                transaction.cursor(table).putmulti(rows)


class LogAndState:
    """Design B, bare."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.log = os.open(path / "blocks.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.environment = lmdb.open(str(path / "state"), map_size=MAP_BYTES, max_dbs=2, sync=False)
        self.tables = [self.environment.open_db(name) for name in (b"state", b"index")]

    def write(self, group: list[Block]) -> None:
        state, index, parts = dict[bytes, bytes](), list[Row](), list[bytes]()
        for envelopes, receipts, undo, rows, entries in group:
            parts += (envelopes, receipts, undo)
            state.update(rows)
            index += entries
        os.writev(self.log, [len(part).to_bytes(4, "big") + part for part in parts])
        os.fdatasync(self.log)
        with self.environment.begin(write=True) as transaction:
            for table, rows in zip(self.tables, (sorted(state.items()), sorted(index)), strict=True):
                transaction.cursor(table).putmulti(rows)


def measure(
    make: Callable[[Path], OneTransaction | LogAndState], transactions: int, group: int, seconds: float
) -> tuple[float, float]:
    """(wall, CPU) microseconds a transaction, preparing the blocks left out."""
    with tempfile.TemporaryDirectory() as directory:
        design, source = make(Path(directory) / "db"), blocks(transactions)
        return _timed(lambda: [next(source) for _ in range(group)], design.write, transactions * group, seconds)


def measure_product(transactions: int, group: int, seconds: float) -> tuple[float, float]:
    """The same for `ChainStore.append`."""
    with tempfile.TemporaryDirectory() as directory:
        store = LmdbStore(Path(directory) / "db", map_size=MAP_BYTES)
        builder = Builder()
        chain = ChainStore.create(store, builder.genesis)
        chance = random.Random(7)
        tip = builder.genesis

        def prepare() -> list[SealedBlock]:
            nonlocal tip
            made = []
            for _ in range(group):
                tip = _sealed(tip, transactions, chance)
                made.append(tip)
            return made

        try:
            return _timed(prepare, chain.append, transactions * group, seconds)
        finally:
            store.close()


def _sealed(parent: SealedBlock, transactions: int, chance: random.Random) -> SealedBlock:
    height = parent.header.height + 1
    header = msgspec.structs.replace(
        parent.header,
        height=Height(height),
        parent_hash=header_hash(parent.header),
        time_ms=TimeMs(parent.header.time_ms + 100),
        transactions=transactions,
        receipts=transactions,
    )
    assert isinstance(header, Header)
    changes = tuple(
        Change(position, b"bench\x00%08d" % chance.randrange(KEYS), bytes(212), record(height, position, bytes(200)))
        for position in range(transactions)
    )
    return SealedBlock(
        header=header,
        envelopes=tuple(chance.randbytes(300) for _ in range(transactions)),
        receipts=(bytes(120),) * transactions,
        changes=changes,
        lattice=parent.lattice,
        transaction_ids=tuple(TransactionId(chance.randbytes(32)) for _ in range(transactions)),
        next_set=parent.next_set,
        current_set=parent.current_set,
    )


def _timed(
    prepare: Callable[[], list[Any]], write: Callable[[list[Any]], None], size: int, seconds: float
) -> tuple[float, float]:
    wall, used, ends = list[float](), list[float](), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        group = prepare()
        started, started_cpu = time.perf_counter(), time.process_time()
        write(group)
        used.append((time.process_time() - started_cpu) / size * 1e6)
        wall.append((time.perf_counter() - started) / size * 1e6)
    return statistics.median(wall), statistics.median(used)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the two durable designs of a block.")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each figure and repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    chosen = parser.parse_args()
    print("microseconds a transaction, wall / CPU (median over repetitions; preparation left out)")
    print(f"{'block':>6} {'group':>6} {'A: one transaction':>22} {'B: log and state':>22} {'A: ChainStore':>22}")
    for transactions, group in SHAPES:
        cells = []
        for run in (
            partial(measure, OneTransaction),
            partial(measure, LogAndState),
            measure_product,
        ):
            taken = [run(transactions, group, chosen.seconds) for _ in range(chosen.repetitions)]
            wall, used = (statistics.median(figures) for figures in zip(*taken, strict=True))
            cells.append(f"{wall:>12.1f} / {used:<7.1f}")
        print(f"{transactions:>6} {group:>6} " + " ".join(cells), flush=True)


if __name__ == "__main__":
    main()
