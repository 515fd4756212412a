"""Alert rules and dashboards: of metrics that there are, and each rule seen to fire."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability import dashboards, operator_rule
from tests.observe.page import ALL, names, samples

FOLDER = Path("deploy/observability").absolute()
ALERTS = FOLDER / "alerts.yaml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
_METRIC = re.compile(r"\b(?:ledgernode|process)_[a-z_]+\b")
_SELECTED = re.compile(r"\b((?:ledgernode|process)_[a-z_]+)\{([^}]*)\}")
_GIVEN = {"job", "instance", "le"}
LABELS = {sample: {*figure.labels, *_GIVEN} for figure in ALL for sample in samples(figure)}

AT = 'job="ledgernode",instance="n:9464"'
OF = f'{AT},ledger="e"'
PEER = f'{OF},organisation="south",peer="s:1"'
DAY_S = 86_400

FIRES: dict[str, dict[str, str]] = {
    "LedgernodeDown": {f"up{{{AT}}}": "0x300"},
    "LedgerHalted": {f"ledgernode_halted{{{OF}}}": "1x300"},
    "LedgerStandsStill": {
        f"ledgernode_mempool_transactions{{{OF}}}": "5x300",
        f"ledgernode_last_block_age_seconds{{{OF}}}": "0+60x300",
    },
    "QuorumLost": {f"ledgernode_peer_up{{{PEER}}}": "1x300", f"ledgernode_quorum{{{OF}}}": "3x300"},
    "NoFaultLeft": {
        f"ledgernode_peer_up{{{PEER}}}": "1x300",
        f'ledgernode_peer_up{{{OF},organisation="east",peer="e:1"}}': "1x300",
        f"ledgernode_quorum{{{OF}}}": "3x300",
        f"ledgernode_validators{{{OF}}}": "4x300",
    },
    "ValidatorUnreachable": {f"ledgernode_peer_up{{{PEER}}}": "0x300"},
    "ValidatorContradictsItself": {f"ledgernode_contradictions_total{{{OF}}}": "0x118 1x181"},
    "LeadersReplacedOften": {f"ledgernode_view_changes_total{{{OF}}}": "0+1x300"},
    "NodeNotReady": {f"ledgernode_ready{{{OF}}}": "0x300"},
    "NodeBehind": {f"ledgernode_blocks_behind{{{OF}}}": "500x300"},
    "SyncStandsStill": {f"ledgernode_sync_idle_seconds{{{OF}}}": "0+60x300"},
    "ClocksDisagree": {f"ledgernode_peer_clock_skew_seconds{{{PEER}}}": "-2x300"},
    "CommitSlow": {
        f'ledgernode_submit_commit_seconds_bucket{{{OF},le="5"}}': "0+1x300",
        f'ledgernode_submit_commit_seconds_bucket{{{OF},le="30"}}': "0+10x300",
        f'ledgernode_submit_commit_seconds_bucket{{{OF},le="+Inf"}}': "0+10x300",
    },
    "MempoolFills": {
        f"ledgernode_mempool_transactions{{{OF}}}": "30000x300",
        f"ledgernode_mempool_limit_transactions{{{OF}}}": "50000x300",
    },
    "DiskAlmostFull": {
        f"ledgernode_disk_free_bytes{{{OF}}}": "4x300",
        f"ledgernode_disk_size_bytes{{{OF}}}": "100x300",
    },
    "DiskFillsUp": {f"ledgernode_disk_free_bytes{{{OF}}}": "1000000-100x900"},
    "WritesSlow": {
        f'ledgernode_store_write_seconds_bucket{{{OF},le="0.5"}}': "0+1x300",
        f'ledgernode_store_write_seconds_bucket{{{OF},le="2.5"}}': "0+10x300",
        f'ledgernode_store_write_seconds_bucket{{{OF},le="+Inf"}}': "0+10x300",
    },
    "CertificateEndsSoon": {
        f'ledgernode_certificate_ends_timestamp_seconds{{{AT},certificate="TLS"}}': f"{20 * DAY_S}x300"
    },
    "CertificateEndsThisWeek": {
        f'ledgernode_certificate_ends_timestamp_seconds{{{AT},certificate="TLS"}}': f"{5 * DAY_S}x300"
    },
    "EventLoopLate": {
        f"ledgernode_event_loop_lag_seconds_sum{{{AT}}}": "0+40x300",
        f"ledgernode_event_loop_lag_seconds_count{{{AT}}}": "0+60x300",
    },
    "ErrorsLogged": {f'ledgernode_log_lines_total{{{AT},level="error"}}': "0x118 3x181"},
    "CallsFailInside": {f'ledgernode_grpc_calls_total{{{AT},method="Submit",code="INTERNAL"}}': "0x118 3x181"},
    "GatewayLedgerAway": {f"ledgernode_gateway_ledger_away_seconds{{{AT}}}": "0+60x300"},
    "GatewayOutboxFills": {
        f"ledgernode_gateway_outbox_bytes{{{AT}}}": "60x300",
        f"ledgernode_gateway_outbox_limit_bytes{{{AT}}}": "100x300",
    },
    "GatewayOutboxAlmostFull": {
        f"ledgernode_gateway_outbox_bytes{{{AT}}}": "95x300",
        f"ledgernode_gateway_outbox_limit_bytes{{{AT}}}": "100x300",
    },
    "GatewayDeviceHeldUp": {f"ledgernode_gateway_outbox_oldest_seconds{{{AT}}}": "0+60x300"},
    "GatewayBrokerAway": {f"ledgernode_gateway_broker_up{{{AT}}}": "0x300"},
    "GatewayReadModelBehind": {f"ledgernode_gateway_read_model_behind_blocks{{{AT}}}": "5000x300"},
    "GatewayReadModelRefuses": {f'ledgernode_gateway_read_model_state{{{AT},state="refused"}}': "1x300"},
    "GatewayHttpErrors": {
        f'ledgernode_gateway_http_requests_total{{{AT},method="GET",route="/",status="500"}}': "0+1x300",
        f'ledgernode_gateway_http_requests_total{{{AT},method="GET",route="/",status="200"}}': "0+9x300",
    },
    "GatewayRefusesDevices": {
        f'ledgernode_gateway_intake_total{{{AT},bearer="stream",code="RATE_LIMITED"}}': "0+1x300",
        f'ledgernode_gateway_intake_total{{{AT},bearer="stream",code="OK"}}': "0+1x300",
    },
    "VendingPurchaseHangs": {f"ledgernode_vending_oldest_purchase_seconds{{{AT}}}": "0+60x300"},
    "GatewayCommandsPile": {f'ledgernode_gateway_commands{{{AT},kind="share",status="pending"}}': "500x300"},
}
"""What is seen when each of them should call: by the minute, for some hours."""

WELL = {
    f"up{{{AT}}}": "1x300",
    f"ledgernode_halted{{{OF}}}": "0x300",
    f"ledgernode_ready{{{OF}}}": "1x300",
    f"ledgernode_blocks_behind{{{OF}}}": "1x300",
    f"ledgernode_mempool_transactions{{{OF}}}": "5x300",
    f"ledgernode_mempool_limit_transactions{{{OF}}}": "50000x300",
    f"ledgernode_last_block_age_seconds{{{OF}}}": "1x300",
    f"ledgernode_peer_up{{{PEER}}}": "1x300",
    f'ledgernode_peer_up{{{OF},organisation="east",peer="e:1"}}': "1x300",
    f'ledgernode_peer_up{{{OF},organisation="west",peer="w:1"}}': "1x300",
    f"ledgernode_quorum{{{OF}}}": "3x300",
    f"ledgernode_validators{{{OF}}}": "4x300",
    f"ledgernode_contradictions_total{{{OF}}}": "0x300",
    f"ledgernode_view_changes_total{{{OF}}}": "3x300",
    f"ledgernode_peer_clock_skew_seconds{{{PEER}}}": "0.01x300",
    f'ledgernode_submit_commit_seconds_bucket{{{OF},le="5"}}': "0+10x300",
    f'ledgernode_submit_commit_seconds_bucket{{{OF},le="+Inf"}}': "0+10x300",
    f"ledgernode_disk_free_bytes{{{OF}}}": "50000000-1x300",
    f"ledgernode_disk_size_bytes{{{OF}}}": "100000000x300",
    f'ledgernode_certificate_ends_timestamp_seconds{{{AT},certificate="TLS"}}': f"{300 * DAY_S}x300",
    f"ledgernode_event_loop_lag_seconds_sum{{{AT}}}": "0+0.1x300",
    f"ledgernode_event_loop_lag_seconds_count{{{AT}}}": "0+60x300",
    f'ledgernode_log_lines_total{{{AT},level="warning"}}': "0+1x300",
    f"ledgernode_gateway_ledger_away_seconds{{{AT}}}": "2x300",
    f"ledgernode_gateway_outbox_bytes{{{AT}}}": "1x300",
    f"ledgernode_gateway_outbox_limit_bytes{{{AT}}}": "100x300",
    f"ledgernode_gateway_outbox_oldest_seconds{{{AT}}}": "1x300",
    f"ledgernode_gateway_broker_up{{{AT}}}": "1x300",
    f"ledgernode_gateway_read_model_behind_blocks{{{AT}}}": "1x300",
    f'ledgernode_gateway_http_requests_total{{{AT},method="GET",route="/",status="200"}}': "0+9x300",
    f'ledgernode_gateway_intake_total{{{AT},bearer="stream",code="OK"}}': "0+9x300",
}
"""A validator and a gateway at work, with nothing to call anybody for."""


def case(series: dict[str, str], alert: str, count: int, minutes: int) -> dict[str, Any]:
    """So many alerts of this name (or of any) call after so many minutes."""
    named = f'alertname="{alert}",' if alert else ""
    expected = [{"labels": "{}", "value": count}] if count else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{{named}alertstate="firing"}})',
                "eval_time": f"{minutes}m",
                "exp_samples": expected,
            }
        ],
    }


def judged(folder: Path, cases: list[dict[str, Any]]) -> str:
    """What promtool finds wrong with these."""
    file = folder / "cases.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "5m", "tests": cases}))
    ended = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


@pytest.mark.slow
def test_each_rule_calls_when_it_should(tmp_path: Path) -> None:
    """Needs promtool, of Debian's package prometheus (`tests/system.sh`)."""
    cases = [case(series, alert, 1, 600 if alert == "DiskFillsUp" else 120) for alert, series in FIRES.items()]
    assert judged(tmp_path, cases) == ""


@pytest.mark.slow
def test_nobody_is_called_while_all_is_well(tmp_path: Path) -> None:
    """And a case that expects an alert where none is fails: promtool looks at what it is given."""
    assert judged(tmp_path, [case(WELL, "", 0, 120)]) == ""
    assert "FAILED" in judged(tmp_path, [case(WELL, "LedgerHalted", 1, 120)])


def test_every_rule_is_seen_to_fire() -> None:
    """No rule without a case, and none for a rule that is gone."""
    assert set(FIRES) == set(RULES)


def expressions() -> list[tuple[str, str]]:
    rules = [(name, rule["expr"]) for name, rule in RULES.items()]
    return rules + [(board.title, expression) for board in dashboards.BOARDS for expression in board.expressions()]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_rules_and_dashboards_ask_for_metrics_that_there_are(where: str, expression: str) -> None:
    """By their names, and by labels that they have."""
    assert set(_METRIC.findall(expression)) <= names()
    for name, selected in _SELECTED.findall(expression):
        asked = set(re.findall(r"([a-z_]+)\s*(?:=|!=|=~|!~)", selected))
        assert asked <= LABELS.get(name, _GIVEN), name


@pytest.mark.parametrize("name", RULES)
def test_each_rule_says_what_it_means_and_what_to_do(name: str) -> None:
    """To whoever is called, and at length in the operator's guide."""
    rule = RULES[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert f"`{name}`" in Path("docs/observability.md").read_text()


def test_what_is_written_from_descriptions_is_current() -> None:
    """`python -m deploy.observability`."""
    for board in dashboards.BOARDS:
        assert json.loads((FOLDER / "dashboards" / f"{board.uid}.json").read_text()) == board.document()
    assert yaml.safe_load(operator_rule.PATH.read_text()) == operator_rule.document()
