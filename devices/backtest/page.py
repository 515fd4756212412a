"""A study as one page: figures and tables in one file, no script, no link, by day and by night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from devices.backtest.findings import Found
from devices.backtest.study import Study
from devices.backtest.yardsticks import FEED_IN

NONE: Final = "\N{EN DASH}"
"""A figure that is not defined."""
_NIGHT: Final[Mapping[str, str]] = {
    "ink": "#e8eef0",
    "soft": "#9fb0ba",
    "line": "#33444d",
    "paper": "#131c21",
    "sun": "#f2bd4b",
    "trade": "#3fbfa6",
    "grid": "#6f8390",
    "price": "#ec7185",
    "deep": "#6aa9df",
}
_STYLE: Final = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; }
p { margin: .3rem 0; color: var(--soft); max-width: 46rem; }
figure { margin: 2.2rem 0; } figure svg { width: 100%; height: auto; display: block; overflow: visible; }
.facts { display: flex; flex-wrap: wrap; gap: 1.2rem 2.6rem; margin: 1.6rem 0; }
.facts b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .34rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
tr.yardstick td { color: var(--soft); } tr.best td:first-child { font-weight: 700; color: var(--trade); }
"""


def page(study: Study, svgs: Mapping[str, str], *, title: str, currency: str, day: Mapping[str, str]) -> str:
    """The whole document. `day` are the colours on paper, by the names that the figures use."""
    markets = [found for found in study.found if found.is_market]
    best = min(markets, key=lambda found: found.bill_minor) if markets else None
    colours = (
        f":root {{ {_variables(day)} }} @media (prefers-color-scheme: dark) {{ :root {{ {_variables(_NIGHT)} }} }}"
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title>",
        f"<style>{colours}{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{_about(study)}</p>",
    ]
    if best is not None:
        parts.append(_headline(study, best, currency))
    parts += [f"<figure>{svg}</figure>" for svg in svgs.values()]
    parts += ["<h2>All mechanisms</h2>", _mechanisms(study, best, currency)]
    parts += ["<h2>House by house: what each pays</h2>", _houses(study, currency)]
    parts += [_notes(study), "</body></html>"]
    return "\n".join(parts) + "\n"


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _about(study: Study) -> str:
    plan = study.plan
    stored = sum(house.battery is not None for house in plan.houses)
    made = sum(any(house.generation_wh) for house in plan.houses)
    left_out = (
        f" {plan.left_out:,} intervals are left out, because some meter says nothing of them." if plan.left_out else ""
    )
    return (
        f"{len(plan.houses)} houses, {made} with panels and {stored} with a battery; {len(plan):,} deliveries of "
        f"{plan.step_ms // 60_000} minutes. Seed {plan.seed}.{left_out}"
    )


def _headline(study: Study, best: Found, currency: str) -> str:
    alone = study.of(FEED_IN)
    shown = [
        (_money(best.bill_minor, study.digits), f"{currency}: the smallest bill, under {best.mechanism}"),
        (_share(best.saving_micro), "less than under feed-in"),
        (f"{best.volume_wh / 1e6:,.1f} MWh", "traded between neighbours"),
        (
            _share(best.self_sufficiency_micro),
            f"self-sufficient; {_share(alone.self_sufficiency_micro)} without a market",
        ),
    ]
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(text)}</span></div>" for value, text in shown)
    return f'<div class="facts">{cells}</div>'


def _mechanisms(study: Study, best: Found | None, currency: str) -> str:
    head = ("", f"bill, {currency}", "saved", "traded, kWh", "price", "buyer pays", "self-sufficient", "self-consumed",
            "Jain", "Gini", "left over")  # fmt: skip
    rows = []
    for found in study.found:
        style = "yardstick" if not found.is_market else "best" if found is best else ""
        cells = (
            found.mechanism,
            _money(found.bill_minor, study.digits),
            _share(found.saving_micro),
            f"{found.volume_wh / 1e3:,.0f}" if found.is_market else NONE,
            _price(found.price_micro),
            _price(found.buyer_price_micro),
            _share(found.self_sufficiency_micro),
            _share(found.self_consumption_micro),
            _index(found.jain_micro),
            _index(found.gini_micro),
            _money(found.surplus_minor, study.digits) if found.is_market else NONE,
        )
        rows.append((style, cells))
    return _table(head, rows)


def _houses(study: Study, currency: str) -> str:
    names = [house.name for house in study.found[0].houses]
    head = (f"{currency}", *(found.mechanism for found in study.found))
    rows = [
        ("", (name, *(_money(found.houses[number].bill_minor, study.digits) for found in study.found)))
        for number, name in enumerate(names)
    ]
    return _table(head, rows)


def _notes(study: Study) -> str:
    kept = all(found.conserved for found in study.found)
    return f"""<h2>How to read this</h2>
<p>Prices are for a kWh at the seller's terminal, before the local grid's fee. Saved is against feed-in: the same houses
and batteries, with what they export paid by the grid. Self-sufficient is what houses consumed of their own and, by
trade, of each other's; self-consumed is what of their generation did not go to the grid. Jain (1 is equal) and Gini
(0 is equal) are of what each house saves for a kWh through its meter; a dash is a figure that is not defined. Left over
is what buyers paid and sellers did not get.</p>
<p>Every sum is exact: what houses pay is {"" if kept else "NOT "}what houses, the grid, its lines and the state
get.</p>"""


def _table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [
        f"<tr{f' class={style}' if style else ''}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        for style, cells in rows
    ]
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _money(minor: int, digits: int) -> str:
    return f"{minor / 10**digits:,.{digits}f}"


def _price(micro: int | None) -> str:
    return NONE if micro is None else f"{micro / 1e6:.4f}"


def _share(micro: int | None) -> str:
    return NONE if micro is None else f"{micro / 1e4:.1f} %"


def _index(micro: int | None) -> str:
    return NONE if micro is None else f"{micro / 1e6:.2f}"
