"""Meters end to end: processes that sample, count, switch and sign, behind real gateways, on four real validators."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import lmdb
import msgspec
import pytest

from chaincode.tables import table_of
from devices.customer_unit import COLUMNS, money
from devices.journal import Journal
from devices.meter.state import Clock
from gateway.mqtt.connection import tls_context
from ledgernode.client import Signer
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls
from tests.acceptance.clocked_program import INVENTED
from tests.acceptance.community import kwh
from tests.acceptance.metered_town import FASTER, MeteredTown, TownGateway
from tests.acceptance.street import FLAT_TARIFF
from tests.conditions import until
from tests.devices.running import MeterRunning
from tests.gateway.mqtt.running import device
from tests.running import LEDGER
from tests.suites.purchase_and_share import measure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HOUSES = 22
LIMIT_S = 45.0


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeteredTown]:
    made = MeteredTown(tmp_path_factory.mktemp("metered") / "network", HOUSES)
    yield made
    made.close()


def test_000_1_what_is_sampled_is_reported_within_a_percent(town: MeteredTown) -> None:
    """000-1: RMS voltage, RMS current, active power and energy from samples, every so many seconds, in a block."""
    house = town.house()
    with town.meter(house, load_w=2_300, sample_ms=1_000) as meter:
        meter.when(lambda: meter.gateway)
        town.grant(house, 5)
        meter.when(lambda: meter.supplied)
        reached = len(town.rows(house))
        rows = town.whole_rows(house, reached + 5)
    late, early = rows[-1], rows[-3]
    voltage_mv, current_ma, power_mw, _, factor_milli = late[5:10]
    assert voltage_mv == pytest.approx(230_000, rel=0.01)
    assert current_ma == pytest.approx(10_000, rel=0.01)
    assert power_mw == pytest.approx(2_300_000, rel=0.01)
    assert factor_milli >= 990
    hours = (late[1] - early[1]) / 3_600_000
    assert late[2] - early[2] == pytest.approx(2_300_000 * hours, rel=0.35), "to a sample: they are taken in steps"


async def test_c7_one_meter_hands_in_by_stream_broker_and_http(town: MeteredTown) -> None:
    """C7: what a meter has signed reaches the ledger through a gateway over gRPC, MQTT with TLS and a password, and
    HTTPS, each reading once and in order; no way takes what was altered."""
    house, broker_name = town.house(), "another-broker"
    person, name = town.person(house), f"{house.name}-meter"

    def row(number: int) -> bytes:
        rows = {"rows": [[number, town.community.now_ms, number, 0, 0]], "columns": []}
        signer = house.meter.signer
        return bytes(signer.transaction("metering", "record", rows, budget=60_000, sequence=number + 500).envelope)

    def altered(envelope: bytes) -> bytes:
        return envelope[:-1] + bytes((envelope[-1] ^ 1,))

    trust = tls_context(load_tls(person.directory).roots)
    trust.load_cert_chain(person.directory / "tls-certificate.pem", person.directory / "tls-key.pem")
    octets = {"content-type": "application/octet-stream"}
    ways = {"arguments": ("--http", "127.0.0.1:0")}
    with town.broker(house, broker_name) as broker, town.gateway_at(broker, "three-ways", **ways) as gateway:
        url = f"https://localhost:{gateway.serving['http_port']}/api/v1/readings"
        async with (
            gateway.client(person) as stream,
            device(broker, name) as line,
            httpx.AsyncClient(verify=trust) as web,
        ):
            await asyncio.gather(stream.connect(), line.connect())
            for number in range(0, 6, 3):
                assert await stream.send([one := row(number), altered(one)]) == ["OK", "SIGNATURE_INVALID"]
                assert await line.send([one := row(number + 1), altered(one)]) == ["OK", "SIGNATURE_INVALID"]
                one = row(number + 2)
                answers = [await web.post(url, content=content, headers=octets) for content in (one, altered(one), one)]
                assert [answer.status_code for answer in answers] == [200, 401, 200]
        await asyncio.to_thread(town.whole_rows, house, 6)


def test_000_3_the_keypad_takes_a_token_once_and_says_why_not(town: MeteredTown) -> None:
    """000-3: validated by the meter, offline; altered, foreign, replayed and expired digits are refused by code."""
    house, neighbour = town.house(), town.house()
    town.buy(house, 50_000, "one")
    town.buy(neighbour, 50_000, "one")
    until(lambda: all(one["status"] == "minted" for one in [*town.credits(house), *town.credits(neighbour)]), LIMIT_S)
    digits = town.digits(house)
    altered = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    with town.meter(house, gateways=[]) as meter, town.meter(neighbour, gateways=[], key_expiry=0) as old:
        for typed, shown in (
            (town.digits(neighbour), "E02"),
            (altered, "E0"),
            (digits[:-1], "E01"),
            (digits, "TOKEN ACCEPTED"),
            (digits, "E03 TOKEN USED"),
        ):
            meter.do(f"{typed}#")
            meter.shows(shown)
            meter.do("*")
        assert meter.supplied
        old.do(f"{town.digits(neighbour)}#")
        old.shows("E05 KEY EXPIRED")
        assert not old.supplied
    assert town.account(house)["credited_mwh"] == 0, "nobody has heard of it"


def test_000_4_the_relay_opens_at_zero_and_a_recharge_closes_it(town: MeteredTown) -> None:
    """000-4: credit falls with what is used, both know it; a token that comes by wire connects again by itself."""
    house = town.house()
    with town.meter(house, load_w=3_600, faster=FASTER) as meter:
        meter.when(lambda: meter.gateway)
        assert not meter.supplied
        town.grant(house, 0.2)
        meter.when(lambda: meter.supplied)
        meter.when(lambda: meter.last("alarm", kind="LOW_CREDIT"))
        meter.when(lambda: not meter.supplied)
        meter.shows("NO CREDIT")
        meter.do("load 0")
        town.grant(house, 1)
        meter.when(lambda: meter.supplied)
        until(lambda: town.account(house)["credited_mwh"] == kwh(1.2), LIMIT_S)
        assert {one["status"] for one in town.credits(house)} == {"redeemed"}
        assert kwh(0.9) < town.account(house)["balance_mwh"] <= kwh(1)


def test_000_5_and_6_units_are_shared_at_the_keypad_and_what_must_not_be_is_refused(town: MeteredTown) -> None:
    """000-5: 50 become 40, nothing becomes 10, and the recipient's relay closes; also where only its keypad hears of
    it. 000-6: three wrong PINs lock sharing and nothing else; own meter, too much, and nobody move nothing."""
    sender, recipient, alone = town.house(), town.house(), town.house()
    with town.meter(sender) as giving, town.meter(recipient) as taking:
        giving.when(lambda: giving.gateway and taking.gateway)
        town.grant(sender, 50)
        giving.when(lambda: giving.supplied)
        giving.do("#31234#1234#")
        giving.shows("PIN SET")
        assert not taking.supplied
        share(giving, recipient.pan, "100", "1234")
        giving.shows("SENT")
        taking.when(lambda: taking.supplied)
        until(lambda: town.account(recipient)["balance_mwh"] == kwh(10), LIMIT_S)
        assert town.account(sender)["balance_mwh"] == kwh(40)
        share(giving, alone.pan, "50", "1234")
        giving.shows("SENT")
        until(lambda: [one for one in town.credits(alone) if one["status"] == "minted"], LIMIT_S)
        with town.meter(alone, gateways=[]) as offline:
            offline.do(f"{town.digits(alone)}#")
            offline.when(lambda: offline.supplied)
        for keys, shown in (
            (f"#1{sender.pan}#", "OWN METER"),
            (f"#1{recipient.pan[:-1]}{(int(recipient.pan[-1]) + 1) % 10}#", "METER NO."),
            (f"#1{recipient.pan}#9990#", "CREDIT LOW"),
        ):
            giving.do(f"*{keys}")
            giving.shows(shown)
            giving.do("*")
        for number in range(3):
            share(giving, recipient.pan, "100", f"999{number}")
            giving.shows("E16 WRONG PIN")
            giving.do("*")
        giving.do("*#4")
        giving.shows("E17 PIN LOCKED")
        until(lambda: town.account(sender)["counter"] >= 3, LIMIT_S)
        assert town.account(sender)["shared_mwh"] == kwh(15)
        assert giving.supplied, "only sharing is locked"


def share(meter: MeterRunning, pan: str, tenths: str, pin: str) -> None:
    """The keypad's share, to its end; nobody is asked whose number it is, or it takes as long as it takes."""
    meter.do(f"*#1{pan}#{tenths}#")
    meter.when(lambda: "#=OK" in meter.lines[1])
    meter.do(f"#{pin}#")


def test_000_7_the_customer_unit_says_everything_on_two_lines_of_sixteen(town: MeteredTown) -> None:
    """000-7: the balance, what to do, confirmations, refusals by their code, the warning of low credit, the price, all
    on a display of 16x2 by twelve keys. What it shows is what the ledger knows; nobody has sent the price. The same
    unit drawn in a terminal hears the ledger, too."""
    house, community = town.house(), town.community
    with town.meter(house, ask_ms=1_000) as unit:
        unit.when(lambda: unit.gateway)
        unit.shows("NO CREDIT")
        assert unit.lines[1] == "ENTER A TOKEN"
        town.buy(house, 50_000, "at the counter")
        unit.shows("13.50 kWh")
        assert unit.lines[0].startswith("CREDIT")
        until(lambda: town.account(house)["balance_mwh"] == kwh(13.5), LIMIT_S)
        for keys, shown in (
            ("#", "1 SHARE 2 INFO 3 PIN 4 ADVANCE"),
            (f"*{town.digits(house)}#", "E03 TOKEN USED"),
            ("*#31234#1234#", "PIN SET"),
            ("*#2##", "/kWh"),
        ):
            unit.do(keys)
            unit.when(lambda shown=shown: shown in " ".join(" ".join(unit.lines).split()))
        assert town.answers(house)[0][0] == "tariff", "its own question brought it"
        unit.do("**")
        community.ok(community.operator, "commands", "terms", point=house.point, low_mwh=kwh(14))
        unit.shows("LOW CREDIT")
        shown = [line for one in unit.said if one["event"] == "display" for line in one["lines"]]
        assert {len(line) for line in shown} == {COLUMNS}
    with town.unit(unit.home) as drawn:
        drawn.until(lambda seen: f"gateway {town.gateway.endpoint}" in seen)
        town.block(house, on=True)
        drawn.until(lambda seen: "relay supply opened" in seen)
        assert drawn.end("q") == 0
    until(lambda: "OK" in {one["code"] for one in community.events("commands", "SupplyAnswered")}, LIMIT_S)


def test_000_8_a_purchase_and_a_transfer_take_moments(town: MeteredTown) -> None:
    """000-8: to the display, and to the recipient's relay. A slice of `tests.suites.purchase_and_share`, which measures
    it; here the machine may be busy with anything."""
    times = measure(town, 2)
    assert all(len(found) == 2 and max(found) < 30_000 for found in times)


def test_000_11_and_12_a_link_that_is_down_loses_nothing(town: MeteredTown) -> None:
    """000-11: metering, tokens and the display go on, readings arrive later, in order, once. 000-12: from a broker
    (MQTT) a stream (gRPC) takes over, commands with it; the unit works with the mains lost."""
    house, community = town.house(), town.community
    with (
        town.broker(house) as wifi,
        town.gateway_at(wifi, "wifi"),
        town.second_gateway("cellular") as cellular,
    ):
        bearers = [f"mqtts://{wifi.endpoint}/{LEDGER}", cellular.endpoint]
        with town.meter(house, bearers, load_w=500) as meter:
            meter.when(lambda: meter.gateway == bearers[0])
            town.grant(house, 5)
            meter.when(lambda: meter.supplied)
            community.ok(community.operator, "commands", "message", point=house.point, text="BY WIFI")
            meter.shows("BY WIFI")
            meter.do("*")
            town.whole_rows(house, 2)
            wifi.kill()
            meter.when(lambda: meter.gateway == cellular.endpoint)
            community.ok(community.operator, "commands", "message", point=house.point, text="BY ANOTHER WAY")
            meter.shows("BY ANOTHER WAY")
            meter.do("*")
            until(lambda: town.answers(house) == [("message", "OK"), ("message", "OK")], LIMIT_S)
            town.whole_rows(house, len(town.rows(house)) + 2)
            cellular.kill()
            meter.when(lambda: not meter.gateway)
            before = len(town.rows(house))
            meter.do("mains off")
            meter.shows("NO MAINS")
            meter.do("mains on")
            meter.kill()
            meter.start()
            time.sleep(3.0)
            assert len(town.rows(house)) == before
            cellular.start()
            town.whole_rows(house, before + 4)


def test_readings_arrive_once_over_kills_of_meter_gateway_and_validator(town: MeteredTown) -> None:
    """The real contract has each number once, without a gap."""
    house = town.house()
    with town.second_gateway("frail") as frail, town.meter(house, gateways=[frail.endpoint], load_w=500) as meter:
        town.whole_rows(house, 1)
        validator = town.network.nodes[3]
        for kill in range(2):
            meter.kill()
            if kill == 1:
                validator.kill()
            frail.kill()
            meter.start()
            frail.start()
            time.sleep(0.5)
        validator.start()
        before = len(town.whole_rows(house, len(town.rows(house)) + 4))
        _lose_the_disk(town, frail)
        town.whole_rows(house, before + 4)
        assert not meter.last("alarm", kind="TRANSACTION_REFUSED")


def _lose_the_disk(town: MeteredTown, gateway: TownGateway) -> None:
    """With rows on it that the ledger has not: the meter keeps each until the ledger's receipt, and sends it again."""
    away = town.network.nodes[2:]
    for node in away:
        node.kill()
    until(lambda: _kept(gateway.directory / "outbox"), LIMIT_S)
    gateway.kill()
    shutil.rmtree(gateway.directory / "outbox")
    town.network.restart(away)
    gateway.start()


def _kept(outbox: Path) -> int:
    with lmdb.open(str(outbox), readonly=True, max_dbs=3) as environment:
        entries = environment.open_db(b"entries", create=False)
        with environment.begin() as transaction:
            return int(transaction.stat(entries)["entries"])


def test_a_command_of_the_ledger_is_done_and_answered_by_the_meters_signature(town: MeteredTown) -> None:
    """Supply, a message, the PIN: said by those who may, shown to the meter, answered on the ledger."""
    house, community = town.house(), town.community
    with town.meter(house) as meter:
        town.grant(house, 5)
        meter.when(lambda: meter.supplied)
        town.block(house, on=True)
        meter.when(lambda: not meter.supplied)
        meter.shows("SUPPLY BLOCKED")
        town.block(house, on=False)
        meter.when(lambda: meter.supplied)
        community.ok(community.operator, "commands", "message", point=house.point, text="WORKS ON FRIDAY")
        meter.shows("WORKS ON FRIDAY")
        meter.do("*")
        meter.do("#31234#1234#")
        meter.shows("PIN SET")
        proposal = community.ok(community.operator, "commands", "propose_customer_key", point=house.point)
        community.ok(house.wallet, "commands", "agree", proposal=proposal)
        until(lambda: town.answers(house) == [("message", "OK"), ("customer_key", "OK")], LIMIT_S)
        meter.do("*#4")
        meter.shows("E15 NO PIN")

        def answered() -> bool:
            said = community.events("commands", "SupplyAnswered")
            return [one["code"] for one in said if one["meter"] == house.meter.id] == ["OK", "OK"]

        until(answered, LIMIT_S)


def test_a_tariff_that_changes_is_on_the_meters_display(town: MeteredTown) -> None:
    """Decided by two, sent by one, proven to the meter, answered by its signature; over a restart."""
    house, community = town.house(), town.community
    held = {"id": FLAT_TARIFF, "at_ms": community.now_ms}
    tariff = community.ask(community.operator, "tariff", "tariff", **held)
    with town.meter(house) as meter:
        meter.when(lambda: meter.gateway)
        community.ok(community.operator, "commands", "tariffs", points=[house.point])
        until(lambda: town.answers(house) == [("tariff", "OK")], LIMIT_S)
        [band] = table_of(tariff, 0)["bands"]
        meter.do("#2##")
        meter.shows(f"PRICE {band[0].upper():>10} {money(band[1])} /kWh")
        dearer = tariff | {"bands": [tariff["bands"][0] | {"price_micro": 500_000}]}
        at_ms = community.now_ms + 30 * 86_400_000
        community.two("tariff", "propose_tariff", tariff=dearer, from_ms=at_ms)
        community.ok(community.operator, "commands", "tariffs", points=[house.point])
        until(lambda: town.answers(house) == [("tariff", "OK")] * 2, LIMIT_S)
        meter.kill()
        meter.start()
        meter.do("#2###")
        meter.shows(f"{money(table_of(dearer, 0)['bands'][0][1])} /kWh")
        assert meter.lines[0].startswith("NEXT  2")


def test_a_gateway_cannot_invent_a_command(town: MeteredTown) -> None:
    """Nor alter one that was said to another: refused, counted, reported; metering and true commands go on. The meter
    leaves a gateway that goes on with it."""
    house, community = town.house(), town.community
    with town.second_gateway("liar") as liar:
        gateways = [liar.endpoint, town.gateway.endpoint]
        with town.meter(house, gateways, load_w=500) as meter:
            meter.when(lambda: meter.gateway == liar.endpoint)
            town.grant(house, 5)
            meter.when(lambda: meter.supplied)
            device, pan = house.meter.id, house.pan
            forged = [
                ("supply", {"meter": device, "point": house.point, "reason": ""}),
                ("delivery", {"command": 1, "trade": 1, "device": device, "action": "start", "text": ""}),
                ("share", {"share": 1, "meter": device, "recipient_pan": pan, "energy_mwh": 1, "until_ms": 1 << 50}),
                ("command", {"command": 1, "meter": device, "number": 1, "kind": "close"}),
            ]
            invented = [{"kind": kind, "device": device, "payload": payload} for kind, payload in forged]
            (liar.directory / INVENTED).write_text(json.dumps(invented))
            meter.when(lambda: meter.last("link", reason="PROOF_INVALID"))
            meter.when(lambda: meter.gateway == town.gateway.endpoint)
            assert meter.supplied
            codes = {one["code"] for one in meter.said if one["event"] == "answer"}
            assert "COMMAND_UNPROVEN" in codes <= {"OK", "TOKEN_USED", "COMMAND_UNPROVEN"}

            def reported() -> bool:
                tampers = community.ask(community.operator, "metering", "tampers", point=house.point)
                return {one["kind"] for one in tampers} == {"command_unproven"}

            until(lambda: community.seen() or reported(), LIMIT_S)
            town.whole_rows(house, len(town.rows(house)) + 2)
            community.ok(community.operator, "commands", "message", point=house.point, text="HELLO")
            meter.shows("HELLO")


def test_002_8_a_meter_of_a_bus_of_12_volts_reports(town: MeteredTown) -> None:
    """002-8: direct current through the same core and contract; three phases likewise, summed with their signs."""
    direct, three = town.house(), town.house()
    with (
        town.meter(direct, load_w=60, direct=True, sample_ms=1_000) as bus,
        town.meter(three, load_w=6_000, phases=3, sample_ms=1_000) as phases,
    ):
        town.grant(direct, 5)
        town.grant(three, 5)
        bus.when(lambda: bus.supplied and phases.supplied)
        reached = [len(town.rows(direct)), len(town.rows(three))]
        row = town.whole_rows(direct, reached[0] + 3)[-1]
        assert row[5:8] == pytest.approx([12_000, 5_000, 60_000], rel=0.01)
        row = town.whole_rows(three, reached[1] + 3)[-1]
        assert [row[7], row[12], row[17]] == pytest.approx([2_000_000] * 3, rel=0.01)


async def test_what_is_not_a_meters_own_word_counts_for_nothing(town: MeteredTown) -> None:
    """An altered row, one that comes twice, one that steps back, and one of a meter that hangs nowhere."""
    house, community = town.house(), town.community
    loose = community.member("loose-meter", Role.METER)
    community.register()
    now_ms = community.now_ms

    def row(signer: Signer, number: int, at_ms: int, register_mwh: int) -> bytes:
        arguments = {"rows": [[number, at_ms, register_mwh, 0, 0]], "columns": []}
        return signer.transaction("metering", "record", arguments, budget=60_000, sequence=number + 500).envelope

    good, later = row(house.meter.signer, 0, now_ms - 5_000, 0), row(house.meter.signer, 2, now_ms - 1_000, 9)
    back = row(house.meter.signer, 1, now_ms - 4_000, 5)
    altered = good[:-3] + bytes((good[-3] ^ 1,)) + good[-2:]
    foreign = row(loose.signer, 0, now_ms - 2_000, 7)
    codes: dict[str, str] = {}
    async with town.gateway.client(town.person(house)) as client:
        await client.connect()
        assert await client.send([good, altered, good]) == ["OK", "SIGNATURE_INVALID", "OK"]
        for envelope in (later, back, foreign):
            assert await client.send([envelope]) == ["OK"]
        async with asyncio.timeout(60):
            async for message in client.told():
                for outcome in message.settled.outcomes:
                    codes[f"{outcome.creator.hex()}/{outcome.sequence - 500}"] = outcome.code
                if len(codes) == 4:
                    break
    own = house.meter.id
    assert (codes[f"{own}/0"], codes[f"{own}/2"]) == ("OK", "OK")
    assert codes[f"{loose.id}/0"] != "OK"
    rows = town.rows(house)
    assert [found[0] for found in rows if found[0] != 1] == [0, 2], "each once"


def test_a_clock_that_is_years_off_is_set_by_the_utility_and_by_nobody_else(town: MeteredTown) -> None:
    """Its readings are of a time that has not come: the ledger takes none, until two of the staff have decided."""
    house, community = town.house(), town.community
    home = town.home(house)
    ahead_ms = 3 * 365 * 86_400_000
    set_ahead(home, ahead_ms)
    with town.running(home) as meter:
        meter.when(lambda: meter.last("alarm", kind="CLOCK_DIFFERS"))
        time.sleep(2.0)
        assert town.rows(house) == []
        community.two("commands", "propose_command", point=house.point, kind="clock")
        until(lambda: town.answers(house) == [("clock", "OK")], LIMIT_S)
        rows = town.whole_rows(house, 2)
        assert abs(rows[-1][1] - community.now_ms) < 60_000


def test_a_revoked_meters_readings_are_refused_and_it_says_so(town: MeteredTown) -> None:
    """In the middle of a stream; metering and credit go on."""
    house, community = town.house(), town.community
    with town.meter(house, load_w=500) as meter:
        town.grant(house, 5)
        meter.when(lambda: meter.supplied)
        town.whole_rows(house, 2)
        community.ok(community.admin, "identity", "revoke", identity=house.meter.id, reason="stolen")
        meter.when(lambda: "SIGNER_REVOKED" in meter.last("alarm", kind="TRANSACTION_REFUSED").get("detail", ""))
        count = len(town.rows(house))
        time.sleep(2.0)
        assert len(town.rows(house)) == count
        assert meter.supplied


def set_ahead(home: Path, ahead_ms: int) -> None:
    """A meter whose clock is ahead, and that believes it to be right."""
    journal = Journal(home / "meter.journal")
    journal.write([("clock", msgspec.msgpack.encode(Clock(offset_ms=ahead_ms)))])
    journal.close()
