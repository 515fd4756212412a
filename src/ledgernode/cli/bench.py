"""What this machine commits: a network of its own, loaded by clients, measured at a steady part; how long it takes to
clear a market, and to make a month's bills of a million readings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from ledgernode.cli.genesis import ENGINES
from ledgernode.cli.output import counted, facts, json_option, progress, show, size, table
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.bench.bills import Figures as BillFigures
    from ledgernode.bench.plan import Figures


@click.group()
def bench() -> None:
    """Measure this machine. A network under load lives in a temporary folder, and is gone afterwards."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--validators", type=click.IntRange(1, 32), default=4, show_default=True, help="Nodes."),
            click.option("--engine", type=click.Choice(ENGINES), help="Default: pbft, or solo for one validator."),
            click.option(
                "--seconds", type=click.FloatRange(1, 3_600), default=15.0, show_default=True, help="Steady part."
            ),
            click.option("--clients", type=click.IntRange(1, 16), default=1, show_default=True, help="Processes."),
            click.option("--rate", type=click.IntRange(0), default=0, help="Offered a second (default: all it takes)."),
            click.option("--window", type=click.IntRange(100), help="Sent and unanswered, of all clients."),
            json_option,
        )
    ):
        command = option(command)
    return command


@bench.command()
@_options
def put(as_json: bool, **options: Any) -> None:
    """Writes of 200 bytes, each under a key of its own.

    \b
    ledgernode bench put --validators 4 --seconds 15
    ledgernode bench put --validators 4 --seconds 15 --rate 1000 --json
    """
    _measure("put", as_json, **options)


@bench.command()
@_options
def hot(as_json: bool, **options: Any) -> None:
    """Read and write one and the same key. All of them take effect, in some order.

    \b
    ledgernode bench hot --validators 4 --seconds 15 --json
    """
    _measure("hot", as_json, **options)


@bench.command()
@click.option(
    "--orders", type=click.IntRange(2, 1_000_000), default=10_000, show_default=True, help="Half of them bids."
)
@click.option("--rounds", type=click.IntRange(1, 1_000), default=5, show_default=True, help="The median counts.")
@json_option
def clearing(orders: int, rounds: int, as_json: bool) -> None:
    """Clear a market's book by each mechanism, in this process; about half of its orders meet.

    \b
    ledgernode bench clearing --orders 10000 --json
    """
    import msgspec

    from ledgernode.bench.clearing import measure

    measured = measure(orders, rounds)
    rows = ((one.mechanism, f"{one.ms:.1f}", f"{one.matches:,}", f"{one.volume_wh:,}") for one in measured)
    columns = ("mechanism", "ms", "matches", "Wh")
    document = {"orders": orders, "rounds": rounds, "mechanisms": msgspec.to_builtins(measured)}
    show(document, as_json, table(columns, rows, numbers=("ms", "matches", "Wh")))


@bench.command()
@click.option(
    "--houses", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="A third of them with solar."
)
@click.option(
    "--interval", type=click.Choice(["15m", "30m", "60m"]), default="60m", show_default=True, help="One reading each."
)
@click.option("--days", type=click.IntRange(1, 31), default=31, show_default=True, help="The last ones of a month.")
@json_option
def bills(houses: int, interval: str, days: int, as_json: bool) -> None:
    """A month's signed readings to a bill for each house: by default 1,003,370 readings of 1,345 meters.

    Each contract is a real one, each signature is checked, each block is durable before the next; one validator,
    in this process. Every invoice is checked against what the meters counted.

    \b
    ledgernode bench bills
    ledgernode bench bills --houses 200 --interval 15m --json
    """
    import msgspec

    from ledgernode.bench.bills import Bills, Plan

    plan = Plan(houses, int(interval[:-1]), days)
    with TemporaryDirectory(prefix="ledgernode-bench-") as folder, Bills(plan, Path(folder) / "database") as measured:
        for title, step in measured.steps:
            with progress(title) as report:
                step(report)
        figures = measured.figures()
    show(msgspec.to_builtins(figures), as_json, *_parts_of_bills(figures))


@bench.command("size")
@click.option("--meters", type=click.IntRange(1, 1_000_000_000), required=True, help="How many report.")
@click.option("--period", type=click.IntRange(1, 1_440), default=60, show_default=True, help="Minutes to a reading.")
@click.option("--together", type=click.IntRange(1, 1_440), default=1, show_default=True, help="Readings to a message.")
@click.option("--validators", type=click.IntRange(1, 128), default=4, show_default=True, help="Of each ledger.")
@json_option
def size_of(meters: int, period: int, together: int, validators: int, as_json: bool) -> None:
    """What a ledger of so many meters takes: processors, disks, lines, gateways, and how many ledgers it should be.

    Measured figures carried on by the arithmetic of docs/sizing.md; nothing is run.

    \b
    ledgernode bench size --meters 100000 --period 60
    ledgernode bench size --meters 10000000 --period 15 --together 96 --json
    """
    import msgspec

    from ledgernode.bench.sizing import BUSY, Fleet
    from ledgernode.bench.sizing import size as size_fleet

    found = size_fleet(Fleet(meters, period, together, validators))
    rows = (
        ("engine", f"{found.engine}, {counted(found.ledgers, 'ledger')}"),
        ("comes", f"{found.transactions_per_s:,.2f} transactions a second with {found.readings_per_s:,.2f} readings"),
        ("offered", f"{size(int(found.offered_bytes_per_s))} a second"),
        ("each validator", f"{found.cores / BUSY:,.2f} cores to plan, {size(found.memory_mib << 20)} of memory"),
        ("its line, in", f"{size(int(found.network_bytes_per_s))} a second"),
        (
            "its disk",
            f"{size(int(found.disk_bytes_per_year))} a year; {size(int(found.disk_bytes_pruned))} for 90 days",
        ),
        ("the log takes", f"{size(int(found.log_bytes_per_s))} a second"),
        ("gateways", f"{found.gateways:,}, together {found.gateway_cores / BUSY:,.2f} cores to plan"),
        ("read model", f"{found.model_cores:,.2f} cores to plan, {size(int(found.model_bytes_per_year))} a year"),
    )
    show(msgspec.to_builtins(found), as_json, facts(rows))


def _parts_of_bills(figures: BillFigures) -> list[Any]:
    rows = (
        (
            one.name,
            f"{one.seconds:.1f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.transactions:,}",
            f"{one.timer_calls:,}",
            f"{one.blocks:,}",
        )
        for one in figures.phases
    )
    columns = ("phase", "seconds", "cpu seconds", "transactions", "timer calls", "blocks")
    return [
        facts(
            (
                ("recorded", f"{counted(figures.readings, 'reading')} of {counted(figures.meters, 'meter')}"),
                (
                    "billed",
                    f"{counted(figures.days, 'day')}, {counted(figures.invoices, 'invoice')}, each of them right",
                ),
                ("signed to billed", f"{figures.seconds:.0f} s, {figures.readings_per_s:,.0f} readings a second"),
                ("blocks", f"{figures.blocks:,} of {figures.transactions + figures.timer_calls:,} calls"),
                ("disk", f"{size(figures.disk_bytes)}, {figures.disk_bytes // figures.readings} bytes a reading"),
                ("most memory", size(figures.peak_memory_bytes)),
            )
        ),
        "",
        table(columns, rows, numbers=columns[1:]),
    ]


def _measure(workload: str, as_json: bool, *, validators: int, engine: str | None, **options: Any) -> None:
    import msgspec

    from ledgernode.bench.measure import measure
    from ledgernode.bench.plan import Plan, Workload

    chosen = engine or ("solo" if validators == 1 else "pbft")
    if chosen == "solo" and validators > 1:
        raise BadRequest("solo is the engine of one validator: --validators 1")
    if chosen == "jetstream":
        raise BadRequest(
            "this measures networks that need nothing else: `python -m tests.suites.log_drill` has servers"
        )
    given = {name: value for name, value in options.items() if value is not None}
    figures = measure(Plan(Workload(workload), chosen, validators, **given))
    show(msgspec.to_builtins(figures), as_json, *_parts(figures))


def _parts(figures: Figures) -> list[Any]:
    failures = ", ".join(f"{count} {code}" for code, count in sorted(figures.failures.items())) or "none"
    return [
        facts(
            (
                ("committed a second", f"{figures.committed_per_s:,.0f}"),
                ("client to commit", f"p50 {figures.p50_ms:.0f} ms, p99 {figures.p99_ms:.0f} ms"),
                ("efficiency", f"{figures.efficiency:.2f}: {figures.validators} validators on {figures.cores} cores"),
                ("a transaction takes", f"{figures.node_us:.0f} us of each node"),
                ("beside it ran", f"others, {figures.others_cpu_percent:.0f} % of a core"),
                ("one signature check", f"{figures.verify_us:.0f} us"),
                ("blocks", f"{figures.blocks} of {figures.transactions_per_block:.0f} transactions"),
                ("disk a transaction", f"{figures.bytes_per_transaction:.0f} bytes a node"),
                ("refused", failures),
            )
        ),
        "",
        table(
            ("process", "cpu %", "memory", "disk"),
            (
                (one.name, f"{one.cpu_percent:.0f}", size(one.memory_bytes), size(one.disk_bytes))
                for one in figures.processes
            ),
            numbers=("cpu %", "memory", "disk"),
        ),
    ]
