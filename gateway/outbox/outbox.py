"""The outbox as the gateway uses it: hand in, wait until it is safe; take batches, say what became of them.

Everything but the synced write happens on the event loop. The write runs on one thread; whatever is handed in while
it is under way goes into the next, so that a disk of a hundred syncs a second keeps thousands of entries a second.
Leaving entries are deleted with the next write: a crash before it only sends them again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from gateway.limits import Limits
from gateway.outbox.entry import ACCOUNT_BYTES, Entry, Sender
from gateway.outbox.room import FULL_RETRY_MS, Room
from gateway.outbox.store import OutboxStore, Refused, Writes
from gateway.outbox.turns import NEVER_MS, Turns
from gateway.outbox.verdict import Verdict, judge
from ledgernode.client import Outcome
from ledgernode.errors import DuplicateTransaction, LedgerError, NodeStopping, OutboxFull, SequenceConflict
from ledgernode.observe.figures import SHORT_S, Codes, Tally
from ledgernode.wire.receipt import OK

if TYPE_CHECKING:
    from gateway.outbox.traced import TracedOutbox

Safe: TypeAlias = "asyncio.Future[None]"
Facts: TypeAlias = Mapping[bytes, bytes | None]
Settled = Callable[[Entry, str, int], None]
"""Told of each entry that has left: its code, and the height of its block."""

_FORGET_EVERY: Final = 10_000
_DELETE_LINGER_S: Final = 0.2
_AFTER_FAILURE_S: Final = 0.2


class _Handed(NamedTuple):
    """On its way to the disk, with facts that hold only if it gets there."""

    entry: Entry
    safe: Safe
    facts: Facts


class Outbox:
    """Opens its directory, and knows what waits there. `settled` is told what becomes of each entry.

    `steady_ms` is a clock that nobody sets, for turns: one that is set back must not hold up a batch.
    """

    def __init__(
        self,
        directory: Path,
        limits: Limits,
        clock_ms: Callable[[], int],
        *,
        steady_ms: Callable[[], int] | None = None,
        traces: TracedOutbox | None = None,
    ) -> None:
        self.limits = limits
        self.traces = traces
        self.clock_ms = clock_ms
        self._steady_ms = steady_ms or clock_ms
        self.store = OutboxStore(directory, entry_bytes=limits.outbox_bytes, refused_kept=limits.refused_kept)
        self.settled: Settled = lambda _entry, _code, _height: None
        self.room = Room(limits)
        self.turns = Turns(limits)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._handed_in: dict[bytes, _Handed] = {}
        self._being_written: dict[bytes, _Handed] = {}
        self._gone: dict[bytes, bytes] = {}
        self._outcomes: dict[bytes, tuple[str, int]] = {}
        self._refused: list[Refused] = []
        self._facts: dict[bytes, bytes | None] = {}
        self._remembered: list[Safe] = []
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._due = asyncio.Event()
        self._under_way: dict[bytes, dict[bytes, Entry]] = {}
        self._left: dict[bytes, tuple[int, bool]] = {}
        self._asked = 0
        self._refusing = self._ending = False
        self.written = self.settled_entries = 0
        """Writes to the disk, and entries that have left, since the start."""
        self.settled_codes = Codes()
        self.write_s = Tally(SHORT_S)
        self._load()

    def _load(self) -> None:
        """Count what is there, lane by lane."""
        now_ms = self._steady_ms()
        for lane, _, size in self.store.lanes():
            self.room.took(lane[:ACCOUNT_BYTES], len(lane) + 8 + size)
            self.turns.added(lane, 1, now_ms)

    def oldest_ms(self) -> int:
        """How long the device that waits longest has had something here of which nothing left."""
        return self.turns.oldest_ms(self._steady_ms())

    @property
    def unwritten(self) -> int:
        """Entries that were handed in and are not on disk yet."""
        return len(self._handed_in) + len(self._being_written)

    # ------------------------------------------------------------ handing in

    def offer(self, sender: Sender, entry: Entry, facts: Facts | None = None) -> Safe:
        """A future that is done when the entry is on disk, with these facts. Raises what refuses it, at once.

        The same again is safe when the first is. Raises SequenceConflict, OutboxFull, RateLimited, NodeStopping.
        """
        if self._refusing:
            raise NodeStopping("the gateway is shutting down")
        key = entry.key
        found = self._handed_in.get(key) or self._being_written.get(key)
        known = found.entry.id if found is not None else self._gone.get(key) or self.store.find(key)
        if known is not None:
            if known != entry.id:
                raise SequenceConflict(f"the device has signed something else with number {entry.sequence}")
            if key in self._outcomes:  # settled a moment ago, perhaps while the device was away: it is told again
                asyncio.get_running_loop().call_soon(self.settled, entry, *self._outcomes[key])
            return found.safe if found is not None else _done()
        self._forget_now_and_then()
        account = entry.lane[:ACCOUNT_BYTES]
        self.room.require(account, entry.size, carries=sender.carries, now_ms=self.clock_ms())
        if len(self._handed_in) >= self.limits.waiting_writes:
            raise OutboxFull("the gateway's disk is slower than what comes in", retry_ms=FULL_RETRY_MS)
        self.room.took(account, entry.size)
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handed_in[key] = _Handed(entry, safe, facts or {})
        if self.traces is not None:
            self.traces.offered(entry)
        self._work.set()
        self._urgent.set()
        return safe

    def remember(self, facts: Facts) -> Safe:
        """Keep these with the next write; done when they are on disk."""
        self._facts |= facts
        safe: Safe = asyncio.get_running_loop().create_future()
        self._remembered.append(safe)
        self._work.set()
        self._urgent.set()
        return safe

    async def write(self) -> None:
        """Make durable what is handed in, until `finish`."""
        while self._has_work() or not self._ending:
            await self._work.wait()
            with suppress(TimeoutError):  # deletions alone may gather
                async with asyncio.timeout(_DELETE_LINGER_S):
                    await self._urgent.wait()
            self._work.clear()
            self._urgent.clear()
            if self._has_work():
                await self._write_once()

    def _has_work(self) -> bool:
        return bool(self._handed_in or self._facts or self._gone or self._refused)

    async def _write_once(self) -> None:
        batch, self._handed_in = self._handed_in, {}
        self._being_written = batch
        gone, refused, facts = list(self._gone), self._refused, self._facts
        self._refused, self._facts = [], {}
        remembered, self._remembered = self._remembered, []
        together = dict(facts)
        for handed in batch.values():
            together |= handed.facts
        writes = Writes([handed.entry for handed in batch.values()], gone, refused, together)
        began_s = time.perf_counter()
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self.store.write, writes)
        except LedgerError as error:
            self._refused, self._facts = refused + self._refused, facts | self._facts
            self._remembered = remembered + self._remembered
            self._not_written(batch, error)
            await asyncio.sleep(_AFTER_FAILURE_S)
        else:
            self.written += 1
            self.write_s.add(time.perf_counter() - began_s)
            for key in gone:
                del self._gone[key]
                del self._outcomes[key]
            for safe in remembered:
                if not safe.done():
                    safe.set_result(None)
            self._written(batch)

    def _written(self, batch: Mapping[bytes, _Handed]) -> None:
        self._being_written = {}
        now_ms = self._steady_ms()
        if self.traces is not None:
            self.traces.safe(handed.entry for handed in batch.values())
        for handed in batch.values():
            self.turns.added(handed.entry.lane, 1, now_ms)
            if not handed.safe.done():
                handed.safe.set_result(None)
        self._due.set()

    def _not_written(self, batch: Mapping[bytes, _Handed], error: LedgerError) -> None:
        """Who waits hears why; what else was to be written is tried again."""
        self._being_written = {}
        for handed in batch.values():
            self.room.left(handed.entry.lane[:ACCOUNT_BYTES], handed.entry.size)
            if not handed.safe.done():
                handed.safe.set_exception(error)
        self._work.set()

    # ------------------------------------------------------------ on to the ledger

    async def batch(self) -> list[Entry]:
        """The next batch, when it is worth sending."""
        while (wait_ms := self.turns.due_ms(self._steady_ms())) > 0:
            self._due.clear()
            try:
                async with asyncio.timeout(None if wait_ms >= NEVER_MS else wait_ms / 1_000):
                    await self._due.wait()
            except TimeoutError:
                continue
        entries: list[Entry] = []
        size = 0
        for run in self.turns.taken():
            found = self.store.run(run.lane, run.entries, self._gone) if size < self.limits.batch_bytes else []
            sent: dict[bytes, Entry] = {}
            for entry in found:
                if size < self.limits.batch_bytes:
                    size += entry.size
                    sent[entry.id] = entry
            self.turns.shortened(run.lane, len(sent))
            if sent:
                self._under_way[run.lane] = sent
                self._left[run.lane] = (0, False)
                entries += sent.values()
            else:
                self.turns.ended(run.lane, 0, self._steady_ms())
        if self.traces is not None:
            self.traces.sent(entries)
        return entries

    def answered(self, entry: Entry, outcome: Outcome) -> Verdict:
        """What the ledger says of an entry that is on its way."""
        now_ms = self.clock_ms()
        sent = self._under_way.get(entry.lane, {})
        if sent.pop(entry.id, None) is None:
            return Verdict.AGAIN  # of a sending that was given up
        verdict = judge(outcome, now_ms - entry.taken_ms, self.limits.give_up_ms)
        if self.traces is not None:
            self.traces.answered(entry, outcome, verdict)
        gone, hold = self._left[entry.lane]
        if verdict in (Verdict.SETTLED, Verdict.REFUSED):
            gone += 1
            self._leave(entry, outcome, verdict, now_ms)
        self._left[entry.lane] = (gone, hold or verdict in (Verdict.HOLD, Verdict.AGAIN))
        if not sent:
            self._end(entry.lane)
        return verdict

    def dropped(self) -> None:
        """The connection broke: what has no answer is sent again."""
        for lane in list(self._under_way):
            self._end(lane)
        self._due.set()

    def _end(self, lane: bytes) -> None:
        gone, hold = self._left.pop(lane)
        del self._under_way[lane]
        self.turns.ended(lane, gone, self._steady_ms(), hold=hold)
        self._due.set()

    def _leave(self, entry: Entry, outcome: Outcome, verdict: Verdict, now_ms: int) -> None:
        self.room.left(entry.lane[:ACCOUNT_BYTES], entry.size)
        self.settled_entries += 1
        self._gone[entry.key] = entry.id
        if verdict is Verdict.REFUSED or (outcome.height and outcome.code != OK):
            self._refused.append(Refused(now_ms, outcome.code, entry))
        code = OK if outcome.code == DuplicateTransaction.code else outcome.code
        self._outcomes[entry.key] = (code, int(outcome.height))
        self.settled_codes.note(code)
        self._work.set()
        self.settled(entry, code, int(outcome.height))

    # ------------------------------------------------------------ ending

    def refuse_more(self) -> None:
        """Take nothing from now on."""
        self._refusing = True

    def finish(self) -> None:
        """`write` ends when everything is on disk."""
        self._refusing = self._ending = True
        self._work.set()
        self._urgent.set()

    def close(self) -> None:
        """Only when `write` has ended."""
        self._writer.shutdown()
        self.store.close()

    def _forget_now_and_then(self) -> None:
        self._asked += 1
        if self._asked % _FORGET_EVERY == 0:
            self.room.forget_idle(self.clock_ms())


def _done() -> Safe:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
