"""`ledgernode backtest`: what a market would have brought, over measured houses; or the same, delivery by delivery."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from ledgernode.cli.measured import files_argument, micro, pace, read, reading_options, thousandths
from ledgernode.cli.output import facts, json_option, line, moment, progress, show, table
from ledgernode.cli.strategies import strategy_named
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from devices.backtest.plan import Plan
    from devices.backtest.play import Play
    from devices.backtest.study import Study
    from devices.history.reading import Options
    from devices.physics.battery import Battery

MECHANISMS: Final = (
    "uniform", "pay-as-bid", "truthful", "central", "mid-market", "bill-share", "continuous", "hybrid",
)  # fmt: skip
FORESIGHT: Final = ("perfect", "yesterday", "forecast")


@click.command()
@files_argument
@click.option(
    "--mechanism", "mechanisms", type=click.Choice(MECHANISMS), multiple=True, help="May be repeated (default: all)."
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    default=("zero-intelligence",),
    show_default=True,
    metavar="NAME[:FIELD=VALUE,...]",
    help="Repeated, house by house, and over again.",
)
@click.option(
    "--foresight",
    type=click.Choice(FORESIGHT),
    default="perfect",
    show_default=True,
    help="What houses know when they order.",
)
@click.option(
    "--step",
    "step_minutes",
    type=click.Choice(["0", "15", "30", "60"]),
    default="0",
    help="Minutes of a delivery (default: as the files).",
)
@click.option(
    "--battery-kwh",
    default="0",
    show_default=True,
    metavar="KWH,...",
    help="House by house, and over again; full in two hours.",
)
@click.option("--retail", default="0.30", show_default=True, help="What a kWh of the grid costs in the end.")
@click.option(
    "--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file of such prices, row by row."
)
@click.option("--feed-in", default="0.06", show_default=True, help="What the grid pays for one.")
@click.option("--fee", default="0.01", show_default=True, help="The local grid's, on traded energy.")
@click.option("--levy", default="0", show_default=True, help="On traded energy.")
@click.option(
    "--tax", default="0", show_default=True, metavar="RATE", help="On traded energy, fee and levy; 0.19 is 19 %."
)
@click.option("--currency", default="USD", show_default=True, help="As it is written beside sums.")
@click.option("--digits", type=click.IntRange(0, 6), default=2, show_default=True, help="Of its minor unit.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all chance: the same seed, the same result.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for figures (PNG), the page (index.html) and backtest.json.",
)
@click.option("--title", default="What a market would have brought", show_default=True, help="Of the page.")
@click.option(
    "--pace",
    "pace_text",
    default="",
    metavar="3600x",
    help="Play one mechanism delivery by delivery, so many times faster than the clock.",
)
@click.option("--limit", type=click.IntRange(min=1), help="With --pace: end after so many deliveries.")
@reading_options
@json_option
def backtest(
    *,
    files: tuple[Path, ...],
    reading: Options,
    mechanisms: tuple[str, ...],
    strategies: tuple[str, ...],
    foresight: str,
    step_minutes: str,
    battery_kwh: str,
    prices: Path | None,
    currency: str,
    digits: int,
    seed: int,
    out: Path | None,
    title: str,
    pace_text: str,
    limit: int | None,
    as_json: bool,
    **terms: str,
) -> None:  # fmt: skip
    """Play measured houses through every mechanism of the market contract, beside grid-only, feed-in and net metering.

    The clearing is the contracts' own code; bills are by the rules of settlement. FILES are CSV, one a house or with a
    column that says whose row it is; a folder stands for its CSV files. docs/backtest.md explains every figure.

    \b
    ledgernode backtest tests/data/citylearn2022 --prices tests/data/citylearn2022/pricing.csv --out report
    ledgernode backtest HOUSES --panels-kw 4,0,8 --battery-kwh 6,0 --strategy cost-plus --strategy price-follower
    ledgernode backtest HOUSES --mechanism uniform --pace 3600x
    """
    plan = _plan(
        files,
        reading,
        int(step_minutes),
        strategies=strategies,
        foresight=foresight,
        battery_kwh=battery_kwh,
        prices=prices,
        seed=seed,
        terms=terms,
    )
    if pace_text:
        _paced(plan, mechanisms, pace(pace_text), limit, as_json)
        return
    from devices.backtest.study import studied

    with progress("playing", shown=not as_json) as told:
        study = studied(plan, mechanisms or MECHANISMS, digits=digits, progress=told)
    document = _document(study, currency)
    if out is not None:
        document["files"] = _written(study, out, title=title, currency=currency, document=document)
    show(document, as_json, *_parts(study, currency, document.get("files", [])))


def _plan(
    files: tuple[Path, ...],
    reading: Options,
    step_minutes: int,
    *,
    strategies: tuple[str, ...],
    foresight: str,
    battery_kwh: str,
    prices: Path | None,
    seed: int,
    terms: dict[str, str],
) -> Plan:  # fmt: skip
    from devices.backtest.plan import as_yesterday, planned
    from devices.house.strategy import Terms

    houses = read(files, reading, step_minutes)
    retail = [micro("--retail", terms["retail"])]
    if prices is not None:
        retail = _prices(prices, reading, houses[0].begin_ms, houses[0].step_ms, len(houses[0]))
    expected = None
    if foresight == "yesterday":
        expected = [as_yesterday(house) for house in houses]
    elif foresight == "forecast":
        from ledgernode.cli.forecast import expected_of

        expected = [expected_of(house) for house in houses]
    named = {name: micro(f"--{name.replace('_', '-')}", terms[name]) for name in ("feed_in", "fee", "levy", "tax")}
    if min(named["fee"], named["levy"], named["tax"]) < 0:
        raise BadRequest("a fee, a levy and a tax are not below zero")
    return planned(
        houses,
        retail_micro=retail,
        terms=Terms(retail[0], named["feed_in"], named["fee"], named["levy"], named["tax"]),
        batteries=[_battery(part) for part in battery_kwh.split(",")],
        strategies=[strategy_named(text, seed) for text in strategies],
        expected=expected,
        seed=seed,
    )


def _prices(path: Path, reading: Options, begin_ms: int, step_ms: int, count: int) -> list[int]:
    """What the grid's kWh costs in each interval of the houses. Refuses prices of another time."""
    from devices.history.reading import read_prices

    first_ms, price_step_ms, found = read_prices(path, reading)
    if first_ms < 0:
        first_ms = begin_ms
    last_ms = begin_ms + (count - 1) * step_ms
    if first_ms > begin_ms or last_ms >= first_ms + len(found) * price_step_ms:
        raise BadRequest(
            f"{path.name} has prices from {moment(first_ms)} to {moment(first_ms + len(found) * price_step_ms)}, and "
            f"the houses were measured from {moment(begin_ms)} to {moment(last_ms)}"
        )
    return [int(found[(begin_ms + place * step_ms - first_ms) // price_step_ms]) for place in range(count)]


def _battery(text: str) -> Battery | None:
    from devices.physics.battery import Battery

    capacity_wh = thousandths("--battery-kwh", text)
    return Battery(capacity_wh, capacity_wh / 2, capacity_wh / 2) if capacity_wh else None


# ---------------------------------------------------------------- what came out


def _document(study: Study, currency: str) -> dict[str, Any]:
    plan = study.plan
    return {
        "houses": len(plan.houses),
        "deliveries": len(plan),
        "step_minutes": plan.step_ms // 60_000,
        "begin_ms": plan.begins_ms[0],
        "intervals_left_out": plan.left_out,
        "seed": plan.seed,
        "terms": _terms(plan),
        "currency": currency,
        "digits": study.digits,
        "mechanisms": [msgspec.to_builtins(found) for found in study.found],
    }


def _terms(plan: Plan) -> dict[str, Any]:
    """What was given as prices; the lowest and the highest where the grid's changes."""
    retail = {terms.retail_micro for terms in plan.terms}
    first = plan.terms[0]
    return {
        "retail_micro": [min(retail), max(retail)],
        "feed_in_micro": first.feed_in_micro,
        "fee_micro": first.fee_micro,
        "levy_micro": first.levy_micro,
        "tax_micro": first.tax_micro,
    }


def _parts(study: Study, currency: str, files: list[str]) -> list[Any]:
    plan = study.plan
    columns = ("mechanism", f"bill {currency}", "saved", "traded kWh", "price", "buyer pays", "self-suff.",
               "self-cons.", "Jain", "Gini", "left over")  # fmt: skip
    rows = [
        (
            found.mechanism,
            _money(found.bill_minor, study.digits),
            _percent(found.saving_micro),
            f"{found.volume_wh / 1e3:,.0f}" if found.is_market else "-",
            _six(found.price_micro),
            _six(found.buyer_price_micro),
            _percent(found.self_sufficiency_micro),
            _percent(found.self_consumption_micro),
            _two(found.jain_micro),
            _two(found.gini_micro),
            _money(found.surplus_minor, study.digits) if found.is_market else "-",
        )
        for found in study.found
    ]
    kept = all(found.conserved for found in study.found)
    said = [
        ("houses", len(plan.houses)),
        ("deliveries", f"{len(plan):,} of {plan.step_ms // 60_000} minutes from {moment(plan.begins_ms[0])}"),
        *([("left out", f"{plan.left_out:,} that some meter does not know")] if plan.left_out else []),
        ("conserved", "every sum, to the last digit" if kept else "NO"),
    ]
    houses = table(
        ("bill", *(found.mechanism for found in study.found)),
        (
            (house.name, *(_money(found.houses[number].bill_minor, study.digits) for found in study.found))
            for number, house in enumerate(plan.houses[:20])
        ),
        numbers=[found.mechanism for found in study.found],
    )
    parts = [facts(said), "", table(columns, rows, numbers=columns[1:]), "saved: against feed-in", "", houses]
    if len(plan.houses) > 20:
        parts.append(f"and {len(plan.houses) - 20:,} more houses: --json has all")
    return [*parts, *(["", *files] if files else [])]


def _written(study: Study, out: Path, *, title: str, currency: str, document: dict[str, Any]) -> list[str]:
    """The folder with figures, the page and the document; their names."""
    try:
        from devices.backtest import plots
    except ImportError as error:
        raise BadRequest(
            "figures are drawn by matplotlib: install ledgernode[community], or leave --out away"
        ) from error
    from devices.backtest.page import page

    out.mkdir(parents=True, exist_ok=True)
    svgs: dict[str, str] = {}
    names: list[str] = []
    for name, figure in plots.figures(study, currency).items():
        (out / f"{name}.png").write_bytes(plots.as_png(figure))
        svgs[name] = plots.as_svg(figure, name)
        names.append(str(out / f"{name}.png"))
    text = page(study, svgs, title=title, currency=currency, day=plots.PALETTE)
    (out / "index.html").write_text(text, encoding="utf-8")
    (out / "backtest.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return [str(out / "index.html"), *names, str(out / "backtest.json")]


# ---------------------------------------------------------------- by the clock


def _paced(plan: Plan, mechanisms: tuple[str, ...], speed: float, limit: int | None, as_json: bool) -> None:
    """The same play, a delivery whenever its time has come."""
    from devices.backtest.play import Play

    if len(mechanisms) != 1:
        raise BadRequest("with --pace, name the one --mechanism that is played")
    play = Play(plan, mechanisms[0])
    follow(play, speed, min(limit or len(plan), len(plan)), as_json=as_json)


def follow(
    play: Play,
    speed: float,
    count: int,
    *,
    as_json: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Deliveries by a clock; each is told when it is over."""
    began_s, began_ms = clock(), play.plan.begins_ms[0]
    for _ in range(count):
        done = play.step()
        over_s = began_s + (done.begin_ms + play.plan.step_ms - began_ms) / 1_000 / speed
        sleep(max(0.0, over_s - clock()))
        ordered = sum(len(orders) for orders in done.orders)
        if as_json:
            line(
                {
                    "begin_ms": done.begin_ms,
                    "orders": ordered,
                    "trades": sum(1 for energy_wh in done.delivered_wh if energy_wh),
                    "volume_wh": done.volume_wh,
                    "price_micro": done.price_micro,
                    "import_wh": sum(done.imports_wh),
                    "export_wh": sum(done.exports_wh),
                    "conserved": play.books.conserved,
                }
            )
        else:
            price = "       -" if done.price_micro is None else f"{done.price_micro / 1e6:8.4f}"
            click.echo(
                f"{moment(done.begin_ms)}  {ordered:3} orders  {done.volume_wh / 1e3:8.3f} kWh at {price}   "
                f"in {sum(done.imports_wh) / 1e3:8.3f}  out {sum(done.exports_wh) / 1e3:8.3f} kWh"
            )


# ---------------------------------------------------------------- for people


def _money(minor: int, digits: int) -> str:
    return f"{minor / 10**digits:,.{digits}f}"


def _percent(micro_part: int | None) -> str:
    return "-" if micro_part is None else f"{micro_part / 1e4:.1f} %"


def _six(micro_price: int | None) -> str:
    return "-" if micro_price is None else f"{micro_price / 1e6:.4f}"


def _two(index_micro: int | None) -> str:
    return "-" if index_micro is None else f"{index_micro / 1e6:.2f}"
