"""A study as figures, once for files (PNG) and once for the page (SVG whose colours follow the reader's light).

    bills      what the community pays under each mechanism, beside the yardsticks
    savings    each house under each mechanism, against feed-in
    fairness   the same savings for each kWh, house by house as dots
    day        the average day: what houses use of their own, of each other's, of the grid's
    prices     what a traded kWh brings at each hour, between what the grid pays and what it costs
    year       every day and hour of the time: how much is traded, and at which price
    months     self-sufficiency and self-consumption, month by month, with and without a market

A figure is drawn in the colours of `PALETTE`; in an SVG each of them becomes a CSS variable, so that one page is read
by day and by night. The same study gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from devices.backtest.findings import Found
from devices.backtest.page import NONE
from devices.backtest.study import Study
from devices.backtest.yardsticks import FEED_IN
from devices.history.series import DAY_MS, HOUR_MS

PALETTE: Final[Mapping[str, str]] = {
    "ink": "#1b2a34",
    "soft": "#64757f",
    "line": "#dbe2e6",
    "paper": "#fdfdfb",
    "sun": "#eda81f",
    "trade": "#17917c",
    "grid": "#93a4b1",
    "price": "#c8445a",
    "deep": "#2c6aa0",
}
"""Names of CSS variables, and what they are on paper."""
_CELL_INK: Final = "#12262c"  # on coloured cells, which are the same by day and by night
_SAVED: Final = LinearSegmentedColormap.from_list("saved", ["#e2685f", "#f8ded9", "#eef4f1", "#a9dccf", "#2fa58d"])
_VOLUME: Final = LinearSegmentedColormap.from_list("volume", [(0.11, 0.66, 0.56, 0.07), (0.11, 0.66, 0.56, 1.0)])
_PRICE: Final = LinearSegmentedColormap.from_list("price", ["#f6d9a0", "#e58a4e", "#b5305a"])
_STYLE: Final[Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "text.color": PALETTE["ink"],
    "axes.labelcolor": PALETTE["soft"],
    "axes.edgecolor": PALETTE["line"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 12,
    "axes.titlepad": 12,
    "xtick.color": PALETTE["soft"],
    "ytick.color": PALETTE["soft"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": PALETTE["line"],
    "legend.frameon": False,
    "figure.facecolor": PALETTE["paper"],
}
_PNG_DPI: Final = 144
_SHOWN_MONTH_MS: Final = 5 * DAY_MS
_HOURS: Final = (0, 6, 12, 18, 24)


def figures(study: Study, currency: str) -> dict[str, Figure]:
    """Every figure that the study has something for, by name, in the order of reading."""
    drawers: dict[str, Callable[[Study, str], Figure | None]] = {
        "bills": _bills,
        "savings": _savings,
        "fairness": _fairness,
        "day": _day,
        "prices": _prices,
        "year": _year,
        "months": _months,
    }
    found: dict[str, Figure] = {}
    with mpl.rc_context(_STYLE):
        for name, draw in drawers.items():
            drawn = draw(study, currency)
            if drawn is not None:
                found[name] = drawn
    return found


def as_png(figure: Figure) -> bytes:
    with mpl.rc_context(_STYLE):
        out = io.BytesIO()
        figure.savefig(
            out, format="png", dpi=_PNG_DPI, bbox_inches="tight", pad_inches=0.25, metadata={"Software": None}
        )
        return out.getvalue()


def as_svg(figure: Figure, name: str) -> str:
    """An <svg> element to stand in a page: no background, its colours are variables."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        out = io.StringIO()
        figure.savefig(
            out,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            pad_inches=0.1,
            metadata={"Date": None, "Creator": None},
        )
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    for variable, colour in PALETTE.items():
        text = text.replace(colour, f"var(--{variable})")
    return text


def shown_market(study: Study) -> str:
    """The mechanism that leaves the community the smallest bill; empty where none was played."""
    markets = [found for found in study.found if found.is_market]
    return min(markets, key=lambda found: found.bill_minor).mechanism if markets else ""


# ---------------------------------------------------------------- figures


def _bills(study: Study, currency: str) -> Figure:
    rows = sorted(study.found, key=lambda found: -found.bill_minor)
    figure, axes = _new(8.2, 0.42 * len(rows) + 1.1, "What the community pays")
    values = [_major(study, found.bill_minor) for found in rows]
    colours = [PALETTE["trade"] if found.is_market else PALETTE["grid"] for found in rows]
    axes.barh(range(len(rows)), values, color=colours, height=0.62)
    axes.set_yticks(range(len(rows)), [found.mechanism for found in rows])
    for label, found in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(PALETTE["ink"] if found.is_market else PALETTE["soft"])
    reach = max((abs(value) for value in values), default=1.0) or 1.0
    for place, (found, value) in enumerate(zip(rows, values, strict=True)):
        share = "" if found.mechanism == FEED_IN else f"   {_percent(found.saving_micro)}"
        axes.text(max(value, 0) + reach * 0.012, place, f"{_shown(value, reach)}{share}", va="center", fontsize=9)
    axes.set_xlim(min(0.0, *values), reach * 1.2)
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    _below(
        axes, f"{currency} over the whole time; percent are saved against feed-in. Grey: yardsticks without a market"
    )
    return figure


def _savings(study: Study, currency: str) -> Figure:
    found = [row for row in study.found if row.mechanism != FEED_IN]
    table = np.array([[_major(study, house.saving_minor) for house in row.houses] for row in found])
    houses = [house.name for house in found[0].houses]
    if len(houses) > 20:
        return _spread(found, table, currency)
    figure, axes = _new(max(6.0, 0.78 * len(houses) + 2.0), 0.44 * len(found) + 1.5, "What each house saves")
    reach = max(float(np.abs(table).max()), 1e-9)
    axes.imshow(table, cmap=_SAVED, vmin=-reach, vmax=reach, aspect="auto")
    for row, column in np.ndindex(*table.shape):
        axes.text(
            column,
            row,
            _shown(float(table[row, column]), reach),
            ha="center",
            va="center",
            fontsize=8.5,
            color=_CELL_INK,
        )
    axes.set_xticks(range(len(houses)), [name.replace("_", " ") for name in houses], rotation=35, ha="right")
    axes.set_yticks(range(len(found)), [row.mechanism for row in found])
    axes.set_xticks(np.arange(len(houses) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(found) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PALETTE["paper"], linewidth=2.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    _below(axes, f"{currency} over the whole time against feed-in; red pays more", space=0.36)
    return figure


def _spread(found: list[Found], table: NDArray[np.float64], currency: str) -> Figure:
    """Of many houses: the middle half as a box, all as a line."""
    figure, axes = _new(8.2, 0.44 * len(found) + 1.1, "What houses save")
    axes.boxplot(
        table.T,
        orientation="horizontal",
        tick_labels=[row.mechanism for row in found],
        patch_artist=True,
        boxprops={"facecolor": PALETTE["trade"], "alpha": 0.35, "edgecolor": PALETTE["trade"]},
        medianprops={"color": PALETTE["ink"]},
        whiskerprops={"color": PALETTE["grid"]},
        capprops={"color": PALETTE["grid"]},
        flierprops={"marker": ".", "markeredgecolor": PALETTE["grid"]},
    )
    axes.axvline(0, color=PALETTE["line"])
    axes.invert_yaxis()
    _below(axes, f"{currency} over the whole time against feed-in, by house")
    return figure


def _fairness(study: Study, currency: str) -> Figure | None:
    rows = [found for found in study.found if found.is_market]
    if not rows or len(study.plan.houses) < 2:
        return None
    figure, axes = _new(8.2, 0.44 * len(rows) + 1.3, "Who saves how much for each kWh")
    values = [[saving / 1e4 for saving in found.savings_per_kwh_micro] for found in rows]
    reach = max((max(row, default=0) for row in values), default=0) or 1.0
    for place, (found, savings) in enumerate(zip(rows, values, strict=True)):
        axes.plot(
            [min(savings, default=0), max(savings, default=0)], [place, place], color=PALETTE["line"], linewidth=5
        )
        axes.scatter(savings, [place] * len(savings), s=34, color=PALETTE["trade"], alpha=0.65, linewidths=0, zorder=3)
        if savings:
            axes.scatter([sum(savings) / len(savings)], [place], s=90, marker="|", color=PALETTE["ink"], zorder=4)
        jain = f"Jain {NONE}" if found.jain_micro is None else f"Jain {found.jain_micro / 1e6:.2f}"
        axes.text(reach * 1.06, place, jain, va="center", fontsize=9, color=PALETTE["soft"])
    axes.set_yticks(range(len(rows)), [found.mechanism for found in rows])
    axes.invert_yaxis()
    axes.set_xlim(right=reach * 1.25)
    axes.axvline(0, color=PALETTE["grid"], linewidth=0.8)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set_visible(False)
    _below(axes, f"{currency}/100 a kWh through the meter, against feed-in; a dot is a house, | the mean")
    return figure


def _day(study: Study, currency: str) -> Figure | None:  # noqa: ARG001  # as all drawers
    market = shown_market(study)
    if not market:
        return None
    trace = study.traces[market]
    load, made = _sum(study, "load_wh"), _sum(study, "generation_wh")
    bought = trace.volume_wh
    of_grid = np.maximum(trace.import_wh - bought, 0)
    own = np.maximum(load - bought - of_grid, 0)
    hours, per_kw = _times_of_day(study), HOUR_MS / study.plan.step_ms / 1e3
    parts = [per_kw * _by_time_of_day(study, values) for values in (own, bought, of_grid)]
    figure, axes = _new(8.2, 3.9, "The average day")
    colours = [PALETTE["sun"], PALETTE["trade"], PALETTE["grid"]]
    axes.stackplot(
        hours, *parts, colors=colours, alpha=0.85, linewidth=0, labels=["their own", "each other's", "the grid's"]
    )
    axes.plot(hours, per_kw * _by_time_of_day(study, made), color=PALETTE["ink"], linewidth=1.6, label="generated")
    axes.set_xticks(_HOURS, [f"{hour:02d}:00" for hour in _HOURS])
    axes.set_xlim(0, 24)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kW, all houses")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", ncols=4, fontsize=9, bbox_to_anchor=(0, 1.09), handlelength=1.2, columnspacing=1.4)
    axes.set_title("The average day", pad=30)
    _below(axes, f"what houses use, by where it comes from, market: {market}; hours in UTC")
    return figure


def _prices(study: Study, currency: str) -> Figure | None:
    traces = {name: trace for name, trace in study.traces.items() if trace.traded.any()}
    if not traces:
        return None
    figure, axes = _new(8.2, 4.2, "What a traded kWh brings its seller")
    hours = _times_of_day(study)
    retail = _by_time_of_day(study, np.array([terms.retail_micro for terms in study.plan.terms])) / 1e6
    feed_in = _by_time_of_day(study, np.array([terms.feed_in_micro for terms in study.plan.terms])) / 1e6
    axes.fill_between(hours, feed_in, retail, color=PALETTE["line"], alpha=0.45, linewidth=0)
    axes.plot(hours, retail, color=PALETTE["soft"], linestyle="--", linewidth=1)
    axes.plot(hours, feed_in, color=PALETTE["soft"], linestyle="--", linewidth=1)
    axes.text(0.2, float(retail[0]), "the grid's price", va="bottom", fontsize=8.5, color=PALETTE["soft"])
    axes.text(0.2, float(feed_in[0]), "feed-in", va="bottom", fontsize=8.5, color=PALETTE["soft"])
    styles = [
        (colour, line)
        for line in ("-", "--", ":")
        for colour in (PALETTE["trade"], PALETTE["price"], PALETTE["deep"], PALETTE["sun"])
    ]
    for (name, trace), (colour, line) in zip(traces.items(), styles, strict=False):
        volume = _by_time_of_day(study, trace.volume_wh)
        worth = _by_time_of_day(study, np.where(trace.traded, trace.price_micro * trace.volume_wh, 0))
        price = np.divide(worth, volume, out=np.full_like(worth, np.nan), where=volume > volume.max() / 200) / 1e6
        axes.plot(hours, price, color=colour, linestyle=line, linewidth=1.8, label=name)
    axes.set_xticks(_HOURS, [f"{hour:02d}:00" for hour in _HOURS])
    axes.set_xlim(0, 24)
    axes.set_ylabel(f"{currency} a kWh")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    _below(axes, "mean by volume at each time of day, before the grid fee; UTC")
    return figure


def _year(study: Study, currency: str) -> Figure | None:
    market = shown_market(study)
    if not market or len(study.plan) * study.plan.step_ms < 7 * DAY_MS or not study.traces[market].traded.any():
        return None
    trace = study.traces[market]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 5.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, values, title, colours, unit in (
        (upper, np.where(trace.traded, trace.volume_wh / 1e3, np.nan), "When energy changes hands", _VOLUME, "kWh"),
        (lower, np.where(trace.traded, trace.price_micro / 1e6, np.nan), "At which price", _PRICE, f"{currency} a kWh"),
    ):
        table, first_day = _carpet(study, values)
        image = axes.imshow(
            table,
            aspect="auto",
            origin="lower",
            cmap=colours,
            interpolation="nearest",
            extent=(first_day, first_day + table.shape[1], 0, 24),
        )
        axes.set_yticks(_HOURS, [f"{hour:02d}" for hour in _HOURS])
        axes.set_title(title)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=14)
        bar.set_label(unit, color=PALETTE["soft"])
        bar.outline.set_visible(False)
    ticks, names = _month_ticks(study)
    lower.set_xticks(ticks, names)
    _below(lower, f"each column a day, each row a time of day (UTC); market: {market}", space=0.3)
    return figure


def _months(study: Study, currency: str) -> Figure | None:  # noqa: ARG001  # as all drawers
    market = shown_market(study)
    months = np.array([_month(begin_ms) for begin_ms in study.plan.begins_ms])
    counted = Counter(months.tolist())
    names = [name for name, count in counted.items() if count * study.plan.step_ms >= _SHOWN_MONTH_MS]
    if not market or len(names) < 2:
        return None
    trace = study.traces[market]
    load, made = _sum(study, "load_wh"), _sum(study, "generation_wh")
    lines = {
        ("self-sufficiency", "with the market", "-"): (load, trace.import_wh - trace.volume_wh, PALETTE["trade"]),
        ("self-sufficiency", "without", ":"): (load, study.own_import_wh, PALETTE["trade"]),
        ("self-consumption", "with the market", "-"): (made, trace.export_wh - trace.volume_wh, PALETTE["sun"]),
        ("self-consumption", "without", ":"): (made, study.own_export_wh, PALETTE["sun"]),
    }
    figure, axes = _new(8.2, 3.8, "Month by month")
    for (what, how, style), (whole, outside, colour) in lines.items():
        shares = []
        for month in names:
            of_month = months == month
            total = int(whole[of_month].sum())
            shares.append(100 * max(0.0, 1 - int(outside[of_month].sum()) / total) if total else np.nan)
        axes.plot(range(len(names)), shares, style, color=colour, marker="o", markersize=4, label=f"{what}, {how}")
    labels = [
        f"{name[5:]}\n{name[:4]}" if not place or name.endswith("01") else name[5:] for place, name in enumerate(names)
    ]
    axes.set_xticks(range(len(names)), labels)
    axes.set_ylim(0, 100)
    axes.set_ylabel("%")
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, fontsize=9)
    axes.set_title("Month by month", pad=44)
    _below(
        axes,
        f"of consumption from own or neighbours' panels; of generation not given to the grid; market: {market}",
        space=0.26,
    )
    return figure


# ---------------------------------------------------------------- parts


def _new(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _below(axes: Axes, text: str, *, space: float = 0.0) -> None:
    """A line under the figure that says what is seen."""
    axes.annotate(
        text, (0, 0), xycoords="axes fraction", xytext=(0, -30 - 72 * space), textcoords="offset points", fontsize=8.5,
        color=PALETTE["soft"], annotation_clip=False,
    )  # fmt: skip


def _major(study: Study, minor: int) -> float:
    return float(minor / 10**study.digits)


def _shown(value: float, largest: float) -> str:
    """Money in a figure: whole units, unless all of it is little."""
    digits = 0 if largest >= 100 else 2
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _percent(micro: int | None) -> str:
    return NONE if micro is None else f"{micro / 1e4:+.1f} %".replace("-", "\N{MINUS SIGN}")


def _sum(study: Study, name: str) -> NDArray[np.int64]:
    """A list of the households, all houses together."""
    columns = [np.array(getattr(house, name), dtype=np.int64) for house in study.plan.houses]
    return np.asarray(np.sum(columns, axis=0), dtype=np.int64)


def _slots(study: Study) -> NDArray[np.int64]:
    return np.array(study.plan.begins_ms, dtype=np.int64) % DAY_MS // study.plan.step_ms


def _times_of_day(study: Study) -> NDArray[np.float64]:
    """The middle of each interval of a day, closed to midnight on both sides."""
    count = DAY_MS // study.plan.step_ms
    return np.concatenate([[0.0], (np.arange(count) + 0.5) * 24 / count, [24.0]])


def _by_time_of_day(study: Study, values: NDArray[Any]) -> NDArray[np.float64]:
    """Means over the days."""
    count = int(DAY_MS // study.plan.step_ms)
    slots = _slots(study)
    sums = np.bincount(slots, weights=values.astype(np.float64), minlength=count)
    means = sums / np.maximum(np.bincount(slots, minlength=count), 1)
    edge = (means[0] + means[-1]) / 2
    return np.concatenate([[edge], means, [edge]])


def _carpet(study: Study, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """(time of day by day, the first day since 1970); NaN where there is nothing."""
    days = np.array(study.plan.begins_ms, dtype=np.int64) // DAY_MS
    first = int(days.min())
    table = np.full((int(DAY_MS // study.plan.step_ms), int(days.max()) - first + 1), np.nan)
    table[_slots(study), days - first] = values
    return table, first


def _month_ticks(study: Study) -> tuple[list[int], list[str]]:
    """The first of each month as a day since 1970, or of a short time its days; thinned to a dozen."""
    ticks: dict[int, str] = {}
    days = range(study.plan.begins_ms[0] // DAY_MS, study.plan.begins_ms[-1] // DAY_MS + 1)
    for day in days:
        at = datetime.fromtimestamp(day * DAY_MS / 1_000, UTC)
        if at.day == 1:
            ticks[day] = at.strftime("%b\n%Y") if at.month == 1 or not ticks else at.strftime("%b")
    if len(ticks) < 2:
        ticks = {day: datetime.fromtimestamp(day * DAY_MS / 1_000, UTC).strftime("%-d %b") for day in days}
    every = max(1, len(ticks) // 12)
    return list(ticks)[::every], list(ticks.values())[::every]


def _month(begin_ms: int) -> str:
    return datetime.fromtimestamp(begin_ms / 1_000, UTC).strftime("%Y-%m")
