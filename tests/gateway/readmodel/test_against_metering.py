"""Whatever meters and staff do, the model's quarters of an hour are the intervals of the contract."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.readmodel import queries
from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from gateway.readmodel.zones import Span
from tests.chaincode.test_metering import MINUTE_MS, MODULUS, RESET_FLAG, Scene
from tests.chaincode.town import FEEDER, INTERVAL_MS, KWH
from tests.gateway.readmodel.sources import Played, blocks_of

pytestmark = pytest.mark.slow
Energies = dict[int, tuple[int, int]]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def out_of_order(scene: Scene) -> None:
    """Late batches, the same again, other content for what is known."""
    draw = random.Random(5)
    register, rows = 0.0, []
    for at in range(1, 40):
        register += draw.randrange(3_000) / 1_000
        rows.append(scene.reading(at, register, at / 10))
    batches = [rows[first : first + 4] for first in range(0, len(rows), 4)]
    draw.shuffle(batches)
    for batch in batches:
        scene.record(*batch)
    scene.record(*batches[0])
    scene.record([rows[7][0], rows[7][1], rows[7][2] + 1, *rows[7][3:]])


def reset_and_gap(scene: Scene) -> None:
    scene.record(scene.reading(1, 5 / 2), scene.reading(2, 0.1, flags=RESET_FLAG), scene.reading(30, 0.4))


def rollover(scene: Scene) -> None:
    device = scene.meter("rolling")
    gone = {"point": scene.house.point, "final_import_mwh": 0, "final_export_mwh": 0}
    meter = {"id": device.id, "import_mwh": MODULUS - KWH}
    scene.ok(scene.operator, "registry", "replace", meter=meter, **gone)
    scene.ledger.advance(hours=2)
    at_ms = scene.now_ms // INTERVAL_MS * INTERVAL_MS
    rows = [[0, at_ms - INTERVAL_MS, MODULUS - 1, 0, 0], [1, at_ms, KWH - 1, 0, 0]]
    scene.ok(device, "metering", "record", rows=rows, columns=[])


def correction(scene: Scene) -> None:
    scene.record(scene.reading(1, 1))
    site = {"point": scene.house.point, "interval_ms": scene.start_ms, "export_mwh": 0, "reason": "site visit"}
    scene.two("metering", "propose_correction", import_mwh=-400_000, **site)
    scene.record(scene.reading(2, 2))


def read_by_a_gateway(scene: Scene) -> None:
    gateway = scene.ledger.identity("gateway", role="gateway", organisation="utility")
    place = {"kind": "generation", "feeder": FEEDER, "premises": scene.house.premises}
    scene.ok(scene.operator, "registry", "add_point", id="utility:pv", **place)
    old = {"id": "utility:old", "gateway_signed": True}
    scene.ok(scene.operator, "registry", "install", point="utility:pv", meter=old, installed_ms=scene.start_ms)
    rows = [scene.reading(1, 1), scene.reading(2, 2)]
    scene.ok(gateway, "metering", "record_for", meter="utility:old", rows=rows, columns=[])
    scene.house.point = "utility:pv"


def replaced(scene: Scene) -> None:
    """Its final registers, the new one's, and what the old one sends afterwards."""
    scene.record(scene.reading(1, 1))
    new, at_ms = scene.meter("new"), scene.start_ms + 3 * INTERVAL_MS + 6 * MINUTE_MS
    finals = {"final_import_mwh": 3_500_000, "final_export_mwh": 0}
    device = {"id": new.id, "import_mwh": 77 * KWH}
    scene.ok(scene.operator, "registry", "replace", point=scene.house.point, meter=device, replaced_ms=at_ms, **finals)
    scene.record(scene.reading(9, 3))
    scene.ok(new, "metering", "record", rows=[scene.reading(4, 77.25), scene.reading(5, 78)], columns=[])
    scene.record(scene.reading(2, 1.6))


def held(scene: Scene) -> None:
    scene.record(scene.reading(1, 1), scene.reading(2, 0.5), scene.reading(3, 90), scene.reading(4, 2))


def unflagged_reset(scene: Scene) -> None:
    """Held, until two of the staff say that it was one; what came after it is let go without a word."""
    scene.record(*(scene.reading(at, at) for at in (1, 2)), *(scene.reading(at, at / 10) for at in (3, 4, 5)))
    decision = {"meter": scene.house.meter.id, "time_ms": scene.reading(3, 0)[1], "reason": "read on site"}
    scene.two("metering", "propose_decision", decision="reset", **decision)


def rejected(scene: Scene) -> None:
    scene.record(scene.reading(1, 1), scene.reading(2, 4), scene.reading(3, 1.4), scene.reading(4, 1.6))
    decision = {"meter": scene.house.meter.id, "time_ms": scene.reading(2, 0)[1], "reason": "flash fault"}
    scene.two("metering", "propose_decision", decision="reject", **decision)


def quarters(scene: Scene, directory: Path) -> Energies:
    """The house's, of a model of all blocks, by number since the scene's start."""

    async def read() -> Energies:
        database = Database(str(directory / "model.db"))
        following = Following(database, Played(blocks_of(scene.ledger.chain)), scene.ledger.genesis_bytes)
        await following.run(to_height=scene.ledger.height)
        assert following.status.unread == 0
        async with database.reader.connect() as connection:
            rows = await queries.metering.series(connection, scene.house.point, Span.QUARTER, 0, 1 << 60)
        await database.close()
        return {(row.from_ms - scene.start_ms) // INTERVAL_MS: (row.import_mwh, row.export_mwh) for row in rows}

    return asyncio.run(read())


def intervals(scene: Scene) -> Energies:
    return {at: (imported, exported) for at, (imported, exported, _) in scene.intervals().items()}


def flowing(energies: Energies) -> Energies:
    return {at: energy for at, energy in energies.items() if energy != (0, 0)}


@pytest.mark.parametrize("story", [out_of_order, reset_and_gap, rollover, correction, read_by_a_gateway, replaced])
def test_quarters_are_the_contracts_intervals(scene: Scene, tmp_path: Path, story: Callable[[Scene], None]) -> None:
    story(scene)
    assert flowing(quarters(scene, tmp_path)) == flowing(intervals(scene))


@pytest.mark.parametrize("story", [held, unflagged_reset, rejected])
def test_sums_are_right_where_events_do_not_name_what_is_held(
    scene: Scene, tmp_path: Path, story: Callable[[Scene], None]
) -> None:
    """Between the readings that are told the course is drawn straight."""
    story(scene)
    ours, theirs = quarters(scene, tmp_path), intervals(scene)
    assert sum(energy for energy, _ in ours.values()) == sum(energy for energy, _ in theirs.values())
