"""Checking, offline, that what the contracts made adds up: money, energy, units and escrow are conserved."""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.offline import data_options, opened_chain
from ledgernode.cli.output import json_option, progress, show, table
from ledgernode.wire.types import Height


@click.command()
@data_options
@click.option("--from", "first", type=click.IntRange(1), help="Judge the blocks from this height on (default: all).")
@click.option("--to", "last", type=click.IntRange(0), help="Judge the blocks up to this height (default: the head).")
@json_option
def audit(
    *, home: Path, ledger: str | None, genesis: Path | None, first: int | None, last: int | None, as_json: bool
) -> None:
    """Check every law of conservation, by summing anew, over all blocks or a range of them.

    Money: the supply is what all accounts hold, escrow what its purposes need. Energy: every Wh has one class, and is
    what was measured; feeders reconcile. Prepaid: balances, tokens, returns. Invoices recompute.

    HOME is the home of a node that is not running, or with --genesis the data folder of one ledger. Refuses
    (AUDIT_FAILED) with the first break: the law, the block, the transaction, and what does not add up.

    \b
    ledgernode audit ./ledgernode-network/nodes/north-1
    ledgernode audit ./ledgernode-network/nodes/north-1 --from 1000 --to 2000 --json
    """
    from ledgernode.audit import audit as audit_chain

    with opened_chain(home, ledger, genesis) as (chain, _), progress("auditing blocks") as bar:
        report = audit_chain(chain, first=_height(first), last=_height(last), progress=bar)
    document = {
        "holds": True,
        "first": report.first,
        "last": report.last,
        "findings": [{"law": finding.law, "sums": finding.sums} for finding in report.findings],
    }
    rows = ((one.law, ", ".join(f"{name} {sum_}" for name, sum_ in one.sums.items())) for one in report.findings)
    show(
        document,
        as_json,
        f"blocks {report.first} to {report.last}: "
        + ("every law holds" if report.findings else "no contract here keeps money or energy yet"),
        *((table(("law", "sums"), rows),) if report.findings else ()),
    )


def _height(given: int | None) -> Height | None:
    return None if given is None else Height(given)
