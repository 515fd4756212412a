"""What a node tells its operator of its health, by HTTP."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.node.health import Condition
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.observed import Observed
from tests.services.four import LEDGER, Four

STUCK_MS = 60_000


def told(observed: Observed, address: str) -> tuple[int, dict[str, object]]:
    answer = observed.addresses()[address]()
    return answer.status, msgspec.json.decode(answer.body)


async def test_a_single_validator_is_started_ready_and_live(served: ServedLedger) -> None:
    """And says how far it is."""
    observed = Observed({served.name: served}, [served.name], STUCK_MS)
    observed.beat()
    for address in ("/health/started", "/health/ready", "/health/live"):
        status, document = told(observed, address)
        assert (status, document["reason"]) == (200, "")
        assert document["ledgers"][served.name]["height"] == served.driver.certified  # type: ignore[index]


async def test_a_ledger_that_is_not_open_yet_is_starting(served: ServedLedger) -> None:
    """As long as one of them is missing, the node has not begun; that is no reason to kill it."""
    observed = Observed({served.name: served}, [served.name, "market"], STUCK_MS)
    assert told(observed, "/health/started") == (
        503,
        {
            "status": "starting",
            "reason": "market: the ledger is being opened",
            "ledgers": {
                served.name: {"status": "started", "reason": "", "height": served.driver.certified, "behind": 0},
                "market": {"status": "starting", "reason": "the ledger is being opened"},
            },
        },
    )
    assert told(observed, "/health/ready")[0] == 503
    assert told(observed, "/health/live")[0] == 200


async def test_a_validator_that_knows_nothing_of_the_others_is_not_ready(tmp_path: Path) -> None:
    """It may be far behind without knowing."""
    four = Four(tmp_path / "network")
    four.ledger.start()
    observed = Observed({LEDGER: four.ledger}, [LEDGER], STUCK_MS)
    observed.beat()
    status, document = told(observed, "/health/ready")
    assert (status, document["status"]) == (503, "apart")
    assert told(observed, "/health/live")[0] == 200
    await four.ledger.stop(drain_ms=0)
    await four.close()


async def test_a_halted_ledger_is_live_and_not_ready(served: ServedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says why it halted, to whoever asks either."""
    observed = Observed({served.name: served}, [served.name], STUCK_MS)
    served.driver._halt(MemoryError())
    status, document = told(observed, "/health/ready")
    assert (status, document["status"]) == (503, "halted")
    status, document = told(observed, "/health/live")
    assert status == 200
    assert "MemoryError" in str(document["reason"])


def test_a_node_that_serves_nothing_yet_gets_no_work() -> None:
    """It lives, and waits to be given a ledger."""
    observed = Observed({}, [], STUCK_MS)
    assert told(observed, "/health/live")[0] == told(observed, "/health/started")[0] == 200
    assert told(observed, "/health/ready")[1]["status"] == "empty"


async def test_a_node_that_stops_gets_no_more_work(served: ServedLedger) -> None:
    """Its operator sees it before it is gone."""
    observed = Observed({served.name: served}, [served.name], STUCK_MS)
    observed.stopping = True
    assert told(observed, "/health/ready")[1]["status"] == "stopping"
    assert told(observed, "/health/live")[0] == 200


class StandsStill:
    """A ledger that is behind three others in reach, until it moves."""

    is_closed = has_ended = False

    def __init__(self) -> None:
        self.height = 100

    def mark(self) -> tuple[int, ...]:
        return (self.height,)

    def condition(self, still_ms: int = 0) -> Condition:
        seen = Condition(height=self.height, members=4, connected=3, heard=3, ahead=3, lag=50)
        return msgspec.structs.replace(seen, still_ms=still_ms)


def test_a_node_that_stands_still_is_stuck_until_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second it is looked at; after the set time it says so, and a single block ends it."""
    now_ns = [0]
    monkeypatch.setattr("ledgernode.services.observed.time.monotonic_ns", lambda: now_ns[0])
    ledger = StandsStill()
    observed = Observed({LEDGER: ledger}, [LEDGER], STUCK_MS)  # type: ignore[dict-item]

    def look(seconds: int) -> tuple[int, str]:
        for _ in range(seconds):
            observed.beat()
            now_ns[0] += 1_000_000_000
        status, document = told(observed, "/health/live")
        return status, str(document["reason"])

    assert look(60)[0] == 200
    status, reason = look(1)
    assert status == 503
    assert "nothing has moved for 60 s" in reason
    ledger.height += 1
    assert look(1)[0] == 200
