"""Fail-points, and what a process killed at each of them leaves behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgernode.errors import DatabaseDamaged
from ledgernode.store import failpoint
from ledgernode.store.chain import ChainStore
from ledgernode.store.failpoint import Action
from ledgernode.store.kv import Reader, Table
from ledgernode.store.lattice import EMPTY
from ledgernode.store.lmdb import LmdbStore
from ledgernode.wire import merkle
from ledgernode.wire.types import Height
from tests.store.blocks import CHAIN, transaction_id
from tests.store.crash_child import GROUP

ROOT = Path(__file__).parents[2]


def killed_at(point: str, count: int, path: Path) -> int | None:
    """Run the child until the fail-point kills it; the last height it acknowledged."""
    environment = dict(os.environ)
    environment[failpoint.VARIABLE] = f"{point}:{count}"
    child = subprocess.run(
        [sys.executable, "-m", "tests.store.crash_child", str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    lines = child.stdout.split()
    return int(lines[-1]) if lines else None


def assert_whole(chain: ChainStore, reader: Reader) -> None:
    """Every height up to the head has all of its parts, none above it has any, and the state adds up."""
    head = chain.head.height
    for height in range(head + 1):
        header = chain.header(Height(height))
        assert merkle.root(chain.envelopes(Height(height))) == header.transaction_root
        assert merkle.root(chain.receipts(Height(height))) == header.receipts_root
        for number in range(header.transactions):
            assert chain.locate(transaction_id(height, number)) == (height, number)
        with chain.state_at(Height(height)) as view:
            assert EMPTY.updated((), view.scan(b"", None)).commitment() == header.state_commitment
    for table in (Table.HEADERS, Table.BATCHES, Table.RECEIPTS, Table.UNDO):
        assert reader.count(table) == head + 1
    assert reader.count(Table.INDEX) == 20 * head + 1  # and the one call of the genesis block


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("point", [point for point in failpoint.POINTS if point.startswith("store.")])
def test_killed_at_any_write_a_height_is_whole_or_absent(tmp_path: Path, point: str, count: int) -> None:
    """Nothing acknowledged is lost, nothing is half there, and the chain goes on from its head."""
    acknowledged = killed_at(point, count, tmp_path / "db")
    # a batch that makes the map grow is written again, and reaches its points again
    assert acknowledged is not None
    assert acknowledged <= (count - 2) * GROUP
    store = LmdbStore(tmp_path / "db")
    chain = ChainStore.open(store, CHAIN)
    durable = GROUP if point == "store.after_commit" else 0
    assert chain.head.height == acknowledged + durable
    with store.reader() as reader:
        assert_whole(chain, reader)
    store.close()


def test_killed_before_the_first_commit_there_is_no_chain(tmp_path: Path) -> None:
    """A chain whose genesis block never became durable is said not to be there."""
    assert killed_at("store.before_commit", 1, tmp_path / "db") is None
    store = LmdbStore(tmp_path / "db")
    with pytest.raises(DatabaseDamaged, match="no chain"):
        ChainStore.open(store, CHAIN)
    store.close()


def test_point_acts_when_its_count_is_up_and_once(armed: None) -> None:
    """Counted from arming; other points pass; afterwards it passes again."""
    failpoint.arm("store.before_write", 3, Action.FULL)
    failpoint.reach("store.before_write")
    failpoint.reach("store.before_commit")
    failpoint.reach("store.before_write")
    with pytest.raises(OSError, match="No space left") as caught:
        failpoint.reach("store.before_write")
    assert caught.value.errno == errno.ENOSPC
    failpoint.reach("store.before_write")


@pytest.mark.parametrize(
    "text", ["store.elsewhere:1", "store.before_write:0", "store.before_write:often", "store.before_write:1:explode"]
)
def test_text_that_arms_nothing_is_refused(armed: None, text: str) -> None:
    """A misspelt fail-point must not look like a passed test."""
    with pytest.raises(ValueError, match=r"fail-point|invalid literal|Action"):
        failpoint.arm_from({failpoint.VARIABLE: text})


def test_environment_arms_a_point(armed: None) -> None:
    """`name:count:action`; an environment without the variable arms nothing."""
    failpoint.arm_from({})
    failpoint.reach("store.before_write")
    failpoint.arm_from({failpoint.VARIABLE: "store.before_write:1:full"})
    with pytest.raises(OSError, match="No space left"):
        failpoint.reach("store.before_write")
