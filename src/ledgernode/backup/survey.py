"""Who has the most of a ledger: what members look at together when more of them are lost than may be.

Each tells where its chain stands, from a stopped node's database or from a backup. Whoever is told that a transaction
is committed is told so when a quorum has signed its block, each of them after it was durable on its own disk. So while
fewer than a quorum are lost, one of the others has every such block, perhaps without its certificate, which only a lost
one had put together: the highest block counts, not the highest certified one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ledgernode.backup.folder import Folder
from ledgernode.errors import BackupForeign, BackupInvalid, UnknownBackup
from ledgernode.store.chain import ChainStore
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import Height, sha256

RECENT_BLOCKS: Final = 128


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One copy of the chain. `recent` has the hashes of its last headers (hex), by which copies are compared."""

    source: str
    chain_id: str
    first: int
    last: int
    certified_height: int
    recent: dict[int, str]


class Found(msgspec.Struct, frozen=True):
    """`best` is the copy to go on with; `contradictions` are pairs of copies, and where they begin to differ."""

    best: Standing
    contradictions: tuple[tuple[str, str, int], ...]


def survey(standings: Sequence[Standing]) -> Found:
    """The copy to go on with: the highest; of equals, that with more certificates, then more of the history.

    Refuses copies of different ledgers (BackupForeign).
    """
    assert standings, "there is something to choose from"
    if len({standing.chain_id for standing in standings}) > 1:
        raise BackupForeign("these are copies of different ledgers")
    best = max(standings, key=lambda one: (one.last, one.certified_height, -one.first))
    contradictions = []
    for at, one in enumerate(standings):
        for other in standings[at + 1 :]:
            parting = [height for height, name in one.recent.items() if other.recent.get(height, name) != name]
            if parting:
                contradictions.append((one.source, other.source, min(parting)))
    return Found(best, tuple(contradictions))


def standing_of_chain(source: str, chain: ChainStore) -> Standing:
    """Where a stopped node stands."""
    last = chain.head.height
    lowest = max(last - RECENT_BLOCKS + 1, chain.base)
    return Standing(
        source=source,
        chain_id=chain.chain_id.hex(),
        first=chain.base + 1,
        last=last,
        certified_height=chain.certified_height,
        recent={height: header_hash(chain.header(Height(height))).hex() for height in range(lowest, last + 1)},
    )


def standing_of_backup(path: Path) -> Standing:
    """Where a backup ends, by its index and its last segment; whether it holds, `verify_backup` says."""
    folder = Folder(path)
    index = folder.index()
    if index is None:
        raise UnknownBackup(f"there is no backup in {path}")
    recent = {
        height: sha256(block.header).hex()
        for segment in index.segments[-1:]
        for height, block in enumerate(folder.blocks(segment), segment.first)
    }
    return Standing(str(path), index.chain_id, index.first, index.last, index.certified_height, recent)


def read_standings(path: Path) -> tuple[Standing, ...]:
    """What another member's survey has printed. Refuses any other file (BackupInvalid)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Printed).standings
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupInvalid(f"{path} is no survey's document: {error}") from error


class _Printed(msgspec.Struct, frozen=True):
    standings: tuple[Standing, ...]
