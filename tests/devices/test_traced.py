"""One trace over processes: a meter, a gateway and a node, each of its own, and a collector that decodes what it gets.

Nothing is propagated: that the spans hang together shows that all of them derive the same.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from ledgernode.identity.home import NodeConfig
from ledgernode.identity.records import Role
from tests.conditions import until
from tests.devices.running import MeterRunning, commissioned
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.observe.collector import Collector, Seen
from tests.running import START_SECONDS, NodeProcess, Person, SoloNetwork, deploy, register

pytestmark = pytest.mark.slow

CONTRACTS = Path(__file__).parent / "contracts"
COMMANDS = Path(__file__).parents[1] / "observe" / "contracts" / "commands.py"
OBSERVED = "127.0.0.1:0"
VALIDATOR = ("validator", "admission", "mempool", "order", "execution", "store", "certificate")


class Place(NamedTuple):
    collector: Collector
    node: NodeProcess
    gateway: GatewayProcess
    person: Person
    meter: MeterRunning

    def whole(self, transaction_id: str, *names: str) -> list[Seen]:
        """Its trace, once all of these are there; each once."""

        def come() -> list[Seen] | None:
            found = self.collector.of(transaction_id)
            return found if {one.name for one in found} >= set(names) else None

        found: list[Seen] = until(come, START_SECONDS)
        assert sorted(one.name for one in found) == sorted(names)
        return found

    def rows(self) -> list[list[int]]:
        with self.node.ledger() as ledger:
            asked = {"meter": self.person.signer.identity.hex()}
            answer = ledger.evaluate("metering", "rows", asked, signer=self.node.network.admin.signer)
            found: list[list[int]] = json.loads(answer.result)
            return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    network = SoloNetwork(tmp_path_factory.mktemp("traced"))
    with Collector() as collector:
        traced = {"trace": collector.url, "trace_one_in": 1, "observe": OBSERVED}
        msgspec.structs.replace(NodeConfig.read(network.home), **traced).write(network.home)
        with NodeProcess(network) as node:
            person = network.newcomer("north", "meter-1", Role.METER)
            with node.ledger() as ledger:
                for contract in (*sorted(CONTRACTS.glob("*.py")), COMMANDS):
                    deploy(ledger, network, contract)
                register(ledger, network, person)
            directory, identity = tmp_path_factory.mktemp("gateway"), gateway_identity(network)
            arguments = ("--trace", collector.url, "--trace-one-in", "1", "--observe", OBSERVED)
            with (
                GatewayProcess(network, [node.endpoint], directory, identity, **traced) as gateway,
                MeterRunning(commissioned(network, person), [gateway.endpoint], arguments=arguments) as meter,
            ):
                yield Place(collector, node, gateway, person, meter)


def a_reading(place: Place) -> str:
    """The id of a batch of readings that has come the whole way."""

    def come() -> str:
        roots = [one for one in list(place.collector.spans) if one.name == "transaction"]
        return next((str(one.facts["ledgernode.transaction"]) for one in roots if is_reading(one)), "")

    return str(until(come, START_SECONDS))


def is_reading(span: Seen) -> bool:
    return span.facts["ledgernode.function"] == "record" and span.facts["ledgernode.code"] == "OK"


def test_a_reading_is_one_trace_from_the_meter_to_its_certificate(place: Place) -> None:
    """Who wrote what, what hangs beneath what, in which order; ids, codes and heights, and nothing that was read."""
    named = a_reading(place)
    found = place.whole(
        named, "transaction", "sign", "send", "outcome", "gateway", "intake", "outbox", "submit", *VALIDATOR
    )
    of = {one.name: one for one in found}
    root, gateway, validator = of["transaction"], of["gateway"], of["validator"]
    assert root.id == named[32:48]
    assert {name: one.parent for name, one in of.items()} == {
        "transaction": "",
        **dict.fromkeys(("sign", "send", "outcome", "gateway", "validator"), root.id),
        **dict.fromkeys(("intake", "outbox", "submit"), gateway.id),
        **dict.fromkeys(VALIDATOR[1:], validator.id),
    }
    assert (root.service, root.who) == ("ledgernode-meter", place.person.signer.identity.hex())
    assert (gateway.service, gateway.who) == ("ledgernode-gateway", "north/gateway-1")
    assert (validator.service, validator.who) == ("ledgernode-validator", "north/validator-1")
    begun = [one.name for one in sorted(found, key=lambda one: one.began_ns) if one.name not in VALIDATOR[:1]]
    way = ["sign", "send", "intake", "outbox", "submit", "admission", "mempool", "order", "execution"]
    assert [name for name in begun if name in way] == way
    for early, late in pairwise(way):
        if (early, late) not in (("send", "intake"), ("submit", "admission")):  # the one happens within the other
            assert of[early].ended_ns <= of[late].began_ns
    assert of["send"].ended_ns >= of["intake"].ended_ns, "a meter is answered when it is on the disk"
    assert of["submit"].began_ns <= of["admission"].began_ns
    assert max(of["store"].ended_ns, of["certificate"].ended_ns) <= of["submit"].ended_ns <= of["outcome"].ended_ns
    for one in found:
        parent = next((other for other in found if other.id == one.parent), root)
        assert parent.began_ns <= one.began_ns <= one.ended_ns <= parent.ended_ns + 1_000_000_000
    with place.node.ledger() as ledger:
        stands = ledger.transaction(bytes.fromhex(named))
    assert root.facts["ledgernode.height"] == validator.facts["ledgernode.height"] == int(stands.height)
    assert validator.facts["ledgernode.position"] == stands.position
    said = {key for one in found for key in one.facts}
    assert said <= {
        f"ledgernode.{word}"
        for word in ("transaction", "ledger", "height", "position", "code", "contract", "function", "attempts")
    }


def test_a_command_is_in_the_trace_of_what_caused_it_and_its_answer_links_there(place: Place) -> None:
    """Operator -> block -> gateway -> meter -> the meter's own transaction -> block -> gateway."""
    commanded = place.node.network.admin.signer.transaction(
        "commands",
        "message",
        {"meter": place.person.signer.identity.hex(), "number": 1, "text": "works on friday"},
        budget=50_000,
    )
    with place.node.ledger() as ledger:
        ledger.submit_signed(commanded)
    named = commanded.id.hex()
    found = place.whole(named, *VALIDATOR, "command", "event", "deliver", "acknowledge", "device", "carry out")
    of = {one.name: one for one in found}
    assert {of["validator"].parent, of["command"].parent, of["device"].parent} == {named[32:48]}
    assert of["command"].facts["ledgernode.command"] == of["device"].facts["ledgernode.command"] == "commands 1" or (
        of["command"].facts["ledgernode.command"] == "command 1"
    )
    assert of["certificate"].ended_ns <= of["event"].ended_ns <= of["deliver"].began_ns
    assert of["deliver"].began_ns <= of["carry out"].began_ns <= of["deliver"].ended_ns <= of["acknowledge"].ended_ns
    [(answer_trace, answer_root)] = of["acknowledge"].links
    answer = next(one for one in place.collector.spans if one.trace == answer_trace and one.name == "transaction")
    assert answer.id == answer_root
    assert answer.facts["ledgernode.function"] == "answer"
    assert answer.links == [(named[:32], of["device"].id)]
    assert not any("friday" in str(one) for one in place.collector.spans)


def test_a_collector_that_hangs_costs_no_reading(place: Place) -> None:
    """It takes connections and answers nobody; rows go on, and each process says what it has lost."""
    place.collector.fall_silent()
    try:
        reached = len(place.rows())
        until(lambda: len(place.rows()) >= reached + 4, START_SECONDS)
        for port in (place.node.observe_port, place.gateway.serving["observe_port"], observe_port(place.meter)):
            until(lambda port=port: lost(port) > 0, START_SECONDS)  # type: ignore[misc]
    finally:
        place.collector.speak()
    rows = place.rows()
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert "does not take our spans" in place.meter.log.read_text()


def observe_port(meter: MeterRunning) -> int:
    return int(meter.last("started")["observe_port"])


def lost(port: int) -> float:
    lines = figures(port)
    return sum(lines.get(f'ledgernode_trace_spans_total{{result="{result}"}}', 0) for result in ("failed", "dropped"))


def figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_a_meter_shows_its_figures(place: Place) -> None:
    """Whether it is linked, what waits, what became of what it sent; and its health."""
    port = observe_port(place.meter)
    shown = figures(port)
    assert shown["ledgernode_meter_link_up"] == 1
    assert shown['ledgernode_meter_settled_total{code="OK"}'] >= 1
    assert shown["ledgernode_meter_clock_valid"] == 1
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
        assert json.loads(answer.read())["status"] == "ready"
