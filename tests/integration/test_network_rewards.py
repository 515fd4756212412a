"""Four miners as processes on a ledger that pays for blocks: every node has the same chain, and the money adds up."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ledgernode.audit.currency import Supply
from ledgernode.execution.reward import miner_of
from ledgernode.identity.home import data_directory
from ledgernode.wire.answers import ReadLevel
from ledgernode.wire.receipt import Origin, parse_receipt
from tests.cli.command_line import done
from tests.mined import CURRENCY, REWARD_MINOR
from tests.networks import OPTIONS, Load, RunningNetwork
from tests.running import LEDGER, deploy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ALLOWED_MINOR = 1_000_000
UNDER_LOAD_SECONDS = 3.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Every block with transactions pays; the issuer is the first organisation, and has allowed plenty."""
    options = {**OPTIONS["pow"], "block_reward_minor": REWARD_MINOR}
    with RunningNetwork(tmp_path_factory.mktemp("rewards") / "network", "pow", 4, options=options) as running:
        running.deploy()
        with running.ledger() as ledger:
            deploy(ledger, running.founded, CURRENCY)
            terms = {"code": "EUR", "digits": 2, "approval_above_minor": ALLOWED_MINOR}
            submit(running, "establish", **terms)
            submit(running, "allow_rewards", amount_minor=ALLOWED_MINOR)
        running.wait_for_equal_heads()
        yield running


def submit(network: RunningNetwork, function: str, **arguments: Any) -> None:
    with network.ledger() as ledger:
        outcome = ledger.submit("currency", function, arguments, signer=network.founded.admin.signer)
        assert outcome.succeeded, outcome


def ask(network: RunningNetwork, height: int, function: str, **arguments: Any) -> Any:
    """What the issuer is answered about this very height: a resent transaction may have made another block since."""
    signer = network.founded.admin.signer
    with network.ledger() as ledger:
        level = ReadLevel.AT_HEIGHT
        found = ledger.evaluate("currency", function, arguments, signer=signer, level=level, height=height)
    return json.loads(found.result)


def paid(network: RunningNetwork, height: int) -> Counter[str]:
    """What each miner was paid up to this height, by the receipts; checks where they stand."""
    found: Counter[str] = Counter()
    with network.ledger() as ledger:
        for block in ledger.blocks(1, to_height=height):
            receipts = [parse_receipt(raw) for raw in block.receipts]
            rewards = [at for at, receipt in enumerate(receipts) if receipt.origin is Origin.REWARD]
            assert rewards == ([0] if block.envelopes else []), "the first receipt of each block that has transactions"
            miner = miner_of(block.receipts)
            if miner is not None and receipts[0].succeeded:
                found[miner] += REWARD_MINOR
    return found


def require_conserved(network: RunningNetwork, height: int) -> Counter[str]:
    """What the receipts say is what the accounts hold, and all that there is."""
    earned = paid(network, height)
    held = {miner: ask(network, height, "balance", account=miner)["available_minor"] for miner in earned}
    assert held == dict(earned)
    rewards = ask(network, height, "rewards")
    assert rewards["minted_minor"] == earned.total() == ask(network, height, "book")["supply_minor"]
    assert rewards["left_minor"] == ALLOWED_MINOR - earned.total()
    return earned


def test_miners_earn_and_all_nodes_have_the_same_chain(network: RunningNetwork) -> None:
    """They take turns, so that more than one of them is paid."""
    with Load(network) as load:
        time.sleep(UNDER_LOAD_SECONDS)
        committed = load.end()
    earned = require_conserved(network, network.settle(committed))
    assert len(earned) >= 2
    assert min(earned.values()) >= REWARD_MINOR
    members = {member.identity.hex() for member in network.status(network.nodes[0]).validators}
    assert earned.keys() <= members


def test_a_miner_whose_disk_is_lost_learns_who_was_paid(network: RunningNetwork) -> None:
    """It executes certified blocks of which it has not seen the work, and arrives at the same headers."""
    wiped, *others = network.nodes
    with Load(network, nodes=others) as load:
        time.sleep(UNDER_LOAD_SECONDS / 2)
        wiped.kill()
        shutil.rmtree(data_directory(wiped.home, LEDGER))
        wiped.start()
        time.sleep(UNDER_LOAD_SECONDS / 2)
        committed = load.end()
    require_conserved(network, network.settle(committed))
    network.require_progress([wiped])


def test_the_chain_is_verified_and_the_money_audited_offline(network: RunningNetwork) -> None:
    """From the genesis file and one node's disk: every reward is minted again for the miner it names."""
    height = network.wait_for_equal_heads()
    asked = network.nodes[0]
    earned = require_conserved(network, height)
    asked.terminate()
    try:
        assert done("verify", asked.home, "--json").document["height"] >= height
        findings = done("audit", asked.home, "--json").document["findings"]
        (finding,) = (finding for finding in findings if finding["law"] == Supply.name)
        sums = finding["sums"]
        assert sums["supply_minor"] == sums["issued_minor"] == sums["available_minor"] >= earned.total() > 0
    finally:
        asked.start()
