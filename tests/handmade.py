"""A chain made by hand: real keys, certificates, store and signatures, but results written by the test.

For what must hold of any chain whatever computed it: proofs, vectors, changes of the validator set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from ledgernode.execution.reward import Reward, encode_reward
from ledgernode.identity.certificates import build_request, create_intermediate, create_root, issue
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.store.chain import ChainStore, SealedBlock
from ledgernode.store.lattice import EMPTY
from ledgernode.store.memory import MemoryStore
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.genesis import (
    FORMAT,
    Genesis,
    GenesisEngine,
    GenesisMember,
    GenesisOrganisation,
    GenesisValidator,
    chain_id,
    encode_genesis,
)
from ledgernode.wire.quorum import quorum
from ledgernode.wire.receipt import Origin, Receipt, encode_receipt
from ledgernode.wire.roots import items_root, receipts_root, transaction_root
from ledgernode.wire.transaction import Body, Kind, Nonce, encode_body, envelope
from ledgernode.wire.types import (
    ZERO_HASH,
    Epoch,
    Height,
    IdentityId,
    TimeMs,
    TransactionId,
    identity_id,
    sha256,
)
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, set_hash, vote_bytes

FOUNDED_MS = 1_767_225_600_000


class HandmadeNetwork:
    """Organisations with one validator each, their genesis file, and a member who signs."""

    def __init__(
        self,
        validators: int = 4,
        new_key: Callable[[], PrivateKey] = PrivateKey.generate,
        engine: GenesisEngine | None = None,
    ) -> None:
        self.new_key = new_key
        self.keys = {}
        organisations = [self._organisation(f"org{number}") for number in range(1, validators + 1)]
        engine = engine or GenesisEngine("pbft" if validators >= 4 else "solo")
        self.genesis = Genesis(FORMAT, "handmade", TimeMs(FOUNDED_MS), tuple(organisations), engine)
        self.genesis_bytes = encode_genesis(self.genesis)
        self.chain_id = chain_id(self.genesis_bytes)
        self.signer = new_key()
        self._nonces = count(1)

    def _organisation(self, name: str) -> GenesisOrganisation:
        root = create_root(name, now_ms=FOUNDED_MS)
        issuing = create_intermediate(root, now_ms=FOUNDED_MS)

        def member(role: Role) -> str:
            key = self.new_key()
            self.keys[identity_id(key.public_key)] = key
            request = build_request(key, organisation=name, role=role, name=role.value)
            return issue(request, issuing, now_ms=FOUNDED_MS)

        return GenesisOrganisation(
            name=name,
            roots=(root.certificate,),
            admins=(GenesisMember(member(Role.ADMIN)),),
            validators=(GenesisValidator(member(Role.VALIDATOR), f"localhost:{7000 + len(self.keys)}"),),
        )

    def newcomer(self, name: str) -> Validator:
        """A validator that is not in the genesis file."""
        key = self.new_key()
        who = identity_id(key.public_key)
        self.keys[who] = key
        return Validator(who, name, key.public_key)

    def envelope(self, arguments: bytes = b"{}") -> bytes:
        """A signed transaction of the member, each another one."""
        nonce = Nonce(next(self._nonces).to_bytes(16, "big"), TimeMs(FOUNDED_MS + 600_000))
        creator = identity_id(self.signer.public_key)
        body = encode_body(Body(Kind.TRANSACTION, self.chain_id, creator, nonce, 5_000, "meters", "record", arguments))
        return envelope(self.signer.public_key, self.signer.sign(body), body)


class HandmadeChain:
    """Blocks that the test fills; every one is certified by a quorum of its epoch's set."""

    def __init__(self, network: HandmadeNetwork) -> None:
        self.network = network
        self.current = founding_set(network.genesis)
        own = set_hash(self.current)
        none = (transaction_root([]), receipts_root([]))
        header = Header(
            network.chain_id,
            Epoch(0),
            Height(0),
            ZERO_HASH,
            *none,
            EMPTY.commitment(),
            TimeMs(FOUNDED_MS),
            own,
            own,
            0,
            0,
        )
        self.store = ChainStore.create(
            MemoryStore(), SealedBlock(header, (), (), (), EMPTY, (), self.current, self.current)
        )

    def append(
        self,
        envelopes: Sequence[bytes] = (),
        *,
        timers: Sequence[Receipt] = (),
        items: Sequence[object] = (),
        next_members: Sequence[Validator] | None = None,
    ) -> Height:
        """One block: receipts of `timers` (a reward before them), then one for each envelope (with these items); then
        maybe a new set."""
        parent = self.store.head
        receipts = tuple(encode_receipt(timer) for timer in timers) + tuple(
            encode_receipt(_receipt_of(raw, items)) for raw in envelopes
        )
        following = self.current
        if next_members is not None:
            following = ValidatorSet.of(Epoch(self.current.epoch + 1), next_members)
        header = Header(
            chain_id=parent.chain_id,
            epoch=self.current.epoch,
            height=Height(parent.height + 1),
            parent_hash=header_hash(parent),
            transaction_root=transaction_root([sha256(raw) for raw in envelopes]),
            receipts_root=receipts_root(receipts),
            state_commitment=EMPTY.commitment(),
            time_ms=TimeMs(parent.time_ms + 1_000),
            current_set=set_hash(self.current),
            next_set=set_hash(following),
            transactions=len(envelopes),
            receipts=len(receipts),
        )
        ids = tuple(transaction_id(raw) for raw in envelopes)
        sealed = SealedBlock(header, tuple(envelopes), receipts, (), EMPTY, ids, following, self.current)
        self.store.append([sealed], {header.height: self.certify(header)})
        self.current = following
        return header.height

    def certify(self, header: Header, validators: ValidatorSet | None = None) -> Certificate:
        """The first q members' signatures."""
        members = (validators or self.current).members
        vote = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
        return Certificate(
            tuple(
                (position, self.network.keys[members[position].identity].sign(vote))
                for position in range(quorum(len(members)))
            )
        )


def transaction_id(raw: bytes) -> TransactionId:
    return TransactionId(sha256(raw[129:]))


def timer_receipt(number: int = 1) -> Receipt:
    return Receipt(TransactionId(sha256(bytes([number]))), Origin.TIMER, "OK", "", b"null", (), 77)


def reward_receipt(miner: IdentityId, height: int) -> Receipt:
    """What a block of this height begins with when it pays whoever found it."""
    result = encode_reward(Reward(50, miner.hex()))
    return Receipt(TransactionId(sha256(b"reward %d" % height)), Origin.REWARD, "OK", "", result, (), 1_900)


def _receipt_of(raw: bytes, items: Sequence[object]) -> Receipt:
    receipt = Receipt(transaction_id(raw), Origin.TRANSACTION, "OK", "", b'{"recorded":true}', (), 1_234)
    if items:
        return msgspec.structs.replace(receipt, items_root=items_root(items), items=len(items))
    return receipt
