"""Checking, offline, that what the contracts made adds up: money and energy are conserved."""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.offline import data_options, opened_chain
from ledgernode.cli.output import json_option, progress, show, table
from ledgernode.wire.types import Height


@click.command()
@data_options
@click.option("--from", "first", type=click.IntRange(1), help="Sum the blocks from this height on (default: all).")
@json_option
def audit(home: Path, ledger: str | None, genesis: Path | None, first: int | None, as_json: bool) -> None:
    """Check every law of conservation, by summing anew: the currency's supply is what all accounts hold.

    HOME is the home of a node that is not running, or with --genesis the data folder of one ledger. Refuses
    (AUDIT_FAILED) with the law and the first break.

    \b
    ledgernode audit ./ledgernode-network/nodes/north-1
    """
    from ledgernode.audit import audit as audit_chain

    with opened_chain(home, ledger, genesis) as (chain, _), progress("summing blocks") as bar:
        report = audit_chain(chain, first=None if first is None else Height(first), progress=bar)
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
