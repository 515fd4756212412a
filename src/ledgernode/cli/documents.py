"""The ledger's values as documents: what ``--json`` prints, and what tables are made from."""

from __future__ import annotations

from typing import Any

import msgspec

from ledgernode.cli.output import decoded
from ledgernode.errors import LedgerError
from ledgernode.wire.answers import (
    Block,
    LedgerFacts,
    LocatedTransaction,
    NodeStatus,
    NumberedEvent,
    Outcome,
    SnapshotFacts,
)
from ledgernode.wire.block import Header, header_hash, parse_header
from ledgernode.wire.receipt import Origin, Receipt, parse_receipt
from ledgernode.wire.transaction import Nonce, Transaction, parse_transaction
from ledgernode.wire.validators import parse_certificate


def block_document(block: Block) -> dict[str, Any]:
    """A block with what each of its calls did: the reward of a mined one, due timers, transactions."""
    header = parse_header(block.header)
    receipts = [parse_receipt(raw) for raw in block.receipts]
    unsigned = len(receipts) - len(block.envelopes)
    rewards = [receipt_document(receipt) for receipt in receipts[:unsigned] if receipt.origin is Origin.REWARD]
    timers = [receipt_document(receipt) for receipt in receipts[:unsigned] if receipt.origin is Origin.TIMER]
    return {
        **header_document(header),
        "reward": rewards[0] if rewards else None,
        "timers": timers,
        "transactions": [
            {**transaction_document(parse_transaction(raw)), "receipt": receipt_document(receipt)}
            for raw, receipt in zip(block.envelopes, receipts[unsigned:], strict=True)
        ],
        "certificate": [
            {"position": position, "signature": signature.hex()}
            for position, signature in (parse_certificate(block.certificate).signatures if block.certificate else ())
        ],
    }


def calls_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """All calls of a block's document, in their order."""
    return [*([block["reward"]] if block["reward"] else ()), *block["timers"], *block["transactions"]]


def header_document(header: Header) -> dict[str, Any]:
    return {
        "height": header.height,
        "hash": header_hash(header).hex(),
        "time_ms": header.time_ms,
        "epoch": header.epoch,
        "chain_id": header.chain_id.hex(),
        "parent_hash": header.parent_hash.hex(),
        "transaction_root": header.transaction_root.hex(),
        "receipts_root": header.receipts_root.hex(),
        "state_commitment": header.state_commitment.hex(),
        "current_set": header.current_set.hex(),
        "next_set": header.next_set.hex(),
        "transaction_count": header.transactions,
        "receipt_count": header.receipts,
    }


def transaction_document(transaction: Transaction) -> dict[str, Any]:
    body = transaction.body
    nonce = isinstance(body.replay, Nonce)
    return {
        "id": transaction.id.hex(),
        "creator": body.creator.hex(),
        "contract": body.contract,
        "function": body.function,
        "arguments": _arguments(body.arguments),
        "budget": body.budget,
        "valid_until_ms": body.replay.valid_until_ms if isinstance(body.replay, Nonce) else None,
        "sequence": None if nonce else body.replay.number,  # type: ignore[union-attr]  # the other of two modes
        "public_key": transaction.public_key.hex(),
    }


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id.hex(),
        "origin": receipt.origin.name.lower(),
        "code": receipt.code,
        "message": receipt.message,
        "result": decoded(receipt.result),
        "events": [
            {"contract": event.contract, "name": event.name, "payload": decoded(event.payload)}
            for event in receipt.events
        ],
        "budget_used": receipt.budget_used,
        "items": receipt.items,
        "items_root": receipt.items_root.hex(),
    }


def located_document(found: LocatedTransaction) -> dict[str, Any]:
    """A committed transaction (or a timer's call or reward, which has no envelope) and where it stands."""
    signed = transaction_document(parse_transaction(found.envelope)) if found.envelope else {}
    return {
        **signed,
        "height": found.height,
        "position": found.position,
        "time_ms": found.time_ms,
        "receipt": receipt_document(parse_receipt(found.receipt)),
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "transaction_id": outcome.transaction_id.hex(),
        "stage": outcome.stage.name.lower(),
        "code": outcome.code,
        "message": outcome.message,
        "height": outcome.height,
        "position": outcome.position,
        "result": decoded(outcome.result),
    }


def event_document(event: NumberedEvent) -> dict[str, Any]:
    return {
        "height": event.height,
        "number": event.number,
        "time_ms": event.time_ms,
        "transaction_id": event.transaction_id.hex(),
        "contract": event.contract,
        "name": event.name,
        "payload": decoded(event.payload),
    }


def facts_document(facts: LedgerFacts) -> dict[str, Any]:
    return {
        "ledger": facts.ledger,
        "chain_id": facts.chain_id.hex(),
        "height": facts.height,
        "time_ms": facts.time_ms,
        "epoch": facts.epoch,
        "engine": facts.engine,
        "validators": facts.validators,
        "header_hash": facts.header_hash.hex(),
    }


def status_document(status: NodeStatus) -> dict[str, Any]:
    """A node's status, bytes as hex."""
    found: dict[str, Any] = hexadecimal(msgspec.to_builtins(status, builtin_types=(bytes,)))
    return found


def snapshot_document(found: SnapshotFacts) -> dict[str, Any]:
    document: dict[str, Any] = hexadecimal(msgspec.to_builtins(found, builtin_types=(bytes,)))
    return document


def hexadecimal(value: Any) -> Any:
    """The same with bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: hexadecimal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hexadecimal(item) for item in value]
    return value


def _arguments(raw: bytes) -> Any:
    """As the caller wrote them; text where they are not JSON (such a transaction has a receipt that says so)."""
    try:
        return decoded(raw)
    except (ValueError, LedgerError):
        return raw.decode("utf-8", "replace")
