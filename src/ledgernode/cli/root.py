"""The tree of commands, and how a command ends.

The tree is a table of names: a group's module is imported when one of its commands runs, so that
``ledgernode --help`` and the shell's completion stay quick. Other packages add commands through the
entry points group ``ledgernode.commands``; the ledger imports nothing above it. A command refuses
by raising a `LedgerError`; it is turned into text and an exit code here, and nowhere else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import MutableMapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from ledgernode import __version__
from ledgernode.cli import failure
from ledgernode.errors import LedgerError

PLUGINS: Final = "ledgernode.commands"
PROGRAM: Final = "ledgernode"
COMPLETE_VARIABLE: Final = "_LEDGERNODE_COMPLETE"


class Place(NamedTuple):
    """Where a command is written, and its line in the list of commands."""

    module: str
    name: str
    summary: str


TREE: Final[dict[str, dict[str, Place]]] = {
    "Found a ledger": {
        "org": Place("org", "org", "An organisation's certificate authority and public bundle."),
        "genesis": Place("genesis", "genesis", "Assemble, check and accept the genesis file."),
        "network": Place("network", "network", "A whole ledger on one machine, in one command."),
        "demo": Place("demo", "demo", "A living ledger of four organisations to look at and try."),
    },
    "Run it": {
        "bench": Place("bench", "bench", "Measure a network of this machine under load."),
        "node": Place("node", "node", "Make a node, run it, look at its status."),
        "backup": Place(
            "backup", "backup", "Keep a node's whole chain beside it, check that, fill an empty node from it."
        ),
        "snapshot": Place("snapshot", "snapshot", "Write a ledger's state to files, start an empty node from them."),
        "verify": Place("verify", "verify", "Check a whole chain again, from genesis."),
        "audit": Place("audit", "audit", "Check that money and energy are conserved."),
        "doctor": Place("doctor", "doctor", "Look over a node or gateway: what is wrong, and what to do."),
        "log-level": Place("log_level", "log_level", "Look at or change how much a node logs."),
    },
    "People and rules": {
        "identity": Place("identity", "identity", "Keys, certificates, registration, rotation, revocation."),
        "wallet": Place("wallet", "wallet", "A key from twelve words, and back."),
        "governance": Place("governance", "governance", "Propose and approve what the organisations decide together."),
        "evidence": Place("evidence", "evidence", "Validators that contradicted themselves, with both their votes."),
    },
    "Contracts": {
        "chaincode": Place("chaincode", "chaincode", "Write, check, package, approve and commit contracts."),
        "tx": Place("tx", "tx", "Submit a transaction, look one up."),
        "query": Place("query", "query", "Ask a contract a question."),
    },
    "Look and prove": {
        "block": Place("block", "block", "Blocks: one, or the newest."),
        "events": Place("events", "events", "What contracts have published."),
        "proof": Place("proof", "proof", "Fetch evidence of a transaction, check it with the genesis file alone."),
    },
    "Energy": {
        "backtest": Place("backtest", "backtest", "What a market would have brought, over measured houses."),
        "community": Place("community", "community", "Play a community of houses on a real ledger."),
        "fleet": Place("fleet", "fleet", "Simulated meters by the thousand: enrol, run, count on the ledger."),
        "forecast": Place("forecast", "forecast", "Load and generation of tomorrow; meters that behave oddly."),
        "gateway": Place("gateway", "gateway", "Carry what devices sign to the ledger, and commands to devices."),
        "house": Place("house", "house", "Houses on a shared bus: measured transfers to try."),
        "market": Place("market", "market", "Clear a book of bids and asks, without a ledger."),
        "meter": Place("meter", "meter", "Meters to try: their display and keypad, and how truly they measure."),
        "readmodel": Place("readmodel", "readmodel", "Keep what a ledger says in SQL, for pages and reports."),
        "sts": Place("sts", "sts", "20-digit prepayment tokens: mint one, read one."),
        "trade": Place("trade", "trade", "Let a strategy trade for a house on a running market, or as a dry run."),
        "vending": Place("vending", "vending", "Sell prepaid units: payments in, twenty digits out."),
    },
    "Shell": {
        "completion": Place("completion", "completion", "Completion for bash, zsh and fish."),
    },
}
_PLACES: Final = {name: place for section in TREE.values() for name, place in section.items()}


class Root(click.Group):
    """The lazy tree; a name of our own always wins over a plug-in's."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [*_PLACES, *(name for name in sorted(plugins()) if name not in _PLACES)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = _PLACES.get(cmd_name)
        if place is not None:
            command = getattr(importlib.import_module(f"ledgernode.cli.{place.module}"), place.name)
        elif (plugin := plugins().get(cmd_name)) is not None:
            command = plugin.load()
        else:
            return None
        if not isinstance(command, click.Command):
            raise LedgerError(f"the entry point {cmd_name!r} of {PLUGINS!r} names no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands by section, from the table alone: no group's module is imported."""
        sections = {title: [(name, place.summary) for name, place in places.items()] for title, places in TREE.items()}
        others = sorted(plugins().items())
        added = [(name, f"From {_origin(plugin)}.") for name, plugin in others if name not in _PLACES]
        for title, rows in {**sections, "From other packages": added}.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [CompletionItem(name, help=_PLACES[name].summary if name in _PLACES else None) for name in names]

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]  # named only
        """Run one command and end the process with the exit code of what happened."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            own = {"prog_name": PROGRAM, "complete_var": COMPLETE_VARIABLE, "standalone_mode": False}
            ended = super().main(given, **{**extra, **own})
        except Exception as error:
            if failure.wants_traceback(given) and not isinstance(error, click.ClickException):
                raise
            sys.exit(failure.report(error, as_json="--json" in given))
        sys.exit(ended if isinstance(ended, int) else 0)


def plugins() -> MutableMapping[str, EntryPoint]:
    """Commands of other installed packages, by name; looked up, not loaded."""
    return {plugin.name: plugin for plugin in entry_points(group=PLUGINS)}


def _origin(plugin: EntryPoint) -> str:
    return plugin.dist.name if plugin.dist is not None else plugin.value.partition(".")[0]


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Each command has --help with examples. First steps: ledgernode demo",
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar=failure.DEBUG_VARIABLE, help="Show the traceback of a failure.")
def main(debug: bool) -> None:
    """A permissioned ledger for energy.

    \b
    A command finds its network by --network DIR, by LEDGERNODE_NETWORK, or in the folder it
    runs in (network.json or ./ledgernode-network), and signs with --as ORGANISATION/NAME.
    """
