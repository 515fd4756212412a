"""Ten thousand meters report for ten minutes while everything that carries their readings is killed.

    python -m tests.suites.soak [--meters 10000] [--rounds 10] [--every MS] [--gateway-kills 5] [--validator-kills 2]
                                [--broker-kills 1] [--seed 1] [--directory DIR]

Four validators by PBFT, two gateways side by side, a Mosquitto that both are at, and a fleet: two thirds of its meters
over streams, a third over the broker; each a real process. What is killed when is drawn from the seed: gateways,
validators and the broker get a SIGKILL, stay away for a while, and come back on their data.
Then the ledger is counted block by block: each meter's numbers must be dense from the first to the last, each once. And
a validator's data must stand the audit. Every process is ended by its id; the whole takes a bounded time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec

from devices.fleet.counting import Counting
from devices.fleet.directory import read_fleet_secret, read_plan
from ledgernode.identity.secret_file import create_secret
from ledgernode.local.usage import usage
from tests.gateway.mqtt.running import broker_setting, password
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.networks import RunningNetwork
from tests.running import NodeProcess

GATEWAYS = 2
VALIDATORS = 4
CARRIERS = 3
"""The last of them is at the broker."""
VICTIMS = {"gateway": GATEWAYS, "validator": VALIDATORS, "broker": 1}
AWAY_S = (2.0, 8.0)
MARGIN_OF_A_HUNDRED = 8
"""At the beginning and the end of a run nothing is killed: so much of its time."""
DRAIN_LIMIT_S = 240.0
HEAR_MS = 3_000
LATE_LIMIT_S = 300.0
"""The fleet may take so much longer than its rounds."""


class Kill(NamedTuple):
    """A SIGKILL, so long after the first round's begin; the victim is back after a while."""

    at_s: float
    what: str
    which: int
    away_s: float


class SoakReport(msgspec.Struct):
    """What was asked, what was done, and what stands on the ledger."""

    meters: int
    rounds: int
    every_ms: int
    seed: int
    kills: dict[str, int]
    fleet: dict[str, Any]
    ledger: dict[str, Any]
    audit: dict[str, Any]
    seconds: dict[str, float]
    cpu_s: dict[str, float]
    load: tuple[float, float, float]

    @property
    def expected(self) -> int:
        return self.meters * self.rounds


def drawn(seed: int, run_s: float, wanted: Mapping[str, int]) -> list[Kill]:
    """What is killed when: never two of a kind at a time, each kind spread over the run."""
    chance = Random(seed)
    kills: list[Kill] = []
    for what, count in wanted.items():
        margin_s = run_s * MARGIN_OF_A_HUNDRED / 100
        part_s = (run_s - 2 * margin_s) / max(1, count)
        longest_s = min(AWAY_S[1], part_s / 2)
        for number in range(count):
            away_s = chance.uniform(min(AWAY_S[0], longest_s), longest_s)
            at_s = margin_s + number * part_s + chance.uniform(0, part_s - longest_s)
            kills.append(Kill(at_s, what, chance.randrange(VICTIMS[what]), away_s))
    return sorted(kills)


class Victim(Protocol):
    """A process that can be killed, and started again on what it left."""

    process: subprocess.Popen[Any]

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Disturbance:
    """Kills and starts again, in threads of its own, until all of it was done."""

    def __init__(self, kills: Sequence[Kill], victims: Mapping[str, Sequence[Victim]]) -> None:
        self.done: list[Kill] = []
        self.failure: BaseException | None = None
        self._kills, self._victims = kills, victims
        self._threads = [threading.Thread(target=self._run, args=(what,), name=f"killing a {what}") for what in victims]
        self._begun_at = time.monotonic()
        self.cpu_of_killed_s = dict.fromkeys(victims, 0.0)
        for thread in self._threads:
            thread.start()

    def _run(self, what: str) -> None:
        try:
            for kill in self._kills:
                if kill.what != what:
                    continue
                time.sleep(max(0.0, self._begun_at + kill.at_s - time.monotonic()))
                victim = self._victims[what][kill.which]
                self.cpu_of_killed_s[what] += usage(victim.process.pid).cpu_s
                victim.kill()
                time.sleep(kill.away_s)
                victim.start()
                self.done.append(kill)
        except BaseException as error:  # noqa: BLE001  # told when it is waited for
            self.failure = error

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure


def soak(
    directory: Path,
    *,
    meters: int,
    rounds: int,
    every_ms: int,
    kills: Mapping[str, int],
    seed: int = 1,
) -> SoakReport:
    """Raises AssertionError at the first thing that is lost, doubled or unsound."""
    network_directory, fleet_directory = directory / "network", directory / "fleet"
    seconds: dict[str, float] = {}
    gateways: list[GatewayProcess] = []
    with RunningNetwork(network_directory, "pbft", VALIDATORS) as network, ExitStack() as ending:
        ending.callback(lambda: [gateway.__exit__() for gateway in gateways])
        at_broker = f"north/fleet-carrier-{CARRIERS}"
        names = [f"gateway-{number + 1}" for number in range(GATEWAYS)]
        broker_users = {name: password(name) for name in (*names, at_broker)}
        with Mosquitto(directory / "broker", gateway_identity(network.founded, "broker"), broker_users) as broker:
            setting = {"concentrators": [at_broker], "share": "fleet", "trades": False}
            for name in names:
                place = directory / name
                own = {"broker": broker_setting(broker, place, name, **setting)}
                identity = gateway_identity(network.founded, name)
                gateways.append(GatewayProcess(network.founded, network.endpoints, place, identity, **own))
            scale = ["--meters", meters, "--workers", CARRIERS, "--seed", seed]
            enrolled = _fleet("enrol", fleet_directory, network_directory, *scale)
            seconds["enrol"] = enrolled["enrolled_s"]
            before = _cpu(gateways, network.nodes)
            run_s = rounds * every_ms / 1_000
            victims = {"gateway": gateways, "validator": network.nodes, "broker": [broker]}
            disturbance = Disturbance(drawn(seed, run_s, kills), victims)
            create_secret(directory / "carrier-password", password(at_broker).encode())
            arguments = ["--rounds", rounds, "--every", every_ms, "--within", run_s + LATE_LIMIT_S]
            arguments += [argument for gateway in gateways for argument in ("--gateway", gateway.endpoint)]
            arguments += ["--broker", broker.endpoint, "--broker-password-file", directory / "carrier-password"]
            arguments += ["--by-broker", 1, "--hear", HEAR_MS]
            try:
                fleet = _fleet("run", fleet_directory, network_directory, *arguments)
            finally:
                disturbance.wait()
            seconds["run"] = fleet["seconds"]
            begun_at = time.monotonic()
            ledger = asyncio.run(_drained(network, fleet_directory, rounds))
            seconds["drain_and_count"] = round(time.monotonic() - begun_at, 1)
            after = _cpu(gateways, network.nodes)
            network.wait_for_equal_heads(120)
            codes = [gateway.terminate() for gateway in gateways]
            assert codes == [0] * GATEWAYS, f"a gateway ended with {codes}"
            assert network.nodes[-1].terminate() == 0
        begun_at = time.monotonic()
        audit = _command("audit", network.nodes[-1].home)
        seconds["audit"] = round(time.monotonic() - begun_at, 1)
    killed = {what: sum(kill.what == what for kill in disturbance.done) for what in VICTIMS}
    cpu_s = {what: round(after[what] - before[what] + disturbance.cpu_of_killed_s[what], 1) for what in after}
    cpu_s["fleet"] = round(fleet["cpu_us_per_reading"] * fleet["safe"] / 1e6, 1)
    report = SoakReport(meters, rounds, every_ms, seed, killed, fleet, ledger, audit, seconds, cpu_s, os.getloadavg())
    require(report, kills)
    return report


def require(report: SoakReport, kills: Mapping[str, int]) -> None:
    """What must hold, from the ledger itself."""
    assert report.kills == kills
    ledger = report.ledger
    assert ledger["missing"] == 0, f"{ledger['missing']} readings are lost, the first: {ledger['first_missing'][:3]}"
    assert ledger["doubled"] == 0, f"{ledger['doubled']} readings are doubled, the first: {ledger['first_doubled'][:3]}"
    assert ledger["readings"] == report.expected
    assert ledger["rows"] == {"accepted": report.expected, "held": 0, "known": 0, "conflicts": 0, "ignored": 0}
    assert set(ledger["without_effect"]) <= {"SEQUENCE_REPLAYED"}, "what stands twice in a block has no effect"
    assert report.fleet["safe"] == report.expected
    assert (report.fleet["waiting"], report.fleet["refused"], report.fleet["failed"]) == (0, {}, {})
    assert report.audit["holds"]


async def _drained(network: RunningNetwork, directory: Path, rounds: int) -> dict[str, Any]:
    """The tally, when every reading is there; or after a long time, as it stands then."""
    counting = None
    async with network.client(timeout_ms=20_000) as client:
        counting = Counting(client, read_plan(directory), read_fleet_secret(directory))
        ends = time.monotonic() + DRAIN_LIMIT_S
        tally = await counting.up_to_now()
        while tally.missing(rounds) and time.monotonic() < ends:
            await asyncio.sleep(1)
            tally = await counting.up_to_now()
        await asyncio.sleep(2)  # whatever comes twice comes now
        return (await counting.up_to_now()).document(rounds)


def _cpu(gateways: Sequence[GatewayProcess], nodes: Sequence[NodeProcess]) -> dict[str, float]:
    return {
        "gateway": sum(usage(gateway.process.pid).cpu_s for gateway in gateways),
        "validator": sum(usage(node.process.pid).cpu_s for node in nodes),
    }


def _fleet(what: str, directory: Path, network: Path, *arguments: object) -> dict[str, Any]:
    return _command("fleet", what, directory, "--network", network, *arguments)


def _command(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "ledgernode.cli", *map(str, arguments), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{arguments[:2]}: {ended.stderr[-2_000:]} {ended.stdout[-2_000:]}"
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def told(report: SoakReport) -> str:
    """As a person reads it, and a row of docs/reliability.md."""
    delays = report.fleet["delay_ms"]
    safe, committed = delays["reading_to_safe"], delays["reading_to_committed"]
    per = {what: round(cpu_s * 1e6 / report.expected) for what, cpu_s in report.cpu_s.items()}
    ends = ", ".join(f"{code} {count}" for code, count in report.fleet["lost_connections"].items())
    row = (
        f"| {report.meters:,} | {report.rounds} of {report.every_ms / 1_000:g} s | {report.kills['gateway']}, "
        f"{report.kills['validator']}, {report.kills['broker']} | "
        f"{report.ledger['readings']:,} | {report.ledger['missing']} | {report.ledger['doubled']} | "
        f"{safe['p50']} / {safe['p95']} / {safe['p99']} | "
        f"{committed['p50']} / {committed['p95']} / {committed['p99']} | "
        f"{per['fleet']} / {per['gateway']} / {per['validator'] // VALIDATORS} | {report.load[0]:.1f} |"
    )
    return (
        f"{row}\nenrolled in {report.seconds['enrol']} s, run {report.seconds['run']} s, drained and counted "
        f"{report.seconds['drain_and_count']} s, audited {report.seconds['audit']} s\n"
        f"sent again {report.fleet['sent_again']}, repeated {report.fleet['repeated']}, unheard "
        f"{report.fleet['unheard']}; connections ended: {ends}; longest {safe['longest']} ms safe, "
        f"{committed['longest']} ms committed; in blocks without effect: {report.ledger['without_effect']}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Readings arrive once each while everything is killed.")
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--every", type=int, default=60_000, help="milliseconds")
    parser.add_argument("--gateway-kills", type=int, default=5)
    parser.add_argument("--validator-kills", type=int, default=2)
    parser.add_argument("--broker-kills", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="kept when it is named")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        directory = wanted.directory or Path(folder)
        directory.mkdir(exist_ok=True, parents=True)
        report = soak(
            directory,
            meters=wanted.meters,
            rounds=wanted.rounds,
            every_ms=wanted.every,
            kills={"gateway": wanted.gateway_kills, "validator": wanted.validator_kills, "broker": wanted.broker_kills},
            seed=wanted.seed,
        )
    sys.stdout.write(told(report))


if __name__ == "__main__":
    main()
