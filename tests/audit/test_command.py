"""`ledgernode audit` over a chain on disk: ranges, the table, the document, and a break with its exit code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.audit import LAWS
from ledgernode.audit.currency import Supply
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.state import VERSION_BYTES
from ledgernode.wire.keys import composite_key, state_key
from tests.audit.whole_town import WholeTown
from tests.cli.command_line import command, done

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def on_disk(tmp_path: Path) -> tuple[WholeTown, LmdbStore, list[object]]:
    """Two intervals of a town whose chain is in LMDB, and how to name it."""
    store = LmdbStore(tmp_path / "data")
    town = WholeTown(hours_before=1, store=store)
    solar, buyer, *_ = town.everyone
    town.vend(town.homes[0])
    for _ in range(2):
        town.order(solar, "ask", 600, 15)
        town.order(buyer, "bid", 300, 24)
        town.use((0, 1_000_000), (500_000, 0), (250_000, 0), (100_000, 0))
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(town.ledger.genesis_bytes)
    return town, store, ["audit", tmp_path / "data", "--genesis", genesis]


def test_a_chain_on_disk_is_audited_by_command(on_disk: tuple[WholeTown, LmdbStore, list[object]]) -> None:
    """Whole, and by ranges; a break ends it with the code of AUDIT_FAILED and names law, block and transaction."""
    town, store, named = on_disk
    height = town.ledger.height
    minted = town.ledger.events("currency", "Minted")[-1]
    account = state_key("currency", composite_key("account", town.homes[1].wallet.id))
    with store.reader() as reader:
        stored = reader.get(Table.STATE, account)
    assert stored is not None
    store.close()
    whole = done(*named, "--json").document
    assert (whole["holds"], whole["first"], whole["last"]) == (True, 1, height)
    laws = [finding["law"] for finding in whole["findings"]]
    assert laws == [law.name for law in LAWS if law.name in laws]
    assert len(laws) >= 7
    said = done(*named, "--from", height - 9, "--to", height - 2).out
    assert said.startswith(f"blocks {height - 9} to {height - 2}: every law holds")
    assert Supply.name in said

    store = LmdbStore(named[1])  # type: ignore[arg-type]
    record = msgspec.msgpack.decode(stored[VERSION_BYTES:])
    more = {**record, "available_minor": record["available_minor"] + 5}
    store.write([(Table.STATE, account, stored[:VERSION_BYTES] + msgspec.msgpack.encode(more))])
    store.close()
    ended = command(*named, "--json")
    error = ended.error
    assert ended.code != 0
    assert error["code"] == "AUDIT_FAILED"
    assert error["facts"]["law"] == Supply.name
    assert error["facts"]["height"] <= minted.height <= height
    assert len(error["facts"]["transaction"]) == 64
    assert "the accounts hold" in command(*named).err
    assert command(*named, "--to", height + 1).code not in (0, ended.code)
