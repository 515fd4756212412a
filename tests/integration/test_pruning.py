"""A node that is told to forget old blocks: over the wire, over a restart, and on its disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledgernode.client import Ledger
from ledgernode.errors import Pruned, PruneRefused, RoleRefused
from ledgernode.identity.home import NodeConfig, genesis_path
from ledgernode.proof import check_proof
from ledgernode.wire.types import Height, TransactionId
from tests.cli.command_line import command
from tests.running import LEDGER, NodeProcess, SoloNetwork, deploy, notes

pytestmark = pytest.mark.slow

ARCHIVES = ("archive.example:7051", "second.example:7051")


class Kept:
    """A node with blocks below a snapshot, which it has pruned; and what it said before."""

    def __init__(self, directory: Path) -> None:
        self.network = network = SoloNetwork(directory)
        config = NodeConfig.read(network.home)
        msgspec.structs.replace(config, archives=ARCHIVES).write(network.home)
        self.node = NodeProcess(network)
        with self.node.ledger() as ledger:
            deploy(ledger, network)
            signed = notes(network.admin.signer, [f"note {number}" for number in range(30)])
            self.ids = [ledger.submit_signed(one).transaction_id for one in signed]
            self.height = ledger.facts().height
            self.proofs = {one: ledger.proof(one) for one in self.ids}
            self.answers = self.answered(ledger)
            with self.node.operator() as operator:
                with pytest.raises(PruneRefused, match="there is no snapshot here"):
                    list(operator.prune(LEDGER, keep_blocks=10))
                list(operator.create_snapshot(LEDGER))
                self.steps = list(operator.prune(LEDGER, keep_blocks=10))

    def answered(self, ledger: Ledger) -> list[bytes]:
        signer = self.network.admin.signer
        return [ledger.evaluate("notebook", "get", {"key": f"note {at}"}, signer=signer).result for at in range(30)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    found = Kept(tmp_path_factory.mktemp("pruning") / "network")
    with found.node:
        yield found


def test_the_state_answers_as_before_and_old_blocks_name_who_has_them(kept: Kept) -> None:
    """Proofs of what is kept are the same to the byte; for what is not, the refusal says where to ask."""
    base = kept.height - 10
    assert kept.steps[-1].base_height == base
    with kept.node.ledger() as ledger:
        assert kept.answered(ledger) == kept.answers
        for named, proof in kept.proofs.items():
            if check_proof(proof, kept.network.genesis_bytes).height > base:
                assert ledger.proof(named) == proof
            else:
                _refused_with_archives(lambda named=named: ledger.proof(named))
                _refused_with_archives(lambda named=named: ledger.transaction(named))
        _refused_with_archives(lambda: ledger.block(Height(base)))
        assert ledger.block(Height(base + 1)).envelopes
        with pytest.raises(Pruned, match=r"or second\.example:7051"):
            next(iter(ledger.blocks(from_height=1)))


def _refused_with_archives(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Pruned, match=r"ask archive\.example:7051") as refusal:
        ask()
    assert refusal.value.facts["archives"] == ARCHIVES


def test_what_never_was_is_not_said_to_be_pruned_where_it_would_be_known(kept: Kept) -> None:
    """An id that nobody sent: a node that has forgotten blocks still has every id, but does not vouch for it."""
    with kept.node.ledger() as ledger, pytest.raises(Pruned):
        ledger.transaction(TransactionId(bytes(32)))


def test_another_organisation_prunes_nothing(kept: Kept) -> None:
    """It is the operator's own disk."""
    with kept.node.operator(kept.network.admins[1]) as operator, pytest.raises(RoleRefused):
        list(operator.prune(LEDGER, keep_blocks=1))


def test_a_stopped_node_gives_the_place_back_verifies_and_goes_on(kept: Kept) -> None:
    """Compacted, it is smaller; the chain holds from where it begins; the next block follows."""
    kept.node.terminate()
    ended = command("node", "compact", kept.network.home, "--json")
    assert ended.code == 0
    assert ended.document["after_bytes"] <= ended.document["before_bytes"]
    verified = command("verify", kept.network.home, "--json")
    assert (verified.code, verified.document["from_height"]) == (0, kept.height - 10)
    assert genesis_path(kept.network.home, LEDGER).exists()
    kept.node.start()
    with kept.node.ledger() as ledger:
        (note,) = notes(kept.network.admin.signer, ["and on"])
        assert ledger.submit_signed(note).height == kept.height + 1
        assert kept.answered(ledger) == kept.answers
