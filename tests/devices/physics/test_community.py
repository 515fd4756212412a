"""A community balances, and what its meters leave unexplained is what was stolen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.balance import Losses, losses, technical_loss, uncertainty
from chaincode.health import apparent, loading
from devices.physics.battery import Battery
from devices.physics.community import Community, House, State, Wish, step
from devices.physics.energy import NWH_PER_MWH, NWH_PER_WH
from devices.physics.feeder import HEAD, Feeder, Section
from devices.physics.photovoltaic import Panels, power_w, skies
from devices.physics.transformer import Transformer

QUARTER_MS = 900_000
HOUR_MS = 3_600_000
TX = Transformer(rated_va=12_500, no_load_w=55, load_w=275)
BATTERY = Battery(5_000, 2_500.0, 2_500.0, standing_w=4.0)
WIRES = Feeder(230.0, tuple(Section(parent, 0.03, 0.01) for parent in (HEAD, 0, 1, 2, HEAD, 4, 5, 6, 2, 6)))
HOUSES = len(WIRES.sections)

WISHES = st.builds(
    Wish,
    load_va=st.builds(complex, st.floats(0, 2_500), st.floats(-500, 800)),
    generation_w=st.floats(0, 3_000),
    battery_w=st.floats(-3_000, 3_000),
    stolen_va=st.builds(complex, st.floats(0, 800), st.just(0.0)),
)


def community(*, head_error: float = 0.0, errors: list[float] | None = None) -> Community:
    given_ = errors or [0.0] * HOUSES
    return Community(WIRES, tuple(House(BATTERY, error) for error in given_), TX, head_error)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(WISHES, min_size=HOUSES, max_size=HOUSES), st.integers(1_000, HOUR_MS)), max_size=6))
def test_every_balance_closes(steps: list[tuple[list[Wish], int]]) -> None:
    """At the feeder and in each house; a nWh a house and step may be rounded."""
    whole = community()
    begun = state = State.begun(whole)
    for wishes, duration_ms in steps:
        state = step(whole, state, wishes, 20.0, duration_ms).state
    margin_nwh = 2 * (HOUSES + 2) * len(steps) + 1_000 * len(steps)  # voltages settle within a nanovolt
    imported = sum(house.meter.import_nwh for house in state.houses)
    exported = sum(house.meter.export_nwh for house in state.houses)
    stolen = sum(house.stolen_nwh for house in state.houses)
    supply = state.head.import_nwh - state.head.export_nwh
    assert abs(supply + exported - imported - state.heat_nwh - stolen) <= margin_nwh
    for before, house in zip(begun.houses, state.houses, strict=True):
        net = house.meter.import_nwh - house.meter.export_nwh
        kept = house.stored_nwh - before.stored_nwh + house.battery_lost_nwh
        assert abs(net + house.generated_nwh - house.consumed_nwh - kept) <= 2 * len(steps)


def summer_day(whole: Community, seed: int, *, stolen_va: complex = 0j) -> State:
    """A day of quarters: mornings and evenings, clouds over roofs, batteries that follow the surplus."""
    random = np.random.default_rng(seed)
    clouds = skies(random, 96)
    roofs = [Panels(3_000, 2_800, 48.0, azimuth_deg=float(random.uniform(120, 240))) for _ in range(HOUSES)]
    appetites = random.uniform(0.5, 1.5, HOUSES)
    state = State.begun(whole)
    for quarter in range(96):
        hour = quarter / 4
        base_w = 150 + 500 * math.exp(-((hour - 7) ** 2) / 2) + 900 * math.exp(-((hour - 19) ** 2) / 4)
        wishes = []
        for number in range(HOUSES):
            load_w = base_w * float(appetites[number])
            made_w = power_w(roofs[number], 172, hour, sky=clouds[quarter]) if number % 2 else 0.0
            past_va = stolen_va if number == 3 else 0j
            wishes.append(Wish(complex(load_w, 0.2 * load_w), made_w, made_w - load_w, past_va))
        state = step(whole, state, wishes, 22.0, QUARTER_MS).state
    return state


def found(state: State) -> Losses:
    """What the ledger makes of the registers alone, and of wires that it knows to the watt-hour."""
    imports = [house.meter.import_mwh for house in state.houses]
    exports = [house.meter.export_mwh for house in state.houses]
    head = (state.head.import_mwh, state.head.export_mwh)
    passed = sum(imports) + sum(exports)
    unsure = uncertainty(passed, sum(head), 10_000, 5_000, 0, 96 * QUARTER_MS)
    return losses(head[0] - head[1], imports, exports, state.heat_nwh // NWH_PER_MWH, unsure)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_honest_meters_leave_nothing_unexplained(seed: int) -> None:
    """Their errors of up to a percent, all their own, stay within u; without errors only rounding is left."""
    exact = found(summer_day(community(), seed))
    assert abs(exact.non_technical_mwh) <= 4 * HOUSES
    assert exact.loss_mwh > 0
    random = np.random.default_rng(seed)
    errors = [float(error) for error in random.uniform(-0.01, 0.01, HOUSES)]
    real = found(summer_day(community(head_error=0.004, errors=errors), seed))
    assert abs(real.non_technical_mwh) <= real.uncertainty_mwh
    assert not real.fault


def test_a_theft_stands_out_of_errors_and_wires() -> None:
    """300 W past a meter, day and night: 7.2 kWh are missing, and no wire has them."""
    errors = [0.008 if number % 2 else -0.008 for number in range(HOUSES)]
    state = summer_day(community(head_error=-0.004, errors=errors), 1, stolen_va=300 + 0j)
    assert sum(house.stolen_nwh for house in state.houses) == 7_200 * NWH_PER_WH
    robbed = found(state)
    assert robbed.non_technical_mwh > robbed.uncertainty_mwh
    assert robbed.non_technical_mwh == pytest.approx(7_200_000, rel=0.2)


def test_what_the_head_alone_tells_of_heat_is_a_lower_bound() -> None:
    """I²R of the head's current through the first wires is not more than what all wires lost."""
    whole = community()
    wishes = [Wish(complex(700, 150)) for _ in range(HOUSES)]
    state, flowing = step(whole, State.begun(whole), wishes, 20.0, HOUR_MS)
    half_va = round(abs(flowing.head_va) / 2 * 1_000)  # two branches
    estimated_mwh = 2 * technical_loss(half_va, 30, 230_000, 1, HOUR_MS)
    assert 0 < estimated_mwh < state.heat_nwh // NWH_PER_MWH


def test_the_feeder_of_the_source_is_a_feeder_that_can_be() -> None:
    """TX-ALPHA-09, one hour: 45 kWh made, 53 used, 8.5 supplied. Wires that lose half a kWh; 70.1 % of 12.5 kVA."""
    loads_w, made_w = [5_300.0] * HOUSES, [9_000.0 if number % 2 else 0.0 for number in range(HOUSES)]
    vars_each = 8_500 * math.tan(math.acos(0.97)) / HOUSES

    def an_hour(scale: float) -> State:
        sections = tuple(Section(section.parent, section.resistance_ohm * scale) for section in WIRES.sections)
        whole = Community(Feeder(230.0, sections), (House(),) * HOUSES, TX)
        wishes = [Wish(complex(load, vars_each), made) for load, made in zip(loads_w, made_w, strict=True)]
        return step(whole, State.begun(whole), wishes, 30.0, HOUR_MS).state

    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if an_hour(middle).heat_nwh < 500 * NWH_PER_WH else (low, middle)
    hour = an_hour(high)
    assert sum(house.generated_nwh for house in hour.houses) == 45_000 * NWH_PER_WH
    assert sum(house.consumed_nwh for house in hour.houses) == 53_000 * NWH_PER_WH
    assert hour.head.import_mwh == pytest.approx(8_500_000, abs=10)
    assert found(hour).loss_mwh == pytest.approx(500_000, abs=20)
    assert found(hour).non_technical_mwh == pytest.approx(0, abs=20)
    va = apparent(hour.head.import_mwh, hour.head.quadrants_mvarh[0])
    assert loading(va, 12_500) == pytest.approx(701_000, abs=100)
    assert 30 < hour.warmth.hot_spot_c < 98
