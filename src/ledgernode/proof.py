"""Evidence that holds against the genesis file alone, offline and for ever.

A proof shows that one transaction (or one element of a signed batch, one timer's call, one miner's reward)
and its receipt stand in a certified block. It carries

* the envelope and its place under the block's transaction root; a proof of one element carries that
  element and its place under the receipt's items root instead, and neither envelope nor neighbours;
* the receipt and its place under the block's receipts root;
* the block's header and certificate;
* every change of the validator set since genesis: the certified header that hands over, and the new set.

The genesis file gives the chain id and the first set; each set's signatures hand over to the next, and
the last one's certify the block. The document is JSON in one form (bytes as lower-case hex, no white
space, fields in the order below); any other form is refused, so that no byte of it is idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ledgernode.config import MESSAGE_BYTES
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import BadProof, DatabaseDamaged, MalformedTransaction, UnknownTransaction
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.keys import verify, verify_digest
from ledgernode.store.chain import ChainStore
from ledgernode.wire import merkle
from ledgernode.wire.block import Header, encode_header, parse_header
from ledgernode.wire.genesis import chain_id, parse_genesis
from ledgernode.wire.receipt import Origin, Receipt, parse_receipt
from ledgernode.wire.roots import item_leaves
from ledgernode.wire.transaction import Kind, Transaction, parse_transaction
from ledgernode.wire.types import ChainId, Height, TimeMs, TransactionId, sha256
from ledgernode.wire.unreadable import UNREADABLE
from ledgernode.wire.validators import (
    ValidatorSet,
    encode_certificate,
    encode_set,
    parse_certificate,
    parse_set,
    set_hash,
)

FORMAT: Final = "ledgernode/proof/1"
TRANSACTION: Final = "transaction"
ITEM: Final = "item"
TIMER: Final = "timer"
REWARD: Final = "reward"

# of each kind: does it carry an envelope, does it carry an item; of each origin: the kinds that prove it
_CARRIED: Final = {
    TRANSACTION: (True, False),
    ITEM: (False, True),
    TIMER: (False, False),
    REWARD: (False, False),
}
_KINDS: Final = {
    Origin.TRANSACTION: (TRANSACTION, ITEM),
    Origin.TIMER: (TIMER,),
    Origin.REWARD: (REWARD,),
}


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data and its place in a Merkle tree whose size the header or the receipt says."""

    data: str
    index: int
    path: tuple[str, ...]


class SetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last block of an epoch, and the set that follows."""

    header: str
    certificate: str
    next_set: str


class ProofDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    kind: str
    envelope: Leaf | None
    item: Leaf | None
    receipt: Leaf
    header: str
    certificate: str
    set_changes: tuple[SetChange, ...]


class CheckedProof(msgspec.Struct, frozen=True):
    """What a proof has shown. Only a receipt with code OK took effect."""

    kind: str
    transaction: Transaction | None
    receipt: Receipt
    item: bytes | None
    header: Header
    height: Height
    time_ms: TimeMs


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(ProofDocument)

# ---------------------------------------------------------------- building


def build_transaction_proof(
    chain: ChainStore, genesis_bytes: bytes, transaction_id: TransactionId, item: int | None = None
) -> bytes:
    """The proof of a transaction, of one element of its batch, of a timer's call or of a reward, by its id.

    Refuses an id that is not in the chain, a block without its certificate yet, and an element that
    the batch does not have.
    """
    assert chain_id(genesis_bytes) == chain.chain_id, "the genesis file is this chain's"
    place = chain.locate(transaction_id)
    if place is None:
        raise UnknownTransaction(f"no transaction {transaction_id.hex()[:16]}… is in the chain")
    height, position = place
    header, receipts, envelopes = chain.header(height), chain.receipts(height), chain.envelopes(height)
    receipt = parse_receipt(receipts[position])
    index = position - (header.receipts - header.transactions)
    unsigned = REWARD if receipt.origin is Origin.REWARD else TIMER
    kind = unsigned if index < 0 else TRANSACTION if item is None else ITEM
    hashes = [sha256(envelope) for envelope in envelopes] if kind == TRANSACTION else []
    document = ProofDocument(
        format=FORMAT,
        kind=kind,
        envelope=_leaf(hashes, index, data=envelopes[index]) if kind == TRANSACTION else None,
        item=None if item is None else _item(receipt, envelopes[index] if index >= 0 else None, item),
        receipt=_leaf(receipts, position),
        header=encode_header(header).hex(),
        certificate=encode_certificate(chain.certificate(height)).hex(),
        set_changes=set_changes(chain, height),
    )
    return _ENCODER.encode(document)


def _leaf(leaves: Sequence[bytes], index: int, data: bytes | None = None) -> Leaf:
    path = tuple(sibling.hex() for sibling in merkle.path(leaves, index))
    return Leaf((leaves[index] if data is None else data).hex(), index, path)


def _item(receipt: Receipt, envelope: bytes | None, item: int) -> Leaf:
    if envelope is None or not 0 <= item < receipt.items:
        raise UnknownTransaction(f"there is no element {item}: this receipt proves {receipt.items} elements")
    arguments = msgspec.json.decode(parse_transaction(envelope).body.arguments)
    for elements in arguments.values():
        if isinstance(elements, list) and len(elements) == receipt.items:
            leaves = item_leaves(elements)
            if merkle.root(leaves) == receipt.items_root:
                return _leaf(leaves, item)
    raise DatabaseDamaged("no argument of this transaction has the items root of its receipt")


def set_changes(chain: ChainStore, height: Height) -> tuple[SetChange, ...]:
    """Every change of the validator set below a height, oldest first."""
    changes: list[SetChange] = []
    for at in chain.set_changes():
        if at >= height:
            break
        header = chain.header(at)
        changes.append(
            SetChange(
                encode_header(header).hex(),
                encode_certificate(chain.certificate(at)).hex(),
                encode_set(chain.validator_set(header.next_set)).hex(),
            )
        )
    return tuple(changes)


# ---------------------------------------------------------------- checking


def check_proof(proof: bytes, genesis_bytes: bytes) -> CheckedProof:
    """Check a proof against the genesis file, from the first set to the last leaf.

    Refuses with BadProof, naming the step that fails; a genesis file that cannot be read with its own error.
    """
    document = _read(proof)
    chain = chain_id(genesis_bytes)
    validators, since = follow_changes(document.set_changes, genesis_bytes)
    header = _certified(document.header, document.certificate, validators, chain, "block")
    if header.height <= since:
        raise BadProof(f"block: height {header.height} does not come after the last change of the set, {since}")
    receipt = _receipt(document, header)
    transaction = _transaction(document.envelope, receipt, document.receipt.index, header, chain)
    return CheckedProof(
        kind=document.kind,
        transaction=transaction,
        receipt=receipt,
        item=None if document.item is None else _proven_item(document.item, receipt),
        header=header,
        height=header.height,
        time_ms=header.time_ms,
    )


def _read(proof: bytes) -> ProofDocument:
    if len(proof) > MESSAGE_BYTES:
        raise BadProof(f"form: a proof has at most {MESSAGE_BYTES} bytes, this one {len(proof)}")
    try:
        document = _DECODER.decode(proof)
    except UNREADABLE as error:
        raise BadProof(f"form: this is no proof document: {error}") from error
    if document.format != FORMAT:
        raise BadProof(f"form: the proof is of format {document.format[:40]!r}, this software reads {FORMAT!r}")
    if _ENCODER.encode(document) != proof:
        raise BadProof("form: the document is not in the one form it has")
    carried = (document.envelope is not None, document.item is not None)
    if carried != _CARRIED.get(document.kind):
        raise BadProof("form: a transaction's proof carries its envelope, an element's the element, others neither")
    return document


def follow_changes(changes: Sequence[SetChange], genesis_bytes: bytes) -> tuple[ValidatorSet, int]:
    """The set that signs after these changes, and the height of the last; refuses with BadProof, naming the change."""
    chain, validators, since = chain_id(genesis_bytes), founding_set(parse_genesis(genesis_bytes)), 0
    for number, change in enumerate(changes, 1):
        step = f"set change {number}"
        header = _certified(change.header, change.certificate, validators, chain, step)
        following = _parsed(parse_set, change.next_set, step)
        if set_hash(following) != header.next_set or following.epoch != validators.epoch + 1:
            raise BadProof(f"{step}: the header hands over to another set")
        if header.height <= since:
            raise BadProof(f"{step}: height {header.height} does not come after {since}")
        validators, since = following, header.height
    return validators, since


def _certified(header_hex: str, certificate_hex: str, validators: ValidatorSet, chain: ChainId, step: str) -> Header:
    header: Header = _parsed(parse_header, header_hex, step)
    certificate = _parsed(parse_certificate, certificate_hex, step)
    if header.chain_id != chain:
        raise BadProof(f"{step}: the header is of another ledger than the genesis file")
    try:
        check_certificate(header, certificate, validators, verify)
    except BadProof as error:
        raise BadProof(f"{step}: {error}") from error
    return header


def _receipt(document: ProofDocument, header: Header) -> Receipt:
    leaf = document.receipt
    receipt: Receipt = _parsed(parse_receipt, leaf.data, "receipt")
    if not _stands(leaf, _bytes(leaf.data, "receipt"), header.receipts, header.receipts_root, "receipt"):
        raise BadProof("receipt: it does not stand under the block's receipts root")
    unsigned = leaf.index < header.receipts - header.transactions
    if unsigned != (receipt.origin is not Origin.TRANSACTION) or document.kind not in _KINDS[receipt.origin]:
        raise BadProof("receipt: its origin, its place and the kind of this proof disagree")
    return receipt


def _transaction(
    leaf: Leaf | None, receipt: Receipt, position: int, header: Header, chain: ChainId
) -> Transaction | None:
    if leaf is None:
        return None
    transaction: Transaction = _parsed(parse_transaction, leaf.data, "envelope")
    body = transaction.body
    if transaction.id != receipt.id or leaf.index + header.receipts - header.transactions != position:
        raise BadProof("envelope: the receipt is of another transaction")
    if not _stands(leaf, transaction.envelope_hash, header.transactions, header.transaction_root, "envelope"):
        raise BadProof("envelope: it does not stand under the block's transaction root")
    if body.kind is not Kind.TRANSACTION or body.chain_id != chain:
        raise BadProof("envelope: it holds no transaction of this ledger")
    if not verify_digest(transaction.public_key, transaction.id, transaction.signature):
        raise BadProof("envelope: its signature does not hold")
    return transaction


def _proven_item(leaf: Leaf, receipt: Receipt) -> bytes:
    data = _bytes(leaf.data, "item")
    if not receipt.items_root or not _stands(leaf, data, receipt.items, receipt.items_root, "item"):
        raise BadProof("item: it does not stand under the receipt's items root")
    return data


def _stands(leaf: Leaf, data: bytes, size: int, root: bytes, step: str) -> bool:
    path = [_bytes(sibling, step) for sibling in leaf.path]
    return merkle.verify(data, leaf.index, size, path, root)


def _parsed(parse: Any, text: str, step: str) -> Any:
    raw = _bytes(text, step)
    try:
        return parse(raw)
    except (BadProof, DatabaseDamaged, MalformedTransaction) as error:
        raise BadProof(f"{step}: {error}") from error


def _bytes(text: str, step: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise BadProof(f"{step}: bytes are written as hex") from error
    if raw.hex() != text:
        raise BadProof(f"{step}: bytes are written as lower-case hex without spaces")
    return raw
