"""docs/metrics.md, printed from the code: `python -m tests.observe.page > docs/metrics.md`."""

from __future__ import annotations

from collections.abc import Iterable

from devices import meter_observed as meter
from devices.fleet import observed as fleet
from gateway import metrics as gateway
from gateway.vending import observed as vending
from ledgernode.observe.figures import Figure, Kind, Sheet
from ledgernode.services import metrics as node

ALL = (*node.FIGURES, *gateway.FIGURES, *vending.FIGURES, *meter.FIGURES, *fleet.FIGURES)
HEAD = """# Metrics

What a node, a gateway, a vending service, a meter and a fleet show at `/metrics` of their operator's listener
(`observe`, `--observe`; docs/observability.md says what to watch). Printed from the code:
`python -m tests.observe.page > docs/metrics.md`.

Counters count since the start. A histogram has `_bucket`, `_sum` and `_count`. A name says its unit where it has
one; without, it is pieces. Besides, each process tells its own `process_…`: processor time, memory, open files, start.
"""


def page() -> str:
    parts = [HEAD, *_section("Of a node", node.FIGURES), *_section("Of a gateway", gateway.FIGURES)]
    parts += _section("Of a vending service", vending.FIGURES)
    parts += [*_section("Of a meter", meter.FIGURES), *_section("Of a fleet that runs", fleet.FIGURES)]
    return "\n".join(parts)


def names() -> set[str]:
    """Every name that a rule or a dashboard may use."""
    found = {sample for figure in ALL for sample in samples(figure)}
    return found | {metric.name for metric in Sheet(()).collect()} | {"process_cpu_seconds_total", "up"}


def samples(figure: Figure) -> list[str]:
    if figure.kind is Kind.HISTOGRAM:
        return [f"{figure.name}{end}" for end in ("_bucket", "_sum", "_count")]
    return [figure.name]


def _section(title: str, figures: Iterable[Figure]) -> list[str]:
    rows = [
        f"| `{figure.name}` | {figure.kind} | {figure.unit} | {', '.join(figure.labels)} | {figure.help} |"
        for figure in figures
    ]
    return [f"## {title}\n", "| name | type | unit | labels | meaning |", "|---|---|---|---|---|", *rows, ""]


if __name__ == "__main__":
    print(page(), end="")
