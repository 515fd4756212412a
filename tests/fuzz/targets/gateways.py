"""What comes to a gateway: MQTT, HTTP, devices' own formats, partners, browsers, and its operator's files."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, String, column
from starlette.requests import Request

from gateway import settings as gateway_settings
from gateway.api.news import read_place, read_topics
from gateway.commands.evidence import evidence_of
from gateway.commands.inbox import Inbox
from gateway.edge.formats import Formats
from gateway.http.app import read_json
from gateway.http.commands import GivenForm
from gateway.http.devices import FILE as DEVICES
from gateway.http.devices import read_devices
from gateway.http.payloads import envelopes_of, observed, read_form
from gateway.http.post import Reply, read_url
from gateway.http.readings import _messages
from gateway.http.signature import read_claim
from gateway.limits import Limits
from gateway.loopback import is_loopback
from gateway.mqtt.broker_files import read_secret_text
from gateway.mqtt.reach import read_address
from gateway.mqtt.said import read_said
from gateway.mqtt.topics import SAID, Topics, read_device
from gateway.mqtt.trades import Tellers
from gateway.naming import NameBook
from gateway.readmodel.decoded import decoded
from gateway.readmodel.queries.pages import bookmark, read_bookmark
from gateway.sessions.openid import Described
from gateway.sessions.openid import _read as openid_read
from gateway.sessions.router import Entering, Leaving
from gateway.sessions.staff import read_staff
from gateway.v1 import gateway_pb2 as pb
from gateway.vending import settings as vending_settings
from gateway.vending.keystore import read_facts, read_passphrase
from gateway.vending.partners import read_partners
from gateway.vending.payments import PaymentForm
from ledgernode.errors import (
    BadProof,
    BadRequest,
    CredentialsInvalid,
    DatabaseDamaged,
    KeyFileUnsafe,
    KeyStoreInvalid,
    MediaTypeRefused,
    NodeUnreachable,
    ReadingInvalid,
)
from ledgernode.proof import build_transaction_proof
from ledgernode.wire.answers import Block, NumberedEvent
from ledgernode.wire.receipt import Event
from ledgernode.wire.types import Height, TimeMs, TransactionId
from tests.fuzz.target import Form, Target, constant, file, folder, text
from tests.fuzz.targets.vectors import vectors
from tests.handmade import HandmadeChain, HandmadeNetwork, timer_receipt

_LIMITS: Final = Limits()
_NOW_MS: Final = 1_767_225_600_000
_DEVICE: Final = bytes(range(32))
_EVENTS: Final = (
    ("settlement", "DeliveryCommanded"),
    ("prepaid", "ShareRequested"),
    ("prepaid", "SupplyBlocked"),
    ("commands", "MeterCommanded"),
    ("settlement", "DeliveryTimedOut"),
    ("commands", "CommandAnswered"),
)
_SECRET: Final = "ab" * 32


def _ran(work: Coroutine[Any, Any, Any]) -> Any:
    """What needs no loop, because nothing is waited for."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def _body(form: type[Any]) -> Any:
    """The body of a request that says it is JSON."""

    async def said(raw: bytes) -> Any:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        headers = [(b"content-type", b"application/json")]
        return await read_json(Request({"type": "http", "method": "POST", "headers": headers}, receive), form)

    return lambda raw: _ran(said(raw))


# ---------------------------------------------------------------- MQTT


def _said(raw: bytes) -> Any:
    """The first byte says of which kind."""
    return read_said(SAID[raw[0] % len(SAID)] if raw else SAID[0], raw[1:], _LIMITS)


def _messages_said() -> Sequence[bytes]:
    every = (
        pb.Hello(devices=[_DEVICE]),
        pb.Transactions(envelopes=[b"one", b"two"]),
        pb.Readings(readings=[pb.Reading()]),
        pb.Question(query=b"question"),
        pb.CommandReceived(number=5),
    )
    return [bytes((at,)) + one.SerializeToString() for at, one in enumerate(every)]


_TOPICS: Final = Topics("energy")


def _topic(topic: str) -> Any:
    found = _TOPICS.read(topic)
    if found is not None:
        device, kind = found
        assert _TOPICS.of(device, kind) == topic, "one device has one topic for a kind"
    return found, _TOPICS.feeder_of(topic), _TOPICS.gateway_of(topic)


def _tellers(raw: bytes) -> Any:
    tellers = Tellers("gateway-2", 100)
    tellers.heard("gateway-1", raw)
    return tellers.after_ms


# ---------------------------------------------------------------- devices' own formats


def _edge(raw: bytes) -> Any:
    """A line with the topic, then the payload."""
    topic, _, payload = raw.partition(b"\n")
    formats = Formats({"node/sensor/total/state": "kWh"})
    formats.discovery.announced(
        "homeassistant/sensor/n/o/config",
        b'{"stat_t":"n/state","unit_of_meas":"kWh","dev_cla":"energy","stat_cla":"total",'
        b'"val_tpl":"{{ value_json.a.b }}"}',
    )
    return formats.read(topic.decode("utf-8", "replace"), payload)


_EDGE_SEEDS: Final = (
    'tele/plug/SENSOR\n{"Time":"2023-05-19T20:52:56","ENERGY":{"Total":514.153,"Power":56,"Voltage":234}}',
    'tele/plug/SENSOR\n{"ENERGY":{"Total":[1.5,2.25,0.001],"Power":[10,20,-3],"ExportActive":12.5}}',
    '3em/events/rpc\n{"method":"NotifyStatus","params":{"ts":1684522376.04,"em1data:0":{"total_act_energy":2776175.11}}}',
    'plug-7/status/switch:0\n{"id":0,"apower":8.9,"aenergy":{"total":6.532,"minute_ts":1626935779}}',
    "shellies/a/relay/0/energy\n12345",
    "shellies/a/emeter/0/total_returned\n12.5",
    'zigbee2mqtt/plug\n{"energy":31.02,"voltage":236.19,"last_seen":"2023-05-19T22:52:56+02:00"}',
    "node/sensor/total/state\n514.153",
    'homeassistant/sensor/a/b/config\n{"~":"x","stat_t":"~/s","unit_of_meas":"Wh","dev_cla":"energy","stat_cla":"total"}',
    'n/state\n{"a":{"b":12.5}}',
)


def _device_readings(raw: bytes) -> Any:
    form = read_form(raw)
    return envelopes_of(form, _LIMITS) if form.envelopes else observed(form.readings, _NOW_MS, _LIMITS)


# ---------------------------------------------------------------- files and stored answers


def _devices(path: Path) -> Any:
    found = read_devices(path)
    return [device.key for device in found.devices]


def _partners(path: Path) -> Any:
    found = read_partners(path)
    return [partner.key for partner in found.partners]


_SEALED: Final = {
    "facts": {"supply_group": "123456", "key_type": 2, "key_revision": 1, "check": "ab"},
    "nonce": "00" * 12,
    "sealed": "00" * 36,
}


def _key_store(path: Path) -> Any:
    """Facts alone: opening costs a scrypt."""
    return read_facts(path)


@cache
def _proof() -> tuple[bytes, NumberedEvent]:
    """A timer's call that said something."""
    chain = HandmadeChain(HandmadeNetwork(1))
    event = Event("c", "E", b"{}")
    receipt = msgspec.structs.replace(timer_receipt(), events=(event,))
    height = chain.append(timers=[receipt])
    proof = build_transaction_proof(chain.store, chain.network.genesis_bytes, receipt.id)
    return proof, NumberedEvent(height, 1, TimeMs(1), receipt.id, event.contract, event.name, event.payload)


def _evidence(raw: bytes) -> Any:
    return evidence_of(raw, _proof()[1])


def _inbox(raw: bytes) -> Any:
    """An event of a contract under a name that we know: the first byte says which."""
    contract, name = _EVENTS[raw[0] % len(_EVENTS)] if raw else ("", "")
    return Inbox(_LIMITS).event(
        NumberedEvent(Height(3), 1, TimeMs(1), TransactionId(bytes(32)), contract, name, raw[1:])
    )


def _block(raw: bytes) -> Any:
    """A receipt in a block with a header that holds."""
    header = bytes.fromhex(vectors("header")[0]["header"])
    return decoded(Block(header, (), (raw,), b""))


_KEYS: Final = (column("height", BigInteger), column("name", String))

TARGETS: Final = (
    Target("mqtt-payload", ("gateway.mqtt.said",), _said, (BadRequest,), _messages_said, Form.PROTOBUF),
    Target(
        "mqtt-topic",
        ("gateway.mqtt.topics",),
        text(_topic),
        (),
        constant(
            "ledgernode/energy/north/m-1/hello", "ledgernode/energy/trades/f-1", "ledgernode/energy/gateways/gateway-1"
        ),
        Form.TEXT,
        silent=True,
    ),
    Target("mqtt-device", ("gateway.mqtt.topics",), text(read_device), (BadRequest,), constant("north/m-1"), Form.TEXT),
    Target(
        "mqtt-status",
        ("gateway.mqtt.trades",),
        _tellers,
        (),
        constant('{"there":true,"trades":true}', '{"there":false}'),
        Form.JSON,
        silent=True,
    ),
    Target("edge", ("gateway.edge.observed",), _edge, (ReadingInvalid,), constant(*_EDGE_SEEDS), Form.TEXT),
    *(
        Target(
            f"edge-{number}",
            ("gateway.edge.observed",),
            _edge,
            (ReadingInvalid,),
            constant(seed),
            Form.JSON,
            tag=seed.partition("\n")[0].encode() + b"\n",
        )
        for number, seed in enumerate(_EDGE_SEEDS, 1)
    ),
    Target(
        "http-readings",
        ("gateway.http.payloads",),
        _device_readings,
        (ReadingInvalid, BadRequest),
        constant(
            '{"readings":[{"unit":"kWh","import":"514.153","export":[1.5,2,0],"time":"2026-01-01T00:00:00Z","voltage_v":230}]}',
            '{"envelopes":["b25l","dHdv"]}',
            '{"readings":[{"unit":"Wh","import":12,"time":1767225600}],"meter":"north:m-1"}',
        ),
        Form.JSON,
    ),
    Target(
        "http-transactions",
        ("gateway.http.readings",),
        _messages,
        (BadRequest,),
        constant(pb.Transactions(envelopes=[b"one", b"two"]).SerializeToString()),
        Form.PROTOBUF,
    ),
    Target(
        "http-authorization",
        ("gateway.http.signature",),
        lambda raw: read_claim(raw.decode("latin-1")),
        (CredentialsInvalid,),
        constant(f"HMAC-SHA256 name=plug-1,time=1767225600000,nonce=5f1c5f1c,signature={_SECRET}"),
        Form.TEXT,
    ),
    Target(
        "http-payment",
        ("gateway.http.app", "gateway.vending.payments", "gateway.vending.webhook"),
        _body(PaymentForm),
        (BadRequest, MediaTypeRefused),
        constant('{"meter":"600727000000000009","amount_minor":500,"currency":"EUR","reference":"r"}'),
        Form.JSON,
    ),
    Target(
        "http-command",
        ("gateway.http.app",),
        _body(GivenForm),
        (BadRequest, MediaTypeRefused),
        constant('{"kind":"enter_token","number":5,"device":"ab","payload":{"digits":"59386323472137426967"}}'),
        Form.JSON,
    ),
    Target(
        "http-entering",
        ("gateway.http.app", "gateway.sessions.router"),
        _body(Entering),
        (BadRequest, MediaTypeRefused),
        lambda: [
            json.dumps({"public_key": "04" * 65, "nonce": "ab" * 32, "signature": "cd" * 64}).encode(),
        ],
        Form.JSON,
    ),
    Target(
        "http-leaving",
        ("gateway.http.app",),
        _body(Leaving),
        (BadRequest, MediaTypeRefused),
        constant('{"everywhere":true}'),
        Form.JSON,
    ),
    Target(
        "url",
        ("gateway.http.post",),
        text(read_url),
        (BadRequest,),
        constant("https://partner.example:8443/hook?a=b", "http://[::1]:80/", "http://localhost"),
        Form.TEXT,
    ),
    Target(
        "loopback", ("gateway.loopback",), text(is_loopback), (), constant("127.0.0.1", "::1"), Form.TEXT, silent=True
    ),
    Target(
        "broker-address",
        ("gateway.mqtt.reach",),
        text(read_address),
        (BadRequest,),
        constant("b:1883", "[::1]:1"),
        Form.TEXT,
    ),
    Target("news-place", ("gateway.api.news",), text(read_place), (BadRequest,), constant("12.3", "12"), Form.TEXT),
    Target(
        "news-topics",
        ("gateway.api.news",),
        text(read_topics),
        (BadRequest,),
        constant("blocks,notices", "points:north:1,market:m"),
        Form.TEXT,
    ),
    Target(
        "bookmark",
        ("gateway.readmodel.queries.pages",),
        text(lambda said: read_bookmark(said, _KEYS)),
        (BadRequest,),
        lambda: [bookmark((12, "north:1")).encode()],
        Form.TEXT,
    ),
    Target(
        "followed-receipt",
        ("gateway.readmodel.decoded",),
        _block,
        (DatabaseDamaged,),
        lambda: [bytes.fromhex(one["receipt"]) for one in vectors("receipt")],
        Form.MSGPACK,
        tag=b"ledgernode/receipt/1\x00",
    ),
    Target(
        "node-proof",
        ("gateway.commands.evidence",),
        _evidence,
        (BadProof,),
        lambda: [_proof()[0]],
        Form.JSON,
    ),
    Target(
        "told-by-ledger",
        ("gateway.commands.inbox",),
        _inbox,
        (),
        constant(b'\x00{"command":4,"device":"ab","action":"start","text":"x"}', b'\x05{"command":4}'),
        Form.JSON,
        tag=b"\x00",
        silent=True,
    ),
    Target(
        "provider",
        ("gateway.sessions.openid",),
        lambda raw: openid_read(Reply(200, raw), Described),
        (NodeUnreachable,),
        constant(
            '{"issuer":"https://i.example","authorization_endpoint":"https://i.example/a",'
            '"token_endpoint":"https://i.example/t","jwks_uri":"https://i.example/k"}'
        ),
        Form.JSON,
    ),
    Target(
        "gateway-settings",
        ("gateway.settings",),
        folder(gateway_settings.read_settings, gateway_settings.FILE),
        (BadRequest,),
        constant(
            '{"limits":{"device_entries":100000},"buses":{"b":["ab","cd"]},"units":{"t":"kWh"},'
            '"edge":[{"channel":"tele/plug","meter":"north:plug","identity":"edge/plug"}],'
            '"broker":{"address":"b:8883","formats":["tele/+/SENSOR"]},"console":{"origin":"https://c.example"}}'
        ),
        Form.JSON,
    ),
    Target(
        "vending-settings",
        ("gateway.vending.settings",),
        folder(vending_settings.read_settings, vending_settings.FILE),
        (BadRequest,),
        constant('{"utility":"north","gateways":[{"url":"https://g:1","name":"v","secret_file":"s"}]}'),
        Form.JSON,
    ),
    Target(
        "http-devices",
        ("gateway.http.devices", "gateway.http.listed"),
        file(_devices, DEVICES),
        (BadRequest, KeyFileUnsafe),
        constant(f'{{"devices":[{{"name":"plug-1","method":"hmac","secret_sha256":"{_SECRET}","meter":"m"}}]}}'),
        Form.JSON,
    ),
    Target(
        "partners",
        ("gateway.vending.partners",),
        file(_partners),
        (BadRequest, KeyFileUnsafe),
        constant(f'{{"partners":[{{"name":"shop","kind":"pos","secret_sha256":"{_SECRET}","limit_minor":5}}]}}'),
        Form.JSON,
    ),
    Target(
        "staff",
        ("gateway.sessions.staff",),
        file(read_staff),
        (BadRequest,),
        constant(
            '{"issuer":"https://i.example","client":"c",'
            '"rules":[{"claim":"groups","value":"a","organisation":"north","role":"operator"}]}'
        ),
        Form.JSON,
    ),
    Target(
        "names",
        ("gateway.naming",),
        file(NameBook),
        (BadRequest,),
        constant('{"utilities":{"north":{"name":"North","lines":["Street 1"]}},"customers":{"north:1":{"name":"A"}}}'),
        Form.JSON,
    ),
    Target(
        "key-store",
        ("gateway.vending.keystore",),
        file(_key_store),
        (KeyStoreInvalid, KeyFileUnsafe),
        lambda: [msgspec.json.encode({"format": 1, "scrypt_n": 16384, "salt": "00" * 16, "keys": [_SEALED]})],
        Form.JSON,
    ),
    Target(
        "passphrase-file",
        ("gateway.vending.keystore",),
        file(read_passphrase),
        (KeyStoreInvalid, KeyFileUnsafe),
        constant("correct horse battery staple\n"),
        Form.TEXT,
    ),
    Target(
        "broker-passwords",
        ("gateway.mqtt.broker_files",),
        file(read_secret_text),
        (BadRequest,),
        constant("north/m-1:$7$101$abc==$def==\n"),
        Form.TEXT,
    ),
)
