"""A meter that reports into the cluster: run where its names hold.

python -m tests.k8s.readings NETWORK METER COUNT gateway HOST:PORT   says how many of them the ledger has in the end
python -m tests.k8s.readings NETWORK METER COUNT broker HOST:PORT    the same by MQTT, with the meter's own password
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.client import GatewayClient
from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access
from ledgernode.cli.connection import Connection
from ledgernode.client import Signed
from ledgernode.errors import UnknownTransaction
from ledgernode.wire.receipt import parse_receipt
from tests.k8s.consortium import LEDGER, ORGANISATIONS, broker_directory
from tests.k8s.load import Reporting

LIMIT_S = 120.0


async def report(network: Path, meter: str, sent: Sequence[Signed], way: str, address: str) -> None:
    """Every one of them is safe then."""
    envelopes = [one.envelope for one in sent]
    if way == "broker":
        async with BrokerClient(_access(network, meter, address), LEDGER, f"{ORGANISATIONS[0]}/{meter}") as client:
            await client.connect()
            answers = await client.send(envelopes)
    else:
        credentials = Connection(network, who=f"{ORGANISATIONS[0]}/{meter}").credentials()
        async with GatewayClient(address, credentials) as stream:
            await stream.connect()
            answers = await stream.send(envelopes)
    assert set(answers) == {"OK"}, answers


def _access(network: Path, meter: str, address: str) -> Access:
    user, (host, _, port) = f"{ORGANISATIONS[0]}/{meter}", address.rpartition(":")
    secret = broker_directory(network) / "secrets" / f"{user}.password"
    roots = "".join(Connection(network).tls_files().roots)
    trusting = ssl.create_default_context(cadata=roots)
    return Access(host, int(port), meter, trusting, user, secret.read_text(), session_s=60)


def committed(network: Path, sent: Sequence[Signed]) -> int:
    """How many succeeded."""
    with Connection(network).open() as ledger:
        ends = time.monotonic() + LIMIT_S
        while True:
            try:
                found = [ledger.transaction(one.id) for one in sent]
                return [parse_receipt(one.receipt).succeeded for one in found].count(True)
            except UnknownTransaction:
                assert time.monotonic() < ends, f"they are not on the ledger after {LIMIT_S} s"
                time.sleep(0.2)


def main(network: Path, meter: str, count: int, way: str, address: str) -> None:
    sent = Reporting(network, meter).readings(count)
    asyncio.run(report(network, meter, sent, way, address))
    sys.stdout.write(f"{committed(network, sent)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
