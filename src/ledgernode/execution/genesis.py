"""Block 0: the genesis file as state. The same file gives the same block on every node."""

from __future__ import annotations

from ledgernode.execution.overlay import BlockOverlay
from ledgernode.execution.system.founding import found
from ledgernode.execution.values import encode_value
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.genesis_rules import check_genesis
from ledgernode.store.chain import SealedBlock
from ledgernode.store.lattice import EMPTY
from ledgernode.store.memory import MemoryStore
from ledgernode.store.past import CurrentState
from ledgernode.wire.block import Header
from ledgernode.wire.genesis import Genesis, chain_id
from ledgernode.wire.keys import state_key
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.types import ZERO_HASH, ChainId, Height
from ledgernode.wire.validators import set_hash


def genesis_block(genesis_bytes: bytes) -> SealedBlock:
    """The sealed block of height 0. Refuses a file that does not make a ledger (`check_genesis`)."""
    genesis = check_genesis(genesis_bytes)
    with MemoryStore().reader() as nothing:
        return _sealed(genesis, chain_id(genesis_bytes), BlockOverlay(CurrentState(nothing), Height(0)))


def _sealed(genesis: Genesis, name: ChainId, overlay: BlockOverlay) -> SealedBlock:
    state = overlay.begin(0)
    for contract, key, value in found(genesis, name):
        state.put(state_key(contract, key), encode_value(value, genesis.parameters))
    state.commit()
    first_set = founding_set(genesis)
    lattice = EMPTY.updated(*overlay.net())
    header = Header(
        chain_id=name,
        epoch=first_set.epoch,
        height=Height(0),
        parent_hash=ZERO_HASH,
        transaction_root=transaction_root([]),
        receipts_root=receipts_root([]),
        state_commitment=lattice.commitment(),
        time_ms=genesis.created_ms,
        current_set=set_hash(first_set),
        next_set=set_hash(first_set),
        transactions=0,
        receipts=0,
    )
    return SealedBlock(
        header=header,
        envelopes=(),
        receipts=(),
        changes=tuple(overlay.changes),
        lattice=lattice,
        transaction_ids=(),
        next_set=first_set,
        current_set=first_set,
    )
