"""A miner's own log: the blocks it has seen, the one its tree stands on, and which ones it has delivered.

    <epoch>/root                 `Below`: certified, or agreed by enough others
    <epoch>/block/<hash>         each block of the tree, and delivered ones
    <epoch>/delivered/<height>   the hash delivered at a height above the root

Written before a block is delivered, so that a restart stands on what it has executed, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledgernode.consensus.engine import LogEntry
from ledgernode.consensus.pow.header import WorkBlock
from ledgernode.consensus.pow.messages import Below, decode, encode
from ledgernode.consensus.pow.past import Past
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.consensus.pow.tree import Tree
from ledgernode.wire.types import HASH_BYTES, Epoch

_DELIVERED: Final = b"delivered/"


class Journal:
    """Of one epoch. Writing makes entries to be persisted, reading remembers them."""

    def __init__(self, epoch: Epoch) -> None:
        self._prefix = b"%d/" % epoch
        self.root: Below | None = None
        self._blocks: dict[bytes, WorkBlock] = {}
        self._delivered: dict[int, bytes] = {}

    # ------------------------------------------------------------ writing

    def stand_on(self, below: Below) -> LogEntry:
        return LogEntry(self._root_key, encode(below))

    def keep(self, hashed: bytes, block: WorkBlock) -> LogEntry:
        return LogEntry(self._block_key(hashed), encode(block))

    def drop(self, hashed: bytes) -> LogEntry:
        return LogEntry(self._block_key(hashed), b"")

    def deliver(self, height: int, hashed: bytes) -> LogEntry:
        return LogEntry(self._delivered_key(height), hashed)

    def undo_deliver(self, height: int) -> LogEntry:
        """The root stands there now, or above."""
        return LogEntry(self._delivered_key(height), b"")

    # ------------------------------------------------------------ reading

    def read(self, entries: Iterable[LogEntry]) -> list[LogEntry]:
        """Remember these. Answers what removes those of another epoch, and damaged ones: peers have what is lost."""
        return [LogEntry(entry.key, b"") for entry in entries if not self._take(entry)]

    def _take(self, entry: LogEntry) -> bool:
        if not entry.key.startswith(self._prefix):
            return False
        if entry.key.startswith(self._prefix + _DELIVERED):
            return self._take_delivered(entry)
        match decode(entry.record):
            case Below() as below if entry.key == self._root_key:
                self.root = below
            case WorkBlock() as block if entry.key == self._block_key(block.header.hash):
                self._blocks[block.header.hash] = block
            case _:
                return False
        return True

    def _take_delivered(self, entry: LogEntry) -> bool:
        number = entry.key[len(self._prefix + _DELIVERED) :]
        if not number.isdigit() or len(entry.record) != HASH_BYTES:
            return False
        self._delivered[int(number)] = entry.record
        return True

    def recall(self, root: Below, height: int, rules: WorkRules) -> tuple[Tree, Past]:
        """The tree and the past from there on, as far as what we have delivered leads to this height."""
        tree = Tree(root.root, root.height, root.time_ms, root.marks, rules)
        past = Past(root, rules, self._line_below(root))
        for block in sorted(self._blocks.values(), key=lambda block: block.header.height):
            if block.header.height > tree.root_height and block.header.parent in tree:
                tree.add(block.header.hash, block)
        while tree.root_height < height:
            hashed = self._delivered.get(tree.root_height + 1, b"")
            following = tree.get(hashed)
            if following is None or following.header.parent != tree.root:
                break
            tree.advance(hashed)
            past.append(hashed, following)
        return tree, past

    def tidy(self, tree: Tree, past: Past) -> list[LogEntry]:
        """What removes the blocks that are in neither, and deliveries that did not come to pass."""
        blocks = [self.drop(hashed) for hashed in self._blocks if hashed not in tree and past.get(hashed) is None]
        return blocks + [self.undo_deliver(height) for height in self._delivered if height > tree.root_height]

    def _line_below(self, root: Below) -> list[WorkBlock]:
        line = []
        hashed = root.root
        while (block := self._blocks.get(hashed)) is not None:
            line.append(block)
            hashed = block.header.parent
        return line[::-1]

    @property
    def _root_key(self) -> bytes:
        return self._prefix + b"root"

    def _block_key(self, hashed: bytes) -> bytes:
        return self._prefix + b"block/" + hashed

    def _delivered_key(self, height: int) -> bytes:
        return self._prefix + _DELIVERED + b"%020d" % height
