"""Appends blocks to a chain, two at a time, until something kills it; prints each acknowledged height."""

from __future__ import annotations

import sys
from pathlib import Path

from ledgernode.store.chain import ChainStore
from ledgernode.store.lmdb import LmdbStore
from tests.store.blocks import Builder

BLOCKS = 12
GROUP = 2


def run(path: Path) -> None:
    builder = Builder()
    chain = ChainStore.create(LmdbStore(path, map_size=64 * 1024), builder.genesis)
    print(0, flush=True)
    for _ in range(BLOCKS // GROUP):
        group = [
            builder.block(
                [{"counter": b"%d" % number, f"own {len(builder.blocks)}": bytes(500)} for number in range(20)]
            )
            for _ in range(GROUP)
        ]
        chain.append(group)
        print(chain.head.height, flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
