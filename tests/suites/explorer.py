"""How fast the explorer and the charts answer over HTTP when the ledger is large.

    python -m tests.suites.explorer [--transactions 1000000] [--database postgresql] [--json]

A network is founded and its node runs; its read model is filled with the blocks of a made-up town that follow the
network's own first one (`tests.benchmarks.made_up_town`), on the way that real blocks go. Then `ledgernode gateway run`
serves it, and a regulator, an operator and a customer enter with their keys and ask: each question so many times, at
random places, one after another. What is told is the time from the request to the whole answer, by the clock of who
asks on the same machine. Ends with 1 if a question's p95 is beyond 100 ms.

`--database` is `sqlite`, `postgresql` (a server of its own) or a URL, of which all is dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec

from gateway.readmodel.database import Database
from gateway.readmodel.queries.pages import bookmark
from gateway.readmodel.zones import DAY_MS, HOUR_MS
from gateway.sessions.challenges import Challenge, entry_message
from ledgernode.identity.home import validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from tests.benchmarks.made_up_town import (
    FAST_POINT,
    MARKET,
    METERS,
    MONTH_ROWS,
    START_MS,
    Ground,
    MadeUp,
    person,
)
from tests.benchmarks.read_model import taken_in
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.ports import fresh_port
from tests.postgres import PostgresServer
from tests.running import NodeProcess, Person, SoloNetwork, register

RUNS = 40
LIMIT_MS = 100
WAITS_S = 60
EVERYBODY = "regulator", "operator", "customer"
STAFF = "regulator", "operator"


class Took(NamedTuple):
    """One question of one person."""

    p50_ms: float
    p95_ms: float
    most_ms: float
    bytes: int


class Asked(NamedTuple):
    """A question: the path, drawn anew each time, and who asks it."""

    path: Callable[[random.Random], str]
    by: tuple[str, ...] = STAFF


Figures = dict[str, dict[str, Took]]


class Place(NamedTuple):
    """The network, its read model, and who looks at it."""

    network: SoloNetwork
    node: NodeProcess
    people: dict[str, Person]
    database: str


@contextmanager
def place(
    directory: Path, transactions: int, database: str = "sqlite", month_rows: int = MONTH_ROWS
) -> Iterator[Place]:
    """Founded, with people, and a read model of so many transactions."""
    with ExitStack() as running:
        network = SoloNetwork(directory / "network")
        node = running.enter_context(NodeProcess(network))
        with node.ledger() as ledger:
            people = {
                role: register(ledger, network, network.newcomer("north", f"{role}-who-looks", Role(role)))
                for role in EVERYBODY
            }
            first = next(iter(ledger.blocks(0, to_height=0)))
        if database == "postgresql":
            database = running.enter_context(PostgresServer()).url("model")
        elif database == "sqlite":
            database = str(directory / "model.db")
        key = PrivateKey.load(validator_directory(network.home) / "key.pem")
        wallet = people["customer"].signer.identity.hex()
        source = MadeUp(transactions, Ground(network.genesis_bytes, first, key), wallet, month_rows)
        print(asyncio.run(_filled(database, source)), flush=True)
        yield Place(network, node, people, database)


async def _filled(database: str, source: MadeUp) -> dict[str, Any]:
    opened = Database(database)
    try:
        return await taken_in(opened, source)
    finally:
        await opened.close()


@contextmanager
def served(directory: Path, at: Place) -> Iterator[str]:
    """Its gateway as a process, with the console's API; the origin."""
    port = fresh_port(1)
    origin = f"http://127.0.0.1:{port}"
    setting = {"origin": origin, "signer": str(at.network.admin.directory), "database": at.database}
    arguments = ("--http", f"127.0.0.1:{port}", "--http-plain", "loopback")
    identity = gateway_identity(at.network)
    limits = {"person_burst": 1_000_000, "http_burst": 1_000_000}  # one who asks without a pause is not our matter here
    with GatewayProcess(
        at.network, [at.node.endpoint], directory / "gateway", identity,
        arguments=arguments, console=setting, limits=limits,
    ):  # fmt: skip
        yield origin


def entered(origin: str, who: Person) -> httpx.Client:
    """A client with a session, once the read model answers."""
    client = httpx.Client(base_url=origin, headers={"origin": origin, "accept-encoding": "gzip"}, timeout=30)
    asked = client.post("/api/v1/session/challenges").json()
    challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
    signature = who.key.sign(entry_message(who.signer.chain_id, asked["origin"], challenge)).hex()
    given = {"public_key": who.key.public_key.hex(), "nonce": asked["nonce"], "signature": signature}
    client.post("/api/v1/session", json=given).raise_for_status()
    ends = time.monotonic() + WAITS_S
    while (found := client.get("/api/v1/blocks")).status_code == 503 and time.monotonic() < ends:
        time.sleep(0.1)
    found.raise_for_status()
    return client


def questions(client: httpx.Client) -> Mapping[str, Asked]:
    """Every question of the explorer, and the charts of a month of readings of 5 s."""
    head = client.get("/api/v1/blocks?size=1").json()["items"][0]["height"]
    newest = client.get("/api/v1/transactions?size=500").json()["items"]
    ids = [row["id"] for row in newest]
    blocks = [row["hash"] for row in client.get("/api/v1/blocks?size=500").json()["items"]]
    month = {"from_ms": START_MS, "until_ms": START_MS + 30 * DAY_MS}
    a_day = {"from_ms": START_MS + 9 * DAY_MS, "until_ms": START_MS + 10 * DAY_MS}
    hours = {"from_ms": START_MS + 9 * DAY_MS, "until_ms": START_MS + 9 * DAY_MS + 12 * HOUR_MS}

    def to(path: str, **query: Any) -> str:
        return f"/api/v1/{path}?{urlencode(query)}"

    def deep(draw: random.Random, least: int = 1) -> str:
        return bookmark([draw.randrange(least, head), 1])

    def owner(draw: random.Random) -> int:
        return draw.randrange(METERS)

    def series(by: str, span: dict[str, int]) -> Asked:
        return Asked(lambda _: to(f"points/{FAST_POINT}/series", by=by, **span))

    public = EVERYBODY
    return {
        "blocks, the first page": Asked(lambda _: to("blocks"), public),
        "blocks, any page": Asked(lambda d: to("blocks", after=bookmark([d.randrange(2, head)])), public),
        "a block by height": Asked(lambda d: to(f"blocks/{d.randrange(1, head)}"), public),
        "a block by hash": Asked(lambda d: to(f"blocks/{d.choice(blocks)}"), public),
        "transactions, the first page": Asked(lambda _: to("transactions"), public),
        "transactions, any page": Asked(lambda d: to("transactions", after=deep(d)), public),
        "transactions of a block": Asked(lambda d: to("transactions", height=d.randrange(1, head)), public),
        "transactions of a contract, any page": Asked(
            lambda d: to("transactions", contract="market", after=deep(d)), public
        ),
        "transactions of a function, any page": Asked(
            lambda d: to("transactions", contract="currency", function="transfer", after=deep(d)), public
        ),
        "transactions of a function called once": Asked(
            lambda _: to("transactions", contract="registry", function="enlist")
        ),
        "transactions of a creator": Asked(lambda d: to("transactions", creator=person(owner(d)))),
        "transactions of a creator and a contract": Asked(
            lambda d: to("transactions", creator=person(owner(d)), contract="prepaid")
        ),
        "transactions refused, any page": Asked(lambda d: to("transactions", refused="true", after=deep(d)), public),
        "transactions refused, of a contract that refused none": Asked(
            lambda _: to("transactions", refused="true", contract="billing"), public
        ),
        "transactions refused, of a creator": Asked(
            lambda d: to("transactions", refused="true", creator=person(owner(d)))
        ),
        "transactions of a contract that nobody called": Asked(
            lambda _: to("transactions", contract="nothing"), public
        ),
        "a transaction with arguments, result, events": Asked(lambda d: to(f"transactions/{d.choice(ids)}"), public),
        "events, the first page": Asked(lambda _: to("events"), public),
        "events, any page": Asked(lambda d: to("events", after=deep(d)), public),
        "events of a contract, any page": Asked(lambda d: to("events", contract="market", after=deep(d)), public),
        "events of a contract with few": Asked(lambda _: to("events", contract="registry"), public),
        "events of a contract without any": Asked(lambda _: to("events", contract="nothing"), public),
        "events of a name, any page": Asked(
            lambda d: to("events", contract="billing", name="InvoicePaid", after=deep(d)), public
        ),
        "events of a name alone": Asked(lambda _: to("events", name="UtilityEnlisted"), public),
        "events about a point": Asked(lambda d: to("events", subject=f"north:point-{owner(d)}")),
        "events about a point, of a contract": Asked(
            lambda d: to("events", subject=f"north:point-{owner(d)}", contract="prepaid")
        ),
        "search by a height": Asked(lambda d: to("search", q=d.randrange(1, head)), public),
        "search by a hash": Asked(lambda d: to("search", q=d.choice(ids)), public),
        "search by how a hash begins": Asked(lambda d: to("search", q=d.choice(ids)[:10]), public),
        "search by an id": Asked(lambda d: to("search", q=f"north:point-{owner(d)}"), public),
        "search by what all begin with": Asked(lambda _: to("search", q="north:"), public),
        "search by what is not there": Asked(lambda _: to("search", q="zz"), public),
        "identities": Asked(lambda _: to("identities"), public),
        "identities of an organisation and role": Asked(
            lambda _: to("identities", organisation="north", role="meter"), public
        ),
        "an identity with its keys": Asked(lambda d: to(f"identities/{person(1 + owner(d) % 1_999)}")),
        "an account's postings": Asked(lambda d: to(f"accounts/{person(owner(d))}/postings")),
        "an order book": Asked(lambda _: to(f"markets/{MARKET}/depth"), public),
        "prices of 30 days by hour": Asked(lambda _: to(f"markets/{MARKET}/prices", by="hour", **month), public),
        "a month of 5 s, by quarter of an hour": series("quarter", month),
        "a month of 5 s, by hour": series("hour", month),
        "a month of 5 s, as the page asks": series("auto", month),
        "a day of it by minute": series("minute", a_day),
        "half a day of it, each reading": series("reading", hours),
        "its readings, any page": Asked(
            lambda d: to(f"points/{FAST_POINT}/readings", after=bookmark([START_MS + d.randrange(MONTH_ROWS) * 5_000])),
            public,
        ),
    }


def measured(origin: str, people: Mapping[str, Person], runs: int = RUNS) -> Figures:
    """Each question by each who may ask it."""
    figures: Figures = {}
    clients = {role: entered(origin, people[role]) for role in EVERYBODY}
    for name, asked in questions(clients["regulator"]).items():
        figures[name] = {role: _asked(clients[role], asked, runs) for role in asked.by}
    for client in clients.values():
        client.close()
    return figures


def _asked(client: httpx.Client, asked: Asked, runs: int) -> Took:
    draw = random.Random(2)
    took, size = [], 0
    for _ in range(runs):
        path = asked.path(draw)
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1_000)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        size = max(size, answer.num_bytes_downloaded)
    took.sort()
    return Took(*(round(one, 1) for one in (took[runs // 2], took[(runs * 95 - 1) // 100], took[-1])), size)


def slow(figures: Figures, limit_ms: float = LIMIT_MS) -> list[str]:
    """Questions that take longer, for somebody."""
    return [
        f"{name} ({role}): {took.p95_ms} ms"
        for name, by in figures.items()
        for role, took in by.items()
        if took.p95_ms > limit_ms
    ]


def told(figures: Figures) -> str:
    """As a table of a page."""
    lines = ["| question | " + " | ".join(EVERYBODY) + " | bytes |", "|---|" + "---|" * (len(EVERYBODY) + 1)]
    for name, by in figures.items():
        cells = [f"{by[role].p50_ms} / {by[role].p95_ms}" if role in by else "" for role in EVERYBODY]
        lines.append(f"| {name} | {' | '.join(cells)} | {max(took.bytes for took in by.values()):,} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hold", action="store_true", help="Go on serving until Enter, to look at it by hand.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with place(directory, given.transactions, given.database) as at, served(directory, at) as origin:
            figures = measured(origin, at.people, given.runs)
            print(msgspec.json.encode(figures).decode() if given.json else told(figures), flush=True)
            if given.hold:
                print(origin, at.database, {role: str(who.directory) for role, who in at.people.items()}, flush=True)
                sys.stdin.readline()
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    for one in slow(figures):
        print(f"too slow: {one}", file=sys.stderr)
    sys.exit(bool(slow(figures)))


if __name__ == "__main__":
    main()
