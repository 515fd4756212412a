"""From what flows to registers: sampled, measured, and counted once over any loss of power."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from devices.sampling import Recorded, Sampler, Steady
from ledgernode.errors import BadRequest, DatabaseInUse

HOUR_MS = 3_600_000


class Clock:
    """Goes on by so much whenever somebody looks."""

    def __init__(self, step_ms: int) -> None:
        self._times = count(0, step_ms)

    def __call__(self) -> int:
        return next(self._times)


@pytest.mark.parametrize(
    ("phases", "direct", "power_w", "nominal_mv"),
    [(1, False, 1_150.0, 230_000), (3, False, 3_000.0, 230_000), (1, True, 60.0, 12_000)],
)
def test_energy_is_counted_within_a_percent_on_each_kind_of_wire(
    tmp_path: Path, phases: int, direct: bool, power_w: float, nominal_mv: int
) -> None:
    """One phase, three, and a bus of 12 V; power shown is power drawn, and an open relay draws nothing."""
    sampler = Sampler(tmp_path, Steady(power_w, phases), phases=phases, direct=direct, seed=7, steady_ms=Clock(5_000))
    seen = [sampler.look(number * 5_000, supplied=True) for number in range(6)]
    expected_mwh = power_w * 30 / 3_600 * 1_000
    assert seen[-1].import_mwh == pytest.approx(expected_mwh, rel=0.01)
    assert len(seen[-1].phases) == phases
    assert sum(phase.power_mw for phase in seen[-1].phases) == pytest.approx(power_w * 1_000, rel=0.01)
    assert all(phase.voltage_mv == pytest.approx(nominal_mv, rel=0.01) for phase in seen[-1].phases)
    before = seen[-1].import_mwh
    assert sampler.look(35_000, supplied=False).import_mwh == before
    sampler.close()


def test_what_was_counted_is_there_after_power_was_lost(tmp_path: Path) -> None:
    """And energy that is fed in moves the other register."""
    sampler = Sampler(tmp_path, Steady(2_000), steady_ms=Clock(5_000))
    counted = sampler.look(0, supplied=True).import_mwh
    with pytest.raises(DatabaseInUse):
        Sampler(tmp_path, Steady(2_000))
    sampler.close()
    again = Sampler(tmp_path, Steady(-2_000), steady_ms=Clock(5_000))
    after = again.look(0, supplied=True)
    assert after.import_mwh == counted > 0
    assert after.export_mwh == pytest.approx(counted, rel=0.02)
    again.close()


def test_a_file_of_a_load_is_played_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("seconds,watts\n0,100\n10,200\n20,0\n")
    load = Recorded(path)
    assert [load(ms)[0].real for ms in (0, 9_999, 10_000, 25_000, 30_000, 40_000)] == [100, 100, 200, 0, 100, 200]


@pytest.mark.parametrize("text", ["", "0,1\n", "0,1\n0,2\n", "0,1\n1,nan\n", "0,1,2\n1,1,2,3\n", "0,a\n1,b\n"])
def test_a_file_that_is_no_load_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "load.csv"
    path.write_text(text)
    with pytest.raises(BadRequest):
        Recorded(path)
