"""How much a node logs, while it runs."""

from __future__ import annotations

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.levels import LEVELS
from ledgernode.cli.output import json_option, show


@click.command()
@click.argument("level", type=click.Choice(LEVELS), required=False)
@network_options
@json_option
def log_level(level: str | None, at: Connection, as_json: bool) -> None:
    """Show from which level on your organisation's nodes log, or change it.

    \b
    ledgernode log-level
    ledgernode log-level debug
    """
    found = []
    for endpoint in at.own_endpoints or at.endpoints:
        with at.open_node(endpoint) as node:
            now = node.set_log_level(level) if level else node.status().log_level
        found.append({"endpoint": endpoint, "log_level": now})
    show({"nodes": found}, as_json, *(f"{one['endpoint']}: {one['log_level']}" for one in found))
