"""One measurement: found, start, deploy, load, look at the steady part, stop; and what came out of it.

Everything lives in a temporary folder and is gone afterwards. Nodes talk over mutual TLS and write durably,
as they always do. Processor time, memory and blocks are read at both ends of the steady part.
"""

from __future__ import annotations

import base64
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from ledgernode.bench.plan import (
    CONTRACT,
    WARM_UP_S,
    Figures,
    Plan,
    Process,
    Record,
    Task,
    Workload,
)
from ledgernode.client import Ledger, Signer
from ledgernode.errors import LedgerError
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.founding import found_network, organisation_directory
from ledgernode.identity.home import NodeConfig
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.keys import PrivateKey, verify_digest
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.tls import channel_credentials, load_tls
from ledgernode.local.network import LocalNetwork
from ledgernode.local.node import free_ports
from ledgernode.local.usage import Usage, disk_bytes, machine_busy_s, usage
from ledgernode.wire.block import Header, parse_header
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, sha256

LEDGER: Final = "bench"
VERIFY_ROUNDS: Final = 9
VERIFICATIONS: Final = 300
SIGN_AHEAD_PER_S: Final = 8_000
"""Nothing commits faster on few cores; whoever does signs the rest on the way."""
STORE: Final = Path(__file__).with_name(f"{CONTRACT}.py")


def measure(plan: Plan) -> Figures:
    """Raises NodeUnreachable when a node does not stay up, LedgerError when a client does not."""
    verify_us = verification_us()
    with TemporaryDirectory(prefix="ledgernode-bench-") as folder, ExitStack() as opened:
        directory = Path(folder) / "network"
        found_network(
            directory,
            organisations=[f"org-{number}" for number in range(1, plan.validators + 1)],
            ledger=LEDGER,
            engine=plan.engine,
            base_port=free_ports(plan.validators),
            parameters=Parameters(),
            now_ms=time.time_ns() // 1_000_000,
        )
        for home in sorted((directory / "nodes").iterdir()):
            config = NodeConfig.read(home)
            msgspec.structs.replace(config, trace=plan.trace, trace_one_in=plan.trace_one_in).write(home)
        running = opened.enter_context(LocalNetwork(directory))
        running.wait_until_serving()
        bench = _Bench(plan, running, opened)
        return bench.figures(verify_us)


def verification_us() -> float:
    """What checking one signature costs on one core of this machine now: the median of some rounds."""
    key, digests = PrivateKey.generate(), [sha256(number.to_bytes(8, "big")) for number in range(VERIFICATIONS)]
    signatures = [key.sign(number.to_bytes(8, "big")) for number in range(VERIFICATIONS)]
    rounds = []
    for _ in range(VERIFY_ROUNDS):
        begun = time.perf_counter()
        for digest, signature in zip(digests, signatures, strict=True):
            assert verify_digest(key.public_key, digest, signature)
        rounds.append((time.perf_counter() - begun) / VERIFICATIONS)
    return statistics.median(rounds) * 1_000_000


class _Bench:
    """A running network, its admins, and the client processes that load it."""

    def __init__(self, plan: Plan, running: LocalNetwork, opened: ExitStack) -> None:
        self._plan = plan
        self._running = running
        self._genesis = (running.directory / "genesis.json").read_bytes()
        self._admins = [
            identity_directory(organisation_directory(running.directory, name), "admin")
            for name in running.network.organisations
        ]
        self._signers = [Signer(load_identity(folder)[0], chain_id=chain_id(self._genesis)) for folder in self._admins]
        first, credentials = running.network.nodes[0], channel_credentials(load_tls(self._admins[0]))
        self._ledger = opened.enter_context(Ledger([first.endpoint], LEDGER, credentials))
        self._deploy()
        self._clients = [opened.enter_context(_Client(self._task(number))) for number in range(plan.clients)]

    def _deploy(self) -> None:
        raw = pack(STORE)
        named = {"name": CONTRACT, "package_hash": package_hash(raw)}
        install = {"package": base64.b64encode(raw).decode()}
        self._ledger.submit("lifecycle", "install", install, signer=self._signers[0])
        for signer in self._signers:
            self._ledger.submit("lifecycle", "approve", named, signer=signer)
        self._ledger.submit("lifecycle", "commit", named, signer=self._signers[0])

    def _task(self, number: int) -> Task:
        plan, nodes = self._plan, self._running.network.nodes
        wanted = (plan.rate or SIGN_AHEAD_PER_S) * (plan.seconds + WARM_UP_S)
        return Task(
            workload=plan.workload,
            endpoints=tuple(node.endpoint for node in nodes),
            identities=tuple(str(folder) for folder in self._admins[: len(nodes)]),
            ledger=LEDGER,
            chain_id=chain_id(self._genesis),
            seconds=plan.seconds,
            sign_ahead=int(wanted / plan.clients),
            rate=plan.rate // plan.clients,
            window=plan.window // plan.clients,
            number=number,
        )

    def figures(self, verify_us: float) -> Figures:
        for client in self._clients:
            client.wait_until_ready()
        for client in self._clients:
            client.begin()
        time.sleep(WARM_UP_S)
        before, busy_before_s, low = self._usages(), machine_busy_s(), self._ledger.facts().height
        time.sleep(self._plan.seconds)
        self._running.check()
        after, busy_after_s, high = self._usages(), machine_busy_s(), self._ledger.facts().height
        records = [client.record() for client in self._clients]
        self._require_counted(records)
        busy_percent = (busy_after_s - busy_before_s) / self._plan.seconds * 100
        processes = self._processes(before, after)
        return self._summed(records, processes, busy_percent, self._headers(low, high), verify_us)

    def _summed(
        self,
        records: Sequence[Record],
        processes: tuple[Process, ...],
        busy_percent: float,
        headers: Sequence[Header],
        verify_us: float,
    ) -> Figures:
        plan, cores = self._plan, len(os.sched_getaffinity(0))
        committed = sum(record.committed for record in records)
        per_s = sum(record.committed_steady / record.steady_s for record in records)
        times_ms = [taken / 1_000 for record in records for taken in record.latencies_us]
        failures: dict[str, int] = {}
        for record in records:
            for code, count in record.failures.items():
                failures[code] = failures.get(code, 0) + count
        validators = len(self._running.nodes)
        return Figures(
            workload=plan.workload,
            engine=plan.engine,
            validators=validators,
            cores=cores,
            seconds=plan.seconds,
            committed=committed,
            committed_per_s=round(per_s, 1),
            p50_ms=round(_quantile(times_ms, 0.50), 1),
            p99_ms=round(_quantile(times_ms, 0.99), 1),
            verify_us=round(verify_us, 1),
            efficiency=round(per_s * validators * verify_us / 1_000_000 / cores, 3),
            node_us=round(_node_us(processes, per_s), 1),
            others_cpu_percent=round(max(0.0, busy_percent - sum(one.cpu_percent for one in processes)), 1),
            blocks=len(headers),
            transactions_per_block=round(sum(h.transactions for h in headers) / max(len(headers), 1), 1),
            bytes_per_transaction=round(processes[0].disk_bytes / max(committed, 1), 1),
            failures=failures,
            processes=processes,
        )

    def _headers(self, low: Height, high: Height) -> list[Header]:
        if high <= low:
            return []
        blocks = self._ledger.blocks(low + 1, to_height=high, headers_only=True)
        return [parse_header(block.header) for block in blocks]

    def _require_counted(self, records: Sequence[Record]) -> None:
        """On one key every call must have had its effect: the ledger's own count says so."""
        if self._plan.workload is Workload.HOT:
            answer = self._ledger.evaluate(CONTRACT, "counted", {}, signer=self._signers[0])
            counted, committed = int(answer.result), sum(record.committed for record in records)
            if counted != committed:
                raise LedgerError(f"{committed} calls were committed and {counted} took effect")

    # ------------------------------------------------------------ processes

    def _usages(self) -> dict[str, Usage]:
        nodes = {name: usage(node.process_id) for name, node in self._running.nodes.items()}
        return nodes | {f"client-{number + 1}": usage(one.process_id) for number, one in enumerate(self._clients)}

    def _processes(self, before: dict[str, Usage], after: dict[str, Usage]) -> tuple[Process, ...]:
        return tuple(
            Process(
                name,
                round((after[name].cpu_s - before[name].cpu_s) / self._plan.seconds * 100, 1),
                after[name].memory_bytes,
                disk_bytes(self._running.nodes[name].home) if name in self._running.nodes else 0,
            )
            for name in after
        )


class _Client:
    """A client process. In a `with` it does not outlive it."""

    def __init__(self, task: Task) -> None:
        self._process = subprocess.Popen(  # this very program
            [sys.executable, "-m", "ledgernode.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._say(msgspec.json.encode(task).decode())

    @property
    def process_id(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        self._hear()

    def begin(self) -> None:
        self._say("begin")

    def record(self) -> Record:
        return msgspec.json.decode(self._hear(), type=Record)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None, "its standard input is a pipe"
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None, "its standard output is a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise LedgerError(f"a client process ended with exit code {self._process.wait()}")
        return line

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _node_us(processes: Sequence[Process], committed_per_s: float) -> float:
    """Processor time of a node for each transaction, the mean of all nodes; clients hold no disk."""
    nodes = [one.cpu_percent for one in processes if one.disk_bytes]
    return statistics.fmean(nodes) / 100 / max(committed_per_s, 1) * 1_000_000


def _quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0
