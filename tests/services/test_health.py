"""What health checks hear: whether the process lives, and whether its ledgers are worth asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledgernode.services.server import LEDGER_SERVICE
from tests.services.four import Four

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Four]:
    found = Four(tmp_path / "network")
    await found.server.start()
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("serving", "ready", "node", "ledgers"),
    [(True, True, SERVING, SERVING), (True, False, SERVING, NOT_SERVING), (False, True, NOT_SERVING, NOT_SERVING)],
    ids=["at the head", "far behind", "halted"],
)
async def test_who_is_far_behind_lives_and_is_not_ready(
    four: Four, serving: bool, ready: bool, node: int, ledgers: int
) -> None:
    """Restarting it would do no good; asking it would give old news."""
    await four.server.tell_health(serving=serving, ready=ready)
    checks = health_pb2_grpc.HealthStub(four.dial(four.admin_tls("north")))
    for service, state in (("", node), (LEDGER_SERVICE, ledgers)):
        answer = await checks.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == state
