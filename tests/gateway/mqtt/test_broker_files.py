"""Mosquitto's files as the command writes them: a real broker lets each device speak on its own branch only."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.mqtt.broker_files import Users, hashed, rights, write_broker_files
from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access, Connection, Message, tls_context
from gateway.mqtt.topics import Device, Topics
from ledgernode.errors import BadRequest, LedgerError, NodeUnreachable, UnknownSigner
from ledgernode.identity.identity_files import CERTIFICATE
from ledgernode.identity.organisation import create_organisation, read_root
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import read_secret
from ledgernode.identity.tls import load_tls
from tests.cli.command_line import command, done
from tests.conditions import eventually
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.mosquitto import RunningMosquitto, as_written
from tests.ports import fresh_port
from tests.running import LEDGER, NodeProcess, Person, now_ms, register

NOT_ALLOWED = 135
BRANCH = f"ledgernode/{LEDGER}"
TOPICS = Topics(LEDGER)


# ---------------------------------------------------------------- what is in them


def test_a_device_has_its_own_branch_and_who_is_not_named_nothing() -> None:
    text = rights(TOPICS, Users(devices=(Device("north", "M-1"),), controllers=("screen",)))
    assert text.splitlines()[2:] == [
        "user screen",
        f"topic read {BRANCH}/trades/+",
        "",
        "user north/M-1",
        *(
            f"topic write {BRANCH}/north/M-1/{one}"
            for one in ("hello", "transactions", "readings", "questions", "received")
        ),
        *(f"topic read {BRANCH}/north/M-1/{one}" for one in ("welcome", "answers/#", "settled", "replies", "commands")),
    ]


def test_passwords_are_hashed_as_the_brokers_own_tool_does(tmp_path: Path) -> None:
    """The tool's own file, with its salt: the same line."""
    path = tmp_path / "passwords"
    path.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(path), "someone", "a password"], check=True)
    name, _, line = path.read_text().strip().partition(":")
    salt = base64.b64decode(line.split("$")[3])
    assert (name, hashed("a password", salt)) == ("someone", line)


@pytest.mark.parametrize("name", ["", "a:b", "a\nuser b", "#", "a/b/c", "../x", " a"])
def test_a_user_that_no_file_can_hold_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        write_broker_files(tmp_path / "broker", TOPICS, Users(gateways=(name,)), port=1, identity=tmp_path)


def test_two_users_of_one_name_are_refused(tmp_path: Path) -> None:
    users = Users(devices=(Device("north", "M-1"),), controllers=("M-1",))
    with pytest.raises(BadRequest, match="M-1"):
        write_broker_files(tmp_path / "broker", TOPICS, users, port=1, identity=tmp_path, certificates=True)


def test_written_again_passwords_stay_and_who_has_gone_is_forgotten(tmp_path: Path) -> None:
    directory = tmp_path / "broker"

    def write(*devices: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        users = Users(devices=tuple(Device("north", one) for one in devices), gateways=("gateway-1",))
        written = write_broker_files(directory, TOPICS, users, port=1, identity=tmp_path)
        return written.new, written.gone

    assert write("M-1", "M-2") == (("gateway-1", "north/M-1", "north/M-2"), ())
    before = (directory / "passwords").read_text().splitlines()
    secret = directory / "secrets" / "north" / "M-1.password"
    first = read_secret(secret)
    assert write("M-1", "M-3") == (("north/M-3",), ("north/M-2",))
    assert (directory / "passwords").read_text().splitlines()[:2] == before[:2]
    assert read_secret(secret) == first
    assert not (directory / "secrets" / "north" / "M-2.password").exists()
    assert "M-2" not in (directory / "rights").read_text()
    for path in (directory / "passwords", directory / "rights", secret):
        assert path.stat().st_mode & 0o077 == 0, path


def test_devices_of_two_organisations_are_not_known_by_name_alone(tmp_path: Path) -> None:
    for name in ("north", "south"):
        create_organisation(tmp_path / name, name, now_ms=now_ms())
    orgs = ["--org", tmp_path / "north", "--org", tmp_path / "south"]
    ended = command(
        "gateway", "broker-files", tmp_path / "b", *orgs, "--broker-identity", tmp_path, "--certificates", "--json"
    )
    assert ended.error["code"] == "REQUEST_INVALID"


# ---------------------------------------------------------------- with a broker


@dataclass
class Guarded:
    """A broker that runs with the files."""

    broker: RunningMosquitto
    files: Path

    def password(self, user: str) -> str:
        organisation, slash, name = user.partition("/")
        path = self.files / "secrets" / (f"{organisation}/{name}.password" if slash else f"{user}.password")
        return read_secret(path).decode()

    def access(self, user: str, password: str = "") -> Access:
        return Access(
            "localhost",
            self.broker.port,
            client=f"as {user}",
            tls=self.broker.tls(),
            username=user,
            password=password or self.password(user),
        )


def start(files: Path, identity: Path, port: int) -> RunningMosquitto:
    return RunningMosquitto(as_written(files), port, identity / "roots.pem")


@pytest.fixture(scope="module")
def arguments(node: NodeProcess, broker_identity: Path) -> list[object]:
    network = ["--network", node.network.directory, "--endpoint", node.endpoint]
    org = ["--org", node.network.directory / "organisations" / "north", "--broker-identity", broker_identity]
    named = ["--gateway", "gateway-1", "--controller", "screen", "--field", "plug=tele/plug/#"]
    return [*network, *org, *named]


@pytest.fixture(scope="module")
def guarded(
    node: NodeProcess,
    meters: list[Person],
    arguments: list[object],
    broker_identity: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Guarded]:
    files = tmp_path_factory.mktemp("files") / "broker"
    node.network.newcomer("north", "unregistered", Role.METER)
    port = fresh_port(1)
    ended = done("gateway", "broker-files", files, *arguments, "--port", port, "--json").document
    assert {"gateway-1", "screen", "plug", "north/M-0", "north/M-1"} <= set(ended["new"])
    assert "north/unregistered" not in ended["new"], "the ledger does not know it"
    with start(files, broker_identity, port) as broker:
        yield Guarded(broker, files)


async def said(access: Access, topic: str) -> int:
    """The broker's reason for taking, or not, what is published there."""
    connection = Connection(access, lambda _message: None)
    await connection.open()
    try:
        taken = connection.publish(topic, b"x")
        assert taken is not None
        return await taken
    finally:
        await connection.close()


@pytest.mark.slow
async def test_a_device_speaks_on_its_own_branch_only(guarded: Guarded) -> None:
    meter = guarded.access("north/M-0")
    own = f"{BRANCH}/north/M-0"
    assert await said(meter, f"{own}/transactions") < 128
    for topic in (
        f"{own}/commands",
        f"{own}/answers",
        f"{BRANCH}/north/M-1/transactions",
        f"{BRANCH}/north/M-1/hello",
        f"{BRANCH}/trades/alpha",
        f"{BRANCH}/gateways/north-gateway-1",
        "tele/plug/SENSOR",
    ):
        assert await said(meter, topic) == NOT_ALLOWED, topic
    assert await said(guarded.access("plug"), "tele/plug/SENSOR") < 128
    for user in ("plug", "screen"):
        assert await said(guarded.access(user), f"{BRANCH}/trades/alpha") == NOT_ALLOWED
    assert await said(guarded.access("gateway-1"), f"{own}/transactions") == NOT_ALLOWED, "nor does a gateway sign"


@pytest.mark.slow
async def test_a_device_hears_its_own_branch_only(guarded: Guarded) -> None:
    heard: dict[str, list[str]] = {}

    async def listen(user: str) -> Connection:
        def took(message: Message) -> None:
            heard.setdefault(user, []).append(message.topic)
            connection.acknowledge(message.number)

        connection = Connection(guarded.access(user), took)
        await connection.open()
        await connection.subscribe([f"{BRANCH}/#"])
        return connection

    listening = [await listen(user) for user in ("north/M-0", "north/M-1", "screen")]
    gateway = guarded.access("gateway-1")
    for topic in ("north/M-0/commands", "north/M-1/answers", "trades/alpha"):
        assert await said(gateway, f"{BRANCH}/{topic}") < 128
    await eventually(lambda: len(heard) == 3)
    for connection in listening:
        await connection.close()
    assert heard == {
        "north/M-0": [f"{BRANCH}/north/M-0/commands"],
        "north/M-1": [f"{BRANCH}/north/M-1/answers"],
        "screen": [f"{BRANCH}/trades/alpha"],
    }


@pytest.mark.slow
async def test_wrong_passwords_names_and_authorities_do_not_connect(guarded: Guarded, tmp_path: Path) -> None:
    create_organisation(tmp_path / "other", "other", now_ms=now_ms())
    stranger = tls_context([read_root(tmp_path / "other")[1]])
    right = guarded.access("north/M-0")
    cases: list[tuple[Access, type[LedgerError]]] = [
        (guarded.access("north/M-0", guarded.password("north/M-1")), UnknownSigner),
        (guarded.access("north/unregistered", "x"), UnknownSigner),
        (Access(right.host, right.port, "a", tls=right.tls), UnknownSigner),
        (Access(right.host, right.port, "b", tls=stranger, username=right.username), NodeUnreachable),
        (Access(right.host, right.port, "c", tls=None, username=right.username), NodeUnreachable),
        (Access(right.host, 1, "d", tls=right.tls), NodeUnreachable),
        (Access("127.0.0.1.nip.invalid", right.port, "e", tls=right.tls), NodeUnreachable),
    ]
    for version in ("5", "3.1.1"):
        for access, error in cases:
            found = Connection(Access(**{**fields(access), "version": version, "connect_ms": 2_000}), lambda _one: None)
            with pytest.raises(error):
                await found.open()


def fields(access: Access) -> dict[str, object]:
    return {name: getattr(access, name) for name in access.__struct_fields__}


@pytest.mark.slow
async def test_a_gateway_and_a_meter_work_with_what_the_files_allow(
    guarded: Guarded, node: NodeProcess, meters: list[Person], tmp_path: Path
) -> None:
    """And nothing that they need is refused: the broker's log says so."""
    setting = {
        "address": guarded.broker.endpoint,
        "username": "gateway-1",
        "password_file": str(guarded.files / "secrets" / "gateway-1.password"),
    }
    identity = gateway_identity(node.network, "gateway-guarded")
    with GatewayProcess(node.network, [node.endpoint], tmp_path / "gateway", identity, broker=setting):
        async with BrokerClient(guarded.access("north/M-0"), LEDGER, "north/M-0") as client:
            await client.connect(devices=[meters[0].signer.identity])
            assert await client.send([reading(meters[0], 800).envelope]) == ["OK"]
            async for message in client.told():
                assert message.settled.outcomes[0].code == "OK"
                break
    assert "Denied" not in guarded.broker.log.read_text()


@pytest.mark.slow
async def test_who_is_revoked_is_shut_out_with_the_next_files(
    guarded: Guarded, node: NodeProcess, arguments: list[object]
) -> None:
    network = node.network
    leaving = network.newcomer("north", "leaving", Role.METER)
    with node.ledger() as ledger:
        register(ledger, network, leaving)
    port = ["--port", guarded.broker.port, "--json"]
    assert done("gateway", "broker-files", guarded.files, *arguments, *port).document["new"] == ["north/leaving"]
    guarded.broker.reload()
    access = guarded.access("north/leaving")

    async def gets_in() -> bool:
        connection = Connection(access, lambda _message: None)
        try:
            await connection.open()
        except UnknownSigner:
            return False
        await connection.close()
        return True

    async with asyncio.timeout(20):
        while not await gets_in():  # noqa: ASYNC110  # a broker does not say that it has read its files
            await asyncio.sleep(0.1)
    with node.ledger() as ledger:
        arguments_of = {"identity": leaving.signer.identity.hex(), "reason": "it was stolen"}
        ledger.submit("identity", "revoke", arguments_of, signer=network.admin.signer)
    written = done("gateway", "broker-files", guarded.files, *arguments, *port).document
    assert written["gone"] == ["north/leaving"]
    guarded.broker.reload()
    async with asyncio.timeout(20):
        while await gets_in():  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_certificate_can_be_the_name(
    node: NodeProcess, meters: list[Person], broker_identity: Path, arguments: list[object], tmp_path: Path
) -> None:
    """Under the organisation's own root only: another organisation's meter of the same name is not let in."""
    files = tmp_path / "broker"
    port = fresh_port(1)
    done("gateway", "broker-files", files, *arguments, "--port", port, "--certificates", "--json")
    assert not (files / "secrets").exists()
    roots = load_tls(node.network.admin.directory).roots

    def access(person: Person) -> Access:
        own = load_tls(person.directory)
        name = person.directory.name
        return Access("localhost", port, name, tls=tls_context(roots, own.certificate, own.key))

    other = node.network.newcomer("south", "M-0", Role.METER)
    assert (other.directory / CERTIFICATE).exists()
    with start(files, broker_identity, port):
        assert await said(access(meters[0]), f"{BRANCH}/north/M-0/transactions") < 128
        assert await said(access(meters[0]), f"{BRANCH}/north/M-1/transactions") == NOT_ALLOWED
        with pytest.raises(NodeUnreachable):
            await said(access(other), f"{BRANCH}/north/M-0/transactions")
        with pytest.raises(NodeUnreachable):
            await said(Access("localhost", port, "nobody", tls=tls_context(roots)), f"{BRANCH}/north/M-0/hello")
