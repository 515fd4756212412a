"""A validator's key in a liar's hands: what it signs twice stands on the ledger of every node, once.

The liar speaks the validators' protocol to real nodes, with the key and the TLS certificate of a node that was
stopped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledgernode.consensus.pbft.messages import Vote, encode
from ledgernode.identity.home import tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.tls import Trust, load_tls
from ledgernode.logs import logger
from ledgernode.node.links import Link
from ledgernode.node.peers import introduce
from ledgernode.wire.frames import EngineFrame, Frame, HeaderVote, Standing
from ledgernode.wire.protobuf import packed
from ledgernode.wire.types import Epoch, Height, identity_id
from ledgernode.wire.validators import vote_bytes
from ledgernode.wire.voting import Phase, order_vote_bytes
from tests.networks import RunningNetwork
from tests.running import LEDGER, NodeProcess, notes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EPOCH = Epoch(0)
ONE, TWO = b"\x01" * 32, b"\x02" * 32
WITHIN_SECONDS = 40.0


class Liar:
    """Holds what the home of a stopped node holds."""

    def __init__(self, network: RunningNetwork, node: NodeProcess) -> None:
        self._tls = load_tls(tls_directory(node.home))
        self._chain = network.founded.chain_id
        self.key = PrivateKey.load(validator_directory(node.home) / "key.pem")
        self.identity = identity_id(self.key.public_key).hex()
        members = network.status(network.live[0]).validators
        self.position = sorted(bytes(member.identity).hex() for member in members).index(self.identity)

    def block_votes(self, height: int) -> list[Frame]:
        return [
            HeaderVote(
                EPOCH, Height(height), choice, self.key.sign(vote_bytes(self._chain, EPOCH, Height(height), choice))
            )
            for choice in (ONE, TWO)
        ]

    def order_votes(self, sequence: int) -> list[Frame]:
        """COMMIT, which counts whatever the view is."""
        frames: list[Frame] = []
        for choice in (ONE, TWO):
            said = order_vote_bytes(self._chain, EPOCH, Phase.COMMIT, view=0, sequence=sequence, digest=choice)
            vote = Vote(Phase.COMMIT, 0, sequence, choice, self.position, self.key.sign(said))
            frames.append(EngineFrame(EPOCH, encode(vote)))
        return frames

    def say(self, frames: list[Frame], nodes: list[NodeProcess], heard: Callable[[], bool]) -> None:
        """Push these to each of the nodes, over links of its own, and stay until they were heard."""
        asyncio.run(self._say(frames, nodes, heard))

    async def _say(self, frames: list[Frame], nodes: list[NodeProcess], heard: Callable[[], bool]) -> None:
        introduction = partial(introduce, LEDGER, self._chain, self.key)
        trust = Trust(self._tls)
        log = logger(ledger=LEDGER)
        links = [Link(node.endpoint, trust, introduction, lambda: Standing(Height(0)), log) for node in nodes]
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                while not all(link.up for link in links):  # noqa: ASYNC110  # a link tells nobody that it stands
                    await asyncio.sleep(0.05)
                for link in links:
                    for frame in frames:
                        link.order(packed(frame))
                while not await asyncio.to_thread(heard):  # noqa: ASYNC110  # another process hears
                    await asyncio.sleep(0.1)
        finally:
            await asyncio.gather(*(link.close() for link in links))


def faults(network: RunningNetwork, node: NodeProcess) -> list[dict[str, Any]]:
    """What one node's ledger holds."""
    with network.ledger(nodes=[node]) as ledger:
        answer = ledger.evaluate("evidence", "list", {}, signer=network.founded.admin.signer)
    found: list[dict[str, Any]] = json.loads(answer.result)["items"]
    return found


def seen(network: RunningNetwork, node: NodeProcess, liar: Liar) -> tuple[int, int]:
    """What its operator is shown: contradictions noticed since it started, and faults on the ledger."""
    shown = {bytes(member.identity).hex(): member for member in network.status(node).validators}[liar.identity]
    return shown.contradictions, shown.faults


@pytest.mark.parametrize("engine", ["pbft", "pow"])
def test_what_a_liar_signs_twice_stands_on_every_ledger_once(engine: str, tmp_path: Path) -> None:
    """Two votes for one block, on PBFT two for one place in the order; all noticed it, one record each.

    Repeated to a node that was restarted, it is noticed again and not recorded again.
    """
    with RunningNetwork(tmp_path / "network", engine, 4) as network:
        network.deploy()
        stopped = network.nodes[3]
        network.require_progress()
        stopped.kill()
        liar = Liar(network, stopped)
        ahead = int(network.status(network.nodes[0]).height) + 20
        frames = liar.block_votes(ahead)
        if engine == "pbft":
            frames += liar.order_votes(ahead)
        wanted = len(frames) // 2
        liar.say(
            frames, network.live, lambda: all(seen(network, node, liar) == (wanted, wanted) for node in network.live)
        )
        recorded = faults(network, network.live[0])
        assert all(faults(network, node) == recorded for node in network.live)
        assert [fault["ballot"] for fault in recorded].count("block") == 1
        assert {(fault["member"], fault["height"]) for fault in recorded} == {(liar.identity, ahead)}

        again = network.nodes[0]
        again.kill()
        again.start()
        network.require_progress()
        assert seen(network, again, liar) == (0, wanted)
        liar.say(frames, [again], lambda: seen(network, again, liar) == (wanted, wanted))
        with network.ledger() as ledger:
            height = ledger.submit_signed(notes(network.founded.admin.signer, ["after"])[0]).height
            events = list(ledger.events(1, contract="evidence", names=["Equivocated"], to_height=height))
        assert len(events) == wanted
        assert len(faults(network, again)) == wanted
