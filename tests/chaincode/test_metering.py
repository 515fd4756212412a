"""Metering keeps its rules: whatever comes, in whatever order, intervals sum to what the registers say."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgernode.testing import Member
from tests.chaincode.town import AREA, DAY_MS, FEEDER, HOUR_MS, INTERVAL_MS, KWH, RATING_W, House, Town

MINUTE_MS = 60_000
MODULUS = 100_000 * KWH
RESET_FLAG = 8

SETTLEMENT = '''"""Stands for the settlement: it closes intervals when it is told to."""

from chaincode.api import Context, Contract, transaction


class Settlement(Contract):
    name = "settlement"
    version = "1.0.0"

    @transaction
    def close(self, ctx: Context, area: str, points: list[str], interval_ms: int) -> list[tuple[int, int, str]] | None:
        return ctx.call("metering", "close", area=area, points=points, interval_ms=interval_ms)

    @transaction
    def close_many(self, ctx: Context, area: str, points: list[str], from_ms: int, until_ms: int) -> int:
        return ctx.call("metering", "close_many", area=area, points=points, from_ms=from_ms, until_ms=until_ms)

    @transaction
    def late(self, ctx: Context, area: str, limit: int = 100) -> list[tuple[str, int]]:
        return ctx.call("metering", "take_late", area=area, limit=limit)
'''


class Scene(Town):
    """Houses whose meters have shown zero at a boundary, the start; days have passed since."""

    def __init__(self, houses: int = 1, *, days: int = 1) -> None:
        super().__init__("metering")
        self.to_boundary()
        self.build(houses)
        self.house = self.houses[0]
        self.installed_ms = self.ask(self.operator, "registry", "meter", meter=self.house.meter.id)["installed_ms"]
        self.ledger.advance(ms=INTERVAL_MS * 96 * days - (self.now_ms - self.boundary_ms) % INTERVAL_MS)
        self.start_ms = -(-self.installed_ms // INTERVAL_MS) * INTERVAL_MS
        for house in self.houses:
            self.record(self.reading(0, 0), house=house)

    def settlement(self, tmp_path: Path) -> None:
        (tmp_path / "settlement.py").write_text(SETTLEMENT)
        self.ledger.deploy(tmp_path / "settlement.py")

    def reading(
        self, at: int, import_kwh: float, export_kwh: float = 0, *, flags: int = 0, sequence: int = -1
    ) -> list[int]:
        """At the `at`-th boundary after the start."""
        time_ms = self.start_ms + at * INTERVAL_MS
        registers = [round(import_kwh * KWH), round(export_kwh * KWH)]
        return [at if sequence < 0 else sequence, time_ms, *registers, flags]

    def record(self, *rows: list[int], house: House | None = None, columns: tuple[str, ...] = ()) -> Any:
        meter = (house or self.house).meter
        return self.ok(meter, "metering", "record", rows=list(rows), columns=list(columns))

    def refused(self, *rows: list[int], columns: tuple[str, ...] = ()) -> str:
        return self.code(self.house.meter, "metering", "record", rows=list(rows), columns=list(columns))

    def intervals(self, house: House | None = None) -> dict[int, tuple[int, int, str]]:
        """Of the house, by number since the start: (imported, exported, state), those that have anything."""
        point = (house or self.house).point
        first, last = self.start_ms // DAY_MS, self.now_ms // DAY_MS
        found: dict[int, tuple[int, int, str]] = {}
        for page in range(first, last + 1, 31):
            days = self.ask(
                self.operator, "metering", "days", point=point, first_day=page, last_day=min(page + 30, last)
            )
            for day in days:
                base = (day["day"] * DAY_MS - self.start_ms) // INTERVAL_MS
                rows = zip(day["import_mwh"], day["export_mwh"], day["state"], strict=True)
                found |= {base + at: row for at, row in enumerate(rows) if row != (0, 0, "-")}
                assert day["import_sum_mwh"] == sum(day["import_mwh"])
        return found

    def held(self) -> list[tuple[int, str]]:
        rows = self.ask(self.operator, "metering", "held", meter=self.house.meter.id)
        return [((time_ms - self.start_ms) // INTERVAL_MS, verdict) for time_ms, verdict, _ in rows]

    def head(self) -> Any:
        return self.ask(self.operator, "metering", "head", meter=self.house.meter.id)

    def event(self, name: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.ledger.events("metering", name)]


@pytest.fixture(scope="module")
def founded() -> Scene:
    return Scene()


@pytest.fixture
def scene(founded: Scene) -> Scene:
    return deepcopy(founded)


# ---------------------------------------------------------------- batches


def test_readings_at_boundaries_are_intervals(scene: Scene) -> None:
    """Each difference of the registers is the energy of its interval, device-signed."""
    done = scene.record(scene.reading(1, 0.25), scene.reading(2, 0.5, 0.1), scene.reading(3, 1.0, 0.1))
    assert (done["accepted"], done["held"], done["last_import_mwh"]) == (3, 0, KWH)
    found = scene.intervals()
    assert [found[at] for at in range(3)] == [(250_000, 0, "d"), (250_000, 100_000, "d"), (500_000, 0, "d")]
    event = scene.event("ReadingsRecorded")[-1]
    assert (event["point"], event["accepted"]) == (scene.house.point, 3)


def test_one_reading_of_a_batch_can_be_proven_alone(scene: Scene) -> None:
    """Each row is a leaf of the receipt's tree."""
    rows = [scene.reading(at, at) for at in (1, 2, 3)]
    done = scene.attempt(scene.house.meter, "metering", "record", rows=rows, columns=[])
    assert done.receipt.items == 3


def test_the_same_again_changes_nothing(scene: Scene) -> None:
    """A device sends until it knows that it was heard: twice is once, whole or in part, in other batches too."""
    rows = [scene.reading(at, at) for at in range(1, 9)]
    scene.record(*rows)
    before = (scene.intervals(), scene.head())
    for again in (rows, rows[2:5], rows[7:]):
        done = scene.record(*again)
        assert (done["known"], done["accepted"], done["conflicts"]) == (len(again), 0, 0)
    assert (scene.intervals(), scene.head()) == before
    done = scene.record(*rows[6:], scene.reading(9, 9))
    assert (done["known"], done["accepted"]) == (2, 1)


def test_other_content_for_a_known_reading_is_refused_and_flagged(scene: Scene) -> None:
    """The first stands; what is new in the same batch is taken."""
    scene.record(scene.reading(1, 1), scene.reading(2, 2))
    before = scene.intervals()
    other = [scene.reading(1, 1.5), scene.reading(2, 2), scene.reading(4, 4)]
    done = scene.record(*other)
    assert (done["conflicts"], done["known"], done["accepted"]) == (1, 1, 1)
    assert [scene.intervals()[at] for at in (0, 1)] == [before[at] for at in (0, 1)]
    assert scene.event("ReadingConflict")[0]["times_ms"] == [other[0][1]]


def test_a_sequence_that_does_not_fit_its_time_is_a_conflict(scene: Scene) -> None:
    """A number used again, and a later number for an earlier time."""
    scene.record(scene.reading(1, 1), scene.reading(3, 3))
    for row in (scene.reading(5, 5, sequence=3), scene.reading(2, 2, sequence=4), scene.reading(2, 2, sequence=1)):
        assert scene.record(row)["conflicts"] == 1
    assert scene.record(scene.reading(2, 2))["accepted"] == 1


def test_what_makes_no_batch_is_refused(scene: Scene) -> None:
    """Nothing of it is taken."""
    row = scene.reading(1, 1)
    for rows, expected in (
        ([], "BATCH_SIZE"),
        ([scene.reading(at, 0) for at in range(501)], "BATCH_SIZE"),
        ([[*row, 5]], "ROW_INVALID"),
        ([row[:4]], "ROW_INVALID"),
        ([[*row[:2], -1, 0, 0]], "ROW_INVALID"),
        ([[*row[:2], MODULUS, 0, 0]], "ROW_INVALID"),
        ([[*row[:4], 65_536]], "ROW_INVALID"),
        ([scene.reading(2, 2), scene.reading(1, 1)], "NOT_IN_ORDER"),
        ([row, [*row[:1], *scene.reading(2, 2)[1:]]], "NOT_IN_ORDER"),
    ):
        assert scene.refused(*rows) == expected
    assert scene.refused(row, columns=("not a name",)) == "ROW_INVALID"
    assert scene.refused(row, columns=tuple(f"c{number}" for number in range(33))) == "ROW_INVALID"
    unknown = scene.meter("unknown")
    assert scene.attempt(unknown, "metering", "record", rows=[row], columns=[]).code == "registry.UNKNOWN"
    assert scene.code(scene.house.wallet, "metering", "record", rows=[row], columns=[]) == "ROLE_REFUSED"


def test_a_reading_from_the_future_is_refused(scene: Scene) -> None:
    """A clock that is ahead by more than a minute (data) is to be set first; the batch is welcome later."""
    ahead = [0, scene.now_ms + 2 * MINUTE_MS, KWH, 0, 0]
    assert scene.refused(ahead) == "IN_FUTURE"
    assert scene.refused([0, scene.now_ms + 50_000, KWH, 0, 0]) == "OK"
    scene.ledger.advance(minutes=3)
    assert scene.record([1, *ahead[1:]])["accepted"] == 1


def test_what_a_meter_showed_before_it_was_hung_is_not_the_points(scene: Scene) -> None:
    """Readings from the workshop count for nobody, and stop nothing."""
    early = [0, scene.installed_ms - HOUR_MS, 900 * KWH, 0, 0]
    done = scene.record(early, scene.reading(1, 1))
    assert (done["ignored"], done["accepted"]) == (1, 1)
    assert sum(row[0] for row in scene.intervals().values()) == KWH


def test_columns_may_change_from_batch_to_batch(scene: Scene) -> None:
    """Each reading keeps the names of its numbers; three phases have three of each."""
    scene.record([*scene.reading(1, 1), 230_000], columns=("voltage_mv",))
    phases = ("voltage_mv_1", "voltage_mv_2", "voltage_mv_3")
    scene.record([*scene.reading(2, 2), 1, 2, 3], columns=phases)
    scene.record([*scene.reading(3, 3), 231_000], columns=("voltage_mv",))
    chunk = scene.ask(scene.operator, "metering", "readings", meter=scene.house.meter.id, day=scene.start_ms // DAY_MS)
    assert chunk["rows"][2][5:] == [1, 2, 3]
    names = [scene.head()["columns"][ord(letter) - 97] for letter in chunk["formats"]]
    assert names == ["", "voltage_mv", ",".join(phases), "voltage_mv"]


# ---------------------------------------------------------------- gaps, order, totals


def test_a_gap_is_estimated_flagged_and_trued_up(scene: Scene) -> None:
    """What intervals sum to is the register difference, before and after the missing readings come."""
    scene.record(scene.reading(1, 1), scene.reading(5, 2.002))
    found = scene.intervals()
    assert [found[at] for at in range(1, 5)] == [(250_500, 0, "e")] * 4
    assert scene.event("GapEstimated")
    scene.record(scene.reading(2, 1.9), scene.reading(3, 1.9), scene.reading(4, 2))
    found = scene.intervals()
    assert [found[at] for at in range(1, 5)] == [(900_000, 0, "d"), (0, 0, "d"), (100_000, 0, "d"), (2_000, 0, "d")]
    assert sum(row[0] for row in found.values()) == 2_002_000


def test_samples_between_boundaries_only_feed_the_interval(scene: Scene) -> None:
    """A register is a straight line between two samples; each mWh is in one interval."""
    minute = [[n, scene.start_ms + 7 * MINUTE_MS + n * MINUTE_MS, 1_000 * (n + 1), 0, 0] for n in range(40)]
    scene.record(*minute)
    found = scene.intervals()
    assert [found[at][0] for at in (0, 1, 2)] == [9_000, 15_000, 15_000]
    assert [found[at][2] for at in (0, 1)] == ["d", "d"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """A meter's readings over two days, some of them impossible, and how they arrive: batches, some of them twice."""
    count = draw(st.integers(1, 14))
    minutes = sorted(draw(st.lists(st.integers(1, 2_880), min_size=count, max_size=count, unique=True)))
    imported, exported, rows, last = 0, 0, [], 0
    for sequence, minute in enumerate(minutes):
        most = RATING_W * 1_000 * (minute - last) // 60
        last = minute
        imported += draw(st.integers(0, most))
        exported += draw(st.one_of(st.just(0), st.integers(0, most)))
        kind = draw(st.sampled_from(["good"] * 8 + ["reset", "high", "low", "corrupt"]))
        flags = 0
        if kind == "reset":
            imported, exported, flags = draw(st.integers(0, 5_000)), 0, RESET_FLAG
        shown = (imported, exported)
        if kind == "high":
            shown = (min(imported + draw(st.integers(1, 500 * KWH)), MODULUS - 1), exported)
        elif kind == "low":
            shown = (draw(st.integers(0, imported)), exported)
        elif kind == "corrupt":
            shown = (draw(st.integers(0, MODULUS - 1)), draw(st.integers(0, MODULUS - 1)))
        rows.append([sequence, minute * MINUTE_MS, *shown, flags])
    batches = draw(st.integers(1, 4))
    homes = draw(st.lists(st.integers(0, batches - 1), min_size=count, max_size=count))
    arrivals = [[row for row, home in zip(rows, homes, strict=True) if home == batch] for batch in range(batches)]
    arrivals = [batch for batch in arrivals if batch]
    order = draw(st.permutations(range(len(arrivals))))
    again = draw(st.lists(st.sampled_from(range(len(arrivals))), max_size=2))
    return rows, [arrivals[at] for at in [*order, *again]]


def reference(rows: list[list[int]]) -> tuple[list[int], dict[int, list[int]]]:
    """Written anew from the rules: times believed, and energy by interval number (imported, exported)."""
    believed, energy = [], {}
    last_ms, last = 0, (0, 0)
    for _, time_ms, *shown, flags in rows:
        rises = [(now - before) % MODULUS for now, before in zip(shown, last, strict=True)]
        possible = RATING_W * 1.2 * (time_ms - last_ms) / 3_600_000 * 1_000_000 / 1_000 + 10_000
        lower = any(now < before for now, before in zip(shown, last, strict=True))
        if lower and flags & RESET_FLAG:
            rises = [0, 0]
        elif any(rise > possible for rise in rises):
            continue
        believed.append(time_ms)
        for number in range(last_ms // INTERVAL_MS, -(-time_ms // INTERVAL_MS)):
            bounds = [min(max(at * INTERVAL_MS, last_ms), time_ms) - last_ms for at in (number, number + 1)]
            for register, rise in enumerate(rises):
                done = [rise * bound // (time_ms - last_ms) for bound in bounds]
                energy.setdefault(number, [0, 0])[register] += done[1] - done[0]
        last_ms, last = time_ms, (shown[0], shown[1])
    return believed, energy


@pytest.fixture(scope="module")
def town() -> Scene:
    return Scene(days=3)


@pytest.mark.timeout(180)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_the_order_in_which_readings_come_leaves_no_trace(
    town: Scene, history: tuple[list[list[int]], list[list[int]]]
) -> None:
    """In order, shuffled or twice: the same readings are believed, and intervals are those of the rules,
    summing to the register differences."""
    rows, arrivals = history
    number = len(town.houses)
    (house,) = town.settle_in(f"again-{number}")
    device = town.ask(town.operator, "registry", "meter", meter=house.meter.id)
    base_ms = -(-device["installed_ms"] // INTERVAL_MS) * INTERVAL_MS
    town.ledger.advance(days=2, minutes=15)
    shift = base_ms // INTERVAL_MS
    # the idle minutes before the first boundary, so that the reference can begin at zero
    anchor = [0, base_ms, 0, 0, 0]

    def submit(batch: list[list[int]]) -> None:
        shifted = [[row[0] + 1, row[1] + base_ms, *row[2:]] for row in batch]
        town.ok(house.meter, "metering", "record", rows=shifted, columns=[])

    if base_ms > device["installed_ms"]:
        town.ok(house.meter, "metering", "record", rows=[anchor], columns=[])
    for batch in arrivals:
        submit(batch)
    believed, energy = reference(rows)
    found: dict[int, list[int]] = {}
    days = town.ask(
        town.operator,
        "metering",
        "days",
        point=house.point,
        first_day=base_ms // DAY_MS,
        last_day=base_ms // DAY_MS + 3,
    )
    for day in days:
        for at, row in enumerate(zip(day["import_mwh"], day["export_mwh"], strict=True)):
            if any(row):
                found[day["day"] * 96 + at - shift] = list(row)
    assert found == {at: row for at, row in energy.items() if any(row)}
    chunks = [
        town.ask(town.operator, "metering", "readings", meter=house.meter.id, day=base_ms // DAY_MS + offset)
        for offset in range(4)
    ]
    taken = [
        row[1] - base_ms
        for chunk in chunks
        for row, verdict in zip(chunk["rows"], chunk["verdicts"], strict=True)
        if verdict in "aoz" and row[1] > base_ms
    ]
    assert taken == believed
    head = town.ask(town.operator, "metering", "head", meter=house.meter.id)
    assert head["last"]["time_ms"] - base_ms == (believed[-1] if believed else 0)


# ---------------------------------------------------------------- what cannot be


def test_negative_and_implausible_readings_are_held(scene: Scene) -> None:
    """They count for nothing; what fits after them counts."""
    rows = [scene.reading(1, 1), scene.reading(2, 0.5), scene.reading(3, 90), scene.reading(4, 2)]
    done = scene.record(*rows)
    assert (done["accepted"], done["held"]) == (2, 2)
    assert scene.held() == [(2, "b"), (3, "i")]
    assert sum(row[0] for row in scene.intervals().values()) == 2 * KWH
    assert scene.event("ReadingsHeld")[0]["held"] == 2


def test_a_register_rolls_over(scene: Scene) -> None:
    """Past its modulus it counts on, when the difference is one that can be."""
    (house,) = scene.settle_in("old")
    device = scene.meter("rolling")
    near = MODULUS - KWH
    gone = {"point": house.point, "final_import_mwh": 0, "final_export_mwh": 0}
    scene.ok(scene.operator, "registry", "replace", meter={"id": device.id, "import_mwh": near}, **gone)
    scene.ledger.advance(hours=2)
    at_ms = scene.now_ms // INTERVAL_MS * INTERVAL_MS
    rows = [[0, at_ms - INTERVAL_MS, MODULUS - 1, 0, 0], [1, at_ms, KWH - 1, 0, 0]]
    done = scene.ok(device, "metering", "record", rows=rows, columns=[])
    assert (done["accepted"], done["last_import_mwh"]) == (2, KWH - 1)
    assert sum(row[0] for row in scene.intervals(house).values()) == 2 * KWH - 1
    assert scene.event("RegisterRolledOver")[0]["times_ms"] == [at_ms]


def test_a_reset_is_a_boundary(scene: Scene) -> None:
    """No use is computed across it; before and after it registers count as ever."""
    scene.record(scene.reading(1, 5 / 2), scene.reading(2, 0.1, flags=RESET_FLAG), scene.reading(3, 0.4))
    found = scene.intervals()
    assert [found[at] for at in range(3)] == [(2_500_000, 0, "d"), (0, 0, "e"), (300_000, 0, "d")]
    assert len(scene.event("RegisterReset")) == 1


def test_what_is_held_is_decided_by_two(scene: Scene) -> None:
    """A reset that the meter did not flag; all that was held after it is then judged anew."""
    scene.record(*(scene.reading(at, at) for at in (1, 2)), *(scene.reading(at, at / 10) for at in (3, 4, 5)))
    assert [at for at, _ in scene.held()] == [3, 4, 5]
    row = scene.reading(3, 0.3)
    decision = {"meter": scene.house.meter.id, "time_ms": row[1], "reason": "read on site"}
    wrong = {**decision, "time_ms": 7}
    assert scene.code(scene.operator, "metering", "propose_decision", decision="reset", **wrong) == "READING_UNKNOWN"
    assert scene.code(scene.operator, "metering", "propose_decision", decision="x", **decision) == "OUT_OF_RANGE"
    stranger = scene.ledger.admin("community")
    assert scene.code(stranger, "metering", "propose_decision", decision="reset", **decision) == "NOT_YOUR_ORGANISATION"
    proposal = scene.ok(scene.operator, "metering", "propose_decision", decision="reset", **decision)
    assert scene.code(scene.operator, "metering", "approve", proposal=proposal) == "SAME_PERSON"
    scene.ok(scene.admin, "metering", "approve", proposal=proposal)
    assert scene.held() == []
    assert [scene.intervals()[at][0] for at in range(5)] == [KWH, KWH, 0, 100_000, 100_000]


def test_a_reading_that_hides_the_true_ones_is_rejected_by_two(scene: Scene) -> None:
    """A wrong one that could have been; the ones it made impossible then count."""
    scene.record(scene.reading(1, 1), scene.reading(2, 4), scene.reading(3, 1.4), scene.reading(4, 1.6))
    assert [at for at, _ in scene.held()] == [3, 4]
    decision = {"meter": scene.house.meter.id, "time_ms": scene.reading(2, 0)[1], "reason": "flash fault"}
    scene.two("metering", "propose_decision", decision="reject", **decision)
    assert scene.held() == []
    assert [scene.intervals()[at][0] for at in range(4)] == [KWH, 200_000, 200_000, 200_000]
    scene.two("metering", "propose_decision", decision="accept", **decision)
    assert [at for at, _ in scene.held()] == [3, 4]


def test_readings_of_long_ago_wait_for_an_operator() -> None:
    """Older than 90 days (data): held, until two of the staff accept them."""
    scene = Scene(days=100)
    old, young = scene.reading(1, 1), scene.reading(60 * 96, 900)
    assert scene.record(old, young)["held"] == 2
    assert scene.held() == [(0, "l"), (1, "l"), (60 * 96, "g")]
    accept = {"meter": scene.house.meter.id, "reason": "found in its memory", "decision": "accept"}
    scene.two("metering", "propose_decision", time_ms=old[1], **accept)
    assert sum(row[0] for row in scene.intervals().values()) == KWH
    scene.two("metering", "propose_decision", time_ms=young[1], **accept)
    assert sum(row[0] for row in scene.intervals().values()) == 900 * KWH
    assert scene.held() == [(0, "l")]


def test_an_interval_is_corrected_by_two(scene: Scene) -> None:
    """What readings cannot say, such as the use across a reset; never below zero, and it stays on record."""
    scene.record(scene.reading(1, 1))
    correction = {"point": scene.house.point, "interval_ms": scene.start_ms, "export_mwh": 0, "reason": "site visit"}
    propose = "propose_correction"
    off = {**correction, "interval_ms": scene.start_ms + 1}
    assert scene.code(scene.operator, "metering", propose, import_mwh=1, **off) == "OUT_OF_RANGE"
    scene.two("metering", propose, import_mwh=-400_000, **correction)
    assert scene.intervals()[0][0] == 600_000
    proposal = scene.ok(scene.operator, "metering", propose, import_mwh=-600_001, **correction)
    assert scene.code(scene.admin, "metering", "approve", proposal=proposal) == "OUT_OF_RANGE"
    scene.ok(scene.operator, "metering", "withdraw", proposal=proposal)
    (kept,) = scene.ask(scene.house.wallet, "metering", "corrections", point=scene.house.point)
    assert (kept["import_mwh"], kept["reason"]) == (-400_000, "site visit")
    scene.record(scene.reading(2, 2))
    assert scene.intervals()[0][0] == 600_000


def test_what_was_judged_stays_judged_when_a_rating_changes(scene: Scene) -> None:
    """A higher rating holds for readings from then on: old verdicts do not depend on when something came late."""
    scene.record(scene.reading(1, 1), scene.reading(2, 9))
    assert scene.held() == [(2, "i")]
    ratings = {"import_rating_w": 100_000, "export_rating_w": RATING_W, "prepaid": False, "tariff": ""}
    scene.ok(scene.operator, "registry", "set_point", point=scene.house.point, **ratings)
    scene.record(scene.reading(3, 1.2))
    assert scene.held() == [(2, "i")]
    scene.ledger.advance(hours=1)
    last = (scene.now_ms - scene.start_ms) // INTERVAL_MS
    scene.record(scene.reading(last - 1, 2), scene.reading(last, 20))
    assert scene.held() == [(2, "i")]


# ---------------------------------------------------------------- who signed


def test_gateway_signed_readings_are_told_apart_for_ever(scene: Scene) -> None:
    """A gateway signs for meters without a key only; every interval and reading says so."""
    gateway = scene.ledger.identity("gateway", role="gateway", organisation="utility")
    foreign = scene.ledger.identity("foreign", role="gateway", organisation="community")
    row = scene.reading(1, 1)
    own = {"meter": scene.house.meter.id, "rows": [row], "columns": []}
    assert scene.code(gateway, "metering", "record_for", **own) == "GATEWAY_REFUSED"
    scene.ok(
        scene.operator,
        "registry",
        "add_point",
        id="utility:pv",
        kind="generation",
        feeder=FEEDER,
        premises=scene.house.premises,
    )
    old = {"id": "utility:old", "gateway_signed": True}
    scene.ok(scene.operator, "registry", "install", point="utility:pv", meter=old, installed_ms=scene.start_ms)
    read = {"meter": "utility:old", "rows": [row, scene.reading(2, 2)], "columns": []}
    assert scene.code(foreign, "metering", "record_for", **read) == "GATEWAY_REFUSED"
    scene.ok(gateway, "metering", "record_for", **read)
    day = scene.start_ms // DAY_MS
    (seen,) = scene.ask(scene.operator, "metering", "days", point="utility:pv", first_day=day, last_day=day)
    at = scene.start_ms % DAY_MS // INTERVAL_MS
    assert seen["state"][at : at + 3] == "gg-"
    assert scene.ask(scene.operator, "metering", "readings", meter="utility:old", day=day)["origins"] == "gg"


# ---------------------------------------------------------------- another meter


def test_a_replaced_meter_leaves_no_gap_and_no_invented_use(scene: Scene) -> None:
    """Final register of the old, initial register of the new, within one interval: the sum is what both counted."""
    scene.record(scene.reading(1, 1))
    new, at_ms = scene.meter("new"), scene.start_ms + INTERVAL_MS + 6 * MINUTE_MS
    finals = {"final_import_mwh": 1_500_000, "final_export_mwh": 0}
    device = {"id": new.id, "import_mwh": 77 * KWH}
    scene.ok(scene.operator, "registry", "replace", point=scene.house.point, meter=device, replaced_ms=at_ms, **finals)
    assert scene.record(scene.reading(9, 3))["ignored"] == 1
    rows = [scene.reading(2, 77.25), scene.reading(3, 78)]
    scene.ok(new, "metering", "record", rows=rows, columns=[])
    found = scene.intervals()
    assert [found[at][0] for at in range(3)] == [KWH, 750_000, 750_000]
    assert [found[at][2] for at in range(3)] == ["d", "g", "d"]
    assert scene.event("MeterFinished")[0]["meter"] == scene.house.meter.id
    finish = {"meter": scene.house.meter.id}
    before = scene.intervals()
    scene.ok(scene.stranger, "metering", "take_final", **finish)
    assert scene.intervals() == before
    assert scene.code(scene.stranger, "metering", "take_final", meter=new.id) == "NOT_REMOVED"


def test_a_replaced_meter_that_kept_readings_sends_them_afterwards(scene: Scene) -> None:
    """Out of order across two meters too."""
    new, at_ms = scene.meter("new"), scene.start_ms + 4 * INTERVAL_MS
    finals = {"final_import_mwh": 4 * KWH, "final_export_mwh": 0}
    device = {"id": new.id, "import_mwh": 0}
    scene.ok(scene.operator, "registry", "replace", point=scene.house.point, meter=device, replaced_ms=at_ms, **finals)
    scene.ok(new, "metering", "record", rows=[scene.reading(5, 0.5)], columns=[])
    assert [scene.intervals()[at] for at in range(5)] == [(KWH, 0, "e")] * 4 + [(500_000, 0, "d")]
    scene.record(scene.reading(1, 1.6))
    assert [scene.intervals()[at][0] for at in range(5)] == [1_600_000, 800_000, 800_000, 800_000, 500_000]


# ---------------------------------------------------------------- tampering


def test_tampering_is_kept_and_reported(scene: Scene) -> None:
    """By a reading's flags, or by itself."""
    scene.record(scene.reading(1, 1, flags=1 | 2), scene.reading(2, 2))
    scene.ok(scene.house.meter, "metering", "report", kind="bypass", time_ms=scene.now_ms, detail="phase 2")
    found = scene.ask(scene.house.wallet, "metering", "tampers", point=scene.house.point)
    assert [(item["kind"], item["detail"]) for item in found] == [("bypass", "phase 2"), ("cover, magnet", "")]
    assert len(scene.event("TamperReported")) == 2
    assert scene.code(scene.house.meter, "metering", "report", kind="", time_ms=0) == "TEXT_OUT_OF_RANGE"


# ---------------------------------------------------------------- closing


def close(scene: Scene, at: int, points: list[str] | None = None) -> Any:
    interval_ms = scene.start_ms + at * INTERVAL_MS
    wanted = points or [house.point for house in scene.houses]
    return scene.ok(scene.operator, "settlement", "close", area=AREA, points=wanted, interval_ms=interval_ms)


def test_an_interval_closes_when_all_have_reported(tmp_path: Path) -> None:
    """Not while one is missing; only settlement closes."""
    scene = Scene(2)
    scene.settlement(tmp_path)
    one, other = scene.houses
    scene.record(scene.reading(1, 1), house=one)
    assert close(scene, 0) is None
    scene.record(scene.reading(1, 0, 0.5), house=other)
    assert close(scene, 0) == [[KWH, 0, "d"], [0, 500_000, "d"]]
    assert close(scene, 1) is None
    arguments = {"area": AREA, "points": [], "interval_ms": 0}
    assert scene.code(scene.operator, "metering", "close", **arguments) == "CALLER_REFUSED"
    assert scene.code(scene.operator, "metering", "take_late", area=AREA, limit=1) == "CALLER_REFUSED"


def test_an_estimate_waits_for_what_may_still_come(tmp_path: Path) -> None:
    """An interval that is only estimated closes after 48 hours (data), flagged."""
    scene = Scene()
    scene.settlement(tmp_path)
    scene.record(scene.reading(1, 1), scene.reading(3, 2))
    assert close(scene, 0) == [[KWH, 0, "d"]]
    assert close(scene, 1) is None
    scene.ledger.advance(days=2)
    assert close(scene, 1) == [[500_000, 0, "e"]]


def test_after_48_hours_what_is_missing_is_put_in_and_flagged(tmp_path: Path) -> None:
    """As much as the same interval a day and a week before; nothing for one that has never reported."""
    scene = Scene(2, days=8)
    scene.settlement(tmp_path)
    silent = scene.houses[1]
    week = 7 * 96
    scene.record(scene.reading(1, 1), scene.reading(week - 96, 100), scene.reading(week - 95, 102))
    assert close(scene, week) is None
    scene.ledger.advance(days=2)
    assert close(scene, week) == [[(1 + 2) * KWH // 2, 0, "x"], [0, 0, "x"]]
    assert scene.ask(silent.wallet, "registry", "point", point=silent.point)["meter"] == silent.meter.id


def test_many_intervals_close_as_far_as_all_have_measured_them(tmp_path: Path) -> None:
    """Up to the first that is estimated or missing, within one day; what changes them later is late."""
    scene = Scene(2)
    scene.settlement(tmp_path)
    one, other = scene.houses
    span = {"area": AREA, "points": [one.point, other.point]}

    def close_many(first: int, last: int) -> int:
        ends = {"from_ms": scene.start_ms + first * INTERVAL_MS, "until_ms": scene.start_ms + last * INTERVAL_MS}
        closed_ms: int = scene.ok(scene.operator, "settlement", "close_many", **span, **ends)
        return (closed_ms - scene.start_ms) // INTERVAL_MS

    scene.record(*(scene.reading(at, at) for at in range(1, 9)), house=one)
    assert close_many(0, 8) == 0
    scene.record(*(scene.reading(at, at) for at in (1, 2, 3, 5, 6, 7, 8)), house=other)
    assert [close_many(*ends) for ends in ((0, 2), (0, 8), (3, 8), (5, 8))] == [2, 3, 3, 8]
    ends = {"from_ms": scene.start_ms, "until_ms": scene.start_ms + DAY_MS}
    assert scene.attempt(scene.operator, "settlement", "close_many", **span, **ends).code == "metering.OUT_OF_RANGE"
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == []
    scene.record(scene.reading(4, 4), house=other)
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == [[other.point, scene.start_ms // DAY_MS]]
    scene.ok(scene.operator, "registry", "add_premises", id="utility:p")
    empty = {"id": "utility:p", "kind": "connection", "feeder": FEEDER, "premises": "utility:p"}
    scene.ok(scene.operator, "registry", "add_point", **empty)
    span["points"] = ["utility:p"]
    assert close_many(0, 8) == 8


def test_nothing_is_made_up_when_no_meter_hangs(tmp_path: Path) -> None:
    """Before the first one came, and after the last one left, an interval is known to be empty."""
    scene = Scene()
    scene.settlement(tmp_path)
    scene.record(scene.reading(1, 1))
    gone_ms = scene.start_ms + INTERVAL_MS + 5 * MINUTE_MS
    finals = {"removed_ms": gone_ms, "final_import_mwh": 1_200_000, "final_export_mwh": 0}
    scene.ok(scene.operator, "registry", "remove", point=scene.house.point, **finals)
    scene.ok(scene.operator, "metering", "take_final", meter=scene.house.meter.id)
    assert [close(scene, at) for at in (-1, 0, 1, 2)] == [
        [[0, 0, "d"]],
        [[KWH, 0, "d"]],
        [[200_000, 0, "g"]],
        [[0, 0, "d"]],
    ]
    scene.ok(scene.operator, "registry", "add_premises", id="utility:p")
    scene.ok(
        scene.operator, "registry", "add_point", id="utility:p", kind="connection", feeder=FEEDER, premises="utility:p"
    )
    assert close(scene, 3, ["utility:p"]) == [[0, 0, "d"]]


def test_a_late_reading_is_told_to_settlement_once(tmp_path: Path) -> None:
    """What it changes in closed intervals; what concerns open ones is nobody's business yet."""
    scene = Scene()
    scene.settlement(tmp_path)
    scene.record(scene.reading(1, 1), scene.reading(3, 2))
    close(scene, 0)
    scene.record(scene.reading(4, 2.5))
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == []
    scene.ledger.advance(days=2)
    close(scene, 1)
    scene.record(scene.reading(5, 3))
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == []
    scene.record(scene.reading(2, 1.9))
    day = scene.start_ms // DAY_MS
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == [[scene.house.point, day]]
    assert scene.ok(scene.operator, "settlement", "late", area=AREA) == []
    assert scene.event("LateReading")[0]["point"] == scene.house.point
    assert close(scene, 1) == [[900_000, 0, "d"]]


def test_a_full_area_closes_in_one_call(tmp_path: Path) -> None:
    """200 points, half the budget of a call at most."""
    scene = Scene()
    scene.settlement(tmp_path)
    houses = scene.settle_in(*(f"h{number}" for number in range(49)))
    scene.ledger.advance(hours=1)
    at = (scene.now_ms - scene.start_ms) // INTERVAL_MS
    for house in [scene.house, *houses]:
        scene.record(scene.reading(at, 1), house=house)
    points = [house.point for house in scene.houses] * 4
    scene.ledger.advance(days=2)
    done = scene.attempt(
        scene.operator,
        "settlement",
        "close",
        area=AREA,
        points=points,
        interval_ms=scene.start_ms + (at - 1) * INTERVAL_MS,
    )
    assert done.code == "OK"
    assert len(done.result) == 200
    assert done.receipt.budget_used < 250_000


def test_a_batch_costs_what_the_page_says(scene: Scene) -> None:
    """A day's 96 readings fit a call twenty times, 500 readings four times; docs/energy.md has the figures."""
    rows = [
        [n, scene.start_ms + n * 30_000, 100 * n, 0, 0, 230_000, 1_500, 345_000, -2_000, 998] for n in range(1, 1_502)
    ]
    meter = scene.house.meter
    for first, last, units in ((0, 96, 25_000), (96, 596, 125_000), (596, 1_096, 140_000)):
        done = scene.attempt(meter, "metering", "record", rows=rows[first:last])
        assert done.code == "OK"
        assert done.receipt.budget_used < units


def test_a_meter_has_at_most_1500_readings_a_day(scene: Scene) -> None:
    """One a minute; finer samples stay with the gateway."""
    midnight_ms = (scene.start_ms // DAY_MS + 1) * DAY_MS
    scene.ledger.advance(days=1)
    rows = [[n, midnight_ms + n * 40_000, 100 * n, 0, 0] for n in range(1, 1_502)]
    for first in (0, 500, 1_000):
        scene.record(*rows[first : first + 500])
    assert scene.refused(rows[1_500]) == "BATCH_SIZE"


# ---------------------------------------------------------------- rules and reading


def test_rules_are_changed_by_two_from_a_time_on(scene: Scene) -> None:
    """Never for what has passed."""
    rules = {"late_ms": HOUR_MS, "future_ms": 5 * MINUTE_MS}
    past = scene.ok(scene.operator, "metering", "propose_rules", from_ms=scene.now_ms - 1, rules=rules)
    assert scene.code(scene.admin, "metering", "approve", proposal=past) == "BACKDATED"
    bad = {**rules, "gap_ms": 61 * DAY_MS}
    assert scene.code(scene.operator, "metering", "propose_rules", from_ms=0, rules=bad) == "OUT_OF_RANGE"
    from_ms = scene.now_ms + HOUR_MS
    scene.two("metering", "propose_rules", from_ms=from_ms, rules=rules)
    asked = {"utility": "utility"}
    assert scene.ask(scene.stranger, "metering", "rules", time_ms=from_ms - 1, **asked)["late_ms"] == 48 * HOUR_MS
    assert scene.ask(scene.stranger, "metering", "rules", time_ms=from_ms, **asked)["late_ms"] == HOUR_MS
    assert scene.ask(scene.stranger, "metering", "rules", time_ms=from_ms, **asked)["burst_mwh"] == 10_000
    scene.ledger.advance(hours=1)
    assert scene.refused([0, scene.now_ms + 2 * MINUTE_MS, KWH, 0, 0]) == "OK"


def test_a_later_change_that_is_decided_stays(scene: Scene) -> None:
    """Nothing is put before it; at its own time it can be replaced."""
    from_ms = scene.now_ms + DAY_MS
    scene.two("metering", "propose_rules", from_ms=from_ms, rules={"late_ms": HOUR_MS})
    before = scene.ok(scene.operator, "metering", "propose_rules", from_ms=from_ms - 1, rules={"late_ms": 1})
    assert scene.code(scene.admin, "metering", "approve", proposal=before) == "BACKDATED"
    scene.two("metering", "propose_rules", from_ms=from_ms, rules={"late_ms": 2 * HOUR_MS})
    found = scene.ask(scene.stranger, "metering", "rules", utility="utility", time_ms=from_ms)
    assert found["late_ms"] == 2 * HOUR_MS


def test_what_waits_for_a_second_person_ends(scene: Scene) -> None:
    """Approved once, withdrawn by any of the staff, or lapsed after 14 days; strangers do neither."""
    rules = {"from_ms": scene.now_ms + 30 * DAY_MS, "rules": {}}
    one, two, three = (scene.ok(scene.operator, "metering", "propose_rules", **rules) for _ in range(3))
    waiting = scene.ask(scene.admin, "metering", "proposals", organisation="utility")
    assert {found["id"] for found in waiting} == {one, two, three}
    foreign = scene.ledger.admin("community")
    assert scene.code(foreign, "metering", "approve", proposal=one) == "NOT_YOUR_ORGANISATION"
    assert scene.code(foreign, "metering", "withdraw", proposal=one) == "NOT_YOUR_ORGANISATION"
    scene.ok(scene.admin, "metering", "approve", proposal=one)
    assert scene.code(scene.admin, "metering", "approve", proposal=one) == "PROPOSAL_UNKNOWN"
    scene.ok(scene.admin, "metering", "withdraw", proposal=two)
    assert scene.code(scene.admin, "metering", "withdraw", proposal=two) == "PROPOSAL_UNKNOWN"
    scene.ledger.advance(days=15)
    assert scene.code(scene.admin, "metering", "approve", proposal=three) == "PROPOSAL_LAPSED"


def test_readings_are_read_by_whom_the_tenant_lets(scene: Scene) -> None:
    """Nobody else, whatever is asked."""
    scene.record(scene.reading(1, 1))
    day, point, meter = scene.start_ms // DAY_MS, scene.house.point, scene.house.meter.id
    questions: list[tuple[str, dict[str, Any]]] = [
        ("days", {"point": point, "first_day": day, "last_day": day}),
        ("rows", {"points": [point], "interval_ms": scene.start_ms}),
        ("flows", {"points": [point], "day": day}),
        ("series", {"point": point}),
        ("head", {"meter": meter}),
        ("readings", {"meter": meter, "day": day}),
        ("held", {"meter": meter}),
        ("tampers", {"point": point}),
        ("corrections", {"point": point}),
    ]
    readers: list[Member] = [scene.house.wallet, scene.operator, scene.regulator]
    for function, arguments in questions:
        for reader in readers:
            scene.ask(reader, "metering", function, **arguments)
        with pytest.raises(Exception, match="are read by its tenant"):
            scene.ask(scene.stranger, "metering", function, **arguments)
    with pytest.raises(Exception, match="a page has"):
        scene.ask(scene.operator, "metering", "days", point=point, first_day=day, last_day=day + 31)
    with pytest.raises(Exception, match="points at once"):
        scene.ask(scene.operator, "metering", "flows", points=[point] * 201, day=day)


def test_a_day_of_many_points_is_read_at_once() -> None:
    """What each took and gave by interval, in the order asked for; of a point that is silent nothing."""
    scene = Scene(houses=3)
    one, two, silent = scene.houses
    scene.record(scene.reading(1, 1, 2), scene.reading(2, 3, 2), house=one)
    scene.record(scene.reading(1, 2), house=two)
    day = scene.start_ms // DAY_MS
    asked = {"points": [two.point, one.point, silent.point], "day": day}
    flows = scene.ask(scene.operator, "metering", "flows", **asked)
    assert [[sum(column) for column in flow] for flow in flows] == [[2 * KWH, 0], [3 * KWH, 2 * KWH], [0, 0]]
    [told] = scene.ask(scene.operator, "metering", "days", point=one.point, first_day=day, last_day=day)
    assert flows[1] == [told["import_mwh"], told["export_mwh"]]
    assert scene.ask(scene.operator, "metering", "flows", points=[one.point], day=day + 99) == [[[], []]]


def test_a_gap_may_be_shorter_than_an_interval() -> None:
    """What the rules call a gap is held, however regular the readings: nothing is taken for plain beside them."""
    scene = Scene()
    scene.two("metering", "propose_rules", from_ms=scene.now_ms + 10, rules={"gap_ms": MINUTE_MS})
    scene.ledger.advance(minutes=2)
    first_ms = scene.now_ms - 1_000
    assert scene.record([1, first_ms, KWH // 10, 0, 0])["accepted"] == 1
    scene.ledger.advance(minutes=5)
    fresh = [2, first_ms + 4 * MINUTE_MS, KWH // 5, 0, 0]
    assert scene.record(fresh)["held"] == 1
    assert [verdict for _, verdict in scene.held()] == ["g"]


def test_what_a_meter_last_showed_is_read_by_name(scene: Scene) -> None:
    """Of one span of time, with the names of its columns; nothing when it did not report then."""
    scene.record([1, scene.start_ms + MINUTE_MS, 5, 0, 0, 970], columns=("power_factor_milli",))
    asked = {"point": scene.house.point, "after_ms": scene.start_ms, "until_ms": scene.start_ms + INTERVAL_MS}
    shown = scene.ask(scene.operator, "metering", "shown", **asked)
    assert (shown["power_factor_milli"], shown["import_mwh"], shown["sequence"]) == (970, 5, 1)
    later = {**asked, "after_ms": scene.start_ms + MINUTE_MS}
    assert scene.ask(scene.operator, "metering", "shown", **later) == {}
