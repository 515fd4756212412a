"""What is stolen or broken on a feeder is found by what the ledger does with registers, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from chaincode.balance import losses, technical_loss, uncertainty
from chaincode.health import Standing as Row
from chaincode.health import step as alert_step
from chaincode.suspicion import Sums, added, fallen, follows, no_sums
from chaincode.watched import Rules
from devices.house.days import under
from devices.house.occupants import Habits
from devices.house.weather import Place, weather
from devices.physics.battery import Battery
from devices.physics.community import Community, House, State, Wish, step
from devices.physics.energy import NWH_PER_MWH, NWH_PER_WH
from devices.physics.feeder import HEAD, Feeder, Section
from devices.physics.injection import (
    Bypass,
    ClockDrift,
    Injection,
    Magnet,
    PhaseLoss,
    Reading,
    Silent,
    Stuck,
    Tampered,
    told,
    wished,
)
from devices.physics.photovoltaic import Panels, power_w
from devices.physics.transformer import Transformer
from tests.chaincode.test_feeder import Grid

QUARTER_MS = 900_000
DAY_MS = 86_400_000
JUNE_MS = 1_781_913_600_000 // DAY_MS * DAY_MS
DAYS = 6
HOUSES = 10
THIEF = 3
BEGINS_MS = JUNE_MS + 2 * DAY_MS
"""Two days of honesty first: a detector has to know what was."""
RESISTANCE_MILLIOHM = 15
RULES = Rules(resistance_milliohm=RESISTANCE_MILLIOHM)
WIRES = Feeder(230.0, tuple(Section(parent, 0.015, 0.005) for parent in (HEAD, 0, 1, 2, HEAD, 4, 5, 6, 2, 6)))
TX = Transformer(rated_va=25_000, no_load_w=80, load_w=450)

THEFTS_AND_FAULTS: tuple[Injection, ...] = (
    Bypass(house=THIEF, from_ms=BEGINS_MS, share=0.9),
    Tampered(house=THIEF, from_ms=BEGINS_MS, counts=0.4),
    Magnet(house=THIEF, from_ms=BEGINS_MS, seed=1),
    PhaseLoss(house=THIEF, from_ms=BEGINS_MS),
    Stuck(house=THIEF, from_ms=BEGINS_MS),
    ClockDrift(house=THIEF, from_ms=BEGINS_MS, gains_ms_per_day=40 * 60_000),
)


class Told(msgspec.Struct, frozen=True):
    """What the ledger gets: readings of each house and of the head; and what it does not: the truth."""

    houses: tuple[tuple[Reading, ...], ...]
    head: tuple[Reading, ...]
    state: State


@lru_cache(maxsize=32)
def street(seed: int, injections: tuple[Injection, ...], days: int = DAYS) -> Told:
    """Six days of ten houses: people, sun on every other roof, batteries on every fourth; meters of class 1.

    House 3 has a workshop, so that a share of what it uses is not lost among others' errors.
    """
    random = np.random.default_rng(seed)
    battery = Battery(5_000, 2_500.0, 2_500.0)
    errors = random.uniform(-0.008, 0.008, HOUSES).tolist()
    houses = tuple(House(battery if number % 4 == 0 else None, errors[number]) for number in range(HOUSES))
    whole = Community(WIRES, houses, TX, head_error=0.003)
    airs = weather(random, Place(), JUNE_MS, days * 96, QUARTER_MS)
    moments = zip(*(under(random, airs, Habits(), JUNE_MS, QUARTER_MS) for _ in range(HOUSES)), strict=True)
    roofs = [Panels(3_000, 2_800, 48.0, azimuth_deg=float(random.uniform(120, 240))) for _ in range(HOUSES)]
    state, readings, heads = (
        State.begun(whole),
        [[Reading(JUNE_MS, 0, 0)] for _ in range(HOUSES)],
        [Reading(JUNE_MS, 0, 0)],
    )
    for now in moments:
        at_ms = now[0].at_ms
        wishes = []
        for number, moment in enumerate(now):
            workshop_w = 2_500.0 * (8 <= moment.air.hour < 20) if number == THIEF else 0.0
            load_w = moment.doing.base_w + workshop_w
            made_w = (
                power_w(roofs[number], moment.air.day, moment.air.hour, sky=moment.air.sky) if number % 2 == 0 else 0.0
            )
            wishes.append(Wish(complex(load_w, 0.2 * load_w), made_w, made_w - load_w))
        state = step(whole, state, wished(injections, wishes, at_ms), 20.0, QUARTER_MS).state
        over_ms = at_ms + QUARTER_MS
        for house, standing in zip(readings, state.houses, strict=True):
            house.append(Reading(over_ms, standing.meter.import_mwh, standing.meter.export_mwh))
        heads.append(Reading(over_ms, state.head.import_mwh, state.head.export_mwh))
    said = tuple(tuple(told(injections, number, house)) for number, house in enumerate(readings))
    return Told(said, tuple(heads), state)


class Found(msgspec.Struct):
    """What the feeder contract makes of it, by its own functions and default rules."""

    loss_opened_ms: int | None = None
    fault_opened_ms: int | None = None
    non_technical_mwh: int = 0
    technical_mwh: int = 0
    losing: int = 0
    """Intervals in which the loss alert was open; in how many of them a house was seen as fallen."""
    fell: dict[int, int] = {}
    follow: set[int] = set()
    """Whom the loss follows at the end, and by how much."""
    slopes: dict[int, int] = {}
    unknown: int = 0


def detected(said: Told) -> Found:
    """Interval by interval, as reports are made (`chaincode.reporting`)."""
    found = Found()
    by_time = [{reading.time_ms: reading for reading in house} for house in said.houses]
    sums: Sums = no_sums()
    loss_row, fault_row = Row(), Row()
    for before, after in zip(said.head, said.head[1:], strict=False):
        ends = [(house.get(before.time_ms), house.get(after.time_ms)) for house in by_time]
        if any(first is None or last is None for first, last in ends):
            found.unknown += 1
            continue
        imports = [last.import_mwh - first.import_mwh for first, last in ends if first and last]
        exports = [last.export_mwh - first.export_mwh for first, last in ends if first and last]
        into, out = after.import_mwh - before.import_mwh, after.export_mwh - before.export_mwh
        apparent_mva = abs(into - out) * 4
        heat = technical_loss(apparent_mva, RULES.resistance_milliohm, 230_000, 1, QUARTER_MS)
        unsure = uncertainty(
            sum(imports) + sum(exports),
            into + out,
            RULES.class_micro,
            RULES.head_class_micro,
            RULES.skew_ms,
            QUARTER_MS,
        )
        made = losses(into - out, imports, exports, heat, unsure)
        found.non_technical_mwh += made.non_technical_mwh
        found.technical_mwh += made.technical_mwh
        fed_mwh = max(into - out, 0) + sum(exports)
        beyond = made.non_technical_mwh > made.uncertainty_mwh
        share_micro = made.non_technical_mwh * 1_000_000 // fed_mwh if beyond and fed_mwh else 0
        loss_row = alert_step(loss_row, share_micro, RULES.loss_limit_micro, RULES.hysteresis_micro, RULES.persist)
        short_mwh = max(-made.loss_mwh - made.uncertainty_mwh, 0)
        fault_row = alert_step(fault_row, short_mwh, 0, RULES.hysteresis_micro, RULES.persist)
        used_wh = [mwh // 1_000 for mwh in imports]
        sums = added(sums, [str(number) for number in range(HOUSES)], used_wh, made.non_technical_mwh // 1_000)
        if loss_row.open:
            found.loss_opened_ms = found.loss_opened_ms or after.time_ms
            found.losing += 1
            for number in range(HOUSES):
                found.fell[number] = found.fell.get(number, 0) + fallen(sums, str(number))
        if fault_row.open:
            found.fault_opened_ms = found.fault_opened_ms or after.time_ms
    followed = {number: follows(sums, str(number)) for number in range(HOUSES)}
    found.slopes = {number: slope for number, (_, slope) in followed.items()}
    if loss_row.open:
        found.follow = {number for number, (square, _) in followed.items() if square >= RULES.suspect_micro}
    return found


def uncounted_wh(honest: Told, said: Told) -> int:
    """What the house's meter should have shown and did not."""
    return (honest.houses[THIEF][-1].import_mwh - said.houses[THIEF][-1].import_mwh) // 1_000


# ---------------------------------------------------------------- silent otherwise


@pytest.mark.parametrize("seed", range(1, 4))
def test_an_honest_street_raises_nothing(seed: int) -> None:
    """Six days with meters of class 1, each with its own error: no alert, so that nobody is a suspect."""
    found = detected(street(seed, ()))
    assert (found.loss_opened_ms, found.fault_opened_ms, found.losing) == (None, None, 0)
    assert found.technical_mwh > 0


def test_technical_loss_is_no_theft() -> None:
    """Wires warm up by a percent or two: said apart, as a lower bound; what is left is meters' errors."""
    honest = street(1, ())
    found = detected(honest)
    heat_mwh = honest.state.heat_nwh // NWH_PER_MWH
    passed_mwh = sum(house[-1].import_mwh + house[-1].export_mwh for house in honest.houses)
    assert 0 < found.technical_mwh < heat_mwh
    assert abs(found.non_technical_mwh) < 0.015 * passed_mwh


# ---------------------------------------------------------------- each kind is found


@pytest.mark.parametrize("injection", THEFTS_AND_FAULTS, ids=lambda each: each.kind)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_each_kind_is_found(injection: Injection, seed: int) -> None:
    """Within three days of its beginning, and not before."""
    found = detected(street(seed, (injection,)))
    opened = [each for each in (found.loss_opened_ms, found.fault_opened_ms) if each is not None]
    assert opened
    assert BEGINS_MS < min(opened) < BEGINS_MS + 3 * DAY_MS


@pytest.mark.parametrize("injection", THEFTS_AND_FAULTS[:5], ids=lambda each: each.kind)
def test_what_is_missing_is_what_was_not_counted(injection: Injection) -> None:
    """The non-technical loss grows by what the meter left out, to a tenth; by nothing else."""
    honest, said = street(1, ()), street(1, (injection,))
    missing_mwh = detected(said).non_technical_mwh - detected(honest).non_technical_mwh
    assert missing_mwh / 1_000 == pytest.approx(uncounted_wh(honest, said), rel=0.1)
    stolen_wh = sum(house.stolen_nwh for house in said.state.houses) // NWH_PER_WH
    assert (stolen_wh > 0) == isinstance(injection, Bypass)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("injection", "missing"),
    [
        (Bypass(house=THIEF, from_ms=JUNE_MS, share=0.9), 0.9 / 0.1),
        (Tampered(house=THIEF, from_ms=JUNE_MS, counts=0.4), 0.6 / 0.4),
        (PhaseLoss(house=THIEF, from_ms=JUNE_MS), 0.5),
    ],
    ids=lambda each: each.kind if isinstance(each, Injection) else "",
)
def test_a_share_that_is_always_left_out_names_its_meter(injection: Injection, missing: float, seed: int) -> None:
    """The loss follows that meter and no other, and the slope says how much is missing for each kWh that it shows."""
    found = detected(street(seed, (injection,)))
    assert found.follow == {THIEF}
    assert found.slopes[THIEF] / 1_000_000 == pytest.approx(missing, rel=0.03)


def test_a_register_that_stops_is_seen_by_its_fall() -> None:
    """Against its own past, as long as that is remembered; houses with sun fall and rise again with every day."""
    found = detected(street(1, THEFTS_AND_FAULTS[4:5]))
    assert found.fell[THIEF] > 0.9 * found.losing
    assert all(times < 0.4 * found.losing for house, times in found.fell.items() if house != THIEF)


def test_a_clock_that_drifts_moves_energy_and_takes_none() -> None:
    """Over days the loss stays what it was; hour by hour it is too much and too little."""
    honest, said = detected(street(1, ())), detected(street(1, THEFTS_AND_FAULTS[5:]))
    passed_mwh = street(1, ()).houses[THIEF][-1].import_mwh
    assert abs(said.non_technical_mwh - honest.non_technical_mwh) < 0.05 * passed_mwh


def test_a_silent_meter_makes_the_loss_unknown() -> None:
    """Nothing is said of intervals that it does not cover, and nobody is suspected."""
    silence = Silent(house=THIEF, from_ms=BEGINS_MS, until_ms=BEGINS_MS + DAY_MS)
    found = detected(street(1, (silence,)))
    assert found.unknown == 97
    assert (found.loss_opened_ms, found.losing) == (None, 0)


def test_injections_compose() -> None:
    """A tampered meter with a bypass counts the tampered part of what the bypass leaves; another house is untouched."""
    both = (Bypass(house=1, share=0.5), Tampered(house=1, counts=0.4), Stuck(house=0, from_ms=10))
    wishes = wished(both, [Wish(1_000 + 0j), Wish(1_000 + 0j)], 0)
    assert wishes == [Wish(1_000 + 0j), Wish(500 + 0j, stolen_va=500 + 0j, counted=0.4)]
    assert wished(both, wishes, 10)[0].counted == 0.0


def test_a_magnet_comes_and_goes_the_same_way_every_time() -> None:
    """By its seed."""

    def course(seed: int) -> list[bool]:
        magnet = Magnet(house=0, seed=seed)
        return [magnet.wished(Wish(), hour * 3_600_000).counted == 0.0 for hour in range(24 * 20)]

    assert course(1) == course(1) != course(2)
    assert 0.2 < np.mean(course(1)) < 0.6


def test_a_clock_ahead_shows_what_stood_before() -> None:
    """By the registers in between; behind, what stood later; never beyond what was read."""
    readings = [Reading(QUARTER_MS * number, number * 100, 0) for number in range(5)]
    quarter_a_quarter = ClockDrift(house=0, gains_ms_per_day=DAY_MS // 4)
    assert [each.import_mwh for each in quarter_a_quarter.told(readings)] == [0, 75, 150, 225, 300]
    behind = ClockDrift(house=0, gains_ms_per_day=-DAY_MS // 4)
    assert [each.import_mwh for each in behind.told(readings)] == [0, 125, 250, 375, 400]
    assert [each.time_ms for each in behind.told(readings)] == [each.time_ms for each in readings]


# ---------------------------------------------------------------- on the contract itself


@pytest.mark.slow
def test_the_feeder_contract_finds_the_bypass(tmp_path: Path) -> None:
    """The same physics as signed readings: the loss alert opens with the theft, and points at the house."""
    injection = Bypass(house=1, from_ms=26 * QUARTER_MS, share=0.9)
    grid = Grid(tmp_path, 3)
    grid.begin(resistance_milliohm=RESISTANCE_MILLIOHM, wait_ms=2 * 3_600_000)
    whole = Community(Feeder(230.0, WIRES.sections[:3]), (House(), House(None, 0.005), House(None, -0.005)), TX)
    state = State.begun(whole)
    opened: list[tuple[int, int]] = []
    for number in range(67):
        loads_w = [700.0 + 400 * (number % 5), 2_400.0, 900.0]
        wishes = wished([injection], [Wish(complex(load)) for load in loads_w], number * QUARTER_MS)
        before, state = state, step(whole, state, wishes, 20.0, QUARTER_MS).state
        pairs = zip(before.houses, state.houses, strict=True)
        used = [_used_kwh(first.meter.import_mwh, last.meter.import_mwh) for first, last in pairs]
        supply_kwh = _used_kwh(before.head.import_mwh, state.head.import_mwh)[0]
        grid.use(*used, supply_kwh=supply_kwh, wait_ms=90_000)
        opened.append(grid.opened("loss"))
    assert opened[25] == (0, 0)
    assert opened[29] == opened[-1] == (1, 0)
    suspects: Sequence[dict[str, object]] = grid.ask(grid.operator, "feeder", "suspects", feeder="utility:feeder-1")
    assert [(each["point"], each["hints"]) for each in suspects] == [(grid.houses[1].point, ["fallen"])]


def _used_kwh(before_mwh: int, after_mwh: int) -> tuple[float, float]:
    return (after_mwh - before_mwh) / 1_000_000, 0.0
