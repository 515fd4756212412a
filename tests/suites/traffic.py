"""Bytes and delay of each message for 2 to 7 prosumers, as the tables of source 003 have them, for our own protocol.

    python -m tests.suites.traffic [--rounds 15]

A running ledger of four validators by PBFT, a gateway, a street of seven houses. Every house talks over connections of
its own, mutual TLS and all, each through a tap that counts what passes. In each round all of them speak at once:

    decentralised   an offer, or a request, on the board; every peer hears of it
    centralised     what a household will take, make and hold, and a bid or an ask; the coordinator hears of it
    a reading       of the smart meter, through the gateway, over a stream and over a broker

Delay is from the call to the block certificate ("committed"), to the last of those who are to hear of it ("heard"), for
readings also to the gateway's disk ("safe"). Prints the tables of docs/traffic.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from devices.fleet.tap import Passed, Tap
from gateway.client import GatewayClient
from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access
from ledgernode.client import LedgerClient, Outcome, Signed
from ledgernode.identity.records import Role
from ledgernode.wire.transaction import parse_transaction
from tests.acceptance.community import Community, CommunityNetwork, Member
from tests.acceptance.street import House, Plan, Street
from tests.acceptance.trading import Market
from tests.gateway.mqtt.running import access, broker_setting, password
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto, RunningMosquitto
from tests.running import LEDGER, Person

PROSUMERS = range(2, 8)
STREET = "traffic"
BUDGET = 500_000
LIMIT_S = 60
BOARD, CENTRAL = ("OrderPlaced",), ("OrderPlaced", "Disclosed")


class Figures(NamedTuple):
    """Of one message; bytes are means, delays of all messages of all rounds."""

    prosumers: int
    arguments: float
    envelope: float
    out: float
    back: float
    heard: float
    """Bytes to each of those who hear of it."""
    committed_ms: list[float]
    heard_ms: list[float]
    safe_ms: list[float]


class SmallCommunity(Community):
    """One street."""

    def build(self, plans: Mapping[str, Plan]) -> None:
        super().build({STREET: Plan(max(PROSUMERS), solar=(1, 3, 5, 7))})


class Listener:
    """Hears of transactions by their events."""

    def __init__(self, client: LedgerClient, tap: Tap, names: Sequence[str], height: int) -> None:
        self.tap = tap
        self.heard: dict[bytes, float] = {}
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._listen(client, names, height))

    async def _listen(self, client: LedgerClient, names: Sequence[str], height: int) -> None:
        async for event in client.events(height, contract="market", names=names):
            self.heard.setdefault(bytes(event.transaction_id), time.perf_counter())
            self._changed.set()

    async def all(self, ids: Sequence[bytes]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while any(one not in self.heard for one in ids):
                self._changed.clear()
                await self._changed.wait()


AccessOf = Callable[[str], Access]
"""Of a user of the broker."""
Say = Callable[[House], list[tuple[str, dict[str, Any]]]]
"""What a house says in a round: functions of the market with their arguments."""


class Measurement:
    """Of one street of a community: on a board and by a coordinator, over a gateway and a broker."""

    def __init__(
        self, street: Street, gateway: GatewayProcess, broker: RunningMosquitto, access: AccessOf, rounds: int
    ) -> None:
        community = street.community
        self._community = community
        self._gateway = gateway
        self._broker = broker
        self._access = access
        self._rounds = rounds
        self._street = street
        community.ok(community.operator, "settlement", "open_area", area=street.area)
        self._peers = Market(street, "board", "peers")
        self._central = Market(street, "central", "central", coordinator_ms=600_000)
        name = f"{street.name}-coordinator"
        self._coordinator = community.member(name, Role.OPERATOR, coordinator=self._central.id)
        community.register()
        community.to_boundary()
        self._nodes = community.network.endpoints
        self._founded = community.network.founded

    async def every(self, prosumers: int) -> dict[str, Figures]:
        """Each kind of message, for so many."""
        self._community.to_boundary()
        wallets = [self.person("west", house.wallet) for house in self._street.houses[:prosumers]]
        coordinator = [self.person("north", self._coordinator)]
        said = _centralised(self._central, self._community.now_ms // 900_000 * 900_000 + 900_000)
        return {
            "decentralised": await self.market(prosumers, BOARD, wallets, _decentralised(self._peers)),
            "centralised": await self.market(prosumers, CENTRAL, coordinator, said),
            "stream": await self.readings(prosumers, by_broker=False),
            "broker": await self.readings(prosumers, by_broker=True),
        }

    def person(self, organisation: str, member: Member) -> Person:
        return self._founded.person(organisation, member.name)

    async def market(self, prosumers: int, names: Sequence[str], listeners: Sequence[Person], say: Say) -> Figures:
        """Each house submits to a node; the listeners hear of it from theirs."""
        houses = self._street.houses[:prosumers]
        figures = Figures(prosumers, 0, 0, 0, 0, 0, [], [], [])
        async with AsyncExitStack() as opened:
            clients = [await self._client(opened, n, self.person("west", one.wallet)) for n, one in enumerate(houses)]
            height = self._community.head() + 1
            hearing = []
            for number, person in enumerate(listeners):
                client, tap = await self._client(opened, number, person)
                hearing.append(Listener(client, tap, names, height))
            try:
                await self._round(houses, clients, hearing, say, None)
                before = [tap.passed for _, tap in clients], [one.tap.passed for one in hearing]
                sent: list[Signed] = []
                for _ in range(self._rounds):
                    sent += await self._round(houses, clients, hearing, say, figures)
                spoken = [tap.passed.since(then) for (_, tap), then in zip(clients, before[0], strict=True)]
                heard = [one.tap.passed.since(then) for one, then in zip(hearing, before[1], strict=True)]
            finally:
                for one in hearing:
                    one.task.cancel()
                await asyncio.gather(*(one.task for one in hearing), return_exceptions=True)
        return _with_bytes(figures, sent, spoken, sum(one.back for one in heard) / len(sent) / len(hearing))

    async def _round(
        self,
        houses: Sequence[House],
        clients: Sequence[tuple[LedgerClient, Tap]],
        hearing: Sequence[Listener],
        say: Say,
        figures: Figures | None,
    ) -> list[Signed]:
        begun: dict[bytes, float] = {}
        signed: list[Signed] = []

        async def speak(house: House, client: LedgerClient) -> None:
            for function, arguments in say(house):
                one = house.wallet.signer.transaction("market", function, arguments, budget=BUDGET)
                begun[one.id] = time.perf_counter()
                signed.append(one)
                outcome: Outcome = await client.submit_signed(one)
                assert outcome.succeeded, outcome
                if figures is not None:
                    figures.committed_ms.append(_ms_since(begun[one.id]))

        await asyncio.gather(*(speak(house, client) for house, (client, _) in zip(houses, clients, strict=True)))
        await asyncio.gather(*(one.all([bytes(each.id) for each in signed]) for one in hearing))
        if figures is not None:
            for each in signed:
                last = max(one.heard[bytes(each.id)] for one in hearing)
                figures.heard_ms.append((last - begun[each.id]) * 1_000)
        return signed

    async def _client(self, opened: AsyncExitStack, number: int, person: Person) -> tuple[LedgerClient, Tap]:
        tap = await opened.enter_async_context(Tap(self._nodes[number % len(self._nodes)]))
        client = LedgerClient([tap.endpoint], LEDGER, person.credentials, timeout_ms=LIMIT_S * 1_000)
        return await opened.enter_async_context(client), tap

    # ------------------------------------------------------------ readings

    async def readings(self, prosumers: int, *, by_broker: bool) -> Figures:
        """Each meter over a line of its own."""
        houses = self._street.houses[:prosumers]
        figures = Figures(prosumers, 0, 0, 0, 0, 0, [], [], [])
        async with AsyncExitStack() as opened:
            lines: list[tuple[GatewayClient | BrokerClient, Tap]] = []
            for house in houses:
                tap = await opened.enter_async_context(
                    Tap(self._broker.endpoint if by_broker else self._gateway.endpoint)
                )
                person = self.person("north", house.meter)
                client = self._at_broker(tap, house) if by_broker else GatewayClient(tap.endpoint, person.credentials)
                lines.append((await opened.enter_async_context(client), tap))
                await lines[-1][0].connect()
            sent = [await self._read(house, client, None) for house, (client, _) in zip(houses, lines, strict=True)]
            before, sent = [tap.passed for _, tap in lines], []
            for _ in range(self._rounds):
                reading = (self._read(house, client, figures) for house, (client, _) in zip(houses, lines, strict=True))
                sent += await asyncio.gather(*reading)
            spoken = [tap.passed.since(then) for (_, tap), then in zip(lines, before, strict=True)]
        return _with_bytes(figures, sent, spoken, 0)

    def _at_broker(self, tap: Tap, house: House) -> BrokerClient:
        host, _, port = tap.endpoint.partition(":")
        user = f"north/{house.meter.name}"
        return BrokerClient(msgspec.structs.replace(self._access(user), host=host, port=int(port)), LEDGER, user)

    async def _read(self, house: House, client: GatewayClient | BrokerClient, figures: Figures | None) -> Signed:
        """One reading, until the device has heard what the ledger made of it."""
        number = house.meter.next_sequence()
        row = [number, self._community.now_ms, 0, 0, 0, 230_000, 1_000, 230_000, 0, 1_000]
        signed = house.meter.signer.transaction("metering", "record", {"rows": [row]}, budget=30_000, sequence=number)
        begun = time.perf_counter()
        assert await client.send([signed.envelope]) == ["OK"]
        if figures is not None:
            figures.safe_ms.append(_ms_since(begun))
        async with asyncio.timeout(LIMIT_S):
            async for told in client.told():
                if any(one.transaction_id == signed.id and one.code == "OK" for one in told.settled.outcomes):
                    break
        if figures is not None:
            figures.committed_ms.append(_ms_since(begun))
        return signed


def _with_bytes(figures: Figures, sent: Sequence[Signed], spoken: Sequence[Passed], heard: float) -> Figures:
    count = len(sent)
    lengths = [len(parse_transaction(one.envelope).body.arguments) for one in sent]
    return figures._replace(
        arguments=sum(lengths) / count,
        envelope=sum(len(one.envelope) for one in sent) / count,
        out=sum(one.there for one in spoken) / count,
        back=sum(one.back for one in spoken) / count,
        heard=heard,
    )


def _ms_since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1_000


# ---------------------------------------------------------------- the whole


def measured(directory: Path, rounds: int, prosumers: Sequence[int] = PROSUMERS) -> dict[str, list[Figures]]:
    """Every table, on a community founded for it."""
    found: dict[str, list[Figures]] = {"decentralised": [], "centralised": [], "stream": [], "broker": []}
    with CommunityNetwork(directory / "network", "pbft") as network, ExitStack() as ending:
        community = SmallCommunity(network)
        ending.callback(community.close)
        street = community.streets[STREET]
        names = [f"north/{house.meter.name}" for house in street.houses]
        users = {name: password(name) for name in ("gateway-1", *names)}
        broker = ending.enter_context(
            Mosquitto(directory / "broker", gateway_identity(network.founded, "broker"), users)
        )
        setting = {"broker": broker_setting(broker, directory / "gateway", trades=False)}
        identity = gateway_identity(network.founded, "gateway-1")
        gateway = ending.enter_context(
            GatewayProcess(network.founded, network.endpoints, directory / "gateway", identity, **setting)
        )
        measurement = Measurement(street, gateway, broker, partial(access, broker), rounds)
        run = ending.enter_context(asyncio.Runner()).run
        for count in prosumers:
            for kind, figures in run(measurement.every(count)).items():
                found[kind].append(figures)
    return found


def _decentralised(market: Market) -> Say:
    """Houses with panels offer, the others ask for energy: only that is told, to everybody."""

    def say(house: House) -> list[tuple[str, dict[str, Any]]]:
        function = "offer" if _sells(market, house) else "request"
        return [(function, market.wanted(house, 10, 12 if function == "offer" else 8))]

    return say


def _centralised(market: Market, slot: int) -> Say:
    """To the coordinator a household tells what it will take, make and hold, beside its bid or ask."""

    def say(house: House) -> list[tuple[str, dict[str, Any]]]:
        seller = _sells(market, house)
        energy = {"load_wh": 350, "generation_wh": 900 if seller else 0, "storage_wh": 2_400}
        told = {"market": market.id, "slot": slot, "point": house.point, **energy}
        return [("disclose", told), ("ask" if seller else "bid", market.wanted(house, 10, 12 if seller else 8))]

    return say


def _sells(market: Market, house: House) -> bool:
    return market.street.houses.index(house) % 2 == 0


# ---------------------------------------------------------------- as docs/traffic.md has it


def told(found: Mapping[str, Sequence[Figures]]) -> str:
    """The tables, and how busy the machine was."""
    lines = ["Bytes of a message:", "", "| message | arguments | signed | out | back | to each who hears |"]
    lines += ["|---|---|---|---|---|---|"]
    for what, rows in found.items():
        most = rows[-1]
        heard = f"{most.heard:.0f}" if most.heard else ""
        sizes = f"{most.arguments:.0f} | {most.envelope:.0f} | {most.out:.0f} | {most.back:.0f} | {heard}"
        lines.append(f"| {what}, {most.prosumers} prosumers | {sizes} |")
    lines += ["", "Delay in milliseconds, median (95 %):", ""]
    columns = ("offer: committed", "heard by all", "disclosure, order: committed", "heard by the coordinator")
    columns += ("reading, stream: safe", "committed", "reading, broker: safe", "committed")
    lines += [f"| prosumers | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for rows_of in zip(*(found[what] for what in ("decentralised", "centralised", "stream", "broker")), strict=True):
        peers, central, stream, broker = rows_of
        cells = (peers.committed_ms, peers.heard_ms, central.committed_ms, central.heard_ms,
                 stream.safe_ms, stream.committed_ms, broker.safe_ms, broker.committed_ms)  # fmt: skip
        lines.append(f"| {peers.prosumers} | " + " | ".join(map(_delay, cells)) + " |")
    return "\n".join([*lines, "", f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", ""])


def _delay(found: Sequence[float]) -> str:
    ordered = sorted(found)
    return f"{statistics.median(ordered):.0f} ({ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]:.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bytes and delay of each message for two to seven prosumers.")
    parser.add_argument("--rounds", type=int, default=15)
    with tempfile.TemporaryDirectory(prefix="traffic-") as folder:
        sys.stdout.write(told(measured(Path(folder), parser.parse_args().rounds)))
