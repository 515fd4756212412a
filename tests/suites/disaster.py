"""Disasters, drilled: four validators by PBFT as real processes under load, struck, and rebuilt from backups.

    python -m tests.suites.disaster [--seconds 20] [--rate 200] [--blocks 500] [--directory DIR]

Every drill follows `docs/operator.md` by its own commands and ends in the same: all nodes have one chain, it verifies,
and all that a client was told is committed stands in it where it was said to stand. What each took is printed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from ledgernode.backup.checking import verify_backup
from ledgernode.backup.creating import ChainSource, create_backup
from ledgernode.backup.restoring import Way, restore_backup
from ledgernode.config import PBFT_WINDOW
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.home import NodeConfig, validator_directory
from ledgernode.identity.identity_files import load_identity, new_request, place_certificate
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.records import Role
from ledgernode.store.lmdb import LmdbStore
from ledgernode.testing import TestLedger
from ledgernode.wire.types import identity_id
from tests.cli.command_line import done
from tests.conditions import until
from tests.networks import Load, RunningNetwork
from tests.running import LEDGER, NOTEBOOK, NodeProcess, now_ms

RECOVERY_SECONDS = 120.0


class Figures(msgspec.Struct):
    """Of one drill, in the order in which they came."""

    drill: str
    seconds: dict[str, float] = msgspec.field(default_factory=dict)
    counts: dict[str, int] = msgspec.field(default_factory=dict)

    def timed(self, what: str, work: Callable[[], Any]) -> Any:
        begun_s = time.monotonic()
        found = work()
        self.seconds[what] = round(time.monotonic() - begun_s, 2)
        return found


# ---------------------------------------------------------------- what an operator does


def backed_up(home: Path, folder: Path, *options: str) -> Any:
    return done("backup", "create", home, "--to", folder, *options, "--json").document


def restored(folder: Path, home: Path, *options: str) -> Any:
    return done("backup", "restore", folder, home, *options, "--json").document


def wipe(node: NodeProcess) -> None:
    """A new machine: keys, certificates and genesis are put back from where secrets are kept; nothing else is."""
    for name in ("data", "incoming", "snapshots"):
        shutil.rmtree(node.home / "ledgers" / LEDGER / name, ignore_errors=True)


def aside(node: NodeProcess) -> None:
    """A survivor's database is kept, and not used: what its engine had promised is of the time before."""
    data = node.home / "ledgers" / LEDGER / "data"
    data.rename(data.with_name("data-before"))


def lose(*nodes: NodeProcess) -> None:
    for node in nodes:
        node.kill()
        wipe(node)


def verified(network: RunningNetwork) -> int:
    """The chain of each node, after it has been stopped, block by block; its height."""
    (height,) = {done("verify", node.home, "--json").document["height"] for node in network.nodes}
    return int(height)


# ---------------------------------------------------------------- drills


def beside_a_running_node(network: RunningNetwork, folder: Path, *, seconds: float, rate: int) -> Figures:
    """What a backup costs the ledger whose node it is made beside: the work done, and the longest pause."""
    figures = Figures("a backup beside a running node")
    with Load(network, rate=rate) as load:
        for name in ("without", "with"):
            before, load.longest_gap_s, begun_s = len(load.committed), 0.0, time.monotonic()
            while time.monotonic() - begun_s < seconds:
                if name == "with":
                    report = backed_up(network.nodes[0].home, folder)
                    figures.counts["backups"] = figures.counts.get("backups", 0) + 1
                    figures.counts["bytes"] = report["size_bytes"]
                    figures.counts["blocks"] = report["last"]
                    figures.seconds["the last one"] = report["seconds"]
                else:
                    time.sleep(0.2)
            took_s = time.monotonic() - begun_s
            figures.counts[f"transactions a second {name}"] = round((len(load.committed) - before) / took_s)
            figures.seconds[f"longest pause {name}"] = round(load.longest_gap_s, 2)
        network.settle(load.end(), RECOVERY_SECONDS)
    genesis = network.founded.directory / "genesis.json"
    figures.timed("verify", lambda: done("backup", "verify", folder, "--genesis", genesis))
    return figures


def lose_one(network: RunningNetwork, folder: Path, *, rate: int) -> Figures:
    """f of them: one is lost for good, its machine is built anew from its backup while the others go on."""
    figures = Figures("one of four is lost and rebuilt")
    lost, away = network.nodes[0], network.nodes[1]
    with Load(network, rate=rate, nodes=network.nodes[1:]) as load:
        backed_up(lost.home, folder)
        figures.seconds["longest pause of the others"] = round(load.gap_after(lambda: lose(lost)), 2)
        report = figures.timed("restore", lambda: restored(folder, lost.home))
        figures.counts["blocks restored"] = report["blocks_executed"]
        figures.timed("start and catch up", lambda: _caught_up(network, lost))
        figures.timed("votes again", lambda: _votes(network, lost))
        committed = load.end()
    away.kill()
    figures.timed("goes on without another one", lambda: network.require_progress(limit_s=RECOVERY_SECONDS))
    away.start()
    network.settle(committed, RECOVERY_SECONDS)
    figures.counts["acknowledged"] = len(committed)
    return figures


def lose_one_with_its_key(network: RunningNetwork, folder: Path, *, rate: int) -> Figures:
    """The same, and the key is lost too: its organisation's admin gives the seat a new one."""
    figures = Figures("one of four is lost with its key, and rebuilt")
    lost, others = network.nodes[3], network.nodes[:3]
    config = NodeConfig.read(lost.home)
    keys = validator_directory(lost.home)
    identity = identity_id(load_identity(keys)[0].public_key)
    backed_up(lost.home, folder)
    with Load(network, rate=rate, nodes=others) as load:
        lose(lost)
        for name in ("key.pem", "certificate.pem"):
            (keys / name).unlink()
        request = new_request(keys, organisation=config.organisation, role=Role.VALIDATOR, name=config.validator)
        certificate = sign_request(
            organisation_directory(network.founded.directory, config.organisation), request, now_ms=now_ms()
        )
        place_certificate(keys, certificate)
        with network.ledger(nodes=others) as ledger:
            change = {"identity": identity.hex(), "certificate": certificate, "reason": "its machine is lost"}
            admin = network.founded.person(config.organisation, "admin")
            figures.timed(
                "new key in force",
                lambda: (
                    ledger.submit("identity", "rekey", change, signer=admin.signer),
                    network.end_epoch(ledger),
                ),
            )
        figures.timed("restore", lambda: restored(folder, lost.home))
        figures.timed("start and catch up", lambda: _caught_up(network, lost))
        figures.timed("votes again", lambda: _votes(network, lost))
        committed = load.end()
    network.settle(committed, RECOVERY_SECONDS)
    figures.counts["acknowledged"] = len(committed)
    return figures


def lose_two(network: RunningNetwork, folder: Path, *, rate: int, seconds: float = 2.0) -> Figures:
    """More than f: all stop, two machines are gone. The furthest copy of the survivors is restored everywhere."""
    figures = Figures("two of four are lost at once")
    with Load(network, rate=rate) as load:
        time.sleep(seconds)
        network.kill_all()
        committed = load.abandon()
    for node in network.nodes[1:3]:
        wipe(node)
    survivors = [network.nodes[0], network.nodes[3]]
    begun_s = time.monotonic()
    survey = done("backup", "survey", *(node.home for node in survivors), "--json").document
    assert not survey["contradictions"], survey
    best = next(node for node in survivors if str(node.home) == survey["best"])
    figures.timed("back up the furthest copy", lambda: backed_up(best.home, folder, "--uncertified"))
    for node in survivors:
        aside(node)
    for number, node in enumerate(network.nodes):
        report = figures.timed(f"restore {number + 1}", lambda node=node: restored(folder, node.home, "--uncertified"))
    figures.counts["blocks"] = report["height"]
    figures.counts["blocks without certificate"] = report["height"] - report["certified_height"]
    figures.timed("start", lambda: network.restart(network.nodes))
    figures.timed("first new transaction", lambda: network.require_progress(limit_s=RECOVERY_SECONDS))
    figures.seconds["from survey to service"] = round(time.monotonic() - begun_s, 2)
    network.settle(committed, RECOVERY_SECONDS)
    figures.counts["acknowledged"] = len(committed)
    for node in survivors:
        shutil.rmtree(node.home / "ledgers" / LEDGER / "data-before")
    return figures


def lose_all(network: RunningNetwork, folder: Path, *, rate: int) -> Figures:
    """Every disk: what the newest backup has is there again; what came after it is lost, and counted."""
    figures = Figures("all four are lost, a backup is left")
    with Load(network, rate=rate) as load:
        report = backed_up(network.nodes[2].home, folder)
        time.sleep(1.0)
        network.kill_all()
        committed = load.abandon()
    for node in network.nodes:
        wipe(node)
    for node in network.nodes:
        restored(folder, node.home, "--from-state")
    figures.timed("start", lambda: network.restart(network.nodes))
    figures.timed("first new transaction", lambda: network.require_progress(limit_s=RECOVERY_SECONDS))
    kept = [outcome for outcome in committed if outcome.height <= report["last"]]
    network.settle(kept, RECOVERY_SECONDS)
    figures.counts["acknowledged before the backup, all kept"] = len(kept)
    figures.counts["acknowledged after it, lost"] = len(committed) - len(kept)
    return figures


def _caught_up(network: RunningNetwork, node: NodeProcess) -> None:
    node.start()
    other = next(one for one in network.live if one is not node)
    until(lambda: network.status(node).height >= network.status(other).height - 5, RECOVERY_SECONDS)


def _votes(network: RunningNetwork, node: NodeProcess) -> None:
    """Two windows of blocks above all it may have said, while the load goes on: then it is silent no more."""
    speaks = network.status(node).height + 2 * PBFT_WINDOW + 16
    until(lambda: network.status(node).height >= speaks, RECOVERY_SECONDS)


# ---------------------------------------------------------------- how quickly, without a network


def speeds(directory: Path, *, blocks: int, per_block: int = 100) -> Figures:
    """Of one core: a chain of so many blocks backed up, checked, and restored in both ways."""
    figures = Figures(f"one core, {blocks * per_block:,} transactions of 100 bytes of text in {blocks:,} blocks")
    ledger = TestLedger(store=LmdbStore(directory / "chain"))
    ledger.deploy(NOTEBOOK)
    admin, number = ledger.admin(), 0
    for _ in range(blocks):
        keys = [f"note-{number + at}" for at in range(per_block)]
        number += per_block
        ledger.block(*(ledger.sign(admin, "notebook", "put", {"key": key, "text": "x" * 100}) for key in keys))
    source = ChainSource(ledger._store, ledger.genesis_bytes)
    made = _worked(figures, "create with a state", lambda: create_backup(source, directory / "backup"))
    figures.counts["bytes of the chain"] = sum(segment.size_bytes for segment in made.index.segments)
    figures.counts["bytes of the state"] = sum(state.size_bytes for state in made.index.states)
    figures.counts["bytes of the database"] = (directory / "chain" / "data.mdb").stat().st_size
    _worked(figures, "add nothing", lambda: create_backup(source, directory / "backup", with_state=False))
    _worked(figures, "verify", lambda: verify_backup(directory / "backup", ledger.genesis_bytes))
    for way in Way:
        store = LmdbStore(directory / way)
        _worked(
            figures,
            f"restore by {way}",
            lambda store=store, way=way: restore_backup(directory / "backup", store, ledger.genesis_bytes, way=way),
        )
        store.close()
    figures.counts["transactions"] = made.index.transactions
    return figures


def _worked(figures: Figures, what: str, work: Callable[[], Any]) -> Any:
    """In seconds of the processor, which other work on the machine changes little."""
    begun_s = time.process_time()
    found = work()
    figures.seconds[what] = round(time.process_time() - begun_s, 2)
    return found


# ---------------------------------------------------------------- all of them


def drills(directory: Path, *, seconds: float, rate: int) -> Iterator[Figures]:
    """One after the other on one network. Raises AssertionError at the first loss."""
    with RunningNetwork(directory / "network", "pbft", 4, config={"sync_behind_blocks": 0}) as network:
        network.deploy()
        yield beside_a_running_node(network, directory / "beside", seconds=seconds, rate=rate)
        yield lose_one(network, directory / "one", rate=rate)
        yield lose_one_with_its_key(network, directory / "key", rate=rate)
        yield lose_two(network, directory / "two", rate=rate)
        yield lose_all(network, directory / "all", rate=rate)
        for node in network.nodes:
            assert node.terminate() == 0
        yield Figures("at the end every chain verifies", counts={"height": verified(network)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of load without and with backups")
    parser.add_argument("--rate", type=int, default=200, help="transactions a second")
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--blocks", type=int, default=500, help="of 100 transactions, for the speeds of one core")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.directory or Path(folder)
        every = drills(place, seconds=chosen.seconds, rate=chosen.rate)
        for figures in chain([speeds(place, blocks=chosen.blocks)], every):
            sys.stdout.write(f"{figures.drill}\n")
            for name, value in {**figures.seconds, **figures.counts}.items():
                unit = " s" if name in figures.seconds else ""
                sys.stdout.write(f"    {name:44} {value:>10}{unit}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
