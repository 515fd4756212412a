"""State as records of a disk: one for each part, reading and waiting transaction; deterministic bytes.

All records of a step are written in one piece. Those of a part that a step did not touch are not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from devices.meter.events import Answer, Outgoing, Record
from devices.meter.outbox import order_of
from devices.meter.prices import Tariff
from devices.meter.state import Clock, Credit, Customer, Numbers, Reading, Registers, State, Supply, Tie, Tokens
from ledgernode.errors import DatabaseDamaged
from ledgernode.sts.keys import Secret
from ledgernode.wire.unreadable import UNREADABLE

_E = TypeVar("_E")
_PARTS: Final[dict[str, Any]] = {
    "answers": tuple[Answer, ...],
    "clock": Clock,
    "credit": Credit,
    "customer": Customer,
    "message": str,
    "numbers": Numbers,
    "registers": Registers,
    "shares": tuple[int, ...],
    "supply": Supply,
    "tariffs": tuple[Tariff, ...],
    "ties": tuple[Tie, ...],
    "tokens": Tokens,
    "trust": tuple[bytes, ...],
}
_LATER: Final = ("tariffs",)
"""Parts that came after meters were in the field."""
_READING: Final = "reading/"
_OUTBOX: Final = "outbox/"


def changes(before: State | None, after: State) -> tuple[Record, ...]:
    """What must be on the disk before anybody learns of the step; everything, where there was nothing."""
    records = [
        Record(part, _encode(getattr(after, part)))
        for part in _PARTS
        if before is None or getattr(before, part) is not getattr(after, part)
    ]
    if before is None or before.readings is not after.readings:
        records += _difference(() if before is None else before.readings, after.readings, _reading_key)
    if before is None or before.outbox is not after.outbox:
        records += _difference(() if before is None else before.outbox, after.outbox, _outbox_key)
    return tuple(records)


def restored(records: Mapping[str, bytes]) -> State:
    """The state that these records stand for; a part that a meter's earlier version did not know is as it was made.

    Refuses (DatabaseDamaged) records that no meter has written.
    """
    try:
        return _restored(records)
    except (*UNREADABLE, KeyError, TypeError, ValueError) as error:
        raise DatabaseDamaged(f"the records are not those of a meter: {error!r}") from error


def _restored(records: Mapping[str, bytes]) -> State:
    parts: dict[str, Any] = {
        part: msgspec.msgpack.decode(records[part], type=kind, dec_hook=_decode)
        for part, kind in _PARTS.items()
        if part in records or part not in _LATER
    }
    readings = _listed(records, _READING, Reading)
    outbox = _listed(records, _OUTBOX, Outgoing)
    return State(readings=tuple(readings), outbox=tuple(outbox), **parts)


def _reading_key(reading: Reading) -> str:
    return f"{_READING}{reading.sequence:015d}"


def _outbox_key(outgoing: Outgoing) -> str:
    return f"{_OUTBOX}{order_of(outgoing):015d}"


def _difference(before: tuple[_E, ...], after: tuple[_E, ...], key_of: Callable[[_E], str]) -> list[Record]:
    """What left a list and what came; mostly a few came at its end, and a full ring is not walked for them."""
    if before == after[: len(before)]:
        before, after = (), after[len(before) :]
    old, new = {key_of(each): each for each in before}, {key_of(each): each for each in after}
    gone = [Record(key, b"") for key in old if key not in new]
    return [*gone, *(Record(key, _encode(each)) for key, each in new.items() if old.get(key) is not each)]


def _listed(records: Mapping[str, bytes], prefix: str, kind: Any) -> list[Any]:
    keys = sorted(key for key in records if key.startswith(prefix))
    return [msgspec.msgpack.decode(records[key], type=kind) for key in keys]


def _encode(part: object) -> bytes:
    return msgspec.msgpack.encode(part, enc_hook=_plain, order="deterministic")


def _plain(value: object) -> bytes:
    assert isinstance(value, Secret)
    return bytes(value)


def _decode(kind: type, value: object) -> object:
    return kind(value)
