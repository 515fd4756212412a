"""Checking a whole chain again, offline: every block from genesis on, executed once more."""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.offline import data_options, opened_chain
from ledgernode.cli.output import facts, json_option, moment, progress, show


@click.command()
@data_options
@json_option
def verify(home: Path, ledger: str | None, genesis: Path | None, as_json: bool) -> None:
    """Check a chain from genesis to its head: links, signatures, certificates, and every result once more.

    HOME is the home of a node that is not running (its database belongs to one process at a time), or with
    --genesis the data folder of one ledger. Refuses (CHAIN_INVALID) with the first block that does not hold.

    \b
    ledgernode verify ./ledgernode-network/nodes/north-1
    ledgernode verify ./copy/data --genesis genesis.json --json
    """
    from ledgernode.verification import verify_chain
    from ledgernode.wire.block import header_hash

    with opened_chain(home, ledger, genesis) as (chain, genesis_bytes), progress("checking blocks") as bar:
        report = verify_chain(chain, genesis_bytes, progress=bar)
    document = {
        "holds": True,
        "blocks": report.blocks,
        "transactions": report.transactions,
        "from_height": report.from_height,
        "height": report.head.height,
        "certified_height": report.certified_height,
        "header_hash": header_hash(report.head).hex(),
        "state_commitment": report.head.state_commitment.hex(),
        "re_executed": report.re_executed,
        "seconds": round(report.seconds, 3),
    }
    how = "executed again, every one the same" if report.re_executed else "not executed again: the state is gone"
    show(
        document,
        as_json,
        "the chain holds",
        facts(
            (
                ("blocks", f"{report.from_height} to {report.head.height}; {how}"),
                ("transactions", report.transactions),
                ("certified to", report.certified_height),
                ("head", document["header_hash"]),
                ("state", document["state_commitment"]),
                ("time", f"{moment(report.head.time_ms)} UTC"),
                ("took", f"{report.seconds:.1f} s"),
            )
        ),
    )
