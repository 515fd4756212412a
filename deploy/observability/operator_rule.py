"""alerts.yaml, as the Prometheus operator takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent
PATH: Final = FOLDER / "prometheus-rule.yaml"


def document() -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "ledgernode", "labels": {"app.kubernetes.io/name": "ledgernode"}},
        "spec": yaml.safe_load((FOLDER / "alerts.yaml").read_text()),
    }


def text() -> str:
    head = "# Written from alerts.yaml by `python -m deploy.observability`.\n"
    return head + yaml.safe_dump(document(), sort_keys=False, width=120)
