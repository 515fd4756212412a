"""What the ledger says, as commands."""

from __future__ import annotations

import msgspec
import pytest

from devices.meter.events import BlockSupply, Command, Deliver, SetClock, ShareUnits
from devices.meter.told import from_event, from_ledger, token
from ledgernode.errors import BadRequest
from ledgernode.wire.receipt import Event
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
    ],
)
def test_an_event_is_a_command(command: Command | None, expected: Command | None) -> None:
    """Whatever else it carries."""
    assert command == expected


METER = "ab" * 32


def said(kind: str, **fields: object) -> Event:
    payload = msgspec.json.encode({"command": 9, "meter": METER, "number": 4, "kind": kind, **fields})
    return Event("commands", "MeterCommanded", payload)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event("settlement", "DeliveryCommanded", msgspec.json.encode(DELIVERY)), (METER, 3, "Deliver")),
        (Event("prepaid", "ShareRequested", msgspec.json.encode(SHARE)), (METER, 4, "ShareUnits")),
        (Event("prepaid", "SupplyBlocked", b'{"meter":"ab"}'), ("ab", 77, "BlockSupply")),
        (said("message", text="hello"), (METER, 4, "ShowMessage")),
        (said("terms", low_mwh=5), (METER, 4, "SetTerms")),
        (said("clock"), (METER, 4, "SetClock")),
        (said("customer_key"), (METER, 4, "ChoosePin")),
        (said("close"), (METER, 4, "CloseAccount")),
        (said("explode"), (METER, 4, "Unknown")),
        (said("unused", base=2014, tid=5), (METER, 4, "ProveUnused")),
    ],
)
def test_an_event_says_whom_it_is_for_and_which_it_is(event: Event, expected: tuple[str, int, str]) -> None:
    """Of the supply its place on the ledger is the number; a clock is set to the time of its block."""
    found = from_ledger(event, 77, 1_000)
    assert found is not None
    assert (found.device, found.number, type(found.command).__name__) == expected
    if isinstance(found.command, SetClock):
        assert found.command.true_ms == 1_000


def test_another_contract_commands_nothing_under_these_names() -> None:
    """Anybody may deploy what emits such an event."""
    assert from_ledger(Event("prepaid2", "SupplyBlocked", b'{"meter":"ab"}'), 1, 1) is None
    assert from_ledger(Event("metering", "MeterCommanded", said("customer_key").payload), 1, 1) is None


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"digits":5}', b"\xff"])
def test_another_form_is_refused(payload: bytes) -> None:
    """A gateway's garbage stops nothing."""
    with pytest.raises(BadRequest):
        token(payload)
    with pytest.raises(BadRequest):
        from_event("SupplyBlocked", payload)
