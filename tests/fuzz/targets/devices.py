"""What meters, houses and fleets read: what they are told, their disks, measured files and settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from devices import slots
from devices.bearers import read_broker
from devices.community.scenario import parse_scenario
from devices.fleet.directory import read_plan
from devices.history.reading import read_houses, read_prices
from devices.house.agent.ledger import Known, Whose, heard
from devices.house.tie import Message
from devices.house_shell.agent import plug_values
from devices.house_shell.bus import _read as bus_read
from devices.house_shell.home import FILE as HOME
from devices.house_shell.home import TOKEN, Home, read_home
from devices.house_shell.sink import read_address
from devices.journal import Journal
from devices.living.folder import read_founded
from devices.meter import told
from devices.meter.records import restored
from devices.meter_shell import read_facts
from devices.metrology import registers
from devices.metrology.registers import Registers
from devices.sampling import Recorded
from ledgernode.errors import BadRequest, DatabaseDamaged, HistoryInvalid, KeyFileUnsafe, RegistersDamaged
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.receipt import Event
from ledgernode.wire.types import Height, TimeMs, TransactionId
from tests.fuzz.target import Form, Target, constant, file, folder, text

_ROOT: Final = Path(__file__).parent.parent.parent.parent
_SCENARIOS: Final = _ROOT / "devices" / "community" / "scenarios"
_MEASURED: Final = _ROOT / "tests" / "data" / "generated"
_NAMES: Final = ("MeterCommanded", "DeliveryCommanded", "ShareRequested", "SupplyBlocked", "SupplyUnblocked", "Other")
_CONTRACTS: Final = ("commands", "settlement", "prepaid")


def _command(raw: bytes) -> Any:
    """An event of a ledger whose contracts may be others than ours: two bytes choose its name and contract."""
    name, contract = _NAMES[raw[0] % len(_NAMES)] if raw else "", _CONTRACTS[raw[1] % 3] if len(raw) > 1 else ""
    event = Event(contract, name, raw[2:])
    return told.from_ledger(event, 7, 1_767_225_600_000), told.from_event(name, raw[2:])


def _commands(name: str, contract: str, **payload: Any) -> bytes:
    return bytes((_NAMES.index(name), _CONTRACTS.index(contract))) + json.dumps(payload).encode()


_DEVICE: Final = "ab" * 32
_TOLD: Final = (
    _commands("MeterCommanded", "commands", meter=_DEVICE, number=5, kind="message", text="hello"),
    _commands("MeterCommanded", "commands", meter=_DEVICE, number=6, kind="tariff", from_ms=5, tariff="t", table={}),
    _commands("DeliveryCommanded", "settlement", device=_DEVICE, command=4, trade=5, action="start", text="x"),
    _commands("ShareRequested", "prepaid", meter=_DEVICE, share=4, recipient_pan="6", energy_mwh=5, until_ms=6),
    _commands("SupplyBlocked", "prepaid", meter=_DEVICE, point="north:1"),
)


_NEWS: Final = (("settlement", "TradeAgreed"), ("settlement", "TradeCurtailed"), ("market", "Halted"))


def _heard(raw: bytes) -> Any:
    """An event of a contract under a name that a home knows: the first byte says which."""
    contract, name = _NEWS[raw[0] % len(_NEWS)] if raw else ("", "")
    event = NumberedEvent(Height(3), 1, TimeMs(1), TransactionId(bytes(32)), contract, name, raw[1:])
    return heard(Known(), Whose("p", "f"), event, 1)


def _journal(path: Path) -> Any:
    journal = Journal(path)
    try:
        return dict(journal.records)
    finally:
        journal.close()


def _framed(raw: bytes) -> bytes:
    """As a disk that writes wrongly what it was told: the check holds."""
    import zlib

    from devices.journal import _HEAD

    return _HEAD.pack(len(raw), zlib.crc32(raw)) + raw


def _journals() -> Sequence[bytes]:
    entry = msgspec.msgpack.encode([("clock", b"one"), ("message", b"two")])
    return [_framed(entry), _framed(entry) * 3]


@cache
def _records() -> dict[str, bytes]:
    from devices.meter.records import changes
    from tests.devices.meter.house import House

    return {record.key: record.content for record in changes(None, House().meter.state)}


def _part(raw: bytes) -> Any:
    """A meter's records with one of them exchanged: the first byte says which."""
    records = dict(_records())
    key = sorted(records)[raw[0] % len(records)] if raw else "clock"
    return restored({**records, key: raw[1:]})


def _home(path: Path) -> Any:
    token = path.parent / TOKEN
    if not token.exists():
        token.write_text("token")
        token.chmod(0o600)
    return read_home(path.parent)


def _slots(raw: bytes) -> Any:
    return slots.newest((raw[: slots.SLOT_BYTES], raw[slots.SLOT_BYTES :]))


def _pair() -> Sequence[bytes]:
    return [slots.encode(slots.Kept(2, b"two")) + slots.encode(slots.Kept(1, b"one"))]


_HOUSES: Final = "house,time,load_wh,pv_wh\n" + "".join(
    f"house-1,2023-08-01T{hour:02d}:00:00Z,{100 + hour},{hour}\n" for hour in range(24)
)

TARGETS: Final = (
    Target("told", ("devices.meter.told",), _command, (BadRequest,), constant(*_TOLD), Form.BYTES),
    *(
        Target(
            f"told-{number}", ("devices.meter.told",), _command, (BadRequest,), constant(seed), Form.JSON, tag=seed[:2]
        )
        for number, seed in enumerate(_TOLD, 1)
    ),
    Target(
        "told-token",
        ("devices.meter.told",),
        told.token,
        (BadRequest,),
        constant('{"digits":"59386323472137426967"}'),
        Form.JSON,
    ),
    Target(
        "house-told",
        ("devices.house.agent.ledger",),
        _heard,
        (),
        constant(
            b'\x00{"trade":4,"seller_point":"p","buyer_point":"q","from_ms":5,"until_ms":60,"energy_wh":7,"price_micro":8}'
        ),
        Form.JSON,
        tag=b"\x00",
        silent=True,
    ),
    Target(
        "bus-message",
        ("devices.house_shell.bus",),
        lambda raw: bus_read(raw, Message),
        (BadRequest,),
        constant('{"out_mwh":5,"in_mwh":6,"demand_mwh":7,"lets":[1,2]}'),
        Form.JSON,
    ),
    Target("journal", ("devices.journal",), file(_journal, "meter.journal"), (DatabaseDamaged,), _journals),
    Target(
        "journal-entry",
        ("devices.journal",),
        lambda raw: file(_journal, "meter.journal")(_framed(raw)),
        (DatabaseDamaged,),
        lambda: [msgspec.msgpack.encode([("clock", b"one"), ("message", b"")])],
        Form.MSGPACK,
    ),
    *(
        Target(
            f"meter-record-{number}",
            ("devices.meter.records",),
            _part,
            (DatabaseDamaged,),
            lambda number=number, key=key: [bytes((number,)) + _records()[key]],
            Form.MSGPACK,
            tag=bytes((number,)),
        )
        for number, key in enumerate(sorted(_records()))
    ),
    Target("slots", ("devices.slots",), _slots, (), _pair, silent=True),
    Target(
        "registers",
        ("devices.metrology.registers",),
        registers.decode,
        (RegistersDamaged,),
        lambda: [registers.encode(Registers(5, 6, 7, 8, 9, 10))],
        again=registers.encode,
    ),
    Target(
        "meter-settings",
        ("devices.meter_shell",),
        folder(read_facts, "meter.json"),
        (BadRequest, KeyFileUnsafe),
        lambda: [json.dumps({"pan": "600727000000000009", "point": "north:1", "chain_id": "ab" * 32}).encode()],
        Form.JSON,
    ),
    Target(
        "broker-url",
        ("devices.bearers",),
        text(read_broker),
        (BadRequest,),
        constant("mqtts://b.example:8883/energy?version=5", "mqtt://user@localhost/energy"),
        Form.TEXT,
    ),
    Target(
        "plug",
        ("devices.house_shell.agent",),
        plug_values,
        (BadRequest,),
        constant('{"ENERGY":{"Power":56.5,"Total":514.153,"Voltage":234,"Current":0.299}}'),
        Form.JSON,
    ),
    Target(
        "home",
        ("devices.house_shell.home",),
        file(_home, HOME),
        (BadRequest, KeyFileUnsafe),
        lambda: [msgspec.json.encode(Home("a", "north:1", "m"))],
        Form.JSON,
    ),
    Target(
        "store-address",
        ("devices.house_shell.sink",),
        text(lambda said: read_address(said, None)),
        (BadRequest,),
        constant("http://127.0.0.1:8086/write?db=house", "http://localhost/api"),
        Form.TEXT,
    ),
    Target(
        "measured-house",
        ("devices.history.reading", "devices.history.stamps"),
        file(lambda path: read_houses([path]), "houses.csv"),
        (HistoryInvalid,),
        lambda: [
            _HOUSES.encode(),
            *((_MEASURED / name).read_bytes()[:1_500] for name in ("1-houses-2023.csv", "broken-negative.csv")),
        ],
        Form.TEXT,
        memory_per_byte=600,
    ),
    Target(
        "measured-prices",
        ("devices.history.reading",),
        file(read_prices, "prices.csv"),
        (HistoryInvalid,),
        constant("time,price\n2023-08-01T00:00:00Z,0.25\n2023-08-01T01:00:00Z,0.3\n"),
        Form.TEXT,
        memory_per_byte=600,
    ),
    Target(
        "recorded-load",
        ("devices.sampling",),
        file(Recorded, "load.csv"),
        (BadRequest,),
        constant("seconds,watts\n0,100\n60,200\n120,50\n"),
        Form.TEXT,
        memory_per_byte=600,
    ),
    Target(
        "scenario",
        ("devices.community.scenario",),
        lambda raw: parse_scenario(raw.decode("utf-8", "replace"), "scenario.yaml"),
        (BadRequest,),
        lambda: [file.read_bytes() for file in sorted(_SCENARIOS.glob("t*.yaml"))],
        Form.TEXT,
        memory_per_byte=4_000,
        s_per_byte=1e-3,  # pyyaml is slow, and the file is its reader's own
    ),
    Target(
        "fleet-plan",
        ("devices.fleet.directory",),
        folder(read_plan, "fleet.json"),
        (BadRequest,),
        lambda: [
            json.dumps(
                {
                    "name": "f",
                    "organisation": "north",
                    "ledger": "l",
                    "chain_id": "ab",
                    "meters": 5,
                    "seed": 1,
                    "carriers": ["c"],
                }
            ).encode()
        ],
        Form.JSON,
    ),
    Target(
        "founded-community",
        ("devices.living.folder",),
        folder(read_founded, "community.json"),
        (),
        constant('{"scenario":{},"starts_ms":5}'),
        Form.JSON,
        silent=True,
    ),
)
