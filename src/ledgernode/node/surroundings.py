"""What a driver reaches outside itself: peers, blocks to fetch, and miners; or, alone, nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.consensus.engine import MiningJob, Send
from ledgernode.node.catching_up import CatchingUp
from ledgernode.node.log_reader import LogReader
from ledgernode.node.mining import Miner
from ledgernode.node.peers import Peers
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.types import Height
from ledgernode.wire.validators import Certificate, ValidatorSet


class Alone:
    """A single validator has nobody to tell."""

    def begin(self, validators: ValidatorSet) -> None:
        pass

    def send(self, sends: Sequence[Send]) -> None:
        assert not sends, f"a single validator has nobody to send {len(sends)} messages to"

    def vote(self, vote: HeaderVote) -> None:
        pass

    def give(self, public_key: bytes, height: Height, certificate: Certificate) -> None:
        pass

    def fetch(self, height: Height) -> None:
        pass

    def mine(self, job: MiningJob | None) -> None:
        assert job is None, "a single validator that orders at once mines nothing"


class Among:
    """One of several; where a log orders, what is said to it goes there."""

    def __init__(self, peers: Peers, miner: Miner, log_reader: LogReader | None = None) -> None:
        self._peers = peers
        self._miner = miner
        self._log_reader = log_reader
        self.catching_up: CatchingUp | None = None

    def begin(self, validators: ValidatorSet) -> None:
        self._peers.begin(validators)

    def send(self, sends: Sequence[Send]) -> None:
        if self._log_reader is not None:
            self._log_reader.send(sends)
        else:
            self._peers.send(sends)

    def vote(self, vote: HeaderVote) -> None:
        self._peers.vote(vote)

    def give(self, public_key: bytes, height: Height, certificate: Certificate) -> None:
        self._peers.give(public_key, height, certificate)

    def fetch(self, height: Height) -> None:
        assert self.catching_up is not None, "it is made with the driver"
        self.catching_up.wanted(height)

    def mine(self, job: MiningJob | None) -> None:
        self._miner.search(job)
