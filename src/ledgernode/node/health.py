"""Is a ledger of this node begun, worth asking, and getting anywhere? Pure rules over what is seen of it.

* **started**: its database is open and the process follows its blocks.
* **ready**: it knows how far the others are, is about there, and can reach enough of them to commit anything. It
  becomes ready within `READY_BLOCKS` of them and stays so until it is further behind than `UNREADY_BLOCKS`: a node that
  keeps up under load is not taken in and out of service with every block.
* **live**: it is not stuck. A node that syncs is live however far behind it is, as long as anything moves: a block, a
  part of a snapshot. It is stuck when nothing did for a set time although enough others are ahead and reachable, when
  one write to its disk has lasted that long, or when the loop that makes its blocks has ended without a word.

A ledger that has halted is not ready, and it is live: it stopped on purpose, for a fault of its disk or its results; it
still answers what stands, and starting it again would only halt it again. That is for people: an alert calls them.
"""

from __future__ import annotations

import msgspec

from ledgernode.config import READY_BLOCKS, UNREADY_BLOCKS
from ledgernode.observe.health import Verdict
from ledgernode.wire.answers import SyncStatus
from ledgernode.wire.quorum import faulty_limit, quorum


class Condition(msgspec.Struct, frozen=True):
    """What is seen of a ledger."""

    height: int
    """Of its newest certified block."""
    running: bool = True
    """The database is open and blocks are followed."""
    stopping: bool = False
    halted: str = ""
    alone: bool = False
    """Nobody else orders its blocks."""
    member: bool = True
    members: int = 1
    connected: int = 0
    """Other validators to whom a link stands."""
    heard: int = 0
    """Other validators that have said how far they are."""
    ahead: int = 0
    """Other validators that can be reached now and have said to be further."""
    lag: int = 0
    sync: SyncStatus | None = None
    still_ms: int = 0
    """Nothing has moved for so long, although `should_move`."""
    writing_ms: int = 0
    """The write to its disk that is under way has lasted so long."""

    @property
    def enough(self) -> int:
        """So many others cannot all be lying."""
        return min(self.members - 1, faulty_limit(self.members) + 1) if self.members else 0

    @property
    def should_move(self) -> bool:
        """Enough others are ahead, and can be reached: there is something to come after."""
        return self.running and not self.halted and not self.alone and self.ahead >= max(1, self.enough)


def started(seen: Condition) -> Verdict:
    if not seen.running and not seen.stopping:
        return Verdict(False, "starting", "the ledger is being opened")
    return Verdict(True, "started", facts=_facts(seen))


def ready(seen: Condition, *, was_ready: bool) -> Verdict:
    """`was_ready`: so far it was."""
    facts = _facts(seen)
    if seen.stopping:
        return Verdict(False, "stopping", "the node is shutting down", facts)
    if not seen.running:
        return Verdict(False, "starting", "the ledger is being opened", facts)
    if seen.halted:
        return Verdict(False, "halted", seen.halted, facts)
    if seen.alone:
        return Verdict(True, "ready", facts=facts)
    if seen.heard < seen.enough:
        said = f"{seen.heard} other validators have said how far they are, and {seen.enough} are needed to know"
        return Verdict(False, "apart", said, facts)
    needed = quorum(seen.members) - 1
    if seen.member and seen.connected < needed:
        said = f"links stand to {seen.connected} other validators, and {needed} are needed to commit anything"
        return Verdict(False, "apart", said, facts)
    allowed = UNREADY_BLOCKS if was_ready else READY_BLOCKS
    if seen.lag > allowed:
        how = f"syncing by {seen.sync.by}" if seen.sync is not None else "syncing"
        said = f"{how}: at height {seen.height} of {seen.height + seen.lag}, {seen.lag} blocks behind"
        return Verdict(False, "syncing", said, facts)
    return Verdict(True, "ready", facts=facts)


def live(seen: Condition, stuck_after_ms: int, *, ended: bool = False) -> Verdict:
    """`ended`: the loop that makes its blocks is over, though nobody stopped or halted it."""
    facts = _facts(seen)
    if ended and not seen.halted and not seen.stopping:
        return Verdict(False, "stuck", "what makes its blocks has ended without saying why", facts)
    if seen.still_ms >= stuck_after_ms:
        seconds = seen.still_ms // 1_000
        said = f"nothing has moved for {seconds} s, although {seen.ahead} validators in reach are ahead"
        return Verdict(False, "stuck", said, facts)
    if seen.writing_ms >= stuck_after_ms:
        return Verdict(False, "stuck", f"a write to the disk has lasted for {seen.writing_ms // 1_000} s", facts)
    return Verdict(True, "live", seen.halted, facts)


def _facts(seen: Condition) -> dict[str, object]:
    """How far it is, in numbers."""
    facts: dict[str, object] = {"height": seen.height, "behind": seen.lag}
    if not seen.alone:
        facts["connected"] = seen.connected
    if seen.sync is not None:
        facts["sync"] = {
            "by": seen.sync.by,
            "height": seen.sync.height,
            "chunks_done": seen.sync.chunks_done,
            "chunks_total": seen.sync.chunks_total,
            "idle_ms": seen.sync.idle_ms,
        }
    return facts
