"""What all tests share: property tests are judged by their answers, not by how busy the machine is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ledgernode import logs

settings.register_profile("ledgernode", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ledgernode")
logs.set_up(as_json=False)  # as every process of the product does: plain lines, no values of variables

_ACCEPTANCE = re.compile(r"tests/acceptance/.*\[(pbft|pow)\b")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file; acceptance tests by engine instead, whose files share one running network."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrEngine(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            engine = _ACCEPTANCE.match(nodeid)
            return f"tests/acceptance on {engine[1]}" if engine else super()._split_scope(nodeid)

    return ByFileOrEngine(config, log) if config.getoption("dist") == "loadfile" else None
