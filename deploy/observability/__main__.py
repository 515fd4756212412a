"""Write what is generated here: dashboards, and the rules as the Prometheus operator takes them."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.observability import operator_rule
from deploy.observability.dashboards import BOARDS

for board in BOARDS:
    path = Path(__file__).parent / "dashboards" / f"{board.uid}.json"
    path.write_text(json.dumps(board.document(), indent=1, ensure_ascii=False) + "\n")
operator_rule.PATH.write_text(operator_rule.text())
