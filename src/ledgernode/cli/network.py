"""A whole ledger on one machine: organisations, identities, nodes and genesis in one folder.

For development and demonstrations. Each key still lies in the folder of whom it belongs to, but one
person can read them all; `docs/operator.md` founds a consortium that shares no secret.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.connection import FOLDER, Connection
from ledgernode.cli.ending import until_interrupted
from ledgernode.cli.genesis import ENGINES, read_options, read_parameters
from ledgernode.cli.output import done, json_option, size, visible
from ledgernode.errors import BadRequest, LedgerError

if TYPE_CHECKING:
    from ledgernode.client import Node
    from ledgernode.local.network import LocalNetwork

LOOK_EVERY_S: Final = 0.5
SAY_EVERY_S: Final = 5.0


@click.group()
def network() -> None:
    """A whole ledger on one machine."""


@network.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--organisations", default="north,south,east", show_default=True, help="Their names, with commas.")
@click.option("--engine", type=click.Choice(ENGINES), default="solo", show_default=True, help="How blocks are ordered.")
@click.option(
    "--engine-option", "options", multiple=True, metavar="NAME=NUMBER", help="Of the engine; may be repeated."
)
@click.option("--ledger", default="market", show_default=True, help="The ledger's name.")
@click.option("--base-port", type=click.IntRange(1_024, 65_000), default=7_051, show_default=True, help="First port.")
@click.option("--parameter", "changes", multiple=True, metavar="NAME=NUMBER", help="A limit or time; may be repeated.")
@click.option("--nats", "servers", multiple=True, metavar="URL", help="A server of the log (engine jetstream).")
@click.option("--nats-replicas", type=click.IntRange(1, 5), default=3, show_default=True, help="Copies of the log.")
@json_option
def init(
    *,
    directory: Path,
    organisations: str,
    engine: str,
    options: tuple[str, ...],
    ledger: str,
    base_port: int,
    changes: tuple[str, ...],
    servers: tuple[str, ...],
    nats_replicas: int,
    as_json: bool,
) -> None:
    """Make a network in a new DIRECTORY: nodes to run, and an admin for each organisation.

    \b
    ledgernode network init ./ledgernode-network
    ledgernode network init ./ledgernode-network --engine pbft --organisations north,south,east,west
    ledgernode network init ./ledgernode-network --engine jetstream --nats nats://127.0.0.1:4222 --nats-replicas 1
    ledgernode network run ./ledgernode-network
    """
    import msgspec

    from ledgernode.identity.founding import found_network
    from ledgernode.identity.home import Nats, NodeConfig

    if (engine == "jetstream") != bool(servers):
        raise BadRequest("engine jetstream orders by NATS: name its servers with --nats, and only for this engine")

    made = found_network(
        directory,
        organisations=[name.strip() for name in organisations.split(",")],
        ledger=ledger,
        engine=engine,
        base_port=base_port,
        parameters=read_parameters(changes),
        now_ms=now_ms(),
        options=read_options(options),
    )
    for node in made.nodes if servers else ():
        home = directory / node.home
        config = NodeConfig.read(home)
        msgspec.structs.replace(config, nats=Nats(servers, replicas=nats_replicas)).write(home)
    homes = "\n".join(f"  ledgernode node run {directory / node.home}" for node in made.nodes)
    done(
        f"ledger {ledger} of {', '.join(made.organisations)} in {directory}; run\n"
        f"  ledgernode network run {directory}\nor each node by itself\n{homes}",
        as_json,
        {"directory": str(directory), **msgspec.to_builtins(made)},
    )


@network.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path(FOLDER))
@click.option("--seconds", type=click.FloatRange(0), help="End by itself after this time (default: at Ctrl-C).")
def run(directory: Path, seconds: float | None) -> None:
    """Run every node of the network in DIRECTORY, and say how they stand, until Ctrl-C or SIGTERM.

    \b
    ledgernode network run
    ledgernode network run ./ledgernode-network --seconds 60
    """
    from ledgernode.local.network import LocalNetwork

    ends = time.monotonic() + seconds if seconds is not None else None
    with until_interrupted(), LocalNetwork(directory) as running:
        running.wait_until_serving()
        for node in running.network.nodes:
            click.echo(f"{node.name} serves on {node.endpoint}, its log is {running.nodes[node.name].log}")
        _say_until(ends, running)
    click.echo("Stopped.")


def _say_until(ends: float | None, running: LocalNetwork) -> None:
    """A line every few seconds; raises NodeUnreachable when a node ends by itself."""
    from contextlib import ExitStack

    with ExitStack() as opened:
        at = Connection(network_option=running.directory)
        operators = {
            node.name: opened.enter_context(at.speaking_as(node.organisation).open_node(node.endpoint))
            for node in running.network.nodes
        }
        says = time.monotonic()
        while ends is None or time.monotonic() < ends:
            running.check()
            if time.monotonic() >= says:
                click.echo(visible("   ".join(_standing(name, operator) for name, operator in operators.items())))
                says += SAY_EVERY_S
            time.sleep(LOOK_EVERY_S)


def _standing(name: str, operator: Node) -> str:
    """A node in a few words: how far its first ledger is, and what it costs."""
    try:
        status = operator.status()
    except LedgerError as error:
        return f"{name}: {error.code}"
    ledger = status.ledgers[0]
    state = "HALTED" if ledger.halted else f"block {ledger.certified_height}, {ledger.mempool_transactions} waiting"
    return f"{name}: {state}, {size(status.memory_bytes)}, {size(ledger.database_bytes)} on disk"
