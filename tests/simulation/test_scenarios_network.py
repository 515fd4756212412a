"""Faults that need real drivers: processes, sockets, disks and certificates. Each docstring is the rule.

All of them befall one network of four PBFT validators, founded two days ago, in which the certificate of the last
validator has ended since. Every test leaves it whole.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import grpc
import pytest

from ledgernode.client import Ledger, LedgerClient, Outcome, Signed
from ledgernode.config import MISCONDUCT_TOKENS
from ledgernode.errors import CommitUnknown, HeightNotReached, LedgerHalted, NodeUnreachable, RateLimited
from ledgernode.identity import founding
from ledgernode.identity.authority import DAY_MS
from ledgernode.identity.founding import LOCAL_NAMES, organisation_directory
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.home import NodeConfig, data_directory, tls_directory, validator_directory
from ledgernode.identity.identity_files import place_certificate
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.tls import Trust, channel_credentials, load_tls, server_credentials
from ledgernode.node.endorsement import position_of
from ledgernode.node.peers import introduce
from ledgernode.services.calls import refuse
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceServicer, add_LedgerServiceServicer_to_server
from ledgernode.v1.validator_pb2 import ExchangeRequest
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.frames import Forwarded, Frame, Standing
from ledgernode.wire.genesis import parse_genesis
from ledgernode.wire.protobuf import CODE_METADATA, introduction_message, outcomes_message, packed
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Height, TransactionId, sha256
from ledgernode.wire.validators import parse_certificate
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.networks import RECOVERY_SECONDS, Load, RunningNetwork
from tests.running import LEDGER, NodeProcess, notes, now_ms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FOUNDED_MS = now_ms() - 2 * DAY_MS
EXPIRED = "west"
LATER_TOKENS = 15
"""So many more than it has tokens are forwarded, so that it is not heard for as many seconds."""
MISCOUNTING = Path(__file__).parent / "miscounting"


def _for_a_day(directory: Path, request: str, **options: Any) -> str:
    """Certify, the validator of one organisation for a day only."""
    if directory.name == EXPIRED and "tls_names" not in options:
        options["days"] = 1
    return sign_request(directory, request, **options)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    directory = tmp_path_factory.mktemp("network") / "network"
    with mock.patch.object(founding, "sign_request", _for_a_day):
        network = RunningNetwork(directory, "pbft", 4, founded_ms=FOUNDED_MS)
    with network:
        network.deploy()
        yield network


@pytest.fixture
def network(running: RunningNetwork) -> Iterator[RunningNetwork]:
    yield running
    running.restore()


def signed(network: RunningNetwork, *keys: str) -> list[Signed]:
    return notes(network.founded.admin.signer, [f"{key}-{time.monotonic_ns()}" for key in keys])


def status_by_command(network: RunningNetwork, node: NodeProcess) -> dict[str, Any]:
    """What `ledgernode node status` says of the ledger at this node."""
    own_admin = f"{NodeConfig.read(node.home).organisation}/admin"
    where = ("--network", network.founded.directory, "--as", own_admin, "--endpoint", node.endpoint)
    found: dict[str, Any] = done("node", "status", *where, "--json").document["nodes"][0]["ledgers"][0]
    return found


def require_halted(network: RunningNetwork, node: NodeProcess, code: str) -> None:
    """The operator and every client hear that it halted, and why; it acknowledges nothing any more."""
    until(lambda: network.status(node).halted)
    said = status_by_command(network, node)
    assert said["halted"]
    assert code in said["halt_reason"]
    with network.ledger(nodes=[node]) as ledger:
        ledger._client._connection._retries = 0
        with pytest.raises(LedgerHalted, match=code):
            ledger.submit_signed(*signed(network, "more"))
        with pytest.raises(LedgerHalted, match=code):
            list(ledger.submit_many(signed(network, "more")))


# ---------------------------------------------------------------- tampered forwarded request


def frames(frame: Frame) -> ExchangeRequest:
    return ExchangeRequest.FromString(packed(frame))


class Impostor:
    """Speaks the validators' protocol to a node with the keys of another one. Use it in an `async with`."""

    def __init__(self, network: RunningNetwork, whose: NodeProcess, to: NodeProcess) -> None:
        tls = load_tls(tls_directory(whose.home))
        key = PrivateKey.load(validator_directory(whose.home) / "key.pem")
        self._introduction = introduce(LEDGER, network.founded.chain_id, key, tls)
        self._channel = grpc.aio.secure_channel(to.endpoint, channel_credentials(tls))
        stub: Any = ValidatorServiceStub(self._channel)
        self.call = stub.Exchange()

    async def __aenter__(self) -> Self:
        await self.call.write(introduction_message(self._introduction))
        assert (await self.call.read()).taken
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()
        await self._channel.close()

    async def forward(self, *envelopes: bytes) -> None:
        await self.call.write(frames(Forwarded(envelopes)))

    async def refusal(self) -> str:
        """The code of what ends the stream, when something more is said."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while True:
                    await self.call.write(frames(Standing(Height(0))))
                    await asyncio.sleep(0.01)
        return str(dict(await self.call.trailing_metadata())[CODE_METADATA])


def tampered(network: RunningNetwork, number: int) -> list[bytes]:
    """So many envelopes, each changed on its way in one of several manners."""
    strange = PrivateKey.generate().public_key
    changes = (
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),  # another text is put
        lambda raw: raw[:PUBLIC_KEY_BYTES] + bytes([raw[PUBLIC_KEY_BYTES] ^ 1]) + raw[PUBLIC_KEY_BYTES + 1 :],
        lambda raw: strange + raw[PUBLIC_KEY_BYTES:],
        lambda raw: raw[:-3],
        lambda raw: raw + b"\x00",
    )
    honest = signed(network, *(f"tampered-{at}" for at in range(number)))
    return [changes[at % len(changes)](one.envelope) for at, one in enumerate(honest)]


async def test_tampered_forwarded_request(network: RunningNetwork) -> None:
    """A peer forwards envelopes with changed bytes to the leader: none is executed, and each costs it a token.

    Without tokens it loses its place until they have come back. An honest transaction commits, whether it was
    forwarded among them or brought by a client of the node.
    """
    heard = network.leader()
    liar, witness, *_ = network.without(heard)
    liar.kill()
    bad = tampered(network, MISCONDUCT_TOKENS + LATER_TOKENS)
    few, many = bad[: MISCONDUCT_TOKENS // 2], bad[MISCONDUCT_TOKENS // 2 :]
    honest, later, last = signed(network, "honest", "later", "last")
    async with network.client() as client, Impostor(network, liar, heard) as impostor:
        await impostor.forward(*few, honest.envelope)
        assert (await client.status_of(honest.id)).succeeded
        await impostor.forward(later.envelope)
        assert (await client.status_of(later.id)).succeeded, "half of the tokens are left"
        await impostor.forward(*many)
        assert await impostor.refusal() == RateLimited.code
        async with Impostor(network, liar, heard) as again:
            assert await again.refusal() == RateLimited.code
    network.require_progress([heard])
    for node in (heard, witness):
        with network.ledger(nodes=[node]) as ledger:
            for raw in bad:
                with pytest.raises(CommitUnknown):
                    ledger.status_of(TransactionId(sha256(raw[PUBLIC_KEY_BYTES + SIGNATURE_BYTES :])), wait_ms=0)

    async def taken_again() -> bool:
        async with Impostor(network, liar, heard) as impostor:
            await impostor.forward(last.envelope)
            await asyncio.sleep(1)
            return not impostor.call.done()

    while not await taken_again():
        pass
    with network.ledger(nodes=[witness]) as ledger:
        assert ledger.status_of(last.id).succeeded


# ---------------------------------------------------------------- a node that cannot go on


def test_disk_full(network: RunningNetwork) -> None:
    """A node that cannot write halts with DISK_FULL and acknowledges nothing after it; the others go on.

    With room again and a restart it catches up. A client of it goes on at another node and loses nothing.
    """
    full = network.follower()
    others = network.without(full)
    with Load(network, nodes=[full, *others]) as load:
        size_bytes = (data_directory(full.home, LEDGER) / "data.mdb").stat().st_size
        full.limit_files(size_bytes + 100_000)
        require_halted(network, full, "DISK_FULL")
        before = network.status(full)
        network.require_progress(others)
        assert network.status(full).certified_height == before.certified_height
        full.terminate()
        full.start()
        committed = load.end()
    network.settle(committed)


def test_non_deterministic_chaincode(network: RunningNetwork) -> None:
    """A node whose execution gives another result than f+1 others halts with STATE_DIVERGED; the others go on.

    Its interpreter counts wrongly, nothing else: the first call that counts is noticed by the commitment. With a sound
    interpreter and an empty disk it takes the chain of the others.
    """
    wrong = network.follower()
    others = network.without(wrong)
    wrong.terminate()
    wrong.environment = {"PYTHONPATH": str(MISCOUNTING)}
    wrong.start()
    network.require_progress([wrong])
    assert not network.status(wrong).halted, "nothing was counted yet"
    with network.ledger(nodes=others) as ledger:
        signer = network.founded.admin.signer
        counted = ledger.submit("notebook", "write_many", {"notes": ["one", "two"]}, signer=signer)
        assert json.loads(counted.result) == 2
    require_halted(network, wrong, "STATE_DIVERGED")
    assert "ledger halted" in wrong.log.read_text()
    network.require_progress(others)
    wrong.kill()
    wrong.environment = {}
    shutil.rmtree(data_directory(wrong.home, LEDGER))
    wrong.start()
    network.settle([counted])


# ---------------------------------------------------------------- certificates that end


def test_expired_certificate_of_a_validator(network: RunningNetwork) -> None:
    """It stays in the quorum, because only governance removes a validator; its operator is warned in the log."""
    expired = network.nodes[-1]
    assert expired.home.name.startswith(EXPIRED)
    assert "the validator certificate ended 1 days ago" in expired.log.read_text()
    missing = next(node for node in network.without(expired) if node is not network.leader())
    missing.kill()
    with network.ledger(nodes=network.without(missing)) as ledger:
        outcome = ledger.submit_signed(*signed(network, "quorum"))
        block = ledger.block(outcome.height)
        found = ledger.evaluate("governance", "validators", {}, signer=network.founded.admin.signer)
    assert EXPIRED in {member["organisation"] for member in json.loads(found.result)["members"]}
    key = PrivateKey.load(validator_directory(expired.home) / "key.pem").public_key
    position = position_of(founding_set(parse_genesis(network.founded.genesis_bytes)), key)
    signatures = parse_certificate(block.certificate).signatures
    assert position in {at for at, _ in signatures}, "three of four sign, so it is one of them"


def test_expired_tls_certificate(network: RunningNetwork) -> None:
    """It opens no connection, and whoever tries is told why. With a renewed one all is as before."""
    node = network.nodes[1]
    owner = organisation_directory(network.founded.directory, node.home.name.partition("-")[0])
    admin = network.founded.admins[1]
    folder = tls_directory(node.home)

    def certify(home: Path, prefix: str, begins_ms: int, names: Sequence[str]) -> None:
        request = (home / f"{prefix}request.pem").read_text()
        place_certificate(home, sign_request(owner, request, now_ms=begins_ms, days=1, tls_names=names))

    ended_ms = now_ms() - 3 * DAY_MS // 2
    where = ("--network", network.founded.directory, "--as", "south/admin", "--endpoint", node.endpoint)
    try:
        certify(admin.directory, "tls-", ended_ms, ())
        refused = command("node", "status", *where, "--json").error
        assert refused["code"] == "CERTIFICATE_INVALID"
        assert "TLS certificate of admin has ended" in refused["message"]
        with node.ledger(admin, timeout_ms=3_000) as ledger, pytest.raises(NodeUnreachable):
            ledger.facts()
        certify(folder, "", ended_ms, LOCAL_NAMES)
        node.terminate()
        node.start()
        until(lambda: "the TLS certificate ended 0 days ago" in node.log.read_text())
        with node.ledger(timeout_ms=3_000) as ledger, pytest.raises(NodeUnreachable, match="certificate has expired"):
            ledger.facts()
        network.require_progress(network.without(node))
    finally:
        certify(admin.directory, "tls-", now_ms(), ())
        certify(folder, "", now_ms(), LOCAL_NAMES)
        node.terminate()
        node.start()
    assert network.status(node).ledger == LEDGER


# ---------------------------------------------------------------- reads during a view change


def test_reads_during_a_view_change(network: RunningNetwork) -> None:
    """While the leader is silent every question is answered, and none wrongly.

    Local and height-bounded answers are those of the node's own state, which is certified. A linearizable one is what
    q members say and misses nothing acknowledged before it was asked; without q it is refused with its code in time.
    """
    leader = network.leader()
    silent, *asked = network.without(leader)
    signer = network.founded.admin.signer
    question = ("notebook", "get", {"key": "state"})
    with network.ledger(nodes=asked) as ledger:
        before = ledger.submit("notebook", "put", {"key": "state", "text": "before"}, signer=signer)
        acknowledged = threading.Event()

        def change() -> None:
            ledger.submit("notebook", "put", {"key": "state", "text": "after"}, signer=signer)
            acknowledged.set()

        leader.freeze()
        changing = threading.Thread(target=change)
        changing.start()
        answers = 0
        while not acknowledged.is_set():
            for node in asked:
                with network.ledger(nodes=[node], timeout_ms=5_000) as reader:
                    answers += _ask_at_every_level(reader, question, signer, before.height, acknowledged)
        changing.join()
        assert answers >= 8, "the leader was missed for two seconds"
        for node in asked:
            with network.ledger(nodes=[node], timeout_ms=5_000) as reader:
                _ask_at_every_level(reader, question, signer, before.height, acknowledged)
    silent.freeze()
    for node in asked:
        with network.ledger(nodes=[node], timeout_ms=5_000) as reader:
            with pytest.raises(HeightNotReached):
                reader.evaluate(*question, signer=signer, level="linearizable")
            assert json.loads(reader.evaluate(*question, signer=signer).result) == "after"


def _ask_at_every_level(
    reader: Ledger, question: Any, signer: Any, height: Height, acknowledged: threading.Event
) -> int:
    """How many answers came, each as it may be."""
    newest = {"after"} if acknowledged.is_set() else {"before", "after"}
    linearizable = reader.evaluate(*question, signer=signer, level="linearizable")
    assert json.loads(linearizable.result) in newest
    for level, at in (("local", 0), ("at-least", height)):
        answer = reader.evaluate(*question, signer=signer, level=level, height=at)
        assert json.loads(answer.result) in {"before", "after"}
        assert answer.height >= height
    exact = reader.evaluate(*question, signer=signer, level="at-height", height=height)
    assert (json.loads(exact.result), exact.height) == ("before", height)
    return 4


# ---------------------------------------------------------------- entry validators


def test_byzantine_entry_validator_is_silent(network: RunningNetwork) -> None:
    """A node that takes connections and does nothing: the client gives the same envelope to f more, in time."""
    entry = network.nodes[0]
    with network.ledger() as single, network.ledger() as streaming:
        for ledger in (single, streaming):
            assert ledger.facts().ledger == LEDGER  # both are connected to the node that falls silent
        entry.freeze()
        begun = time.monotonic()
        outcome = single.submit_signed(*signed(network, "single"))
        streamed = list(streaming.submit_many(signed(network, *map(str, range(300)))))
        assert time.monotonic() - begun < RECOVERY_SECONDS
    entry.thaw()
    assert len(streamed) == 300
    network.settle([outcome, *streamed])


class Censor(LedgerServiceServicer):
    """An entry validator that keeps the transactions it dislikes to itself, and serves the others well."""

    def __init__(self, honest: LedgerClient, disliked: TransactionId) -> None:
        self._honest = honest
        self._disliked = disliked
        self.kept = 0

    async def Submit(self, request: pb.SubmitRequest, context: Any) -> Any:  # noqa: N802  # the schema's name
        self._like([request.transaction])
        await asyncio.Event().wait()

    async def SubmitMany(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            yield outcomes_message(
                [outcome async for outcome in self._honest.submit_many(self._like(request.transactions))]
            )

    async def CommitStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        await refuse(context, CommitUnknown())

    def _like(self, envelopes: Sequence[bytes]) -> list[Signed]:
        found = [parse_transaction(raw) for raw in envelopes]
        self.kept += sum(one.id == self._disliked for one in found)
        return [Signed(one.raw, one.id, 0) for one in found if one.id != self._disliked]


async def test_byzantine_entry_validator_censors(network: RunningNetwork) -> None:
    """It answers for all but one transaction, which it keeps: that one is given to f more nodes and committed."""
    liar = network.follower()
    others = network.without(liar)
    liar.kill()
    sent = signed(network, *map(str, range(200)))
    disliked = sent[50]
    server = grpc.aio.server()
    credentials = network.founded.admin.credentials
    async with LedgerClient([node.endpoint for node in others], LEDGER, credentials) as honest:
        censor = Censor(honest, disliked.id)
        add_LedgerServiceServicer_to_server(censor, server)
        server.add_secure_port(liar.endpoint, server_credentials(Trust(load_tls(tls_directory(liar.home)))))
        await server.start()
        endpoints = [liar.endpoint, *(node.endpoint for node in others)]
        async with LedgerClient(endpoints, LEDGER, credentials) as client:
            streamed = [outcome async for outcome in client.submit_many(sent)]
        async with LedgerClient(endpoints, LEDGER, credentials) as client:
            single = await client.submit_signed(disliked)
        await server.stop(0)
    assert censor.kept >= 2, "it was given it, in the stream and alone"
    assert sorted(outcome.transaction_id for outcome in streamed) == sorted(one.id for one in sent)
    assert single in streamed
    liar.start()
    network.settle(streamed)


# ---------------------------------------------------------------- observers


def test_observer(network: RunningNetwork) -> None:
    """A node without a seat follows every block, answers questions, and hands submissions on; it never votes."""
    observer, _ = network.new_node("north")
    try:
        network.wait_for_equal_heads()
        with network.ledger(nodes=[observer]) as ledger:
            outcome = ledger.submit_signed(*signed(network, "observed"))
            streamed = list(ledger.submit_many(signed(network, *map(str, range(300)))))
            assert all(one.succeeded for one in streamed)
            signer = network.founded.admin.signer
            counted = ledger.evaluate("notebook", "count", {}, signer=signer, level="linearizable")
            assert json.loads(counted.result) >= 301
        with Load(network, nodes=[observer, *network.without(observer)]) as load:
            network.require_progress([observer])
            committed: list[Outcome] = load.end()
        network.settle([outcome, *streamed, *committed])
        assert not any(member.self for member in network.status(observer).validators)
    finally:
        observer.terminate()
        network.nodes.remove(observer)
