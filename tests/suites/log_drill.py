"""The engine that orders by NATS under load, while its servers and its validators are killed one after another.

    python -m tests.suites.log_drill [ROUNDS] [RATE]

Three servers with three copies of the stream, four validators, one client at a steady rate. Each round kills the server
that leads the stream, and a validator; both come back. In the end all chains are the same and hold everything that was
acknowledged. Printed: how long the client waited for the next outcome after each kill.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.nats_cluster import NatsCluster
from tests.networks import Load, RunningNetwork


def main(rounds: int, rate: int) -> None:
    with TemporaryDirectory(prefix="ledgernode-log-") as folder:
        place = Path(folder)
        with (
            NatsCluster(place / "nats") as cluster,
            RunningNetwork(place / "network", "jetstream", 4, config={"nats": cluster.settings}) as network,
        ):
            network.deploy()
            drill(cluster, network, rounds, rate)


def drill(cluster: NatsCluster, network: RunningNetwork, rounds: int, rate: int) -> None:
    stream = f"ledger-{network.founded.chain_id.hex()[:24]}"
    begun_s = time.monotonic()
    with Load(network, rate=rate) as load:
        for number in range(rounds):
            leader = cluster.leader_of(stream)
            print(f"round {number}: the log's leader killed, {load.gap_after(leader.kill):.1f} s to the next outcome")
            leader.start()
            cluster.wait_until_ready()
            victim = network.nodes[1 + number % 3]
            print(f"round {number}: a validator killed, {load.gap_after(victim.kill):.1f} s to the next outcome")
            victim.start()
        acknowledged = load.end()
    height = network.settle(acknowledged, 60)
    seconds = time.monotonic() - begun_s
    print(f"{len(acknowledged)} acknowledged in {seconds:.0f} s, {height} blocks, none lost, four chains alike")


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("3", "100")[len(sys.argv) - 1 :])))
