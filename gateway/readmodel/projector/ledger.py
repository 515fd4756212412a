"""Blocks, transactions, calls and events as they are."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Decoded, Event
from gateway.readmodel.tables.ledger import BLOCKS, CALLS, EVENTS, TRANSACTIONS

KEPT_BYTES: Final = 4_096
"""Of arguments and results; the node has what is longer."""
MESSAGE_LIMIT: Final = 500
_SUBJECTS: Final = ("point", "customer", "feeder", "invoice", "account", "identity", "trade", "order", "market")
_SUBJECT_LIMIT: Final = 100


def block(out: Changes, found: Decoded) -> None:
    header, raw = found.header, found.raw
    out.append(
        BLOCKS,
        height=int(header.height),
        hash=found.hash,
        time_ms=int(header.time_ms),
        epoch=int(header.epoch),
        transactions=header.transactions,
        receipts=header.receipts,
        signatures=int.from_bytes(raw.certificate[:2], "big"),
        header=raw.header,
        certificate=raw.certificate,
    )


def call(out: Changes, found: Call) -> None:
    place = {"height": found.height, "position": found.position}
    out.append(
        TRANSACTIONS,
        **place,
        id=found.id,
        origin=int(found.origin),
        time_ms=found.time_ms,
        creator=found.creator,
        contract=found.contract,
        function=found.function,
        code=found.code,
        events=len(found.events),
        items=found.items,
        budget_used=found.budget_used,
    )
    out.append(
        CALLS,
        **place,
        arguments=_kept(found.arguments) if found.succeeded or _is_json(found.arguments) else None,
        arguments_bytes=len(found.arguments),
        result=_kept(found.result),
        message=clean(found.message[:MESSAGE_LIMIT]),
    )


def event(out: Changes, found: Call, told: Event) -> None:
    out.append(
        EVENTS,
        height=found.height,
        number=told.number,
        position=found.position,
        time_ms=found.time_ms,
        contract=told.contract,
        name=told.name,
        subject=subject(told.payload),
        payload=clean(told.raw.decode("utf-8", "replace")),
    )


def subject(payload: dict[str, Any]) -> str:
    """What an event is about: the first that it names of a point, a customer, a feeder, …; '' if none."""
    for name in _SUBJECTS:
        value = payload.get(name)
        if isinstance(value, str) and value:
            return clean(value[:_SUBJECT_LIMIT])
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{name}:{value}"
    return ""


def clean(text: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return text.replace("\x00", "\ufffd")


def _is_json(raw: bytes) -> bool:
    """What was refused may hold anything: a mined block's transactions were looked at by nobody before."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _kept(raw: bytes) -> str | None:
    return clean(raw.decode("utf-8", "replace")) if len(raw) <= KEPT_BYTES else None
