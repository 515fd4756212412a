"""Meters without a ledger."""

from __future__ import annotations

import click

from ledgernode.cli.meter_accuracy import accuracy


@click.group()
def meter() -> None:
    """Try simulated meters. No ledger and no network are needed."""


meter.add_command(accuracy)
