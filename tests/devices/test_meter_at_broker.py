"""A meter behind a real Mosquitto (TLS, passwords, rights), with a gateway's own stream as its second bearer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.bearers import BROKER_FILE
from gateway.mqtt.broker_files import Users, rights
from gateway.mqtt.topics import Topics, read_device
from ledgernode.identity.secret_file import create_secret
from tests.devices.running import MeterRunning, commissioned, credit_token
from tests.devices.test_meter_process import Books
from tests.gateway.mqtt.running import GATEWAYS, broker_setting, password, users
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.running import LEDGER, NodeProcess, Person

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(meter_node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """It lets nobody in but one gateway, until a meter is enrolled."""
    identity = gateway_identity(meter_node.network, "meters-broker")
    with Mosquitto(tmp_path_factory.mktemp("broker"), identity, users(()), acl=_rights()) as running:
        yield running


@pytest.fixture(scope="module")
def behind(
    meter_node: NodeProcess, broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    directory = tmp_path_factory.mktemp("behind")
    setting = broker_setting(broker, directory)
    identity = gateway_identity(meter_node.network, "behind-broker")
    with GatewayProcess(meter_node.network, [meter_node.endpoint], directory, identity, broker=setting) as running:
        yield running


def _rights(*devices: str) -> str:
    named = Users(devices=tuple(read_device(f"north/{one}") for one in devices), gateways=GATEWAYS)
    return rights(Topics(LEDGER), named)


def enrolled(broker: Mosquitto, person: Person, home: Path) -> None:
    """The broker knows the meter by its name, and lets it do what is on its own branch."""
    name = person.directory.name
    create_secret(home / BROKER_FILE, password(f"north/{name}").encode())
    broker.write_acl(_rights(name))
    broker.enrol(f"north/{name}", password(f"north/{name}"))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_readings_and_tokens_pass_through_a_broker_and_a_stream_takes_over(
    meter_node: NodeProcess,
    meter_gateway: GatewayProcess,
    meter_person: Person,
    broker: Mosquitto,
    behind: GatewayProcess,
    version: str,
) -> None:
    """000-12: what the first bearer had not passed on the second brings, each once and in order; when the first is
    back the meter goes back to it."""
    home = commissioned(meter_node.network, meter_person)
    enrolled(broker, meter_person, home)
    books = Books(meter_node, meter_person)
    first = f"mqtts://{broker.endpoint}/{LEDGER}?version={version}"
    bearers = [first, meter_gateway.endpoint]
    with MeterRunning(home, bearers, load_w=500, arguments=("--return-s", "3")) as meter:
        meter.when(lambda: meter.gateway == first)
        meter.do(credit_token(1_000, 10) + "#")
        books.whole(2)
        redeemed(meter, books)
        broker.kill()
        meter.when(lambda: meter.gateway == meter_gateway.endpoint)
        reached = len(books.rows)
        books.whole(reached + 2)
        broker.start()
        meter.when(lambda: meter.gateway == first)
        reached = len(books.rows)
        books.whole(reached + 2)
        assert not meter.last("alarm", kind="TRANSACTION_REFUSED")
        assert meter.terminate() == 0


def redeemed(meter: MeterRunning, books: Books) -> None:
    meter.when(lambda: [one for one in books.told if str(one[0]).startswith("redeem")])


def test_with_a_wrong_password_the_next_bearer_serves(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, broker: Mosquitto
) -> None:
    """And a broker whose certificate is not of the ledger's organisations is none."""
    home = commissioned(meter_node.network, meter_person)
    create_secret(home / BROKER_FILE, b"guessed")
    first = f"mqtts://{broker.endpoint}/{LEDGER}"
    with MeterRunning(home, [first, meter_gateway.endpoint]) as meter:
        meter.when(lambda: meter.gateway == meter_gateway.endpoint)
        assert meter.last("link", gateway="")["reason"] == "SIGNER_UNKNOWN"
