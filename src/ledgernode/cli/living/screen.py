"""A community while it lives, as one screen: houses, feeder, ledger, trades, and what is happening, in words.

Nothing is computed here that the ledger or a device has not said: a house's power and battery are its devices', credit
is its meter's, money and everything below "ledger" was read from blocks or asked of a contract.
"""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from living.figures import Line, Report, Trade
from living.homes import Home
from living.play import Play
from living.units import INTERVAL_MS, MINOR_PER_CENT, MWH_PER_KWH, cents, clock, kwh
from living.visitors import FILE as VISITORS

STYLES: Final = {
    "trade": "green",
    "market": "bold green",
    "settled": "cyan",
    "token": "yellow",
    "share": "magenta",
    "credit": "yellow",
    "alert": "bold red",
    "feeder": "blue",
    "event": "bold",
    "pool": "yellow",
    "radio": "dim green",
}
WIDE: Final = 118
_FULL, _EMPTY = "█", "░"
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"
_HOUSES_SHOWN: Final = 24
_BESIDE_ROWS: Final = 16
_MINOR: Final = MINOR_PER_CENT * 100


def drawn(play: Play, engine: str, width: int, height: int) -> RenderableType:
    """The whole screen."""
    houses = list(play.houses.values())[:_HOUSES_SHOWN]
    wide = width >= WIDE
    top = min(max(len(houses) + 3, _BESIDE_ROWS if wide else 0), max(height - 12, 6))
    layout = Layout()
    layout.split_column(
        Layout(_title(play, engine), size=1),
        Layout(name="top", size=top),
        Layout(name="bottom"),
    )
    if wide:
        layout["top"].split_row(
            Layout(_houses(play, houses, wide=True), ratio=5), Layout(_beside(play), ratio=3, minimum_size=42)
        )
    else:
        layout["top"].update(_houses(play, houses, wide=False))
    room = max(height - 1 - top - 2, 3)
    if wide:
        layout["bottom"].split_row(
            Layout(_news(play, room), ratio=5), Layout(_trades(play, room - 1), ratio=3, minimum_size=42)
        )
    else:
        layout["bottom"].split_row(Layout(_news(play, room), ratio=3), Layout(_beside(play), ratio=2))
    return layout


def plain(line: Line) -> str:
    """One thing that happened, where there is no terminal."""
    return f"{clock(line.time_ms)}  {line.text}"


def standing_line(play: Play) -> str:
    """How things stand, in one line, where there is no terminal."""
    figures, (report, loading) = play.figures, _feeder(play)
    lost = kwh(report.loss_mwh) if report is not None and report.loss_mwh is not None else "not known yet"
    return (
        f"{clock(play.time.now_ms)}  -- block {figures.height:,}, {figures.rate:.1f} tx/s, "
        f"{figures.readings:,} readings, {len(figures.trades)} trades, {figures.tokens_redeemed} tokens, "
        f"{figures.shares} shares, transformer at {loading:.0%}, lost in the last quarter: {lost}"
    )


# ---------------------------------------------------------------- parts


def _title(play: Play, engine: str) -> Text:
    network = play.nodes.network
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {network.ledger} ", "bold reverse")
    text.append(f"  {clock(play.time.now_ms)}", "bold")
    text.append(f"  {play.pace}x  ", "bold cyan")
    count = len(network.nodes)
    text.append(f"{network.engine}, {count} {'validator' if count == 1 else 'validators'}")
    if engine:
        text.append(f"; {engine}", "dim")
    if play.visitors is not None:
        text.append(f"   {play.visitors.origin}", "bold green")
        text.append(f" (words: {play.directory / VISITORS})", "dim")
    text.append("   Ctrl-C ends it", "dim")
    return text


def _houses(play: Play, houses: list[Home], *, wide: bool) -> Panel:
    table = Table(box=None, padding=(0, 1), expand=True, header_style="dim", pad_edge=False)
    table.add_column("house", no_wrap=True)
    table.add_column("uses W", justify="right")
    table.add_column("sun W", justify="right")
    table.add_column("battery", no_wrap=True)
    table.add_column("line W", justify="right", no_wrap=True)
    table.add_column("credit", justify="right", no_wrap=True)
    table.add_column("EUR", justify="right", no_wrap=True)
    if wide:
        table.add_column("trades with", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in houses:
        table.add_row(*_house(play, one, wide=wide))
    return Panel(table, title="houses", title_align="left", border_style="dim", padding=(0, 1))


def _house(play: Play, one: Home, *, wide: bool) -> list[RenderableType]:
    shown = one.shown
    name = Text(one.name, "bold")
    if not one.meter.is_supplied:
        name.append(" off", "bold red")
    elif one.meter.line.silent:
        name.append(" mute", "bold yellow")
    if shown is None:
        return [name, *([""] * (7 if wide else 6))]
    sun = Text(f"{shown.generation_w:,.0f}", "yellow") if shown.generation_w >= 1 else Text("·", "dim")
    if shown.power_w <= -1:
        line = Text(f"▲ {-shown.power_w:,.0f}", "green")
    elif shown.power_w >= 1:
        line = Text(f"▼ {shown.power_w:,.0f}", "red")
    else:
        line = Text("·", "dim")
    credit: Text = Text("invoice", "dim")
    if one.is_prepaid:
        balance = one.meter.balance_mwh / MWH_PER_KWH
        low = balance * 1_000 < one.house.low_wh
        credit = Text(f"{balance:.2f} kWh", "bold red" if balance <= 0 else "yellow" if low else "")
    money = Text("·", "dim") if one.money_minor is None else Text(f"{one.money_minor[0] / _MINOR:.2f}")
    row: list[RenderableType] = [
        name,
        f"{shown.load_w:,.0f}",
        sun,
        _battery(shown.level_micro),
        line,
        credit,
        money,
    ]
    return [*row, _partners(play, one.name)] if wide else row


def _battery(level_micro: int) -> Text:
    if level_micro < 0:
        return Text("·", "dim")
    share = level_micro / 1_000_000
    style = "green" if share > 0.5 else "yellow" if share > 0.2 else "red"
    return Text.assemble((_bar(share, 6), style), f" {share:>4.0%}")


def _bar(share: float, width: int) -> str:
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, part = divmod(eighths, 8)
    return (_FULL * full + (_BLOCKS[part] if part else "")).ljust(width, _EMPTY)[:width]


def _partners(play: Play, house: str) -> Text:
    """With whom a house trades in this quarter: what it agreed to."""
    text = Text()
    for trade in current(play):
        if house not in (trade.seller, trade.buyer):
            continue
        sells = trade.seller == house
        if text:
            text.append(", ", "dim")
        other = trade.buyer if sells else trade.seller
        text.append(f"{'→' if sells else '←'} {other} {trade.energy_wh:,} Wh", "green" if sells else "cyan")
    return text or Text("·", "dim")


def current(play: Play) -> list[Trade]:
    """Trades of the quarter that is under way."""
    now_ms = play.time.now_ms
    return [trade for trade in play.figures.trades.values() if trade.from_ms <= now_ms < trade.until_ms]


def _feeder(play: Play) -> tuple[Report | None, float]:
    """The ledger's last report, and how the most loaded transformer stands by its meter."""
    reports = play.figures.reports
    return (reports[-1] if reports else None), max((head.loading for head in play.heads.values()), default=0.0)


def _beside(play: Play) -> Group:
    return Group(_ledger(play), _transformers(play), _quarter(play))


def _facts(title: str, rows: list[tuple[str, RenderableType]]) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(*row)
    return Panel(table, title=title, title_align="left", border_style="dim", padding=(0, 1))


def _ledger(play: Play) -> Panel:
    figures = play.figures
    refused = sum(figures.refused.values())
    told = f"{figures.readings:,}, on the ledger in {play.latencies.part(0.5) * 1_000:.0f} ms"
    return _facts(
        "ledger",
        [
            ("block", Text(f"{figures.height:,}, {figures.rate:.1f} tx/s", "bold")),
            ("readings", told),
            ("orders", f"{figures.orders}; {len(figures.trades)} trades, {_kwh(figures.traded_mwh)} delivered"),
            ("tokens", f"{figures.tokens_bought} bought, {figures.tokens_returned} returned, {figures.shares} shared"),
            *([("refused", Text(str(refused), "yellow"))] if refused else []),
        ],
    )


def _transformers(play: Play) -> Panel:
    rows: list[tuple[str, RenderableType]] = []
    for name, head in play.heads.items():
        style = "red" if head.loading > 1 else "yellow" if head.loading > 0.8 else "green"
        direction = "from" if head.power_w >= 0 else "to"
        flow = f" {head.loading:.0%}, {abs(head.power_w):,.0f} W {direction} the grid"
        rows.append((name, Text.assemble((_bar(head.loading, 8), style), flow)))
        rows.append(("oil", f"{head.top_oil_c:.1f} °C, hot spot {head.hot_spot_c:.1f} °C"))
    report = _feeder(play)[0]
    if report is not None and report.loss_mwh is not None:
        rows.append(("lost", f"{_kwh(report.loss_mwh)} in the quarter of {clock(report.start_ms)}"))
    open_alerts = [f"{kind} on {feeder}" for (feeder, kind), is_open in play.figures.alerts.items() if is_open]
    if open_alerts:
        rows.append(("ALERT", Text(", ".join(open_alerts), "bold red")))
    return _facts("feeder" if play.heads else "bus", rows or [("", "12 V, no grid")])


def _quarter(play: Play) -> RenderableType:
    """The last quarter that settlement has closed."""
    if not play.figures.intervals:
        passed = play.time.now_ms % INTERVAL_MS / INTERVAL_MS
        return _facts("quarter", [(clock(play.time.now_ms // INTERVAL_MS * INTERVAL_MS), _bar(passed, 16))])
    last = play.figures.intervals[-1]
    return _facts(
        f"settled: {clock(last.start_ms)}",
        [
            ("taken", f"{_kwh(last.import_mwh)}"),
            ("bought", f"{_kwh(last.trade_in_mwh)}, shared {_kwh(last.pool_in_mwh)}, grid {_kwh(last.grid_in_mwh)}"),
        ],
    )


def _trades(play: Play, room: int) -> Panel:
    table = Table(box=None, padding=(0, 1), expand=True, header_style="dim", pad_edge=False)
    for name in ("at", "seller", "buyer"):
        table.add_column(name, no_wrap=True)
    for name in ("Wh", "price", "delivered"):
        table.add_column(name, justify="right", no_wrap=True)
    for trade in list(play.figures.trades.values())[-max(room - 1, 1) :]:
        done = "" if trade.delivered_mwh is None else f"{trade.delivered_mwh / 1_000:,.0f}"
        if trade.delivered_mwh is None and trade.from_ms <= play.time.now_ms < trade.until_ms:
            done = "now"
        table.add_row(
            clock(trade.from_ms),
            Text(trade.seller, "green"),
            Text(trade.buyer, "cyan"),
            f"{trade.energy_wh:,}",
            cents(trade.price_micro).removesuffix(" ct/kWh"),
            Text(done, "bold" if done == "now" else ""),
        )
    return Panel(table, title="trades (ct/kWh)", title_align="left", border_style="dim", padding=(0, 1))


def _news(play: Play, room: int) -> Panel:
    lines = list(play.figures.lines)[-room:]
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, line in enumerate(lines):
        if number:
            text.append("\n")
        text.append(f"{clock(line.time_ms)} ", "dim")
        text.append(line.text, STYLES.get(line.kind, ""))
    return Panel(text, title="what happens", title_align="left", border_style="dim", padding=(0, 1))


def _kwh(energy_mwh: int) -> str:
    return f"{energy_mwh / MWH_PER_KWH:.2f} kWh"
