"""One ledger is like another, whatever orders it: the same tests on every engine.

The engine is a word in the genesis file; above it nothing may differ. Networks are real processes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ledgernode.client import CERTIFIED, Ledger
from ledgernode.errors import BadProof, ContractRefused
from ledgernode.proof import check_proof
from ledgernode.wire.parameters import Parameters
from tests.nats_cluster import NatsCluster
from tests.networks import RunningNetwork
from tests.running import notes

ENGINES = ("solo", "pbft", "pow", pytest.param("jetstream", marks=pytest.mark.log))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(
    scope="module",
    params=ENGINES,
)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four organisations; a short window, so that a new validator set soon comes into force."""
    directory = tmp_path_factory.mktemp(request.param)
    with ExitStack() as opened:
        config = {}
        if request.param == "jetstream":
            config["nats"] = opened.enter_context(NatsCluster(directory / "nats")).settings
        parameters = Parameters(set_change_window=2)
        running = opened.enter_context(
            RunningNetwork(directory / "network", request.param, 4, parameters=parameters, config=config)
        )
        running.deploy()
        yield running


@pytest.fixture
def ledger(network: RunningNetwork) -> Iterator[Ledger]:
    with network.ledger() as connected:
        yield connected


def test_what_one_node_commits_every_node_answers(network: RunningNetwork, ledger: Ledger) -> None:
    """Committed means committed everywhere: any node answers, once it has reached the height."""
    signer = network.founded.admin.signer
    outcome = ledger.submit("notebook", "put", {"key": "lamp", "text": "on"}, signer=signer)
    for node in network.nodes:
        with network.ledger(nodes=[node]) as other:
            at_least = other.evaluate(
                "notebook", "get", {"key": "lamp"}, signer=signer, level="at-least", height=outcome.height
            )
            assert json.loads(at_least.result) == "on"
            linearizable = other.evaluate("notebook", "get", {"key": "lamp"}, signer=signer, level="linearizable")
            assert json.loads(linearizable.result) == "on"
            assert other.status_of(outcome.transaction_id) == outcome
    certified = ledger.evaluate("notebook", "get", {"key": "lamp"}, signer=signer, level=CERTIFIED)
    assert json.loads(certified.result) == "on"


def test_a_refusal_is_committed_with_its_code(network: RunningNetwork, ledger: Ledger) -> None:
    """The contract's own code comes back, and every node keeps the receipt."""
    signer = network.founded.admin.signer
    ledger.submit("notebook", "write_once", {"key": "one", "text": "first"}, signer=signer)
    with pytest.raises(ContractRefused, match="there is a note") as refused:
        ledger.submit("notebook", "write_once", {"key": "one", "text": "second"}, signer=signer)
    assert refused.value.facts["code"] == "notebook.ALREADY_WRITTEN"


def test_events_come_in_the_order_of_the_chain_from_any_node(network: RunningNetwork, ledger: Ledger) -> None:
    """The same events, with the same places, whichever node is asked."""
    signer = network.founded.admin.signer
    begins = ledger.facts().height + 1
    wanted = [f"event-{number}" for number in range(3)]
    for key in wanted:
        last = ledger.submit("notebook", "write_once", {"key": key, "text": "x"}, signer=signer)
    told = []
    for node in network.nodes:
        with network.ledger(nodes=[node]) as other:
            events = itertools.islice(other.events(begins, contract="notebook", names=["Written"]), len(wanted))
            told.append(list(events))
    assert [json.loads(event.payload)["key"] for event in told[0]] == wanted
    assert told[0][-1].height == last.height
    assert all(one == told[0] for one in told)


def test_a_proof_of_any_node_holds_against_the_genesis_file(network: RunningNetwork, ledger: Ledger) -> None:
    """Nothing but the genesis file is needed; one changed byte is noticed."""
    outcome = ledger.submit_signed(notes(network.founded.admin.signer, ["proven"])[0])
    for node in network.nodes:
        with network.ledger(nodes=[node]) as other:
            other.status_of(outcome.transaction_id)
            proof = other.proof(outcome.transaction_id)
        checked = check_proof(proof, network.founded.genesis_bytes)
        assert (checked.height, checked.header.epoch) == (outcome.height, 0)
    outcome_id = outcome.transaction_id.hex().encode()
    for changed in (proof.replace(outcome_id[:8], b"00000000"), proof[:-40] + proof[-20:]):
        assert changed != proof
        with pytest.raises(BadProof):
            check_proof(changed, network.founded.genesis_bytes)


def test_proofs_reach_over_changes_of_the_validator_set(network: RunningNetwork, ledger: Ledger) -> None:
    """A validator joins, another's key is replaced: later proofs carry the changes, and genesis still checks them."""
    epoch = 0
    if network.founded.engine != "solo":  # which has one validator, always
        node, certificate = network.new_node("north")
        seat = {"certificate": certificate, "endpoint": node.endpoint, "override": True}
        network.decide(ledger, "add_validator", seat)
        network.end_epoch(ledger)
        epoch += 1
        _require_proven(network, ledger, epoch)
    network.rekey(ledger, network.nodes[0])
    epoch += 1
    _require_proven(network, ledger, epoch)
    network.settle([])
    assert {network.status(node).epoch for node in network.nodes} == {epoch}


def _require_proven(network: RunningNetwork, ledger: Ledger, epoch: int) -> None:
    """Something committed in this epoch, on every node, proven with the genesis file alone."""
    outcome = ledger.submit_signed(notes(network.founded.admin.signer, [f"epoch-{epoch}"])[0])
    checked = check_proof(ledger.proof(outcome.transaction_id), network.founded.genesis_bytes)
    assert (checked.height, checked.header.epoch) == (outcome.height, epoch)
