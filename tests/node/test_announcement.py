"""Telling who waits: the same whether a block was kept in memory until its certificate came, or read again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ledgernode.node.announcement import Announcement
from ledgernode.node.mempool import Mempool
from ledgernode.node.waiting import Progress, Waiters
from ledgernode.wire.answers import Outcome, Stage
from ledgernode.wire.block import Header
from ledgernode.wire.receipt import Origin, Receipt, encode_receipt
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import ZERO_HASH, ChainId, Epoch, Height, TimeMs, TransactionId, sha256
from tests.node.envelopes import CHAIN, NOW_MS, transaction, valid_until

HEIGHT = Height(7)
TIMER = TransactionId(sha256(b"a timer's call"))


class Board:
    """An announcement, and what those who wait for some ids were told."""

    def __init__(self, *waiting: TransactionId) -> None:
        self.told: dict[TransactionId, Any] = {}
        self.mempool = Mempool()
        self.waiters, self.progress = Waiters(), Progress(Height(HEIGHT - 1), TimeMs(NOW_MS))
        self.announcement = Announcement(self.mempool, self.waiters, self.progress)
        for one in waiting:
            self.waiters.add(one, lambda what, one=one: self.told.update({one: what}))


def receipt(named: TransactionId, origin: Origin, code: str = "OK") -> bytes:
    return encode_receipt(Receipt(named, origin, code, "", b"1", (), 1))


def header(transactions: int, receipts: int) -> Header:
    hashes = [ZERO_HASH] * 3
    return Header(
        ChainId(CHAIN), Epoch(0), HEIGHT, ZERO_HASH, *hashes, TimeMs(NOW_MS + 10), ZERO_HASH, ZERO_HASH,
        transactions, receipts,
    )  # fmt: skip


def kept(board: Board, head: Header, transactions: list[Transaction], receipts: list[bytes]) -> None:
    ids = tuple(one.id for one in transactions)
    block = SimpleNamespace(header=head, envelopes=tuple(one.raw for one in transactions), receipts=tuple(receipts))
    block.transaction_ids = ids
    board.announcement.certified(block)  # type: ignore[arg-type]


def read_again(board: Board, head: Header, transactions: list[Transaction], receipts: list[bytes]) -> None:
    board.announcement.certified_later(head, receipts)


Announce = Callable[[Board, Header, list[Transaction], list[bytes]], None]
BOTH = pytest.mark.parametrize("announce", [kept, read_again], ids=lambda way: way.__name__)


@BOTH
def test_each_waiter_hears_its_receipt_and_where_it_stands(announce: Announce) -> None:
    """Receipts of timers come first in a block, so places are counted from them."""
    good, bad, nobodys = (transaction(text=text) for text in ("good", "bad", "nobody's"))
    board = Board(good.id, bad.id, absent := TransactionId(sha256(b"absent")))
    receipts = [
        receipt(TIMER, Origin.TIMER),
        receipt(nobodys.id, Origin.TRANSACTION),
        receipt(bad.id, Origin.TRANSACTION, "ROLE_REFUSED"),
        receipt(good.id, Origin.TRANSACTION),
    ]
    announce(board, header(3, 4), [nobodys, bad, good], receipts)
    assert board.told == {
        bad.id: Outcome(bad.id, Stage.COMMITTED, "ROLE_REFUSED", "", HEIGHT, 2, b"1"),
        good.id: Outcome(good.id, Stage.COMMITTED, "OK", "", HEIGHT, 3, b"1"),
    }
    assert absent in board.waiters, "it waits on"
    assert (len(board.waiters), board.announcement.transactions) == (1, 3)


@BOTH
async def test_progress_rings_after_everyone_was_told(announce: Announce) -> None:
    """Who asks for the height finds what was committed up to it."""
    one = transaction()
    board = Board(one.id)
    announce(board, header(1, 1), [one], [receipt(one.id, Origin.TRANSACTION)])
    await board.progress.beyond(HEIGHT - 1)
    assert (board.progress.height, board.progress.time_ms) == (HEIGHT, NOW_MS + 10)
    assert one.id in board.told


@BOTH
def test_what_can_never_be_committed_is_dropped_with_the_block(announce: Announce) -> None:
    """Chain time has passed its validity: its waiter hears NEVER, and what is still valid waits on."""
    late, valid = valid_until(NOW_MS + 9), valid_until(NOW_MS + 10)
    board = Board(late.id, valid.id)
    for one in (late, valid):
        board.mempool.add(one)
    announce(board, header(0, 0), [], [])
    assert {named: what.stage for named, what in board.told.items()} == {late.id: Stage.NEVER}
    assert (late.id in board.mempool, valid.id in board.mempool) == (False, True)


@BOTH
def test_receipts_are_not_read_for_nobody(announce: Announce) -> None:
    """Without anyone who waits, a block costs one step; what stands in its receipts is not even looked at."""
    board = Board()
    announce(board, header(1, 1), [transaction()], [b"unreadable"])
    assert board.progress.height == HEIGHT
