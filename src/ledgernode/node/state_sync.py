"""Being brought forward by a snapshot: chosen among what the peers have, taken in parts, restored beside the ledger.

What is believed, and why:

* a manifest, because it leads from the genesis file over every change of the validator set to a certified block, and
  agrees with the changes that stand in our own chain; the sums of its key ranges add up to that block's commitment;
* a chunk, because it has the hash and the sum that the manifest gives its range;
* the whole, because all of its chunks do. A forged manifest can add up, but then one of its chunks cannot fit.

Peers give the parts in turn. One that gives what does not hold is left, for as long as this ledger is open, and the
log says who it was; one that does not answer is left after a few failures. A snapshot that nobody can complete is
left for the next. What has been checked is on disk: whoever is killed goes on there with the next start, from any
peer that has the same snapshot.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from ledgernode.config import (
    SNAPSHOT_MANIFEST_LIMIT_BYTES,
    SYNC_ANSWER_MS,
    SYNC_FAILURES,
    SYNC_PAUSE_MS,
    SYNC_REFUSALS,
    SYNC_TOLD_MS,
)
from ledgernode.errors import DiskFull, LedgerError, NodeUnreachable, RateLimited, SnapshotInvalid, UnknownSnapshot
from ledgernode.execution.replay import remembered
from ledgernode.node.neighbours import Neighbour, Neighbours
from ledgernode.store.chain import ChainStore
from ledgernode.store.incoming import Incoming
from ledgernode.store.manifest import CheckedManifest
from ledgernode.store.restoring import Restoration
from ledgernode.wire.answers import SnapshotFacts, SyncStatus
from ledgernode.wire.types import Height

_Result = TypeVar("_Result")
_HIGHEST: Final = 1 << 62


class Candidate(msgspec.Struct, frozen=True):
    """A snapshot by its name and height, and what each peer that offers it under these says of it, by its key."""

    name: tuple[bytes, Height]
    offers: Mapping[bytes, SnapshotFacts]

    @property
    def height(self) -> Height:
        return self.name[1]


def candidates(
    offers: Mapping[bytes, Iterable[SnapshotFacts]],
    *,
    above: Height,
    faulty: int,
    begun: tuple[bytes, Height] | None,
) -> list[Candidate]:
    """What is worth taking, best first.

    What was begun goes on. Then those that more peers have than can lie, since those are what they say; of these, and
    of the others after them, the highest, and of the same height the one that most have.
    """
    found: dict[tuple[bytes, Height], dict[bytes, SnapshotFacts]] = {}
    for key, offered in offers.items():
        for facts in offered:
            if above < facts.height < _HIGHEST:
                found.setdefault((facts.id, facts.height), {})[key] = facts

    def worth(one: Candidate) -> tuple[bool, bool, int, int, bytes]:
        return one.name == begun, len(one.offers) > faulty, one.height, len(one.offers), one.name[0]

    return sorted((Candidate(name, had) for name, had in found.items()), key=worth, reverse=True)


class StateSync:
    """Of one ledger. `faulty` says how many of the validators may lie."""

    def __init__(
        self, incoming: Incoming, neighbours: Neighbours, chain: ChainStore, *, faulty: Callable[[], int], log: Any
    ) -> None:
        self._incoming = incoming
        self._neighbours = neighbours
        self._chain = chain
        self._faulty = faulty
        self._log = log
        self._liars: set[bytes] = set()
        self._has_room = True
        self.was_answered = False
        """Did any peer say, when last asked, what it has?"""
        self._status: SyncStatus | None = None
        self._came_s = time.monotonic()
        self._told_s = 0.0
        self._fetched = 0

    @property
    def status(self) -> SyncStatus | None:
        """How far it is; None while nothing is being taken."""
        if self._status is None:
            return None
        return msgspec.structs.replace(self._status, idle_ms=int((time.monotonic() - self._came_s) * 1_000))

    async def attempt(self, above: Height) -> bool:
        """Take the best snapshot above this height, if there is one; True when it is whole, beside the database in use.

        Nothing raises out of it but our own faults: a disk that is full is said, and what was taken is dropped.
        """
        if not self._has_room:
            return False
        try:
            return await self._attempt(above)
        except LedgerError as error:
            self._log.error("state sync ends", code=error.code, reason=str(error))
            self._has_room = not isinstance(error, DiskFull)
            await in_thread(self._incoming.discard)
            return False
        finally:
            self._status = None

    async def _attempt(self, above: Height) -> bool:
        begun = await in_thread(self._incoming.begun)
        name = None if begun is None else (begun.id, begun.header.height)
        found = candidates(await self._ask(), above=above, faulty=self._faulty(), begun=name)
        for candidate in found:
            if await self._take(candidate, begun if candidate.name == name else None):
                return True
        return False

    async def _ask(self) -> dict[bytes, tuple[SnapshotFacts, ...]]:
        """What each peer says it has; nothing of those that do not answer, or have lied."""
        asked = [one for one in self._neighbours.all() if one.public_key not in self._liars]
        answers = await asyncio.gather(*(one.snapshots() for one in asked), return_exceptions=True)
        offers: dict[bytes, tuple[SnapshotFacts, ...]] = {}
        for one, answer in zip(asked, answers, strict=True):
            if isinstance(answer, tuple):
                offers[one.public_key] = answer
            elif not isinstance(answer, LedgerError):
                raise answer
        self.was_answered = bool(offers)
        return offers

    # ------------------------------------------------------------ one snapshot

    async def _take(self, candidate: Candidate, begun: CheckedManifest | None) -> bool:
        """False when it cannot be completed now: then what is there of it stays, unless it can never be."""
        givers = _Givers(candidate, self._neighbours, self._liars)
        self._fetched, self._came_s, self._told_s = 0, time.monotonic(), time.monotonic()
        self._status = SyncStatus("snapshot", candidate.height)
        try:
            checked = begun or await self._begin(candidate, givers)
            with self._incoming.opened(checked) as restoration:
                self._log.info(
                    "state sync goes on" if restoration.done else "state sync begins",
                    height=checked.header.height,
                    chunks_done=restoration.done,
                    chunks_total=len(checked.chunks),
                    peers=givers.addresses(),
                )
                await self._fill(restoration, checked, givers)
                await in_thread(partial(restoration.complete, remembered))
        except NodeUnreachable as error:
            self._log.warning("state sync waits", height=candidate.height, reason=str(error))
            if givers.all_lied:
                await in_thread(self._incoming.discard)
            return False
        self._log.info("state sync has the whole snapshot", height=candidate.height, fetched=self._fetched)
        return True

    async def _begin(self, candidate: Candidate, givers: _Givers) -> CheckedManifest:
        """A manifest that holds, on disk. Raises NodeUnreachable when nobody gives one."""
        while True:  # ends: each turn brings it, or counts against a giver
            giver = givers.next()
            offer = candidate.offers[giver.public_key]
            raw = await self._file(giver, givers, offer.id, None, offer.manifest_bytes)
            if raw is None:
                continue
            try:
                checked = await in_thread(partial(self._incoming.check, raw))
                self._require_offered(checked, offer)
                self._require_our_past(checked)
            except SnapshotInvalid as error:
                self._leave(giver, givers, "the manifest", error)
                continue
            return await in_thread(partial(self._incoming.begin, raw))

    def _require_offered(self, checked: CheckedManifest, offer: SnapshotFacts) -> None:
        if (checked.id, checked.header.height) != (offer.id, offer.height):
            raise SnapshotInvalid("it is of another snapshot than was offered")
        needed = 2 * sum(chunk.size_bytes for chunk in checked.chunks)
        free = self._incoming.free_bytes()
        if free < needed:  # a ledger whose disk is full halts
            raise DiskFull(f"{free} bytes are free, and the snapshot may need {needed} of them")

    def _require_our_past(self, checked: CheckedManifest) -> None:
        """Refuses a history of validator sets that is not the one our own chain has."""
        chain = self._chain
        theirs = {change.header.height: change.header for change in checked.set_changes}
        ours = [height for height in chain.set_changes() if height <= chain.certified_height]
        if any(theirs.pop(height, None) != chain.header(height) for height in ours) or any(
            height <= chain.certified_height for height in theirs
        ):
            raise SnapshotInvalid("the manifest's changes of the validator set are not those of our own chain")

    async def _fill(self, restoration: Restoration, checked: CheckedManifest, givers: _Givers) -> None:
        """Every chunk that is missing. Raises NodeUnreachable when nobody gives the next one."""
        self._came(restoration, checked)
        while (chunk := restoration.next) is not None:
            number, giver = restoration.done, givers.next()
            raw = await self._file(giver, givers, checked.id, number, chunk.size_bytes)
            if raw is None:
                continue
            try:
                await in_thread(partial(restoration.add, raw))
            except SnapshotInvalid as error:
                self._leave(giver, givers, f"chunk {number}", error)
                continue
            self._fetched += 1
            self._came(restoration, checked)

    async def _file(
        self, giver: Neighbour, givers: _Givers, snapshot: bytes, chunk: int | None, size_bytes: int
    ) -> bytes | None:
        """A whole file from one peer; None when it does not give it now."""
        try:
            raw = await self._read(giver, snapshot, chunk, size_bytes)
        except SnapshotInvalid as error:
            self._leave(giver, givers, "the manifest" if chunk is None else f"chunk {chunk}", error)
        except RateLimited as error:
            givers.failed(giver, SYNC_REFUSALS)
            await asyncio.sleep(_advice_ms(error) / 1_000)
        except UnknownSnapshot:
            givers.gone(giver)
        except LedgerError as error:
            self._log.debug("no part of a snapshot from this peer", peer=giver.address, reason=str(error))
            givers.failed(giver, SYNC_FAILURES)
            await asyncio.sleep(SYNC_PAUSE_MS / 1_000)
        else:
            givers.gave(giver)
            return raw
        return None

    async def _read(self, giver: Neighbour, snapshot: bytes, chunk: int | None, size_bytes: int) -> bytes:
        """Piece by piece. Refuses a file of another length (SnapshotInvalid)."""
        if not 0 < size_bytes <= SNAPSHOT_MANIFEST_LIMIT_BYTES:
            raise SnapshotInvalid(f"no file of a snapshot has {size_bytes} bytes")
        parts, have = list[bytes](), 0
        while have < size_bytes:
            piece = await giver.piece(snapshot, chunk, have)
            parts.append(piece)
            have += len(piece)
            if not piece or have > size_bytes:
                raise SnapshotInvalid(f"the file has another length than {size_bytes} bytes")
            self._came_s = time.monotonic()
        return b"".join(parts)

    def _leave(self, giver: Neighbour, givers: _Givers, part: str, error: LedgerError) -> None:
        self._liars.add(giver.public_key)
        givers.lied(giver)
        self._log.warning(
            "a peer gave a part of a snapshot that does not hold", peer=giver.address, part=part, reason=str(error)
        )

    def _came(self, restoration: Restoration, checked: CheckedManifest) -> None:
        """One more is checked and on disk."""
        total = len(checked.chunks)
        self._status = SyncStatus("snapshot", checked.header.height, restoration.done, total)
        self._came_s = time.monotonic()
        if self._came_s - self._told_s >= SYNC_TOLD_MS / 1_000:
            self._told_s = self._came_s
            self._log.info("state sync", height=checked.header.height, chunks_done=restoration.done, chunks_total=total)


class _Givers:
    """The peers that one snapshot is taken from, in turn."""

    def __init__(self, candidate: Candidate, neighbours: Neighbours, liars: Iterable[bytes]) -> None:
        self._keys = set(candidate.offers) - set(liars)
        self._neighbours = neighbours
        self._failures: Counter[bytes] = Counter()
        self._turn = 0
        self._silent = False

    @property
    def all_lied(self) -> bool:
        """Did everyone who offered it give what does not hold? Then nobody can complete it."""
        return not self._keys and not self._silent

    def addresses(self) -> list[str]:
        return [one.address for one in self._present()]

    def next(self) -> Neighbour:
        """Another each time; raises NodeUnreachable when there is none."""
        present = self._present()
        if not present:
            raise NodeUnreachable("no peer gives what is missing of this snapshot")
        self._turn += 1
        return present[self._turn % len(present)]

    def gave(self, giver: Neighbour) -> None:
        del self._failures[giver.public_key]

    def failed(self, giver: Neighbour, limit: int) -> None:
        self._failures[giver.public_key] += 1
        if self._failures[giver.public_key] >= limit:
            self.gone(giver)

    def gone(self, giver: Neighbour) -> None:
        """Silence is no lie."""
        self._silent = True
        self._keys.discard(giver.public_key)

    def lied(self, giver: Neighbour) -> None:
        self._keys.discard(giver.public_key)

    def _present(self) -> list[Neighbour]:
        return [one for one in self._neighbours.all() if one.public_key in self._keys]


def _advice_ms(error: RateLimited) -> int:
    """When to come back, as far as we let ourselves be told."""
    advice = error.facts.get("retry_ms", SYNC_PAUSE_MS)
    return min(advice, SYNC_ANSWER_MS) if isinstance(advice, int) else SYNC_PAUSE_MS


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Beside the event loop. Who is cancelled waits for its end first: a database is closed after it."""
    thread = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        raise
