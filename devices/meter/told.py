"""What the ledger says, as commands: an event of a contract by its name, anything else by the gateway's kind of it.

    DeliveryCommanded (settlement) ─▶ Deliver        ShareRequested (prepaid) ─▶ ShareUnits
    SupplyBlocked, SupplyUnblocked (prepaid) ─▶ BlockSupply
    token {"digits"} ─▶ EnterToken                   display {"text"} ─▶ ShowMessage

Events may carry more than a meter needs; what lacks something it needs, or has it in another form, is refused.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from devices.meter.events import BlockSupply, Command, Deliver, EnterToken, ShareUnits, ShowMessage
from ledgernode.errors import BadRequest

_T = TypeVar("_T")


class _Supply(msgspec.Struct, frozen=True):
    meter: str


def from_event(name: str, payload: bytes) -> Command | None:
    """The command that an event's payload (JSON) is for its meter; None where it is none. Refuses another form."""
    match name:
        case "DeliveryCommanded":
            return _read(payload, Deliver)
        case "ShareRequested":
            return _read(payload, ShareUnits)
        case "SupplyBlocked" | "SupplyUnblocked":
            _read(payload, _Supply)
            return BlockSupply(name == "SupplyBlocked")
    return None


def from_kind(kind: str, payload: bytes) -> Command | None:
    """The command that a gateway's message of this kind is; None for a kind that this meter does not know."""
    match kind:
        case "delivery":
            return _read(payload, Deliver)
        case "share":
            return _read(payload, ShareUnits)
        case "token":
            return _read(payload, EnterToken)
        case "display":
            return _read(payload, ShowMessage)
    return None


def _read(payload: bytes, form: type[_T]) -> _T:
    try:
        return msgspec.json.decode(payload, type=form)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"this is no command of the form {form.__name__}: {error}") from error
