"""From executed to standing: blocks wait here until they are durable and certified, and are announced in order.

A vote for a block that has its certificate already is answered with it: whoever still votes has yet to see it.
Nobody is told "committed" before the block is durable here and q members have signed the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from ledgernode.config import OPEN_BLOCKS_HELD
from ledgernode.errors import BadProof, Pruned, UnknownBlock
from ledgernode.node.announcement import Announcement
from ledgernode.node.endorsement import Endorsement
from ledgernode.node.measures import Measures
from ledgernode.store.chain import ChainStore
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.block import Header
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.types import Height, TransactionId
from ledgernode.wire.validators import Certificate, Validator, parse_certificate
from ledgernode.wire.voting import Contradiction

Give = Callable[[bytes, Height, Certificate], None]
"""(public key, height, certificate): send a peer the certificate that it lacks."""
Accuse = Callable[[Validator, Contradiction], None]
"""This member has voted for two things at once."""


class Certifying:
    """Of one ledger. `stands` is called whenever more of the chain does."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        endorsement: Endorsement,
        announcement: Announcement,
        give: Give,
        accuse: Accuse,
        stands: Callable[[], None],
        measures: Measures | None = None,
    ) -> None:
        self._measures = measures or Measures()
        self._chain = chain
        self._endorsement = endorsement
        self._announcement = announcement
        self._give = give
        self._accuse = accuse
        self._stands = stands
        self._sealed: dict[Height, SealedBlock] = {}
        self._certificates: dict[Height, Certificate] = {}
        self._last_votes: dict[bytes, Height] = {}
        self.certified = Height(chain.certified_height)

    def unsaved(self) -> Iterator[TransactionId]:
        """What stands in blocks that are executed and not durable yet."""
        for height, block in self._sealed.items():
            if height > self._chain.head.height:
                yield from (named for named in block.transaction_ids if named is not None)

    # ------------------------------------------------------------ our own results

    def reopen(self) -> None:
        """Blocks that stood here without their certificates when the node stopped: we vote for them again."""
        for height in range(self.certified + 1, self._chain.head.height + 1):
            header = self._chain.header(Height(height))
            self._close(header.height, self._endorsement.sign(header))
            self._endorsement.say(header.height)

    def executed(self, block: SealedBlock) -> None:
        """Our own result: signed, and held until the others' signatures are here."""
        height = block.header.height
        self._sealed[height] = block
        self._close(height, self._endorsement.sign(block.header))

    def adopted(self, block: SealedBlock, theirs: Header, certificate: Certificate) -> None:
        """The result of a block that came with its certificate. Raises StateDiverged when ours is another."""
        height = block.header.height
        self._sealed[height] = block
        self._endorsement.require_same(block.header, theirs)
        self._endorsement.settled(block.header)
        self._close(height, certificate)

    # ------------------------------------------------------------ what others say

    def count(self, public_key: bytes, vote: HeaderVote) -> None:
        """A member's vote; whoever repeats one for a block that has its certificate is given it."""
        self._measures.votes += 1
        before = self._last_votes.get(public_key, Height(0))
        self._last_votes[public_key] = max(vote.height, before)
        if vote.height > self.certified:
            self._close(vote.height, self._endorsement.voted(public_key, vote))
        else:
            self._endorsement.late(public_key, vote)
            if vote.height <= before:
                self._give_again(public_key, vote.height)
        for member, contradiction in self._endorsement.take_evidence():
            self._accuse(member, contradiction)

    def _give_again(self, public_key: bytes, height: Height) -> None:
        """Nothing where there is none: of genesis, and of what lies before this node's beginning."""
        with suppress(UnknownBlock, Pruned):
            self._give(public_key, height, self._chain.certificate(height))

    def take(self, height: Height, raw: bytes) -> None:
        """A peer's certificate for a block that we may hold without one."""
        try:
            certificate = parse_certificate(raw)
        except BadProof:
            return  # the peer's fault
        self._close(height, self._endorsement.given(height, certificate))

    def compare(self, theirs: Header, certificate: Certificate) -> None:
        """A certified block that is executed here already, perhaps without its certificate.

        Raises StateDiverged when ours is another.
        """
        if theirs.height > self.certified:
            self._close(theirs.height, self._endorsement.confirmed(theirs, certificate))

    # ------------------------------------------------------------ standing

    def announce(self) -> None:
        """Tell of whatever is durable and certified, in order."""
        before = self.certified
        while self.certified < self._chain.head.height and Height(self.certified + 1) in self._certificates:
            height = Height(self.certified + 1)
            del self._certificates[height]
            block = self._sealed.pop(height, None)
            if block is not None:
                self._announcement.certified(block)
            else:
                self._announcement.certified_later(self._chain.header(height), self._chain.receipts(height))
            self.certified = height
        if self.certified != before:
            self._stands()

    def let_go(self) -> None:
        """Blocks that have waited long for their certificates are read again when those come."""
        if len(self._sealed) > OPEN_BLOCKS_HELD:
            durable = [height for height in self._sealed if height <= self._chain.head.height]
            for height in durable[:-OPEN_BLOCKS_HELD]:
                del self._sealed[height]

    def _close(self, height: Height, certificate: Certificate | None) -> None:
        if certificate is None or height <= self.certified:
            return
        self._certificates[height] = certificate
        self._chain.hold(height, certificate)
        self.announce()
