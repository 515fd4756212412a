"""`--observe`: where a process shows its health and figures to its own operator. `--trace`: whom it tells traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

observe_option: Final = click.option(
    "--observe",
    metavar="HOST:PORT",
    help="Serve /health/… and /metrics there, by plain HTTP: this machine only, or behind a network policy.",
)
_TRACE: Final = click.option(
    "--trace",
    metavar="URL",
    help="Write traces to the collector there (OTLP over HTTP), such as http://localhost:4318.",
)
_ONE_IN: Final = click.option(
    "--trace-one-in",
    type=click.IntRange(1),
    metavar="N",
    help="Of one transaction in so many (default: as its settings say, 100); the same everywhere.",
)


def trace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`trace` and `trace_one_in`, None where they were not given."""
    return _TRACE(_ONE_IN(command))
