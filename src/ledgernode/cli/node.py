"""A node: made, joined to a ledger, run, looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import status_document
from ledgernode.cli.levels import LEVELS
from ledgernode.cli.observe_option import observe_option, trace_options
from ledgernode.cli.output import done, facts, json_option, moment, progress, short, show, size, table
from ledgernode.cli.passphrases import keeping, key_option, passphrase_option, protect_option, unlock_by
from ledgernode.cli.standing import standing

if TYPE_CHECKING:
    from ledgernode.cli.joining import HeldLedger

_HOME: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_QUIET_MS: Final = 5_000


@click.group()
def node() -> None:
    """Run a node, look at its status."""


@node.command()
@click.argument("home", type=click.Path(file_okay=False, path_type=Path))
@click.option("--organisation", required=True, help="The organisation it belongs to.")
@click.option("--name", default="validator-1", show_default=True, help="Its name in the organisation.")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where it will serve.")
@key_option
@protect_option
@json_option
def new(
    *, home: Path, organisation: str, name: str, listen: str, uri: str, passphrase_file: Path | None, as_json: bool
) -> None:
    """Make a node's HOME with its two keys. Only the requests for their certificates leave it.

    \b
    ledgernode node new ./north-node --organisation north --listen 0.0.0.0:7051
    """
    from ledgernode.identity.home import NodeConfig, request_node, tls_directory, validator_directory

    signing, tls = keeping(uri, passphrase_file), keeping("", passphrase_file)
    request_node(home, organisation=organisation, name=name, signing=signing, tls=tls)
    passphrase = str(passphrase_file.absolute()) if passphrase_file is not None else ""
    NodeConfig(organisation, name, listen, (), key_passphrase_file=passphrase).write(home)
    requests = [str(folder / "request.pem") for folder in (validator_directory(home), tls_directory(home))]
    done(f"node in {home}\n  have signed: {', '.join(requests)}", as_json, {"home": str(home), "requests": requests})


@node.command()
@click.argument("home", type=_HOME)
@click.argument("genesis", type=_FILE)
@click.option("--acceptance", "acceptances", type=_FILE, multiple=True, help="A founder's acceptance; one for each.")
@json_option
def join(home: Path, genesis: Path, acceptances: tuple[Path, ...], as_json: bool) -> None:
    """Give a node a ledger to serve: the GENESIS that every founder has accepted.

    A node may serve several. One that is running takes it up by itself; otherwise start it.

    \b
    ledgernode node join ./north-node genesis.json --acceptance north.acceptance.json --acceptance south.acceptance.json
    """
    from ledgernode.cli.joining import join_ledger

    name = join_ledger(home, genesis.read_bytes(), [path.read_bytes() for path in acceptances])
    done(f"{home} serves ledger {name}: ledgernode node run {home}", as_json, {"home": str(home), "ledger": name})


@node.command("list")
@click.argument("home", type=_HOME)
@json_option
def list_ledgers(home: Path, as_json: bool) -> None:
    """Show the ledgers of a node: those that it serves, and those it only keeps.

    \b
    ledgernode node list ./north-node
    """
    from ledgernode.cli.joining import held_ledgers

    found = held_ledgers(home)
    rows = [(one.ledger, one.engine, ", ".join(one.founders), size(one.database_bytes), _kept(one)) for one in found]
    shown = table(("ledger", "engine", "founders", "on disk", "state"), rows, numbers=("on disk",))
    show(
        {"home": str(home), "ledgers": [one._asdict() for one in found]},
        as_json,
        shown if found else f"{home} has no ledger yet",
    )


@node.command()
@click.argument("home", type=_HOME)
@click.argument("ledger")
@click.option("--erase", is_flag=True, help="Erase its data and genesis from this home as well.")
@click.option("--wait", "wait_s", type=click.IntRange(0), default=30, show_default=True, help="For it to be closed, s.")
@json_option
def drop(*, home: Path, ledger: str, erase: bool, wait_s: int, as_json: bool) -> None:
    """Let a node serve LEDGER no more. A running node drains and closes it; the others go on.

    Its data stays, to be served again by `node join`, unless it is to be erased. A validator that goes without leaving
    its seat is missed by the quorum: let governance take the seat away first (docs/governance.md).

    \b
    ledgernode node drop ./north-node market
    ledgernode node drop ./north-node market --erase
    """
    from ledgernode.cli.joining import drop_ledger

    drop_ledger(home, ledger, erase=erase, wait_s=wait_s)
    said = "its data is erased" if erase else f"its data stays in {home}/ledgers/{ledger}"
    document = {"home": str(home), "ledger": ledger, "erased": erase}
    done(f"{home} serves {ledger} no more; {said}", as_json, document)


@node.command()
@click.argument("home", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--keys", type=_HOME, required=True, help="Where its validator and TLS keys and certificates are mounted."
)
@click.option("--prefix", default="", metavar="NAME.", help="What the files of this node begin with there.")
@click.option(
    "--ledger",
    "ledgers",
    type=_HOME,
    required=True,
    multiple=True,
    help="Where genesis.json and every *.acceptance.json are mounted; one for each ledger.",
)
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where it will serve.")
@click.option("--settings", type=_FILE, help="Further fields of node.json, as JSON.")
@json_option
def prepare(
    *, home: Path, keys: Path, prefix: str, ledgers: tuple[Path, ...], listen: str, settings: Path | None, as_json: bool
) -> None:
    """Make or bring up to date a node's HOME whose keys, certificates and genesis others mount, as in a container.

    HOME holds the data and links to the mounted files, which may be replaced while the node runs:
    validator-key.pem, validator-certificate.pem, tls-key.pem, tls-certificate.pem, and where there are any, roots.pem
    with the roots of organisations that joined after the founders. Do it before each start; it changes nothing twice.

    \b
    ledgernode node prepare /var/lib/ledgernode --keys /etc/ledgernode/keys --prefix validator-0. \\
        --ledger /etc/ledgernode/ledger --listen 0.0.0.0:7051
    """
    from ledgernode.cli.mounted import join_mounted, prepare_home

    further = settings.read_bytes() if settings is not None else b"{}"
    config = prepare_home(home, keys, prefix=prefix, ledger=ledgers[0], listen=listen, further=further)
    for mounted in ledgers[1:]:
        config = join_mounted(home, mounted)
    document = {"home": str(home), "organisation": config.organisation, "ledgers": list(config.ledgers)}
    said = f"{home} is {config.organisation}/{config.validator} of {', '.join(config.ledgers)}"
    done(said, as_json, document)


@node.command()
@click.argument("home", type=_HOME)
@click.option("--log-level", type=click.Choice(LEVELS), help="Log from this level on (default: as node.json says).")
@click.option("--log-json", is_flag=True, help="Log JSON lines instead of text.")
@observe_option
@trace_options
@passphrase_option
def run(
    home: Path,
    *,
    log_level: str | None,
    log_json: bool,
    observe: str | None,
    trace: str | None,
    trace_one_in: int | None,
    passphrase_file: Path | None,
) -> None:
    """Run the node of HOME until it is told to stop (Ctrl-C or SIGTERM; it finishes what it has begun).

    \b
    ledgernode node run ./ledgernode-network/nodes/north-1
    ledgernode node run ./north-node --observe 127.0.0.1:9464
    """
    from ledgernode.services.process import run_node

    run_node(
        home,
        log_level=log_level,
        log_json=log_json,
        observe=observe,
        trace=trace,
        trace_one_in=trace_one_in,
        ready=_say,
        unlock=unlock_by(passphrase_file),
    )


@node.command()
@network_options
@json_option
def status(at: Connection, as_json: bool) -> None:
    """Show how the nodes of your organisation stand: ledgers, heights, waiting work, warnings.

    \b
    ledgernode node status
    ledgernode node status --as south/admin --endpoint south.example:7051 --json
    """
    found = []
    for endpoint in at.own_endpoints or at.endpoints:
        with at.open_node(endpoint) as connected:
            found.append({"endpoint": endpoint, **status_document(connected.status())})
    show({"nodes": found}, as_json, *(part for one in found for part in _parts(one)))


@node.command()
@click.option("--keep", "keep_blocks", type=click.IntRange(1), metavar="BLOCKS", help="Keep so many of the newest.")
@click.option("--below", "below_height", type=click.IntRange(1), metavar="HEIGHT", help="Forget all below this one.")
@network_options
@json_option
def prune(at: Connection, keep_blocks: int | None, below_height: int | None, as_json: bool) -> None:
    """Have a node of your organisation forget old blocks, as far as it has a snapshot that others can go on from.

    What proofs need of the past, the state, and which transactions there were, it keeps; the rest answers PRUNED.
    Their place in the database is used again for new blocks; `ledgernode node compact` gives it back to the disk.

    \b
    ledgernode node prune --keep 100000
    ledgernode node prune --below 250000 --json
    """
    if (keep_blocks is None) == (below_height is None):
        raise click.UsageError("say either --keep or --below")
    last = None
    with at.open_node((at.own_endpoints or at.endpoints)[0]) as node, progress("removing") as report:
        for last in node.prune(at.ledger, below_height=below_height, keep_blocks=keep_blocks):
            report(last.blocks_done, last.blocks_total)
    assert last is not None, "a node answers with its progress"
    document = {"base_height": last.base_height, "removed": last.blocks_total}
    done(f"the node has what follows block {last.base_height}", as_json, document)


@node.command()
@click.argument("home", type=_HOME)
@click.option("--ledger", help="Which ledger of the node (default: its only one).")
@json_option
def compact(home: Path, ledger: str | None, as_json: bool) -> None:
    """Give the free pages of a stopped node's database back to the disk. It needs as much free disk as the rest takes.

    The new database takes the old one's place in one step: whoever is interrupted starts it again.

    \b
    ledgernode node compact ./north-node
    """
    from ledgernode.cli.offline import served_ledger
    from ledgernode.identity.home import data_directory
    from ledgernode.store.lmdb import compact as compacted

    before, after = compacted(data_directory(home, served_ledger(home, ledger)))
    done(f"{size(before)} became {size(after)}", as_json, {"before_bytes": before, "after_bytes": after})


def _parts(node: dict[str, Any]) -> list[Any]:
    parts: list[Any] = [
        facts(
            (
                ("node", f"{node['endpoint']} of {node['organisation']}, version {node['version']}"),
                ("since", f"{moment(node['started_ms'])} UTC"),
                ("memory", size(node["memory_bytes"])),
                ("log level", node["log_level"]),
            )
        ),
        "",
        table(
            ("ledger", "engine", "height", "certified", "time (UTC)", "waiting", "committed", "on disk", "state"),
            (
                (
                    ledger["ledger"],
                    ledger["engine"],
                    ledger["height"],
                    ledger["certified_height"],
                    moment(ledger["time_ms"]),
                    ledger["mempool_transactions"],
                    ledger["committed_transactions"],
                    size(ledger["database_bytes"]),
                    _state(ledger),
                )
                for ledger in node["ledgers"]
            ),
            numbers=("height", "certified", "waiting", "committed", "on disk"),
        ),
    ]
    for ledger in node["ledgers"]:
        parts += ["", f"{ledger['ledger']}: {standing(ledger)}"]
        columns = (
            "validator of",
            "identity",
            "endpoint",
            "link",
            "height",
            "rules",
            "contradictions",
            "on the ledger",
            "",
        )
        rows = (_validator_row(one, ledger["leader"]) for one in ledger["validators"])
        parts.append(table(columns, rows, numbers=("height", "rules", "contradictions", "on the ledger")))
        parts += _accusations(ledger["validators"])
    return parts


def _kept(ledger: HeldLedger) -> str:
    if not ledger.serves:
        return "kept, not served"
    return "to be served" if ledger.process is None else f"open in process {ledger.process or '?'}"


def _state(ledger: dict[str, Any]) -> str:
    """Whether it runs; and while it comes forward, how far it is, and since when nothing has come."""
    if ledger["halted"]:
        return f"HALTED: {ledger['halt_reason']}"
    sync = ledger["sync"]
    if sync is None:
        return "running"
    chunks = f", {sync['chunks_done']} of {sync['chunks_total']} chunks" if sync["by"] == "snapshot" else ""
    stuck = f", nothing came for {sync['idle_ms'] // 1_000} s" if sync["idle_ms"] >= _QUIET_MS else ""
    return f"syncing by {sync['by']} to {sync['height']}{chunks}{stuck}"


def _validator_row(one: dict[str, Any], leader: str) -> tuple[object, ...]:
    """What this node knows of a validator. `ready` is the newest version of the rules that it knows, by its own word;
    `contradictions` are signed votes of it that cannot both be honest.
    """
    link = "this node" if one["self"] else "up" if one["connected"] else "down"
    return (
        one["organisation"],
        short(one["identity"]),
        one["endpoint"],
        link,
        "" if one["self"] else one["height"],
        one["ready"],
        one["contradictions"],
        one["faults"],
        "leads" if one["identity"] == leader else "",
    )


def _accusations(validators: list[dict[str, Any]]) -> list[str]:
    """Why a validator cannot be spoken to, and what to do about one that contradicted itself."""
    unspoken = [f"  {one['organisation']}: {one['refusal']}" for one in validators if one["refusal"]]
    names = sorted({one["organisation"] for one in validators if one["contradictions"] or one["faults"]})
    return unspoken + [
        f"  A validator of {name} contradicts itself: see `ledgernode evidence list --organisation {name}`, "
        "and docs/governance.md for how to remove it."
        for name in names
    ]


def _say(serving: Any) -> None:
    click.echo(f"serving {', '.join(serving.ledgers) or 'no ledger yet'} on {serving.host}:{serving.port}")
    if serving.observe_port:
        click.echo(f"health and metrics on port {serving.observe_port}")
