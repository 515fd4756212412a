"""Looking over a node or a gateway: what is wrong, or soon will be, and what to do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import counted, json_option, show
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.doctor.finding import Finding

_MARKS: Final = {"ok": "ok     ", "note": "note   ", "warning": "WARNING", "error": "ERROR  "}
FAILED: Final = 1


@click.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--quiet", is_flag=True, help="Leave out what is well.")
@network_options
@json_option
def doctor(home: Path, quiet: bool, at: Connection, as_json: bool) -> int:
    """Look over the node or gateway of HOME: clock, disk, certificates, peers, versions, database, files.

    It reads only, and may be run beside the process itself. Each finding says what it means and what to do; the command
    fails when one of them is an error. For a gateway, --as or --identity name who it is: then its nodes are asked for
    their clocks and versions, too, and its read model is compared with them.

    \b
    ledgernode doctor ./ledgernode-network/nodes/north-1
    ledgernode doctor ./gateway --as north/gateway-1 --json
    """
    from ledgernode.doctor.finding import Severity, worst
    from ledgernode.identity.home import FILE

    if (home / FILE).exists():
        from ledgernode.doctor.node_facts import look_over

        kind, found = "node", look_over(home, _now_ms)
    elif (home / "gateway.json").exists() or (home / "outbox").is_dir():
        kind, found = "gateway", _gateway(home, at)
    else:
        raise BadRequest(f"{home} is the home of no node ({FILE}) and of no gateway (gateway.json, outbox)")
    ends = worst(found)
    document = {
        "home": str(home),
        "kind": kind,
        "worst": ends.value,
        "findings": [finding.document() for finding in found],
    }
    shown = [finding for finding in found if not (quiet and finding.severity is Severity.OK)]
    bad = sum(finding.severity is Severity.ERROR for finding in found)
    odd = sum(finding.severity is Severity.WARNING for finding in found)
    show(document, as_json, *map(_line, shown), f"{counted(bad, 'error')}, {counted(odd, 'warning')}")
    return FAILED if ends is Severity.ERROR else 0


def _gateway(home: Path, at: Connection) -> list[Finding]:
    try:
        from gateway.doctor import Who, look_over
    except ModuleNotFoundError as error:
        raise BadRequest(f"a gateway needs {error.name}: install ledgernode[gateway]") from error
    named = at.identity_option is not None or at.who
    who = Who(at.identity_directory, at.ledger, at.tls_files) if named else None
    return look_over(home, who, at.endpoints if named else (), _now_ms)


def _line(finding: Finding) -> str:
    lines = [f"{_MARKS[finding.severity.value]}  {finding.check}: {finding.what}"]
    if finding.means:
        lines.append(f"         {finding.means}")
    if finding.advice:
        lines.append(f"         -> {finding.advice}")
    return "\n".join(lines)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
