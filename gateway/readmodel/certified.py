"""Whether blocks are the ledger's: each follows its parent, says what its header says, and is signed by a quorum.

The genesis file gives the first set of validators. A header names the set that signs it and the one that follows; who
the members of a following set are is asked of the ledger (`governance.members_in`), and believed by its hash, which a
certified header has named before. No I/O.
"""

from __future__ import annotations

import msgspec

from gateway.readmodel.decoded import Decoded
from ledgernode.errors import BadProof
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.keys import verify
from ledgernode.wire.genesis import chain_id, parse_genesis
from ledgernode.wire.quorum import quorum
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.types import ChainId, Height
from ledgernode.wire.validators import ValidatorSet, parse_certificate, set_hash, vote_bytes


class Head(msgspec.Struct, frozen=True):
    """How far blocks are certified: the last one's height, hash and time, and the set that it hands over to."""

    height: int
    hash: bytes
    next_set: bytes
    time_ms: int


class Certified:
    """Checks blocks in order; `set_of_next` says whose signatures the next one needs."""

    def __init__(self, chain: ChainId, head: Head | None, validators: ValidatorSet) -> None:
        self.chain = chain
        self.head = head
        self.validators = validators

    @classmethod
    def founded(cls, genesis_bytes: bytes) -> Certified:
        return cls(chain_id(genesis_bytes), None, founding_set(parse_genesis(genesis_bytes)))

    def lacks_set(self, block: Decoded) -> bool:
        """Whether this block is signed by a set that its parent has named, and whose members are not known here yet."""
        return block.header.current_set != set_hash(self.validators)

    def hand_over(self, validators: ValidatorSet) -> None:
        """Refuses a set that the last certified header does not name."""
        if self.head is None or set_hash(validators) != self.head.next_set:
            raise BadProof(f"the set of epoch {validators.epoch} is not the one that the last certified block names")
        self.validators = validators

    def check(self, block: Decoded) -> None:
        """Refuses (BadProof) what does not hold, naming it; then this block is the head."""
        header, height = block.header, block.height
        expected = 0 if self.head is None else self.head.height + 1
        if header.chain_id != self.chain or height != expected:
            raise BadProof(f"block {height} came where block {expected} of this ledger was expected")
        if self.head is not None and header.parent_hash != self.head.hash:
            raise BadProof(f"block {height} does not follow the block before it")
        if self.head is not None and header.time_ms <= self.head.time_ms:
            raise BadProof(f"block {height} is not later than the block before it")
        if header.transaction_root != transaction_root(block.envelope_hashes) or header.receipts_root != receipts_root(
            block.raw.receipts
        ):
            raise BadProof(f"block {height}: envelopes or receipts are not those of its header")
        if header.current_set != set_hash(self.validators) or header.epoch != self.validators.epoch:
            raise BadProof(f"block {height} names another validator set than the one that is due")
        if height:
            self._signed(block)
        elif block.calls:  # nobody signs block 0: it is the genesis file, and block 1 names its hash
            raise BadProof("block 0 holds no transactions")
        self.head = Head(height, block.hash, header.next_set, int(header.time_ms))

    def _signed(self, block: Decoded) -> None:
        header, members = block.header, self.validators.members
        message = vote_bytes(header.chain_id, header.epoch, Height(block.height), block.hash)
        holding = {
            position
            for position, signature in parse_certificate(block.raw.certificate).signatures
            if position < len(members) and verify(members[position].public_key, message, signature)
        }
        if len(holding) < quorum(len(members)):
            raise BadProof(
                f"block {block.height} has {len(holding)} valid signatures, {quorum(len(members))} are needed"
            )
