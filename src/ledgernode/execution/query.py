"""A signed question, answered from the state after the last block or after a recent one.

A query runs like a transaction, on a view of its own, and cannot write. It alone may look at history and at
transactions. Whether its signature holds was checked before (`node.admission`); whether its signer may ask
is decided here, by the records at the head, also where the question is about the past.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import msgspec

from chaincode.api import HistoryEntry
from ledgernode import config
from ledgernode.errors import BadValue, TransactionExpired, UnknownContract, WrongChain, WrongFunctionKind
from ledgernode.execution.contracts import QUERY, Contracts
from ledgernode.execution.ledger_view import LedgerView, RecordCache, Signer
from ledgernode.execution.outcome import perform
from ledgernode.execution.overlay import BlockOverlay
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.scope import BlockScope, Scope
from ledgernode.execution.values import decode_value
from ledgernode.identity.records import LIFECYCLE
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import StateView, is_grave, value_of
from ledgernode.wire.block import Header
from ledgernode.wire.keys import composite_key, split_composite, split_state_key, state_key
from ledgernode.wire.receipt import Receipt, parse_receipt
from ledgernode.wire.transaction import Kind, Nonce, Transaction, parse_transaction
from ledgernode.wire.types import HASH_BYTES, ZERO_HASH, Height, TransactionId

_cache: Final = RecordCache()


def evaluate(
    chain: ChainStore, query: Transaction, *, height: Height | None = None, contracts: Contracts | None = None
) -> tuple[bytes, Height]:
    """The result as JSON, and the height whose state gave it. Refuses as a transaction would be refused."""
    if query.body.kind is not Kind.QUERY:
        raise WrongFunctionKind("this is signed as a transaction, not as a query")
    if query.body.chain_id != chain.chain_id:
        raise WrongChain("the query names another ledger")
    contracts = contracts or _system()
    with chain.newest() as (header, view):
        signer = _signer(view, query, header)
        if height is None or height == header.height:
            return _answer(_block(chain, view, header, contracts), query, signer), header.height
    with chain.state_at(height) as past:
        return _answer(_block(chain, past, chain.header(height), contracts), query, signer), height


class Asker:
    """Asks contracts at the newest state for somebody who is known otherwise than by a signature."""

    def __init__(self, chain: ChainStore, header: Header, view: StateView, contracts: Contracts, caller: str) -> None:
        self._block = _block(chain, view, header, contracts)
        self._ledger = self._block.ledger
        self._contracts = contracts
        record = self._ledger.identity(caller) if caller else None
        known = (record.id, record.organisation, record.role.value, record.attributes) if record is not None else ()
        self._signer = Signer(*known)

    def role_of(self, identity: str) -> str:
        """'' where nobody is registered under this id."""
        record = self._ledger.identity(identity)
        return "" if record is None else record.role.value

    def offering(self, function: str) -> list[str]:
        """The committed contracts that have this query."""
        found = []
        for key, _ in self._ledger.view.scan(_COMMITTED, _COMMITTED[:-1] + b"\x01"):
            name = split_composite(split_state_key(key)[1])[1]
            try:
                spec = self._contracts.resolve(name, self._ledger).functions.get(function)
            except UnknownContract:
                continue  # it begins later
            if spec is not None and spec.kind == QUERY:
                found.append(name)
        return found

    def answer(self, contract: str, function: str, arguments: Mapping[str, Any]) -> bytes:
        """Refuses as a signed question of the caller's would be."""
        meter = Meter(config.QUERY_INLINE_BUDGET)
        overlay = BlockOverlay(self._ledger.view, self._block.height).begin(0)
        scope = Scope(self._block, overlay, meter, self._signer, TransactionId(ZERO_HASH))
        return perform(scope, contract, function, QUERY, dict(arguments)).result


@contextmanager
def asker(chain: ChainStore, contracts: Contracts, caller: str) -> Iterator[Asker]:
    """Of the newest state; `caller` is an identity's id, '' for one that nobody has registered."""
    with chain.newest() as (header, view):
        yield Asker(chain, header, view, contracts, caller)


_COMMITTED: Final = state_key(LIFECYCLE, composite_key("committed"))


def _signer(view: StateView, query: Transaction, head: Header) -> Signer:
    nonce = query.body.replay
    if isinstance(nonce, Nonce) and head.time_ms > nonce.valid_until_ms:
        raise TransactionExpired(f"valid until {nonce.valid_until_ms} ms, and block time is {head.time_ms} ms")
    signer = LedgerView(view, _cache, head.height, head.time_ms).signer(query.body.creator, query.public_key)
    if signer.refusal is not None:
        raise signer.refusal
    return signer


def _block(chain: ChainStore, view: StateView, header: Header, contracts: Contracts) -> BlockScope:
    # the code is what the next block would run, so that a contract answers as soon as it is committed
    ledger = LedgerView(view, _cache, Height(header.height + 1), header.time_ms)
    return BlockScope(ledger, contracts, header.height, ChainLookups(chain, header.height))


def _answer(block: BlockScope, query: Transaction, signer: Signer) -> bytes:
    body = query.body
    meter = Meter(min(body.budget, config.QUERY_BUDGET))
    scope = Scope(block, BlockOverlay(block.ledger.view, block.height).begin(0), meter, signer, query.id)
    return perform(scope, body.contract, body.function, QUERY, body.arguments).result


@cache
def _system() -> Contracts:
    return Contracts()


class ChainLookups:
    """The past of keys and of transactions, as known at one height."""

    def __init__(self, chain: ChainStore, height: Height) -> None:
        self._chain = chain
        self._height = height

    def history(self, key: bytes, limit: int) -> Sequence[HistoryEntry]:
        """Newest first, up to the height asked at."""
        later = self._chain.head.height - self._height
        found = self._chain.history(key, limit if not later else config.LOOKUP_PAGE)
        return [self._entry(*version, stored) for version, stored in found if version[0] <= self._height][:limit]

    def _entry(self, height: int, position: int, stored: bytes) -> HistoryEntry:
        deleted = is_grave(stored)
        receipts = self._chain.receipts(Height(height))
        return HistoryEntry(
            transaction_id=parse_receipt(receipts[position]).id.hex() if position < len(receipts) else "",
            height=height,
            time_ms=self._chain.header(Height(height)).time_ms,
            value=None if deleted else decode_value(value_of(stored)),
            deleted=deleted,
        )

    def transaction(self, transaction_id: str) -> Mapping[str, Any] | None:
        """What a transaction (or a timer's call) was and did; None where none of this id is in the chain."""
        located = self._chain.locate(_transaction_id(transaction_id))
        if located is None or located[0] > self._height:
            return None
        height, position = located
        header, receipts = self._chain.header(height), self._chain.receipts(height)
        receipt = parse_receipt(receipts[position])
        at = position - (header.receipts - header.transactions)
        envelope = self._chain.envelopes(height)[at] if at >= 0 else None
        return {
            "id": receipt.id.hex(),
            "height": height,
            "position": position,
            "time_ms": header.time_ms,
            **_asked(envelope),
            **_answered(receipt),
        }


def _asked(envelope: bytes | None) -> dict[str, Any]:
    """Of a timer's call there is no envelope."""
    if envelope is None:
        return {"creator": "", "contract": "", "function": "", "arguments": None}
    body = parse_transaction(envelope).body
    return {
        "creator": body.creator.hex(),
        "contract": body.contract,
        "function": body.function,
        "arguments": msgspec.json.decode(body.arguments),
    }


def _answered(receipt: Receipt) -> dict[str, Any]:
    return {
        "code": receipt.code,
        "message": receipt.message,
        "result": msgspec.json.decode(receipt.result) if receipt.result else None,
        "events": [
            {"contract": event.contract, "name": event.name, "payload": msgspec.json.decode(event.payload)}
            for event in receipt.events
        ],
    }


def _transaction_id(text: str) -> TransactionId:
    try:
        raw = bytes.fromhex(text)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != HASH_BYTES:
        raise BadValue(f"a transaction id is {HASH_BYTES * 2} hexadecimal digits")
    return TransactionId(raw)
