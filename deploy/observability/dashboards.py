"""Grafana's dashboards, from a few lines each: `python -m deploy.observability` writes them as JSON.

Every board has the variables `source` (a Prometheus) and `instance`; those of nodes `ledger` too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

WIDTH: Final = 24
HEIGHT: Final = 8


class Panel(NamedTuple):
    """A graph over time. `unit` is Grafana's name of one; `lines` are (expression, legend)."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    width: int = 8
    text: str = ""


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


class Board(NamedTuple):
    uid: str
    title: str
    ledgers: bool
    rows: tuple[Row, ...]

    def expressions(self) -> Iterator[str]:
        for row in self.rows:
            for panel in row.panels:
                yield from (expression for expression, _ in panel.lines)

    def document(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["ledgernode"],
            "timezone": "utc",
            "schemaVersion": 39,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": list(_variables(self.ledgers))},
            "panels": list(_laid_out(self.rows)),
        }


def _variables(ledgers: bool) -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    asked = "ledgernode_block_height" if ledgers else "ledgernode_gateway_build_info"
    for name in ("ledger", "instance") if ledgers else ("instance",):
        yield {
            "name": name,
            "type": "query",
            "datasource": {"type": "prometheus", "uid": "${source}"},
            "query": f"label_values({asked}, {name})",
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def _laid_out(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    number = top = 0
    for row in rows:
        number += 1
        yield {"id": number, "type": "row", "title": row.title, "gridPos": _place(0, top, WIDTH, 1), "panels": []}
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left = top + HEIGHT, 0
            number += 1
            yield _graph(number, panel, _place(left, top, panel.width, HEIGHT))
            left += panel.width
        top += HEIGHT


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _graph(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": {"fillOpacity": 5}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend}
            for at, (expression, legend) in enumerate(panel.lines)
        ],
    }


# ---------------------------------------------------------------- of nodes

_NODE: Final = 'ledger=~"$ledger",instance=~"$instance"'
_PLACE: Final = 'instance=~"$instance"'


def _of(name: str, legend: str = "{{instance}}") -> tuple[str, str]:
    return f"{name}{{{_NODE}}}", legend


def _rate(name: str, by: str, legend: str, where: str = _NODE) -> tuple[str, str]:
    return f"sum by ({by}) (rate({name}{{{where}}}[$__rate_interval]))", legend


def _share(name: str, part: float, by: str, legend: str, where: str = _NODE) -> tuple[str, str]:
    rate = f"sum by ({by}, le) (rate({name}_bucket{{{where}}}[$__rate_interval]))"
    return f"histogram_quantile({part}, {rate})", legend


NODES: Final = Board(
    "ledgernode-nodes",
    "ledgernode: ledgers and validators",
    True,
    (
        Row(
            "Does it go on?",
            (
                Panel("Height", "none", (_of("ledgernode_certified_height"),)),
                Panel(
                    "Blocks behind the others",
                    "none",
                    (_of("ledgernode_blocks_behind"),),
                    text="Near 0 on every node. One that rises alone has a slow disk or a bad way to the others.",
                ),
                Panel(
                    "Age of the newest block",
                    "s",
                    (_of("ledgernode_last_block_age_seconds"),),
                    text="Without work there is no block: it says something only while transactions wait.",
                ),
                Panel("Ready", "bool", (_of("ledgernode_ready"),)),
                Panel("Halted", "bool", (_of("ledgernode_halted"),)),
                Panel(
                    "Links that stand, and how many others are needed",
                    "none",
                    (
                        (f"sum by (instance) (ledgernode_peer_up{{{_NODE}}})", "{{instance}}"),
                        (f"max(ledgernode_quorum{{{_NODE}}}) - 1", "needed"),
                    ),
                ),
            ),
        ),
        Row(
            "How fast?",
            (
                Panel(
                    "Committed a second",
                    "reqps",
                    (_rate("ledgernode_committed_transactions_total", "instance", "{{instance}}"),),
                ),
                Panel(
                    "Submit to commit",
                    "s",
                    (
                        _share("ledgernode_submit_commit_seconds", 0.5, "ledger", "{{ledger}} half"),
                        _share("ledgernode_submit_commit_seconds", 0.95, "ledger", "{{ledger}} 95 %"),
                        _share("ledgernode_submit_commit_seconds", 0.99, "ledger", "{{ledger}} 99 %"),
                    ),
                ),
                Panel("Results by code", "reqps", (_rate("ledgernode_transactions_total", "code", "{{code}}"),)),
                Panel("Waiting transactions", "none", (_of("ledgernode_mempool_transactions"),)),
                Panel(
                    "Refused at the door, by code",
                    "reqps",
                    (_rate("ledgernode_refused_transactions_total", "code", "{{code}}"),),
                ),
                Panel(
                    "Transactions in a block",
                    "none",
                    (_share("ledgernode_block_transactions", 0.5, "instance", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Where does time go?",
            (
                Panel(
                    "Execution of a block, 95 %",
                    "s",
                    (_share("ledgernode_block_execution_seconds", 0.95, "instance", "{{instance}}"),),
                ),
                Panel(
                    "A write to the disk, 95 %",
                    "s",
                    (_share("ledgernode_store_write_seconds", 0.95, "instance", "{{instance}}"),),
                ),
                Panel(
                    "Event loop, 99 % late",
                    "s",
                    (_share("ledgernode_event_loop_lag_seconds", 0.99, "instance", "{{instance}}", _PLACE),),
                ),
                Panel(
                    "Processor",
                    "percentunit",
                    (_rate("process_cpu_seconds_total", "instance", "{{instance}}", _PLACE),),
                ),
                Panel("Memory", "bytes", ((f"process_resident_memory_bytes{{{_PLACE}}}", "{{instance}}"),)),
                Panel(
                    "Calls by code",
                    "reqps",
                    (_rate("ledgernode_grpc_calls_total", "method, code", "{{method}} {{code}}", _PLACE),),
                ),
            ),
        ),
        Row(
            "Agreement",
            (
                Panel("View", "none", (_of("ledgernode_view"),), text="PBFT: rises when a leader is replaced."),
                Panel(
                    "Leaders replaced",
                    "none",
                    ((f"increase(ledgernode_view_changes_total{{{_NODE}}}[1h])", "{{instance}} in an hour"),),
                ),
                Panel(
                    "Hashes of a block",
                    "none",
                    (_of("ledgernode_block_hashes"),),
                    text="Proof of work: its difficulty.",
                ),
                Panel(
                    "Clocks of the others",
                    "s",
                    (_of("ledgernode_peer_clock_skew_seconds", "{{instance}}: {{organisation}}"),),
                ),
                Panel(
                    "Queued for the others",
                    "none",
                    (_of("ledgernode_peer_queued_messages", "{{instance}} to {{organisation}}: {{kind}}"),),
                ),
                Panel(
                    "Dropped for the others",
                    "reqps",
                    (
                        _rate(
                            "ledgernode_peer_dropped_messages_total",
                            "instance, organisation",
                            "{{instance}} to {{organisation}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Room",
            (
                Panel("Database", "bytes", (_of("ledgernode_store_bytes"),)),
                Panel("Disk free", "bytes", (_of("ledgernode_disk_free_bytes"),)),
                Panel(
                    "Days until certificates end",
                    "d",
                    (
                        (
                            f"(ledgernode_certificate_ends_timestamp_seconds{{{_PLACE}}} - time()) / 86400",
                            "{{instance}} {{certificate}}",
                        ),
                    ),
                ),
                Panel(
                    "Chunks of a snapshot under way",
                    "none",
                    (_of("ledgernode_sync_chunks"), _of("ledgernode_sync_chunks_needed", "{{instance}} needed")),
                ),
                Panel(
                    "Lines logged",
                    "reqps",
                    (_rate("ledgernode_log_lines_total", "instance, level", "{{instance}} {{level}}", _PLACE),),
                ),
            ),
        ),
    ),
)

# ---------------------------------------------------------------- of gateways


def _at(name: str, legend: str = "{{instance}}") -> tuple[str, str]:
    return f"ledgernode_gateway_{name}{{{_PLACE}}}", legend


GATEWAYS: Final = Board(
    "ledgernode-gateways",
    "ledgernode: gateways",
    False,
    (
        Row(
            "Devices",
            (
                Panel(
                    "Items taken a second",
                    "reqps",
                    (_rate("ledgernode_gateway_intake_total", "instance, bearer", "{{instance}} {{bearer}}", _PLACE),),
                ),
                Panel(
                    "Answers by code", "reqps", (_rate("ledgernode_gateway_intake_total", "code", "{{code}}", _PLACE),)
                ),
                Panel("Open streams", "none", (_at("streams"), _at("http_waiting", "{{instance}} waiting by HTTP"))),
                Panel("At the broker", "bool", (_at("broker_up"),)),
                Panel(
                    "Commands under way",
                    "none",
                    (("sum by (kind, status) (" + _at("commands")[0] + ")", "{{kind}} {{status}}"),),
                ),
            ),
        ),
        Row(
            "Outbox",
            (
                Panel(
                    "Waiting for the ledger",
                    "none",
                    (_at("outbox_entries"), _at("outbox_in_flight", "{{instance}} on their way")),
                ),
                Panel("Kept", "bytes", (_at("outbox_bytes"), _at("outbox_limit_bytes", "{{instance}} may be kept"))),
                Panel("Longest wait of a device", "s", (_at("outbox_oldest_seconds"),)),
                Panel("The ledger has taken nothing for", "s", (_at("ledger_away_seconds"),)),
                Panel(
                    "A write to the disk, 95 %",
                    "s",
                    (_share("ledgernode_gateway_outbox_write_seconds", 0.95, "instance", "{{instance}}", _PLACE),),
                ),
                Panel(
                    "What became of it, by code",
                    "reqps",
                    (_rate("ledgernode_gateway_settled_total", "code", "{{code}}", _PLACE),),
                ),
            ),
        ),
        Row(
            "People",
            (
                Panel("Read model: blocks behind", "none", (_at("read_model_behind_blocks"),)),
                Panel("Pages that listen", "none", (_at("listeners"),)),
                Panel(
                    "Requests by status",
                    "reqps",
                    (_rate("ledgernode_gateway_http_requests_total", "status", "{{status}}", _PLACE),),
                ),
                Panel(
                    "Time to an answer, 95 %, by route",
                    "s",
                    (_share("ledgernode_gateway_http_request_seconds", 0.95, "route", "{{route}}", _PLACE),),
                    16,
                ),
                Panel(
                    "Event loop, 99 % late",
                    "s",
                    (_share("ledgernode_event_loop_lag_seconds", 0.99, "instance", "{{instance}}", _PLACE),),
                ),
            ),
        ),
    ),
)

BOARDS: Final = (NODES, GATEWAYS)
