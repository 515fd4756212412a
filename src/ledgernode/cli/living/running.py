"""A community played from the first step to the report, for commands."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from devices.community.scenario import Scenario
from ledgernode.errors import LedgerError
from living import measuring, report
from living.play import Play, Say


def played(directory: Path, scenario: Scenario, minutes: int, say: Say) -> dict[str, Any]:
    """Play it, and answer the report. Ctrl-C or SIGTERM end the play, not the report."""
    play = Play(directory, scenario, say=say)
    play.closing = report.closing
    asyncio.run(until_told(play, play.run(until_minute=minutes)))
    if not play.living.is_set():
        raise click.Abort
    say("the chain is audited")
    return report.document(play, play.closed, audited(play))


def measured(directory: Path, scenario: Scenario, minutes: float, say: Say) -> dict[str, Any]:
    """Play it on this machine and answer what it took, beside what it came to."""
    play = Play(directory, scenario, say=say)
    play.closing = report.closing
    found = asyncio.run(until_told(play, measuring.measured(play, play.run(until_minute=minutes))))
    if not found:
        raise click.Abort
    return measuring.document(report.document(play, play.closed, audited(play)), scenario, found)


async def until_told(play: Play, running: Coroutine[Any, Any, Any]) -> Any:
    """Run it; a signal lets it end in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, play.stopping.set)
    try:
        return await running
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def audited(play: Play) -> dict[str, Any]:
    """The audit of the first node's chain; its nodes must have stopped."""
    from ledgernode.audit import audit
    from ledgernode.cli.offline import opened_chain

    home = play.directory / play.nodes.network.nodes[0].home
    try:
        with opened_chain(home, None, None) as (chain, _):
            report = audit(chain)
    except LedgerError as refusal:
        return {"holds": False, "reason": str(refusal), "laws": []}
    return {
        "holds": True,
        "first": report.first,
        "last": report.last,
        "laws": [{"law": finding.law, "sums": finding.sums} for finding in report.findings],
    }
