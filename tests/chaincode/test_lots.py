"""Lots of a meter: whatever enters, is used, comes back or is shared, no unit and no minor unit of money gets lost."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from chaincode.api import Context
from chaincode.lots import (
    Lot,
    Queue,
    Worth,
    clear_units,
    give_back_units,
    open_lots,
    put_units,
    queue_of,
    share_units,
    take_units,
    worth_of,
)

POINT = "utility:p"
HERE = ("utility", 1)


class State:
    """As much of a context as lots need."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def key(self, kind: str, *parts: str) -> str:
        return "/".join((kind, *parts))

    def get(self, key: str, type: Any = None) -> Any:
        return self.values.get(key)

    def put(self, key: str, value: Any) -> None:
        self.values[key] = value

    def every(self) -> list[Lot]:
        return [value for value in self.values.values() if isinstance(value, Lot)]


def worth(energy_mwh: int, net_minor: int, *, lifeline: bool = False, tariff_class: int = 1) -> Worth:
    return Worth(
        vendor="utility",
        tariff="utility:t",
        tariff_class=tariff_class,
        step=0,
        energy_mwh=energy_mwh,
        net_minor=net_minor,
        tax_minor=net_minor // 5,
        lifeline=lifeline,
    )


worths = st.builds(
    worth, st.integers(1, 10**7), st.integers(0, 10**5), lifeline=st.booleans(), tariff_class=st.integers(1, 2)
)
energies = st.integers(1, 10**7)
steps = st.lists(
    st.tuples(st.just("put"), worths)
    | st.tuples(st.sampled_from(["take", "give"]), energies)
    | st.tuples(st.just("share"), st.tuples(energies, st.sampled_from([None, HERE, ("other", 1)]))),
    max_size=25,
)


@given(steps)
def test_units_and_value_are_conserved(steps: list[tuple[str, Any]]) -> None:
    """Units carry lots: what entered = left + consumed + shared, in units, net and tax, at every step."""
    state = State()
    ctx = cast("Context", state)
    entered = shared = (0, 0, 0)
    balance = 0
    for what, value in steps:
        if what == "put":
            put_units(ctx, POINT, [value], 7)
            entered = cast("tuple[int, int, int]", tuple(map(sum, zip(entered, worth_of([value]), strict=True))))
            balance += value.energy_mwh
        elif what == "take":
            take_units(ctx, POINT, value)
            balance -= value
        elif what == "give":
            give_back_units(ctx, POINT, value)
            balance += value
        else:
            energy_mwh, to = value
            moved = share_units(ctx, POINT, "utility", energy_mwh, to)
            assert worth_of(moved)[0] == energy_mwh
            known = worth_of([each for each in moved if each.tariff])
            shared = cast("tuple[int, int, int]", tuple(map(sum, zip(shared, known, strict=True))))
            balance -= energy_mwh
        lots = state.every()
        inside = worth_of([lot.worth for lot in lots])
        assert inside == tuple(one - two for one, two in zip(entered, shared, strict=True))
        for lot in lots:
            assert 0 <= lot.left_mwh <= lot.worth.energy_mwh
            assert 0 <= lot.left_net_minor <= lot.worth.net_minor
            assert 0 <= lot.left_tax_minor <= lot.worth.tax_minor
            assert lot.left_mwh or not lot.left_net_minor + lot.left_tax_minor
        assert sum(lot.left_mwh for lot in lots) - queue_of(ctx, POINT).short_mwh == balance
        assert sum(lot.left_mwh for lot in open_lots(ctx, POINT)) == sum(lot.left_mwh for lot in lots)
    left = sum(lot.left_net_minor for lot in state.every())
    assert worth_of(clear_units(ctx, POINT))[1] == left
    assert queue_of(ctx, POINT) == Queue(first=queue_of(ctx, POINT).next, next=queue_of(ctx, POINT).next)


def test_what_comes_back_comes_back_at_its_price() -> None:
    """Units returned refill the lots that were consumed last: they have never left."""
    state = State()
    ctx = cast("Context", state)
    put_units(ctx, POINT, [worth(1_000, 100), worth(1_000, 300)], 1)
    take_units(ctx, POINT, 1_500)
    give_back_units(ctx, POINT, 700)
    assert [(lot.left_mwh, lot.left_net_minor) for lot in open_lots(ctx, POINT)] == [(200, 20), (1_000, 300)]
    take_units(ctx, POINT, 1_200)
    assert open_lots(ctx, POINT) == []


def test_a_lot_covers_what_was_short_first() -> None:
    """And what came back beyond the lots is used before the next one."""
    state = State()
    ctx = cast("Context", state)
    take_units(ctx, POINT, 400)
    put_units(ctx, POINT, [worth(1_000, 100)], 1)
    assert open_lots(ctx, POINT)[0].left_mwh == 600
    give_back_units(ctx, POINT, 500)
    assert (open_lots(ctx, POINT)[0].left_mwh, queue_of(ctx, POINT).short_mwh) == (1_000, -100)
    take_units(ctx, POINT, 100)
    assert open_lots(ctx, POINT)[0].left_mwh == 1_000
