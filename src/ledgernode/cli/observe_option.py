"""`--observe`: where a process shows its health and figures to its own operator."""

from __future__ import annotations

from typing import Final

import click

observe_option: Final = click.option(
    "--observe",
    metavar="HOST:PORT",
    help="Serve /health/… and /metrics there, by plain HTTP: this machine only, or behind a network policy.",
)
