"""Blocks of a backup checked one after the other, from a validator set that the genesis file leads to.

A block follows its parent, in number, hash, set and time; its roots are those of its envelopes and receipts; a quorum
of its epoch's set has signed it. What it gives when it is executed is for a restore to find out.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledgernode.backup.segment import StoredBlock
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import BackupInvalid, LedgerError
from ledgernode.identity.keys import verify
from ledgernode.verification import check_envelope, check_link, check_roots
from ledgernode.wire.block import Header, parse_header
from ledgernode.wire.transaction import Transaction, parse_transaction
from ledgernode.wire.types import ChainId
from ledgernode.wire.validators import ValidatorSet, parse_certificate, parse_set, set_hash


class Follower:
    """Of one chain. `sets` are those that sign what comes first; a block that hands over adds the next one.

    `parent` is the block before the first; None where that is not at hand: then its certificate alone says what it is.
    """

    def __init__(self, chain_id: ChainId, sets: Iterable[ValidatorSet], parent: Header | None = None) -> None:
        self._chain_id = chain_id
        self._sets = {set_hash(known): known for known in sets}
        self.parent = parent

    def check(
        self, block: StoredBlock, *, certified: bool = True, signatures: bool = False
    ) -> tuple[Header, list[Transaction]]:
        """The block, read. `signatures`: those of its envelopes too, which a certificate makes certain already.

        Refuses (BackupInvalid) one that does not hold, and then it is as if that had not been shown.
        """
        try:
            return self._check(block, certified=certified, signatures=signatures or not certified)
        except BackupInvalid:
            raise
        except LedgerError as error:
            raise BackupInvalid(str(error)) from error

    def set_of(self, header: Header) -> ValidatorSet:
        """Whose certificate it carries; refuses a set that nothing leads to (BackupInvalid)."""
        known = self._sets.get(header.current_set)
        if known is None:
            raise BackupInvalid(f"block {header.height} is of a validator set that genesis does not lead to")
        return known

    def _check(self, block: StoredBlock, *, certified: bool, signatures: bool) -> tuple[Header, list[Transaction]]:
        header = parse_header(block.header)
        if header.chain_id != self._chain_id:
            raise BackupInvalid(f"block {header.height} is of another ledger")
        if self.parent is not None:
            check_link(header, self.parent.height + 1, self.parent)
        transactions = [parse_transaction(raw) for raw in block.envelopes]
        check_roots(header, transactions, block.receipts)
        validators = self.set_of(header)
        if certified:
            check_certificate(header, parse_certificate(block.certificate), validators, verify)
        if signatures:
            for position, transaction in enumerate(transactions):
                check_envelope(header.chain_id, transaction, header.height, position)
        if header.next_set != header.current_set:
            following = parse_set(block.next_set)
            if set_hash(following) != header.next_set or following.epoch != validators.epoch + 1:
                raise BackupInvalid(f"block {header.height} hands over to another validator set than it carries")
            self._sets[header.next_set] = following
        elif block.next_set:
            raise BackupInvalid(f"block {header.height} hands over to nobody, and carries a validator set")
        self.parent = header
        return header, transactions
