"""A community played from the first step to the report, for commands."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from devices.community.scenario import Scenario
from ledgernode.cli.living import report
from ledgernode.cli.living.play import Play, Say


def played(directory: Path, scenario: Scenario, minutes: int, say: Say) -> tuple[dict[str, Any], Iterable[Any]]:
    """Play it, and answer the report as a document and as tables. Ctrl-C or SIGTERM end the play, not the report."""
    play = Play(directory, scenario, say=say)
    play.closing = report.closing
    asyncio.run(until_told(play, minutes))
    if not play.living.is_set():
        raise click.Abort
    say("the chain is audited")
    found = report.document(play, play.closed, report.audited(play))
    return found, report.parts(found)


async def until_told(play: Play, minutes: float, seconds: float | None = None) -> None:
    """Run it; a signal lets it end in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, play.stopping.set)
    try:
        await play.run(until_minute=minutes, seconds=seconds)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
