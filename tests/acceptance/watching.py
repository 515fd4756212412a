"""A feeder that is watched: what the meter at its head says, and what the market was told of it."""

from __future__ import annotations

from typing import Any

from tests.acceptance.community import SECOND_MS
from tests.acceptance.street import Street


def watch(street: Street, **rules: Any) -> None:
    """Have the feeder reported from the next boundary on, which is then."""
    community = street.community
    community.ok(community.operator, "feeder", "watch", feeder=street.feeder)
    if rules:
        from_ms = community.now_ms + 20 * SECOND_MS
        community.two("feeder", "propose_rules", feeder=street.feeder, from_ms=from_ms, rules=rules)
    street.begin()


def observe(street: Street, count: int, watts: int, **more: int) -> None:
    """The meter at the head says what flows, so many times, ten seconds apart."""
    community = street.community
    community.advance(count * 10 * SECOND_MS)
    last_ms = community.now_ms
    others = [more.get(name) for name in ("temperature_milli", "high_mv", "distortion_micro")]
    phase = [more.get("voltage_mv", 230_000), 0, watts * 1_000, 0]
    rows = [[last_ms - back * 10 * SECOND_MS, *others, *phase] for back in reversed(range(count))]
    assert street.head
    taken = community.ok(street.head.member, "feeder", "observe", feeder=street.feeder, rows=rows)
    assert taken["taken"] == count


def halted(street: Street) -> list[dict[str, Any]]:
    """What the market was told to let stand still."""
    return [one for one in street.community.events("market", "Halted") if one["feeder"] == street.feeder]
