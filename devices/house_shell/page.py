"""The page of a house's tie, live: what Algorithm 1 displays on its local server."""

from __future__ import annotations

from html import escape

from devices.house.transfer import Page

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f2ec;color:#23281c}
main{max-width:30rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border-radius:.75rem;
box-shadow:0 1px 4px #0002}
h1{font-size:1.1rem;margin:0 0 1rem}dl{display:grid;grid-template-columns:1fr auto;gap:.35rem 1rem;margin:0}
dt{color:#5c5748}dd{margin:0;font-variant-numeric:tabular-nums;text-align:right;font-weight:600}
p{margin:1rem 0 0;color:#5c5748}.on{color:#14743a}.off{color:#8d8674}
progress{width:100%;height:.6rem;margin-top:1rem}
"""


def html(page: Page) -> bytes:
    """It loads itself anew every second; no script, nothing from elsewhere."""
    rows = [
        ("voltage", f"{page.voltage_mv / 1_000:.2f} V"),
        ("current", f"{page.current_ma / 1_000:.2f} A"),
        ("power", f"{page.power_mw / 1_000:.1f} W"),
        ("energy of this trade", f"{page.energy_mwh / 1_000:.3f} Wh"),
        ("demand", f"{page.demand_mwh / 1_000:.3f} Wh"),
    ]
    relays = [("relay in", page.relay_in), ("relay out", page.relay_out), ("link", page.linked)]
    found = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    found += "".join(
        f'<dt>{name}</dt><dd class="{"on" if is_on else "off"}">{_word(name, is_on)}</dd>' for name, is_on in relays
    )
    part = f'<progress max="{page.demand_mwh}" value="{page.energy_mwh}"></progress>' if page.demand_mwh else ""
    text = escape(page.text or "no trade yet")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(page.point)}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(page.point)}</h1><dl>{found}</dl>{part}<p>{text}</p>"
        f"</main></body></html>"
    ).encode()


def _word(name: str, is_on: bool) -> str:
    if name == "link":
        return "up" if is_on else "down"
    return "closed" if is_on else "open"
