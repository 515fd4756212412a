"""What the ledger says, as commands: an event of a contract, by its name.

    DeliveryCommanded (settlement) ─▶ Deliver        ShareRequested (prepaid) ─▶ ShareUnits
    SupplyBlocked, SupplyUnblocked (prepaid) ─▶ BlockSupply
    MeterCommanded (commands) ─▶ what its kind says: message, terms, tariff, clock, close, unused, …

Events may carry more than a meter needs; what lacks something it needs, or has it in another form, is refused. A number
is the contract's own; where it has none, the event's place on the ledger is its number.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import msgspec

from devices.meter.events import (
    BlockSupply,
    ChoosePin,
    CloseAccount,
    Command,
    Deliver,
    EnterToken,
    ProveUnused,
    SetClock,
    SetTariff,
    SetTerms,
    ShareUnits,
    ShowMessage,
    Unknown,
)
from ledgernode.errors import BadRequest
from ledgernode.wire.receipt import Event
from ledgernode.wire.unreadable import UNREADABLE

_T = TypeVar("_T")


UTILITY: Final = "commands"
"""The contract in which a utility commands its meters, and what its commands are numbered by."""
_CONTRACTS: Final = {
    "DeliveryCommanded": "settlement",
    "ShareRequested": "prepaid",
    "SupplyBlocked": "prepaid",
    "SupplyUnblocked": "prepaid",
}


class _Supply(msgspec.Struct, frozen=True):
    meter: str


class _Delivery(msgspec.Struct, frozen=True):
    device: str


class _Said(msgspec.Struct, frozen=True):
    """Of `MeterCommanded`; what a kind does not need is left out or empty."""

    meter: str
    number: int
    kind: str
    text: str = ""
    low_mwh: int = 0
    base: int = 0
    tid: int = 0
    from_ms: int = 0
    tariff: str = ""
    table: msgspec.Raw = msgspec.Raw()


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


class Instruction(NamedTuple):
    """A command, whom it is for (an identity, hex), and its number among those of its kind ('' its own)."""

    device: str
    number: int
    command: Command
    kind: str = ""


def from_ledger(event: Event, place: int, time_ms: int) -> Instruction | None:
    """What an event of the ledger commands; None where it commands nothing. Refuses another form."""
    if event.contract == UTILITY and event.name == "MeterCommanded":
        said = _read(event.payload, _Said)
        return Instruction(said.meter, said.number, _of_utility(said, time_ms), UTILITY)
    command = from_event(event.name, event.payload) if _CONTRACTS.get(event.name) == event.contract else None
    match command:
        case Deliver():
            return Instruction(_read(event.payload, _Delivery).device, command.command, command)
        case ShareUnits():
            return Instruction(_read(event.payload, _Supply).meter, command.share, command)
        case BlockSupply():
            return Instruction(_read(event.payload, _Supply).meter, place, command)
    return None


def token(payload: bytes) -> str:
    """The digits that a gateway brings. Refuses another form."""
    return _read(payload, EnterToken).digits


def _of_utility(said: _Said, time_ms: int) -> Command:
    match said.kind:
        case "message":
            return ShowMessage(said.text)
        case "terms":
            return SetTerms(said.low_mwh)
        case "tariff":
            return SetTariff(said.from_ms, said.tariff, bytes(said.table))
        case "clock":
            return SetClock(time_ms)
        case "customer_key":
            return ChoosePin()
        case "close":
            return CloseAccount()
        case "unused":
            return ProveUnused(said.base, said.tid)
    return Unknown()


def _read(payload: bytes, form: type[_T]) -> _T:
    try:
        return msgspec.json.decode(payload, type=form)
    except UNREADABLE as error:
        raise BadRequest(f"this is no command of the form {form.__name__}: {error}") from error
