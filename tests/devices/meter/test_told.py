"""What the ledger says, as commands."""

from __future__ import annotations

import msgspec
import pytest

from devices.meter.events import BlockSupply, Command, Deliver, EnterToken, ShareUnits, ShowMessage
from devices.meter.told import from_event, from_kind
from ledgernode.errors import BadRequest
from tests.devices.meter.house import OTHER_PAN

DELIVERY = {
    "command": 3,
    "trade": 2,
    "point": "utility:home-1",
    "device": "ab" * 32,
    "action": "in",
    "energy_wh": 5_000,
    "text": "New Transaction #2: energy from utility:home-2 → utility:home-1",
}
SHARE = {"share": 4, "meter": "ab" * 32, "recipient_pan": OTHER_PAN, "energy_mwh": 100_000, "until_ms": 9}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (from_event("DeliveryCommanded", msgspec.json.encode(DELIVERY)), Deliver(3, 2, "in", DELIVERY["text"])),
        (from_event("ShareRequested", msgspec.json.encode(SHARE)), ShareUnits(4, OTHER_PAN, 100_000, 9)),
        (from_event("SupplyBlocked", b'{"meter":"ab","point":"a"}'), BlockSupply(True)),
        (from_event("SupplyUnblocked", b'{"meter":"ab"}'), BlockSupply(False)),
        (from_event("LowCredit", b"{}"), None),
        (from_kind("delivery", msgspec.json.encode(DELIVERY)), Deliver(3, 2, "in", DELIVERY["text"])),
        (from_kind("token", b'{"digits":"123"}'), EnterToken("123")),
        (from_kind("display", b'{"text":"hello"}'), ShowMessage("hello")),
        (from_kind("tariff", b"{}"), None),
    ],
)
def test_an_event_or_a_message_is_a_command(command: Command | None, expected: Command | None) -> None:
    """Whatever else it carries."""
    assert command == expected


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"digits":5}', b"\xff"])
def test_another_form_is_refused(payload: bytes) -> None:
    """A gateway's garbage stops nothing."""
    with pytest.raises(BadRequest):
        from_kind("token", payload)
    with pytest.raises(BadRequest):
        from_event("SupplyBlocked", payload)
