"""The rules of a gateway's health."""

from __future__ import annotations

import msgspec
import pytest

from gateway.health import Condition, is_near, live, ready, started

STUCK_MS = 60_000
WELL = Condition(limit_bytes=1_000)


def but(**facts: object) -> Condition:
    return msgspec.structs.replace(WELL, **facts)


def test_a_gateway_that_serves_is_started_ready_and_live() -> None:
    """Nothing to say."""
    assert started(WELL).code == ready(WELL).code == live(WELL, STUCK_MS).code == 200


def test_a_gateway_without_a_ledger_is_ready_and_says_so() -> None:
    """Keeping what devices sign is its work."""
    found = ready(but(waiting=5, ledger_away_ms=90_000))
    assert found.holds
    assert "nothing for 90 s" in found.reason


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (but(serving=False), "starting"),
        (but(stopping=True), "stopping"),
        (but(kept_bytes=980), "full"),
        (but(console=True, model="catching up", model_behind=900, model_was_near=False), "reading"),
    ],
)
def test_who_should_get_no_devices_says_why(seen: Condition, status: str) -> None:
    """503, and a word for programs."""
    found = ready(seen)
    assert (found.code, found.status) == (503, status)
    assert found.reason


def test_a_read_model_that_fell_behind_sends_nobody_away() -> None:
    """Only one that has never been near shows an empty house; where nobody looks at it, it does not matter."""
    assert ready(but(console=True, model="ledger away", model_behind=900)).holds
    assert ready(but(model="catching up", model_behind=900, model_was_near=False)).holds
    assert not started(but(serving=False)).holds


def test_what_does_not_get_to_the_disk_is_stuck() -> None:
    """A disk that hangs gives no error."""
    assert live(but(still_ms=STUCK_MS - 1), STUCK_MS).holds
    assert live(but(still_ms=STUCK_MS), STUCK_MS).status == "stuck"
    assert live(but(still_ms=STUCK_MS, stopping=True), STUCK_MS).holds


def test_near_is_near_to_a_ledger_that_is_known() -> None:
    """Before the first answer nothing is known."""
    assert is_near(100, "following")
    assert is_near(100, "catching up")
    assert not is_near(0, "starting")
    assert not is_near(101, "catching up")
