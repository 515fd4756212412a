"""Builds sealed blocks for the store's tests, with a plain model of what the store must answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ledgernode.consensus.certifier import check_certificate
from ledgernode.consensus.quorum import quorum
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.store.chain import SealedBlock
from ledgernode.store.lattice import EMPTY
from ledgernode.store.state import Change, is_grave, record
from ledgernode.wire import merkle
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.receipt import OK, Origin, Receipt, encode_receipt
from ledgernode.wire.types import ZERO_HASH, ChainId, Epoch, Height, IdentityId, TimeMs, TransactionId, identity_id
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, set_hash, vote_bytes

CHAIN = ChainId(hashlib.sha256(b"the ledger of these tests").digest())
START_MS = 1_767_225_600_000
Call = Mapping[str, bytes | None]
"""What one call writes: values by key, None deletes."""


def check(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
    check_certificate(header, certificate, validators, verify)


def make_set(epoch: int, keys: Sequence[PrivateKey]) -> ValidatorSet:
    return ValidatorSet.of(
        Epoch(epoch),
        [Validator(IdentityId(identity_id(key.public_key)), "utility", key.public_key) for key in keys],
    )


class Builder:
    """Makes one block after another and remembers every state and every version of every key."""

    def __init__(self, keys: Sequence[PrivateKey] = (), chain_id: ChainId = CHAIN) -> None:
        self.keys = list(keys) or [PrivateKey.generate()]
        self.chain_id = chain_id
        self.set = make_set(0, self.keys)
        self.blocks: list[SealedBlock] = []
        self.signers: list[tuple[ValidatorSet, list[PrivateKey]]] = []
        self.states: list[dict[bytes, bytes]] = []
        self.versions: dict[bytes, list[tuple[tuple[int, int], bytes]]] = {}
        self.block([{"genesis": b"yes"}], envelopes=0)

    @property
    def genesis(self) -> SealedBlock:
        return self.blocks[0]

    def block(
        self,
        calls: Sequence[Call] = (),
        *,
        envelopes: int | None = None,
        next_keys: Sequence[PrivateKey] = (),
        epochs: int = 1,
        duplicates: frozenset[int] = frozenset(),
        later_ms: int = 1_000,
    ) -> SealedBlock:
        """The next block; of its calls the first ones are timers when there are more calls than envelopes."""
        height = Height(len(self.blocks))
        count = len(calls) if envelopes is None else envelopes
        raw = tuple(b"envelope %d of block %d" % (number, height) for number in range(count))
        timers = max(0, len(calls) - count)
        receipts = (
            *[_receipt(timer_id(height, number), Origin.TIMER) for number in range(timers)],
            *[_receipt(transaction_id(height, number), Origin.TRANSACTION) for number in range(count)],
        )
        changes, state = self._changes(height, calls)
        before = self.states[-1] if self.states else {}
        lattice = (self.blocks[-1].lattice if self.blocks else EMPTY).updated(
            before.items() - state.items(), state.items() - before.items()
        )
        next_set = make_set(self.set.epoch + epochs, next_keys) if next_keys else self.set
        header = Header(
            chain_id=self.chain_id,
            epoch=self.set.epoch,
            height=height,
            parent_hash=header_hash(self.blocks[-1].header) if self.blocks else ZERO_HASH,
            transaction_root=merkle.root(raw),
            receipts_root=merkle.root(receipts),
            state_commitment=lattice.commitment(),
            time_ms=TimeMs(self.blocks[-1].header.time_ms + later_ms if self.blocks else START_MS),
            current_set=set_hash(self.set),
            next_set=set_hash(next_set),
            transactions=len(raw),
            receipts=len(receipts),
        )
        ids = tuple(None if number in duplicates else transaction_id(height, number) for number in range(count))
        sealed = SealedBlock(header, raw, receipts, changes, lattice, ids, next_set, self.set)
        self.blocks.append(sealed)
        self.states.append(state)
        self.signers.append((self.set, self.keys))
        if next_keys:
            self.set, self.keys = next_set, list(next_keys)
        return sealed

    def certificate(self, height: int) -> Certificate:
        """Enough real signatures of the set that the block is of."""
        header = self.blocks[height].header
        validators, keys = self.signers[height]
        message = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
        position = {member.public_key: number for number, member in enumerate(validators.members)}
        signed = sorted((position[key.public_key], key.sign(message)) for key in keys)
        return Certificate(tuple(signed[: quorum(len(keys))]))

    def _changes(self, height: int, calls: Sequence[Call]) -> tuple[tuple[Change, ...], dict[bytes, bytes]]:
        state = dict(self.states[-1]) if self.states else {}
        newest = dict(state)  # as the executor sees it: with the deletions of this block
        changes: list[Change] = []
        for position, call in enumerate(calls):
            for name in sorted(call):
                key, after = b"test\x00" + name.encode(), record(height, position, call[name] or b"")
                before = newest.get(key)
                if is_grave(after) and key not in state:
                    continue  # deleting what is not there is no change
                changes.append(Change(position, key, before, after))
                newest[key] = after
                self.versions.setdefault(key, []).insert(0, ((height, position), after))
                if is_grave(after):
                    state.pop(key)
                else:
                    state[key] = after
        return tuple(changes), state


def transaction_id(height: int, number: int) -> TransactionId:
    return TransactionId(hashlib.sha256(b"%d/%d" % (height, number)).digest())


def timer_id(height: int, number: int) -> TransactionId:
    return TransactionId(hashlib.sha256(b"timer %d/%d" % (height, number)).digest())


def _receipt(id: TransactionId, origin: Origin) -> bytes:
    return encode_receipt(Receipt(id, origin, OK, "", b"null", (), 1))


def database_file(path: Path) -> Path:
    return path / "data.mdb"
