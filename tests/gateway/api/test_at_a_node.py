"""At a node that runs: a wallet enters over a real socket, hands in what it has signed, finds it, and can prove it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.api import founding
from gateway.api.areas import areas
from gateway.api.asking import Asking, Node
from gateway.readmodel.model import LedgerHome, ReadModel
from gateway.sessions.challenges import Challenge, entry_message
from gateway.sessions.people import People
from gateway.sessions.router import Sessions, router
from ledgernode.client import Signed
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls
from ledgernode.proof import check_proof
from tests.gateway.http.serving import served
from tests.running import LEDGER, NodeProcess, Person, SoloNetwork, deploy, register

pytestmark = pytest.mark.slow
ORIGIN = "https://console.north.example"
BYTES = {"content-type": "application/octet-stream"}


class Place(NamedTuple):
    node: NodeProcess
    anna: Person
    otto: Person
    database: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("network")
    with NodeProcess(SoloNetwork(folder)) as node:
        network = node.network
        anna, otto = (network.newcomer("north", name, Role.CUSTOMER) for name in ("anna", "otto"))
        with node.ledger() as ledger:
            deploy(ledger, network)
            register(ledger, network, anna)
            register(ledger, network, otto)
        yield Place(node, anna, otto, str(folder / "model.db"))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def gateway(place: Place) -> AsyncIterator[str]:
    """An application that follows the node; where it is."""
    network, signer = place.node.network, place.node.network.admin.signer
    tls = load_tls(network.admin.directory)
    home = LedgerHome(LEDGER, network.genesis_bytes, (place.node.endpoint,), tls, signer)
    model = ReadModel(place.database, home)
    async with place.node.client() as ledger:

        async def ask(contract: str, function: str, arguments: dict[str, Any]) -> bytes:
            return (await ledger.evaluate(contract, function, arguments, signer=signer)).result

        sessions = Sessions(network.chain_id, ORIGIN, People(ask, now_ms), now_ms)
        asking = Asking(
            LEDGER,
            network.chain_id,
            model=model,
            sessions=sessions,
            ledger=ledger,
            ask=ask,
            clock_ms=now_ms,
            nodes=(Node(place.node.endpoint, ledger),),
        )
        following = asyncio.create_task(model.run())
        try:
            async with served(router(sessions), founding.router(network.genesis_bytes), *areas(asking)) as server:
                yield server.url
        finally:
            following.cancel()
            await asyncio.wait((following,))
            await model.close()


@asynccontextmanager
async def entered(url: str, person: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"origin": ORIGIN}, timeout=30) as client:
        asked = (await client.post("/session/challenges")).json()
        challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
        signature = person.key.sign(entry_message(person.signer.chain_id, ORIGIN, challenge))
        entering = {
            "public_key": person.key.public_key.hex(), "nonce": asked["nonce"], "signature": signature.hex()
        }  # fmt: skip
        found = await client.post("/session", json=entering)
        assert found.status_code == 200, found.text
        client.headers["cookie"] = found.headers["set-cookie"].partition(";")[0]
        yield client


def note(person: Person) -> Signed:
    written = {"key": f"note-{os.urandom(4).hex()}", "text": "told by anna"}
    return person.signer.transaction("notebook", "write_once", written, budget=50_000)


async def shown(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """As soon as the model has it."""
    async with asyncio.timeout(30):
        while True:
            found = await client.get(path)
            if found.status_code == 200:
                return found.json()  # type: ignore[no-any-return]
            assert found.status_code in {404, 503}, found.text
            await asyncio.sleep(0.05)


async def test_a_wallet_enters_hands_in_finds_it_and_proves_it(place: Place) -> None:
    signed = note(place.anna)
    async with gateway(place) as url, entered(url, place.anna) as anna, entered(url, place.otto) as otto:
        refused = await otto.post("/transactions", content=signed.envelope, headers=BYTES)
        assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_REFUSED")
        receipt = (await anna.post("/transactions", content=signed.envelope, headers=BYTES)).json()
        assert (receipt["stage"], receipt["code"], receipt["transaction_id"]) == ("committed", "OK", signed.id.hex())

        found = await shown(anna, f"/transactions/{signed.id.hex()}")
        assert (found["row"]["height"], found["call"]["arguments"]["text"]) == (receipt["height"], "told by anna")
        assert (await otto.get(f"/transactions/{signed.id.hex()}")).json()["withheld"] is True
        listed = (await anna.get("/transactions?contract=notebook&size=1")).json()["items"]
        assert [row["id"] for row in listed] == [signed.id.hex()]

        evidence = (await anna.get(f"/proofs/transactions/{signed.id.hex()}")).content
        genesis = (await anna.get("/genesis")).content
        assert check_proof(evidence, genesis).receipt.id == signed.id
        assert (await otto.get(f"/proofs/transactions/{signed.id.hex()}")).status_code == 404


async def test_a_replayed_transaction_acts_once_and_a_tampered_one_never(place: Place) -> None:
    signed = note(place.anna)
    async with gateway(place) as url, entered(url, place.anna) as anna:
        answers = [await anna.post("/transactions", content=signed.envelope, headers=BYTES) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert len({answer.content for answer in answers}) == 1
        altered = signed.envelope[:-1] + bytes([signed.envelope[-1] ^ 1])
        tampered = await anna.post("/transactions", content=altered, headers=BYTES)
        assert (tampered.status_code, tampered.json()["code"]) == (401, "SIGNATURE_INVALID")
        await shown(anna, f"/transactions/{signed.id.hex()}")
        rows = (await anna.get(f"/transactions?creator={place.anna.signer.identity.hex()}")).json()["items"]
        assert sum(row["id"] == signed.id.hex() for row in rows) == 1


async def test_a_contract_answers_who_has_signed_the_question_also_by_all_nodes_alike(place: Place) -> None:
    signed = note(place.anna)
    async with gateway(place) as url, entered(url, place.anna) as anna:
        await anna.post("/transactions", content=signed.envelope, headers=BYTES)
        query = place.anna.signer.query("notebook", "get", {"key": "none"}, budget=50_000)
        for path in ("/queries", "/queries?certified=true"):
            answer = await anna.post(path, content=query, headers=BYTES)
            assert (answer.status_code, answer.json()["result"]) == (200, None), answer.text


async def test_a_node_that_dies_is_told_and_pages_go_on_with_what_is_known(place: Place) -> None:
    """The last test of this node."""
    async with gateway(place) as url, entered(url, place.anna) as anna:
        await shown(anna, "/blocks/0")
        place.node.kill()
        async with asyncio.timeout(30):
            while (found := await anna.get("/blocks")).headers["model-state"] == "following":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (found.status_code, found.headers["model-state"]) == (200, "ledger away")
        nodes = (await anna.get("/consensus")).json()["items"]
        assert [node["answers"] for node in nodes] == [False]
        refused = await anna.post("/transactions", content=note(place.anna).envelope, headers=BYTES)
        assert refused.status_code == 503
