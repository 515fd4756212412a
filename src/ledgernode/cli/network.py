"""A whole ledger on one machine: organisations, identities, nodes and genesis in one folder.

For development and demonstrations. Each key still lies in the folder of whom it belongs to, but one
person can read them all; `docs/operator.md` founds a consortium that shares no secret.
"""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.genesis import ENGINES, read_parameters
from ledgernode.cli.output import done, json_option


@click.group()
def network() -> None:
    """A whole ledger on one machine."""


@network.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--organisations", default="north,south,east", show_default=True, help="Their names, with commas.")
@click.option("--engine", type=click.Choice(ENGINES), default="solo", show_default=True, help="How blocks are ordered.")
@click.option("--ledger", default="market", show_default=True, help="The ledger's name.")
@click.option("--base-port", type=click.IntRange(1_024, 65_000), default=7_051, show_default=True, help="First port.")
@click.option("--parameter", "changes", multiple=True, metavar="NAME=NUMBER", help="A limit or time; may be repeated.")
@json_option
def init(
    *,
    directory: Path,
    organisations: str,
    engine: str,
    ledger: str,
    base_port: int,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a network in a new DIRECTORY: nodes to run, and an admin for each organisation.

    \b
    ledgernode network init ./ledgernode-network
    ledgernode node run ./ledgernode-network/nodes/north-1
    """
    import msgspec

    from ledgernode.identity.founding import found_network

    made = found_network(
        directory,
        organisations=[name.strip() for name in organisations.split(",")],
        ledger=ledger,
        engine=engine,
        base_port=base_port,
        parameters=read_parameters(changes),
        now_ms=now_ms(),
    )
    homes = "\n".join(f"  ledgernode node run {directory / node.home}" for node in made.nodes)
    done(
        f"ledger {ledger} of {', '.join(made.organisations)} in {directory}; run\n{homes}",
        as_json,
        {"directory": str(directory), **msgspec.to_builtins(made)},
    )
