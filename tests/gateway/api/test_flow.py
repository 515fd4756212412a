"""An interval's energy as links: nothing is made, lost or drawn twice on the way."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.flow import Link, links_of
from gateway.readmodel.queries.feeders import IntervalRow


def report(**values: int | None) -> IntervalRow:
    names = [name for name in IntervalRow.__struct_fields__ if name.endswith(("_mwh", "_micro", "_mva"))]
    known: dict[str, Any] = dict.fromkeys(names) | values
    about = {"feeder": "grid:f", "interval_ms": 0, "state": "d", "renewed": False}
    return IntervalRow(**about, **known, height=1, position=0, transaction="")


def whole(own: int, pool: int, surplus: int, deficit: int, loss: int, technical: int) -> IntervalRow:
    """As a feeder reports it: what comes by the transformer is what is missing and lost, less what is left."""
    return report(
        self_mwh=own, pool_mwh=pool, surplus_mwh=surplus, deficit_mwh=deficit, loss_mwh=loss, technical_mwh=technical,
        supply_mwh=deficit - surplus + loss,
    )  # fmt: skip


def into(links: tuple[Link, ...], node: str) -> int:
    return sum(link.energy_mwh for link in links if link.target == node)


def out_of(links: tuple[Link, ...], node: str) -> int:
    return sum(link.energy_mwh for link in links if link.source == node)


energies = st.integers(0, 10**9)


@given(energies, energies, energies, st.booleans(), energies, energies)
def test_what_enters_a_node_leaves_it(own: int, used: int, rest: int, over: bool, loss: int, technical: int) -> None:
    surplus, deficit = (rest, 0) if over else (0, rest)
    links = links_of(whole(own, used + surplus, surplus, deficit, loss, technical))
    assert into(links, "consumption") == own + used + deficit
    assert out_of(links, "generation") == own + used + surplus
    assert all(into(links, node) == out_of(links, node) for node in ("own_use", "pool", "loss"))
    assert into(links, "loss") == loss
    assert into(links, "upstream") - out_of(links, "supply") == surplus - deficit - loss
    assert all(link.energy_mwh > 0 for link in links)


@given(energies, energies, energies, st.integers(0, 10**6))
def test_what_batteries_gave_is_not_called_generated(own: int, used: int, surplus: int, stored: int) -> None:
    """A house may give more than it makes: its battery's part is told apart, and never called its own use."""
    stored = min(stored, used + surplus)
    row = whole(own, used + surplus, surplus, 0, 0, 0)
    links = links_of(msgspec.structs.replace(row, generation_mwh=own + used + surplus - stored))
    assert out_of(links, "storage") == stored
    assert out_of(links, "generation") == own + used + surplus - stored
    assert all(into(links, node) == out_of(links, node) for node in ("own_use", "pool", "loss"))
    assert all(link.target != "own_use" for link in links if link.source == "storage")


def test_a_meters_error_below_zero_is_no_flow() -> None:
    assert links_of(whole(10, 0, 0, 5, -3, 0)) == (
        Link("generation", "own_use", 10),
        Link("own_use", "consumption", 10),
        Link("supply", "consumption", 5),
    )


def test_what_is_not_known_is_not_drawn() -> None:
    assert links_of(report()) == ()
    links = links_of(report(self_mwh=1, pool_mwh=3, surplus_mwh=2, deficit_mwh=0))
    assert {(link.source, link.target) for link in links} >= {("generation", "upstream"), ("pool", "consumption")}
