"""Source 001, meters that report to their feeder's controller over MQTT: a real broker, a gateway, a ledger of four."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.mqtt.connection import tls_context
from ledgernode.errors import NodeUnreachable, UnknownSigner
from ledgernode.identity.organisation import create_organisation, read_root
from tests.acceptance.at_feeder import Feeder
from tests.acceptance.community import MINUTE_MS, SECOND_MS, Call, Community
from tests.acceptance.street import House, Street
from tests.conditions import eventually
from tests.running import now_ms as real_ms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MEASURED = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")


def take(house: House, at_ms: int, *measured: int) -> None:
    """A reading with what is electric about it."""
    house.shown.take(at_ms)
    house.shown.unsent[-1][5:] = measured


def signed(street: Street, house: House) -> bytes:
    """What the house's meter has not sent, as it signs it."""
    rows, house.shown.unsent = house.shown.unsent, []
    return bytes(street.community.signed_by_device(Call(house.meter, "metering", "record", {"rows": rows})).envelope)


def shown(street: Street, house: House) -> dict[str, int]:
    """What the ledger holds for the point's newest reading."""
    community = street.community
    community.seen()
    now_ms = community.now_ms
    asked = {"point": house.point, "after_ms": now_ms - 10 * MINUTE_MS, "until_ms": now_ms + MINUTE_MS}
    found: dict[str, int] = community.ask(community.operator, "metering", "shown", **asked) or {}
    return found


async def test_001_1_meters_report_over_mqtt_with_tls_to_a_controller_that_knows_them(
    community: Community, feeder: Feeder, tmp_path: Path
) -> None:
    """001-1: meters send timestamped active and reactive power, voltage, current every 60 s (configurable) over MQTT
    with TLS to a feeder controller, which registers and authenticates them; each reading stands on the ledger with its
    time and its values, signed by its meter."""
    street = community.streets["reporting"]
    every_minute, every_quarter, other = street.houses
    assert {f"north/{house.meter.name}" for house in street.houses} <= set(feeder.written["new"])
    async with feeder.meter(every_minute) as slow, feeder.meter(every_quarter, version="3.1.1") as quick:
        await asyncio.gather(slow.connect(), quick.connect())
        for minute in range(3):
            for _ in range(4):
                community.advance(15 * SECOND_MS)
                take(every_quarter, community.now_ms, 229_000, 2_000, 450_000, 30_000, 982)
                assert await quick.send([signed(street, every_quarter)]) == ["OK"]
            take(every_minute, community.now_ms, 231_000 + minute, 4_000, -900_000, -50_000, -974)
            last_ms = every_minute.shown.unsent[-1][1]
            assert await slow.send([signed(street, every_minute)]) == ["OK"]
        expected = (231_002, 4_000, -900_000, -50_000, -974)
        found = await eventually(lambda: (now := shown(street, every_minute)).get("time_ms") == last_ms and now, 40)
        assert tuple(found[name] for name in MEASURED) == expected
        assert shown(street, every_quarter)["voltage_mv"] == 229_000
    day = community.now_ms // 86_400_000
    rows = community.ask(community.operator, "metering", "readings", meter=every_quarter.meter.id, day=day)
    assert set(rows["origins"][-12:]) == {"d"}, "signed by the device"
    # whom the controller does not know stays outside
    for changes in ({"password": feeder.password(f"north/{every_minute.meter.name}")}, {"username": "north/nobody"}):
        with pytest.raises(UnknownSigner):
            await feeder.meter(other, **changes).connect()
    create_organisation(tmp_path / "other", "other", now_ms=real_ms())
    with pytest.raises(NodeUnreachable):  # nor does a meter talk to a controller that it does not know
        await feeder.meter(other, tls=tls_context([read_root(tmp_path / "other")[1]])).connect()
