"""A standstill is noticed, and nothing else is taken for one."""

from __future__ import annotations

from ledgernode.observe.health import Pulse, Verdict, together


def test_what_does_not_move_although_it_should_has_stood_still() -> None:
    """Counted from the last time that something moved."""
    pulse = Pulse()
    for at_ms in range(0, 10_000, 1_000):
        pulse.beat("a", at_ms)
    assert pulse.still_ms == 9_000
    assert pulse.beat("b", 10_000) == 0


def test_who_has_nothing_to_do_does_not_stand_still() -> None:
    """An hour without work is no standstill, and work that comes then has its time."""
    pulse = Pulse()
    for at_ms in range(0, 3_600_000, 1_000):
        assert pulse.beat("a", at_ms, should_move=False) == 0
    assert pulse.beat("a", 3_600_000) == 1_000


def test_time_in_which_the_process_did_not_run_does_not_count() -> None:
    """Frozen for an hour and let go: that is no reason to be restarted before one has looked around."""
    pulse = Pulse()
    pulse.beat("a", 0)
    assert pulse.beat("a", 3_600_000) == 5_000


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    """Time is never taken away."""
    pulse = Pulse()
    pulse.beat("a", 10_000)
    assert pulse.beat("a", 0) == 0
    assert pulse.beat("a", 1_000) == 1_000


def test_the_first_part_that_does_not_hold_speaks_for_all() -> None:
    """And every part's own word is there."""
    parts = {"b": Verdict(False, "syncing", "5 behind"), "a": Verdict(True, "ready")}
    found = together(parts, "ready")
    assert (found.code, found.status, found.reason) == (503, "syncing", "b: 5 behind")
    assert found.document()["ledgers"]["a"] == {"status": "ready", "reason": ""}
    assert together({"a": parts["a"]}, "ready").code == 200
