"""The feeder contract keeps its rules: signed readings and samples in, reports, alerts and halted deliveries out."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ledgernode.testing import Member
from tests.chaincode.test_settlement import Scene as Settled
from tests.chaincode.town import AREA, CONTRACTS, FEEDER, HOUR_MS, INTERVAL_MS, KWH, TRANSFORMER, House, Town, package

MINUTE_MS = 60_000
MICRO = 1_000_000
HEAD = "utility:head-1"
RATING_VA = 12_500
RATINGS = {"import_rating_w": 100_000, "export_rating_w": 100_000}
LOOSE = {"wait_ms": 2 * HOUR_MS, "class_micro": 0, "head_class_micro": 0, "skew_ms": 0}
"""Meters without error, so that figures in tests are round."""

MARKET = '''"""Stands for the market: it keeps what it was told."""

from chaincode.access import require_caller
from chaincode.api import Context, Contract, query, transaction


class Market(Contract):
    name = "market"
    version = "1.0.0"

    @transaction
    def halt(self, ctx: Context, feeder: str, direction: str, until_ms: int) -> None:
        require_caller(ctx, "feeder")
        ctx.put(f"halted/{feeder}/{direction}", until_ms)

    @transaction
    def resume(self, ctx: Context, feeder: str, direction: str) -> None:
        require_caller(ctx, "feeder")
        ctx.delete(f"halted/{feeder}/{direction}")

    @query
    def halted(self, ctx: Context) -> dict[str, int]:
        return {key.split("/")[2]: until_ms for key, until_ms in ctx.range("halted/", "halted0")}
'''

SETTLEMENT = '''"""Stands for the settlement: it keeps what it was to curtail."""

from chaincode.access import require_caller
from chaincode.api import Context, Contract, query, transaction


class Settlement(Contract):
    name = "settlement"
    version = "1.0.0"

    @transaction
    def curtail(self, ctx: Context, feeder: str, direction: str, power_w: int) -> list[int]:
        require_caller(ctx, "feeder")
        before = ctx.get("curtailed") or []
        ctx.put("curtailed", [*before, [direction, power_w]])
        return [7]

    @query
    def curtailed(self, ctx: Context) -> list[tuple[str, int]]:
        return ctx.get("curtailed") or []
'''


class Grid(Town):
    """Houses behind one transformer, each with a generation meter if it is solar, and a meter at the feeder's head."""

    def __init__(self, tmp_path: Path, houses: int = 2, *, head: bool = True, **limits: int) -> None:
        super().__init__("metering", "feeder")
        for name, source in (("market", MARKET), ("settlement", SETTLEMENT)):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "access.py").write_text((CONTRACTS / "access.py").read_text())
            (folder / f"{name}.py").write_text(source)
            self.ledger.deploy(folder / f"{name}.py")
        self.ledger.advance(ms=self.boundary_ms + INTERVAL_MS - self.now_ms - 5 * MINUTE_MS)
        voltages = {"rating_va": RATING_VA, "low_mv": 230_000, "high_mv": 11_000_000}
        self.ok(self.operator, "registry", "add_area", id=AREA)
        self.ok(self.operator, "registry", "add_transformer", id=TRANSFORMER, **voltages)
        self.ok(self.operator, "registry", "add_feeder", id=FEEDER, transformer=TRANSFORMER, area=AREA, **limits)
        self.settle_in(*(f"house-{number}" for number in range(1, houses + 1)), **RATINGS)
        self.meters: dict[str, Member] = {house.point: house.meter for house in self.houses}
        if head:
            self.head = self.hung(HEAD, "transformer", phases=3)
        self.registers: dict[str, list[int]] = {}
        self.unsent: dict[str, list[list[int]]] = {}
        self.sequence = 0
        self.factor_milli = 970

    def hung(self, point: str, kind: str, feeder: str = FEEDER, **more: Any) -> Member:
        """A point with a meter of its own."""
        self.ok(self.operator, "registry", "add_point", id=point, kind=kind, feeder=feeder, **RATINGS, **more)
        meter = self.meter("meter-" + point.rpartition(":")[2])
        device = {"id": meter.id}
        self.ok(self.operator, "registry", "install", point=point, meter=device, installed_ms=self.now_ms)
        self.meters[point] = meter
        return meter

    def solar(self, *houses: House) -> None:
        for house in houses:
            self.hung(house.point + "-pv", "generation", premises=house.premises)

    def begin(self, **rules: Any) -> None:
        """Watch the feeder; the first interval begins, and every meter shows zero."""
        self.ok(self.operator, "feeder", "watch", feeder=FEEDER)
        if rules:
            from_ms = self.now_ms + 1_000
            self.two("feeder", "propose_rules", feeder=FEEDER, from_ms=from_ms, rules=rules)
        self.read_ms = self.to_boundary()
        self.registers = {point: [0, 0] for point in self.meters}
        self.read()

    def use(
        self,
        *energies_kwh: tuple[float, ...],
        supply_kwh: float | None = None,
        loss_kwh: float = 0,
        but: tuple[str, ...] = (),
        wait_ms: int = 2 * MINUTE_MS,
    ) -> int:
        """One interval in which houses take, give and make so much; the head sees what that needs. Its start."""
        start_ms = self.read_ms
        needed = loss_kwh
        for house, energy in zip(self.houses, energies_kwh, strict=True):
            imported, exported, made = (*energy, 0.0)[:3]
            needed += imported - exported
            self.registers[house.point][0] += round(imported * KWH)
            self.registers[house.point][1] += round(exported * KWH)
            if made:
                self.registers[house.point + "-pv"][1] += round(made * KWH)
        if HEAD in self.registers:
            supplied = round((needed if supply_kwh is None else supply_kwh) * KWH)
            self.registers[HEAD][0] += max(supplied, 0)
            self.registers[HEAD][1] += max(-supplied, 0)
        self.read_ms += INTERVAL_MS
        self.ledger.advance(ms=self.read_ms - self.now_ms)
        self.read(but)
        self.ledger.advance(ms=wait_ms)
        return start_ms

    def read(self, but: tuple[str, ...] = ()) -> None:
        self.sequence += 1
        for point in self.meters:
            electric = [230_000, 0, 0, 0, self.factor_milli]
            row = [self.sequence, self.read_ms, *self.registers[point], 0, *electric]
            self.unsent.setdefault(point, []).append(row)
            if point not in but:
                self.send(point)

    def send(self, point: str) -> None:
        self.ok(self.meters[point], "metering", "record", rows=self.unsent.pop(point))

    # ------------------------------------------------------------ samples

    def row(self, watts: int, *, later_ms: int = 0, var: int = 0, **more: Any) -> list[int | None]:
        """A sample of one phase."""
        voltage_mv = more.get("voltage_mv", 230_000)
        phase = [voltage_mv, 0, watts * 1_000, var * 1_000]
        others = [more.get(name) for name in ("temperature_milli", "high_mv", "distortion_micro")]
        return [self.now_ms + later_ms, *others, *phase]

    def observe(self, watts: int, *, pass_ms: int = 10_000, **more: Any) -> Any:
        """The transformer's meter says what flows now; then time passes."""
        done = self.ok(self.head, "feeder", "observe", feeder=FEEDER, rows=[self.row(watts, **more)])
        self.ledger.advance(ms=pass_ms)
        return done

    # ------------------------------------------------------------ what came of it

    def report(self, start_ms: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(self.operator, "feeder", "report", feeder=FEEDER, interval_ms=start_ms)
        return found

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.ledger.events("feeder", name)]

    def opened(self, kind: str) -> tuple[int, int]:
        """How often an alert has opened, and cleared."""
        opened, cleared = (
            len([event for event in self.told(name) if event["kind"] == kind])
            for name in ("AlertOpened", "AlertCleared")
        )
        return opened, cleared

    @property
    def halted(self) -> dict[str, int]:
        found: dict[str, int] = self.ask(self.operator, "market", "halted")
        return found

    @property
    def curtailed(self) -> list[list[Any]]:
        found: list[list[Any]] = self.ask(self.operator, "settlement", "curtailed")
        return found


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    grid = Grid(tmp_path_factory.mktemp("contracts"), reverse_limit_w=5_000)
    grid.solar(grid.houses[1])
    grid.begin(**LOOSE)
    return grid


@pytest.fixture
def grid(founded: Grid) -> Grid:
    """Two houses, the second one solar; meters without error."""
    return deepcopy(founded)


# ---------------------------------------------------------------- the source's own feeder

GENERATED = (9, 0, 7, 12, 0, 5, 0, 8, 4, 0)
CONSUMED = (6, 5, 4, 8, 7, 5, 6, 3, 5, 4)


def test_tx_alpha_09(tmp_path: Path) -> None:
    """One hour, G 45, C 53, T = 8.5 kWh, power factor 0.97, 12.5 kVA: deficit C - G = 8, grid supply 8.5, loss 0.5,
    loading 70.1 %; ten nodes, signed readings of each quarter of the hour."""
    grid = Grid(tmp_path, len(GENERATED))
    grid.solar(*(house for house, made in zip(grid.houses, GENERATED, strict=True) if made))
    grid.begin()
    quarters = [
        (max(used - made, 0) / 4, max(made - used, 0) / 4, made / 4)
        for made, used in zip(GENERATED, CONSUMED, strict=True)
    ]
    starts = [grid.use(*quarters, supply_kwh=2.125) for _ in range(4)]
    found = grid.ask(grid.operator, "feeder", "summary", feeder=FEEDER, from_ms=starts[0], until_ms=starts[0] + HOUR_MS)
    assert found["intervals"] == 4
    assert (found["generation_mwh"], found["consumption_mwh"]) == (45 * KWH, 53 * KWH)
    assert (found["deficit_mwh"], found["surplus_mwh"]) == (8 * KWH, 0)
    assert (found["supply_mwh"], found["loss_mwh"]) == (8_500_000, 500_000)
    assert found["loading_micro"] == 701_031
    assert found["load_factor_micro"] == MICRO
    for start_ms in starts:
        report = grid.report(start_ms)
        assert (report["houses"], report["state"], report["fault"]) == (10, "d", False)
        assert (report["loading_micro"], report["loss_mwh"]) == (701_031, 125_000)
        shares = grid.ask(grid.operator, "feeder", "shares", feeder=FEEDER, interval_ms=start_ms)
        assert sum(share["taken_mwh"] for share in shares) == sum(share["given_mwh"] for share in shares)
        assert sum(share["self_mwh"] for share in shares) == report["self_mwh"] == 30 * KWH // 4
    assert grid.opened("loss") == grid.opened("fault") == (0, 0)


# ---------------------------------------------------------------- loss


def test_loss_is_known_only_where_every_meter_covers_the_interval(grid: Grid) -> None:
    """Loss L = T + sum X - sum I only when every meter covers the interval, else unknown; never guessed."""
    silent = grid.houses[0].point
    start_ms = grid.use((2, 0), (0, 1, 2), loss_kwh=0.1, but=(silent,))
    assert grid.told("FeederReported") == []
    grid.ledger.advance(ms=3 * HOUR_MS)
    report = grid.report(start_ms)
    assert report["state"] == "-"
    assert report["loss_mwh"] is report["non_technical_mwh"] is report["consumption_mwh"] is None
    assert (report["supply_mwh"], report["fault"]) == (1_100_000, False)


def test_a_report_is_made_anew_when_late_readings_have_come(grid: Grid) -> None:
    """Staff of the operator renew it; alerts stay as they were."""
    silent = grid.houses[0].point
    start_ms = grid.use((2, 0), (0, 1, 2), loss_kwh=0.1, but=(silent,))
    grid.ledger.advance(ms=3 * HOUR_MS)
    before = grid.report(start_ms)
    grid.send(silent)
    assert grid.code(grid.regulator, "feeder", "renew", feeder=FEEDER, interval_ms=start_ms) == "NOT_YOUR_ORGANISATION"
    grid.ok(grid.operator, "feeder", "renew", feeder=FEEDER, interval_ms=start_ms)
    report = grid.report(start_ms)
    assert (report["state"], report["loss_mwh"]) == ("d", 100_000)
    assert (report["loading_micro"], report["load_factor_micro"]) == (
        before["loading_micro"],
        before["load_factor_micro"],
    )
    assert grid.code(grid.operator, "feeder", "renew", feeder=FEEDER, interval_ms=start_ms + 1) == "NOT_REPORTED"


def test_an_interval_waits_for_its_meters(grid: Grid) -> None:
    """It is reported when all have reported, and those after it in their order."""
    silent = grid.houses[0].point
    first_ms = grid.use((2, 0), (0, 1, 2), but=(silent,))
    grid.use((1, 0), (0, 1, 2))
    grid.ledger.advance(ms=INTERVAL_MS)
    assert [event["interval_ms"] for event in grid.told("FeederReported")] == [first_ms, first_ms + INTERVAL_MS]


def test_without_a_meter_at_the_head_nothing_is_said_of_loss(tmp_path: Path) -> None:
    """No T, no L; what houses made and used is reported all the same."""
    grid = Grid(tmp_path, 1, head=False)
    grid.begin()
    report = grid.report(grid.use((2, 0)))
    assert report["supply_mwh"] is report["loss_mwh"] is report["loading_micro"] is None
    assert (report["consumption_mwh"], report["deficit_mwh"]) == (2 * KWH, 2 * KWH)


def test_a_point_without_a_meter_is_empty_not_unknown(tmp_path: Path) -> None:
    """Where no meter hangs nothing flows; loss is still known."""
    grid = Grid(tmp_path, 1)
    point = {"id": "utility:flat-9", "kind": "connection", "premises": grid.houses[0].premises}
    grid.ok(grid.operator, "registry", "add_point", feeder=FEEDER, **point, **RATINGS)
    grid.begin(**LOOSE)
    report = grid.report(grid.use((2, 0), loss_kwh=0.25))
    assert (report["state"], report["loss_mwh"], report["houses"]) == ("d", 250_000, 1)


def test_an_idle_feeder_is_reported(grid: Grid) -> None:
    """G = C = 0, and nothing lost: no figure is missing, none divides by nothing."""
    report = grid.report(grid.use((0, 0), (0, 0)))
    sums = {name: value for name, value in report.items() if name.endswith(("_mwh", "_micro", "_mva"))}
    assert set(sums.values()) == {0}
    assert grid.told("AlertOpened") == []


def test_a_new_meter_at_the_head_that_is_silent_stops_no_report(grid: Grid) -> None:
    """What its predecessor measured counts; there is just no power factor."""
    last = grid.use((1, 0), (0, 0), wait_ms=1_000)
    finals = {"final_import_mwh": KWH, "final_export_mwh": 0}
    device = {"id": grid.meter("meter-new").id}
    replaced = {"point": HEAD, "meter": device, "replaced_ms": grid.read_ms, **finals}
    grid.ok(grid.operator, "registry", "replace", **replaced)
    grid.ok(grid.stranger, "metering", "take_final", meter=grid.head.id)
    grid.ledger.advance(ms=2 * MINUTE_MS)
    report = grid.report(last)
    assert (report["loss_mwh"], report["load"]["power_factor_milli"], report["loading_micro"]) == (0, None, 320_000)


def test_a_silent_head_leaves_the_houses_known(grid: Grid) -> None:
    """What houses made, used and shared needs no head; supply and loss are unknown until it reports."""
    start_ms = grid.use((2, 0), (0, 1, 2), but=(HEAD,), wait_ms=3 * HOUR_MS)
    report = grid.report(start_ms)
    assert (report["state"], report["consumption_mwh"], report["deficit_mwh"]) == ("-", 3 * KWH, KWH)
    assert report["supply_mwh"] is report["loss_mwh"] is report["loading_micro"] is None


def test_a_head_that_lost_its_meter_is_no_fault(grid: Grid) -> None:
    """Without a meter at the head T is unknown, not zero: the feeder is reported at once, without a loss."""
    grid.use((2, 0), (0, 0))
    finals = {"final_import_mwh": 2 * KWH, "final_export_mwh": 0}
    grid.ok(grid.operator, "registry", "remove", point=HEAD, removed_ms=grid.read_ms, **finals)
    grid.ok(grid.stranger, "metering", "take_final", meter=grid.head.id)
    del grid.meters[HEAD], grid.registers[HEAD]
    for _ in range(4):
        report = grid.report(grid.use((2, 0), (0, 0)))
        assert report["supply_mwh"] is report["loss_mwh"] is None
        assert (report["consumption_mwh"], report["fault"]) == (2 * KWH, False)
    assert grid.told("AlertOpened") == []


def test_technical_and_non_technical_loss_stand_apart(tmp_path: Path) -> None:
    """I²R of the head's current is technical; the rest of the loss is not, and both sum to it."""
    grid = Grid(tmp_path, 1)
    grid.begin(**LOOSE, resistance_milliohm=100)
    report = grid.report(grid.use((2.025, 0), supply_kwh=2.125))
    assert (report["loss_mwh"], report["technical_mwh"], report["non_technical_mwh"]) == (100_000, 12_096, 87_904)


def test_the_uncertainty_comes_from_class_errors_and_clock_skew(tmp_path: Path) -> None:
    """1 % of what houses' registers counted, 0.5 % of the head's; clocks off by a hundredth, at both ends."""
    grid = Grid(tmp_path, 1)
    grid.begin(class_micro=10_000, head_class_micro=5_000, skew_ms=9_000)
    report = grid.report(grid.use((2, 0), supply_kwh=2))
    assert report["uncertainty_mwh"] == 20_000 + 10_000 + 80_000


def test_persistent_loss_raises_an_alert_once_and_clears_it_once(grid: Grid) -> None:
    """Persistent-deviation alerts open once, after three intervals above the threshold, and clear once."""
    for _ in range(2):
        grid.use((2, 0), (0, 1, 2), loss_kwh=0.5)
    assert grid.opened("loss") == (0, 0)
    for _ in range(3):
        grid.use((2, 0), (0, 1, 2), loss_kwh=0.5)
    assert grid.opened("loss") == (1, 0)
    [alert] = grid.ask(grid.operator, "feeder", "alerts", feeder=FEEDER)
    # of 1.5 kWh from the grid and 1 kWh exported, half a kWh is lost
    assert (alert["kind"], alert["open"], alert["value"]) == ("loss", True, 200_000)
    for _ in range(2):
        grid.use((2, 0), (0, 1, 2))
    assert grid.opened("loss") == (1, 0)
    for _ in range(2):
        grid.use((2, 0), (0, 1, 2))
    assert grid.opened("loss") == (1, 1)
    assert grid.ask(grid.operator, "feeder", "alerts", feeder=FEEDER, only_open=True) == []


def test_unknown_intervals_say_nothing_to_an_alert(grid: Grid) -> None:
    """An interval that not every meter covers neither opens nor clears, nor begins the row anew."""
    for _ in range(2):
        grid.use((2, 0), (0, 1, 2), loss_kwh=0.5)
    grid.use((2, 0), (0, 1, 2), loss_kwh=0.5, but=(grid.houses[0].point,), wait_ms=3 * HOUR_MS)
    assert [event["loss_mwh"] for event in grid.told("FeederReported")][2:3] == [None]
    assert grid.opened("loss") == (0, 0)
    grid.unsent.clear()
    grid.read_ms = grid.to_boundary()
    grid.read()
    grid.use((2, 0), (0, 1, 2), loss_kwh=0.5, wait_ms=3 * HOUR_MS)
    assert grid.opened("loss") == (1, 0)


def test_a_fault_is_only_below_the_uncertainty(grid: Grid) -> None:
    """Energy out of nowhere is a meter's fault: only below -u, and an alert when it persists."""
    for _ in range(3):
        start_ms = grid.use((2, 0), (0, 1, 2), loss_kwh=-0.2)
    assert grid.report(start_ms)["fault"]
    assert grid.opened("fault") == (1, 0)
    assert grid.opened("loss") == (0, 0)


def test_within_the_uncertainty_is_no_fault_and_no_loss_alert(tmp_path: Path) -> None:
    """A loss that class errors and clocks can make alarms nobody, whatever its share."""
    grid = Grid(tmp_path, 1)
    grid.begin(class_micro=100_000, loss_limit_micro=10_000)
    for loss_kwh in (0.15, 0.15, 0.15, -0.15, -0.15, -0.15):
        assert not grid.report(grid.use((2, 0), loss_kwh=loss_kwh))["fault"]
    assert grid.told("AlertOpened") == []


# ---------------------------------------------------------------- likely theft


def test_hints_point_at_the_meter_that_leaves_something_out(grid: Grid) -> None:
    """Likely-theft hints by meter, while too much is lost: the loss follows what that meter shows."""
    for at in range(26):
        shown = 1 + at * 7 % 5 / 4
        grid.use((shown, 0), (1 + at * 3 % 4 / 4, 0), loss_kwh=shown * 0.5, wait_ms=90_000)
    assert grid.opened("loss") == (1, 0)
    [suspect] = grid.ask(grid.regulator, "feeder", "suspects", feeder=FEEDER)
    assert (suspect["point"], suspect["hints"]) == (grid.houses[0].point, ["follows"])
    assert suspect["correlation_micro"] > 990_000
    assert abs(suspect["missing_micro"] - 500_000) < 5_000
    assert grid.ask(grid.regulator, "feeder", "suspects", feeder=FEEDER, after=grid.houses[0].point) == []


def test_without_too_much_lost_nobody_is_suspected(grid: Grid) -> None:
    """A loss below the threshold points at nobody, however well it follows a meter."""
    for at in range(26):
        shown = 1 + at * 7 % 5 / 4
        grid.use((shown, 0), (1, 0), loss_kwh=shown * 0.02, wait_ms=90_000)
    assert grid.ask(grid.operator, "feeder", "suspects", feeder=FEEDER) == []


def test_what_a_meter_has_noticed_is_a_hint_too(grid: Grid) -> None:
    """Tampering of the last thirty days, whatever is lost."""
    house = grid.houses[1]
    grid.use((1, 0), (1, 0))
    grid.ok(house.meter, "metering", "report", kind="cover", time_ms=grid.now_ms)
    [suspect] = grid.ask(grid.operator, "feeder", "suspects", feeder=FEEDER)
    assert (suspect["point"], suspect["hints"], suspect["tampers"]) == (house.point, ["tampered"], 1)


def test_hints_are_for_the_operator_and_regulators_alone(grid: Grid) -> None:
    """A hint is no proof: no tenant and no neighbour reads it."""
    for reader in (grid.houses[0].wallet, grid.stranger, grid.head):
        with pytest.raises(Exception, match="read by staff"):
            grid.ask(reader, "feeder", "suspects", feeder=FEEDER)


# ---------------------------------------------------------------- overload and reverse flow


def test_overload_halts_new_deliveries_and_curtails_running_ones(grid: Grid) -> None:
    """Loading above the limit: the feeder contract halts new deliveries and curtails, at the first sample."""
    grid.observe(12_000)
    assert (grid.halted, grid.curtailed) == ({}, [])
    grid.observe(15_000)
    assert list(grid.halted) == ["forward"]
    assert grid.curtailed == [["forward", 2_500]]
    assert grid.opened("overload") == (1, 0)
    [told] = grid.told("DeliveriesCurtailed")
    assert told["trades"] == [7]


def test_reverse_flow_above_the_limit_curtails_what_flows_out(grid: Grid) -> None:
    """Reverse flow above the limit: halts, and curtails OUT until it is at the limit."""
    grid.observe(-5_000)
    assert grid.halted == {}
    grid.observe(-6_500)
    assert list(grid.halted) == ["reverse"]
    assert grid.curtailed == [["reverse", 1_500]]
    assert (grid.opened("reverse_flow"), grid.opened("overload")) == ((1, 0), (0, 0))


def test_curtailing_has_time_to_work_before_there_is_more(grid: Grid) -> None:
    """Samples while devices still stop curtail nothing more; a minute later they do."""
    for _ in range(3):
        grid.observe(15_000)
    assert len(grid.curtailed) == 1
    grid.ledger.advance(ms=MINUTE_MS)
    grid.observe(14_000)
    assert grid.curtailed[1:] == [["forward", 1_500]]
    assert grid.opened("overload") == (1, 0)


def test_deliveries_resume_once_the_load_has_been_low_for_a_while(grid: Grid) -> None:
    """The alert clears once, after three good samples below the hysteresis; then the market goes on."""
    grid.observe(15_000)
    for watts in (12_000, 11_000, 11_000, 12_000):
        grid.observe(watts)
    assert list(grid.halted) == ["forward"]
    for _ in range(3):
        grid.observe(11_000)
    assert grid.halted == {}
    assert grid.opened("overload") == (1, 1)
    assert [event["direction"] for event in grid.told("DeliveriesResumed")] == ["forward"]


def test_a_halt_is_renewed_as_long_as_its_alert_is_open(grid: Grid) -> None:
    """It would lapse by itself after an hour; every sample past half of that renews it."""
    grid.observe(15_000)
    first_ms = grid.halted["forward"]
    grid.observe(12_400)
    assert grid.halted["forward"] == first_ms
    grid.ledger.advance(ms=HOUR_MS // 2)
    grid.observe(12_400)
    assert grid.halted["forward"] > first_ms


def test_old_samples_stop_nothing(grid: Grid) -> None:
    """What was the case ten minutes ago is kept and reported; deliveries of now go on."""
    rows = [grid.row(20_000, later_ms=-600_000)]
    grid.ok(grid.head, "feeder", "observe", feeder=FEEDER, rows=rows)
    grid.ledger.advance(ms=1_000)
    assert (grid.halted, grid.curtailed) == ({}, [])
    assert grid.ask(grid.operator, "feeder", "health", feeder=FEEDER)["power_mw"] == 20_000_000


def test_where_nobody_samples_the_interval_itself_guards(grid: Grid) -> None:
    """Without samples the mean power of a fresh interval is all there is: 4 kWh in a quarter of an hour are 16 kW."""
    grid.use((4, 0), (0, 0))
    assert list(grid.halted) == ["forward"]
    assert grid.opened("overload") == (1, 0)


def test_feeders_share_their_transformer(grid: Grid) -> None:
    """Each is within its line, together they are above the rating: that is an overload."""
    other = "utility:feeder-2"
    grid.ok(grid.operator, "registry", "add_feeder", id=other, transformer=TRANSFORMER, area=AREA)
    meter = grid.hung("utility:head-2", "transformer", feeder=other, phases=3)
    grid.ok(grid.operator, "feeder", "watch", feeder=other)
    grid.observe(8_000)
    assert grid.halted == {}
    grid.ok(meter, "feeder", "observe", feeder=other, rows=[grid.row(8_000)])
    grid.ledger.advance(ms=1_000)
    assert grid.opened("overload") == (1, 0)
    assert [event["feeder"] for event in grid.told("DeliveriesHalted")] == [other]


def test_what_another_feeder_carried_long_ago_does_not_count(grid: Grid) -> None:
    """A feeder of which nothing has been heard for an interval is left out of its transformer's load."""
    other = "utility:feeder-2"
    grid.ok(grid.operator, "registry", "add_feeder", id=other, transformer=TRANSFORMER, area=AREA)
    meter = grid.hung("utility:head-2", "transformer", feeder=other, phases=3)
    grid.ok(grid.operator, "feeder", "watch", feeder=other)
    grid.observe(8_000)
    grid.ledger.advance(ms=INTERVAL_MS)
    grid.ok(meter, "feeder", "observe", feeder=other, rows=[grid.row(8_000)])
    assert grid.told("AlertOpened") == []


def test_deliveries_stay_halted_until_the_last_alert_has_cleared(grid: Grid) -> None:
    """Overload and reverse flow may hold the same direction back: it resumes when neither does."""
    grid.observe(-15_000)
    assert (grid.opened("overload"), grid.opened("reverse_flow")) == ((1, 0), (1, 0))
    for _ in range(3):
        grid.observe(-6_000)
    assert grid.opened("overload") == (1, 1)
    assert list(grid.halted) == ["reverse"]
    for _ in range(3):
        grid.observe(-4_000)
    assert grid.opened("reverse_flow") == (1, 1)
    assert grid.halted == {}


def test_a_line_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """Trade between feeders stays within line limits: headroom says how much more may flow each way."""
    grid = Grid(tmp_path, 1, limit_w=6_000, reverse_limit_w=2_000)
    grid.begin()
    unknown = grid.ask(grid.operator, "feeder", "headroom", feeder=FEEDER)
    assert unknown == {"forward_w": None, "reverse_w": None}
    grid.observe(5_000)
    assert grid.ask(grid.operator, "feeder", "headroom", feeder=FEEDER) == {"forward_w": 1_000, "reverse_w": 7_000}
    grid.observe(7_000)
    assert grid.curtailed == [["forward", 1_000]]
    grid.ledger.advance(ms=10 * MINUTE_MS)
    grid.meter("another")  # a query's time is that of the last block
    assert grid.ask(grid.operator, "feeder", "headroom", feeder=FEEDER) == unknown


@pytest.mark.slow
def test_the_newest_delivery_is_curtailed_first_and_without_the_market(tmp_path: Path) -> None:
    """Curtails OUT by newest trade first, in the settlement itself; a market that fails does not stop it."""
    scene = Settled(tmp_path, 4)
    seller, buyer, other, _ = scene.houses
    head = scene.meter("meter-head")
    point = {"id": HEAD, "kind": "transformer", "phases": 3, "feeder": FEEDER}
    scene.ok(scene.operator, "registry", "add_point", **point, **RATINGS)
    scene.ok(scene.operator, "registry", "install", point=HEAD, meter={"id": head.id}, installed_ms=scene.now_ms)
    scene.ledger.deploy(package("feeder"), folder=CONTRACTS)
    scene.ok(scene.operator, "feeder", "watch", feeder=FEEDER)
    first = scene.trade(seller, buyer, 1, until_ms=scene.read_ms + 2 * INTERVAL_MS)
    second = scene.trade(seller, other, 1, until_ms=scene.read_ms + 2 * INTERVAL_MS)
    scene.ledger.advance(ms=MINUTE_MS)
    row = [scene.now_ms, None, None, None, 230_000, 0, -14_000_000, 0]
    scene.ok(head, "feeder", "observe", feeder=FEEDER, rows=[row])
    scene.ledger.advance(ms=MINUTE_MS)
    assert [event["trade"] for event in scene.told("TradeCurtailed")] == [second]
    assert scene.found(first)["status"] == "delivering"


# ---------------------------------------------------------------- health


def test_voltages_temperature_and_distortion_have_limits(grid: Grid) -> None:
    """Transformer health: low and high voltage bands, temperature, distortion; each opens once when it persists."""
    good = {"temperature_milli": 60_000, "high_mv": 11_000_000, "distortion_micro": 20_000}
    bad = (
        ("voltage_low", {"voltage_mv": 206_000}),
        ("voltage_high", {"voltage_mv": 254_000}),
        ("high_voltage", {"high_mv": 9_800_000}),
        ("temperature", {"temperature_milli": 91_000}),
        ("distortion", {"distortion_micro": 81_000}),
    )
    for kind, change in bad:
        for _ in range(2):
            grid.observe(5_000, **{**good, **change})
        assert grid.opened(kind) == (0, 0)
        for _ in range(2):
            grid.observe(5_000, **{**good, **change})
        assert grid.opened(kind) == (1, 0)
        for _ in range(3):
            grid.observe(5_000, **{**good, "voltage_mv": 230_000})
        assert grid.opened(kind) == (1, 1)
    assert grid.halted == {}


def test_ageing_adds_up_over_time(grid: Grid) -> None:
    """At 69 °C in the oil and full load the hot spot is 92 °C, which ages half as fast; only watched time counts."""
    for _ in range(3):
        grid.observe(12_500, temperature_milli=69_000, pass_ms=10 * MINUTE_MS)
    found = grid.ask(grid.operator, "feeder", "health", feeder=FEEDER)
    assert (found["loading_micro"], found["hot_spot_milli"]) == (MICRO, 92_000)
    assert (found["watched_ms"] // MINUTE_MS, found["aged_ms"] // MINUTE_MS) == (20, 10)


def test_samples_give_an_interval_its_reactive_power_and_its_peak(grid: Grid) -> None:
    """Loading = S / S_rated by the mean reactive power; load factor = mean / peak of the day so far: both shown."""
    for _ in range(2):
        grid.observe(5_000, var=6_000)
    report = grid.report(grid.use((2, 0), (0, 0)))
    assert (report["apparent_mva"], report["loading_micro"]) == (10_000_000, 800_000)
    assert report["load_factor_micro"] == MICRO
    grid.observe(7_200, var=9_600)
    report = grid.report(grid.use((1, 0), (0, 0)))
    # 4 kW and 9.6 kvar are 10.4 kVA; the peak of the day was 12
    assert (report["apparent_mva"], report["load"]["peak_mva"]) == (10_400_000, 12_000_000)
    assert report["load_factor_micro"] == 850_000


def test_large_transformers_have_large_sums(grid: Grid) -> None:
    """A gigawatt is beyond its rating, not beyond what the ledger counts."""
    for _ in range(3):
        grid.observe(10**9)
    assert grid.ask(grid.operator, "feeder", "health", feeder=FEEDER)["power_mw"] == 10**12
    report = grid.report(grid.use((2, 0), (0, 0)))
    assert report["load"]["peak_mva"] == report["load"]["root_mean_square_mva"] == 10**12


def test_a_repeated_sample_changes_nothing(grid: Grid) -> None:
    """Samples travel at least once: those not later than the last are known, and counted once."""
    rows = [grid.row(5_000, later_ms=later_ms) for later_ms in (-2_000, -1_000)]
    arguments = {"feeder": FEEDER, "rows": rows}
    assert grid.ok(grid.head, "feeder", "observe", **arguments)["taken"] == 2
    assert grid.ok(grid.head, "feeder", "observe", **arguments) == {"taken": 0, "known": 2, "last_ms": rows[1][0]}


def test_samples_that_cannot_be_are_refused(grid: Grid) -> None:
    """Form, order, time and signer: readings are validated at the controller, and on the ledger."""
    good = grid.row(5_000)
    refused = {
        "BATCH_SIZE": [],
        "ROW_INVALID": [good[:-1]],
        "NOT_IN_ORDER": [good, good],
        "IN_FUTURE": [grid.row(5_000, later_ms=5 * MINUTE_MS)],
    }
    for code, rows in refused.items():
        assert grid.code(grid.head, "feeder", "observe", feeder=FEEDER, rows=rows) == code
    assert grid.code(grid.head, "feeder", "observe", feeder=FEEDER, rows=[[None, *good[1:]]]) == "ROW_INVALID"
    assert grid.code(grid.head, "feeder", "observe", feeder=FEEDER, rows=[[*good[:4], -1, *good[5:]]]) == "ROW_INVALID"
    house = grid.houses[0]
    assert grid.code(house.meter, "feeder", "observe", feeder=FEEDER, rows=[good]) == "NOT_THE_HEAD"
    assert grid.code(grid.operator, "feeder", "observe", feeder=FEEDER, rows=[good]) == "ROLE_REFUSED"
    assert grid.code(grid.head, "feeder", "observe", feeder="utility:nowhere", rows=[good]) == "FEEDER_UNKNOWN"


def test_the_gateway_of_the_transformer_may_observe(tmp_path: Path) -> None:
    """For a transformer without a meter that signs: its concentrator's gateway, and no other."""
    grid = Grid(tmp_path, 0, head=False)
    gateway = grid.ledger.identity("gateway-1", role="gateway", organisation="utility")
    other = grid.ledger.identity("gateway-2", role="gateway", organisation="utility")
    grid.ok(grid.operator, "registry", "add_concentrator", id="utility:c-1", gateway=gateway.id)
    voltages = {"rating_va": RATING_VA, "low_mv": 230_000, "high_mv": 11_000_000}
    grid.ok(grid.operator, "registry", "add_transformer", id="utility:t-2", concentrator="utility:c-1", **voltages)
    grid.ok(grid.operator, "registry", "add_feeder", id="utility:f-2", transformer="utility:t-2", area=AREA)
    grid.ok(grid.operator, "feeder", "watch", feeder="utility:f-2")
    arguments = {"feeder": "utility:f-2", "rows": [grid.row(1_000)]}
    assert grid.code(other, "feeder", "observe", **arguments) == "NOT_THE_HEAD"
    assert grid.ok(gateway, "feeder", "observe", **arguments)["taken"] == 1


# ---------------------------------------------------------------- who decides, who reads


def test_a_feeder_is_watched_once_by_its_operator(grid: Grid) -> None:
    """Staff of the operator, and rules by two of them."""
    assert grid.code(grid.operator, "feeder", "watch", feeder=FEEDER) == "ALREADY_WATCHED"
    foreign = grid.ledger.admin("community")
    assert grid.code(foreign, "feeder", "watch", feeder=FEEDER) == "NOT_YOUR_ORGANISATION"
    rules = {"feeder": FEEDER, "from_ms": grid.now_ms + INTERVAL_MS, "rules": {"persist": 5}}
    proposal = grid.ok(grid.operator, "feeder", "propose_rules", **rules)
    assert grid.code(grid.operator, "feeder", "approve", proposal=proposal) == "SAME_PERSON"
    assert len(grid.ask(grid.admin, "feeder", "proposals", organisation="utility")) == 1
    grid.ok(grid.admin, "feeder", "approve", proposal=proposal)
    for time_ms, persist in ((grid.now_ms, 3), (grid.now_ms + INTERVAL_MS, 5)):
        assert grid.ask(grid.stranger, "feeder", "rules", feeder=FEEDER, time_ms=time_ms)["persist"] == persist
    for wrong in ({"persist": 0}, {"overload_micro": 0}, {"wait_ms": -1}, {"hysteresis_micro": 2 * MICRO}):
        assert grid.code(grid.operator, "feeder", "propose_rules", **{**rules, "rules": wrong}) == "OUT_OF_RANGE"
    waiting = grid.ok(grid.operator, "feeder", "propose_rules", **rules)
    grid.ok(grid.operator, "feeder", "withdraw", proposal=waiting)
    assert grid.ask(grid.admin, "feeder", "proposals", organisation="utility") == []


def test_reports_are_read_in_pages_by_the_operator_and_regulators(grid: Grid) -> None:
    """A feeder may have one house: what concerns it is not for everyone."""
    starts = [grid.use((1, 0), (0, 1, 2)) for _ in range(3)]
    page = grid.ask(grid.regulator, "feeder", "reports", feeder=FEEDER, size=2)
    assert [report["interval_ms"] for report in page] == starts[:2]
    page = grid.ask(grid.operator, "feeder", "reports", feeder=FEEDER, after_ms=starts[1])
    assert [report["interval_ms"] for report in page] == starts[2:]
    for reader in (grid.stranger, grid.ledger.admin("community"), grid.houses[0].wallet):
        with pytest.raises(Exception, match="read by staff"):
            grid.ask(reader, "feeder", "reports", feeder=FEEDER)
    with pytest.raises(Exception, match="1 to 100"):
        grid.ask(grid.operator, "feeder", "reports", feeder=FEEDER, size=101)


def test_a_tenant_reads_its_own_share(grid: Grid) -> None:
    """By the same right as its readings; nobody else's."""
    mine, neighbour = grid.houses
    start_ms = grid.use((1, 0), (0, 1, 2))
    arguments = {"feeder": FEEDER, "point": mine.point, "interval_ms": start_ms}
    share = grid.ask(mine.wallet, "feeder", "share", **arguments)
    assert (share["premises"], share["taken_mwh"], share["consumption_mwh"]) == (mine.premises, KWH, KWH)
    with pytest.raises(Exception, match="read by its tenant"):
        grid.ask(neighbour.wallet, "feeder", "share", **arguments)


def test_a_report_is_made_by_its_timer(grid: Grid) -> None:
    """Anyone may help when the timer is late, nobody before."""
    assert grid.code(grid.stranger, "feeder", "make_report", feeder=FEEDER) == "NOT_DUE"
    assert grid.code(grid.stranger, "feeder", "halt_deliveries", feeder=FEEDER, direction="forward", until_ms=0) == (
        "ROLE_REFUSED"
    )


def test_the_allocation_pays_nobody() -> None:
    """The papers' own allocation is a report: the contract calls nothing that moves money or classes energy."""
    source = (CONTRACTS / "feeder.py").read_text()
    called = set(re.findall(r'ctx\.call\(\s*"(\w+)", "(\w+)"', source))
    assert {contract for contract, _ in called} == {"registry", "metering", "market", "settlement"}
    assert {function for contract, function in called if contract == "settlement"} == {"curtail"}
    assert {function for contract, function in called if contract == "market"} == {"halt", "resume"}
    assert source.count("ctx.call(") == len(re.findall(r'ctx\.call\(\s*"\w+", "\w+"', source))
