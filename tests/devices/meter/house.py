"""A meter with a shell around it that performs effects in their order, on a disk that is a dictionary."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from devices.meter.core import Meter, new_state
from devices.meter.events import (
    Alarm,
    Answer,
    Command,
    Commanded,
    Effects,
    Event,
    KeyPressed,
    LinkDown,
    LinkUp,
    Measured,
    Outgoing,
    Phase,
    Receipted,
    Started,
    Ticked,
    TokenReceived,
)
from devices.meter.settings import Settings
from devices.meter.state import State
from ledgernode.sts.keys import KeyParameters, Secret, VendingKey, derive
from ledgernode.sts.tid import BaseDate, Tid, issue
from ledgernode.sts.token import Credit, Token, mint
from ledgernode.wire.types import ChainId
from ledgernode.wire.validators import ValidatorSet
from tests.sts.published import METER, VENDING_KEY

START_MS: Final = 1_767_225_600_000
KWH: Final = 1_000_000
SETTING: Final = msgspec.structs.replace(METER, base=BaseDate.Y2014)
OTHER_PAN: Final = "600727000000000017"
PHASE: Final = Phase(230_000, 2_000, 450_000, 20_000)


def settings(**changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "pan": METER.pan,
        "point": "utility:home-1",
        "chain_id": ChainId(bytes(32)),
        "hardware_secret": Secret(b"hardware" * 4),
        "pin_cost": 2,
    }
    return Settings(**fields | changes)


class PowerCut(Exception):
    """The process ends here."""


class House:
    """`cut` says where in the next steps the power goes: "before" the records are written, or "after", before anything
    else is done."""

    def __init__(
        self,
        setting: KeyParameters = SETTING,
        vending_key: VendingKey = VENDING_KEY,
        now_ms: int = START_MS,
        validators: ValidatorSet | None = None,
        **changes: Any,
    ) -> None:
        self.validators = validators
        self.setting = setting
        self.key = derive(vending_key, setting)
        self.settings = settings(pan=setting.pan, **changes)
        self.now_ms = now_ms
        self.disk: dict[str, bytes] = {}
        self.sent: dict[tuple[str, int], Outgoing] = {}
        self.sendings: list[Outgoing] = []
        self.answers: list[Answer] = []
        self.alarms: list[Alarm] = []
        self.asked: list[str] = []
        self.requests: list[str] = []
        self.relays: dict[str, bool] = {}
        self.display = ("", "")
        self.cut = ""
        self.tid = issue(setting.base, now_ms) if setting.base is BaseDate.Y2014 else Tid(1000)
        self.begin()

    def begin(self) -> None:
        index = int(self.setting.tariff_index)
        state = new_state(
            self.key,
            self.setting.base,
            key_revision=self.setting.key_revision,
            tariff_index=index,
            validators=self.validators,
        )
        self.meter = Meter(self.settings, state)
        self.do(Started(self.now_ms, b"s" * 32))

    def restart(self, **changes: Any) -> None:
        """From the disk alone."""
        self.meter = Meter.from_records(self.settings, self.disk)
        self.do(Started(self.now_ms, b"t" * 32, **changes))

    @property
    def state(self) -> State:
        return self.meter.state

    # ------------------------------------------------------------ events

    def do(self, event: Event) -> Effects:
        effects = self.meter.step(event)
        if self.cut == "before":
            self.cut = ""
            raise PowerCut
        for record in effects.persist:
            if record.content:
                self.disk[record.key] = record.content
            else:
                del self.disk[record.key]
        if self.cut == "after":
            self.cut = ""
            raise PowerCut
        for outgoing in effects.send:
            self.sent[outgoing.key, outgoing.sequence] = outgoing
        self.sendings += effects.send
        self.answers += effects.answers
        self.alarms += effects.alarms
        self.relays |= dict(effects.relays)
        if effects.ask:
            self.asked.append(effects.ask)
        if effects.request:
            self.requests.append(effects.request)
        if effects.display is not None:
            self.display = effects.display
        return effects

    def wait(self, ms: int) -> Effects:
        self.now_ms += ms
        return self.do(Ticked(self.now_ms))

    def use(self, energy_mwh: int, phases: tuple[Phase, ...] = (PHASE,), export_mwh: int = 0) -> Effects:
        return self.do(Measured(self.now_ms, energy_mwh, export_mwh, phases))

    def keys(self, keys: str) -> tuple[str, str]:
        for key in keys:
            self.do(KeyPressed(self.now_ms, key))
        return self.display

    def type_token(self, digits: str) -> tuple[str, str]:
        return self.keys(f"{digits}#")

    def wire(self, digits: str) -> Effects:
        return self.do(TokenReceived(self.now_ms, digits))

    def command(self, number: int, command: Command) -> str:
        self.do(Commanded(self.now_ms, number, command))
        assert self.answers[-1].number == number
        return self.answers[-1].code

    def link(self, up: bool = True) -> Effects:
        return self.do(LinkUp(self.now_ms) if up else LinkDown(self.now_ms))

    def receipt(self, outgoing: Outgoing, code: str = "OK") -> Effects:
        return self.do(Receipted(self.now_ms, outgoing.sequence, code, outgoing.key))

    def receipt_all(self) -> None:
        while waiting := [each for each in self.state.outbox if (each.key, each.sequence) in self.sent]:
            self.receipt(waiting[0])

    # ------------------------------------------------------------ tokens and looking

    def mint(self, token: Token) -> str:
        return mint(token, self.key)

    def credit_token(self, units: int, tid: int | None = None) -> str:
        self.tid = Tid(self.tid + 1)
        return self.mint(Credit(tid=Tid(self.tid if tid is None else tid), random=5, units=units))

    def recharge(self, kwh: float) -> str:
        digits = self.credit_token(round(kwh * 10))
        self.type_token(digits)
        assert self.display[0].startswith("TOKEN ACCEPTED"), self.display
        self.keys("*")
        return digits

    def told(self, function: str) -> list[dict[str, Any]]:
        """The arguments of what waits in the outbox."""
        return [msgspec.json.decode(each.arguments) for each in self.state.outbox if each.function == function]

    @property
    def balance_mwh(self) -> int:
        return self.state.credit.balance_mwh

    @property
    def supplied(self) -> bool:
        assert self.relays["supply"] == self.state.supply.closed
        return self.relays["supply"]

    def set_pin(self, pin: str = "1234") -> None:
        self.keys(f"#3{pin}#{pin}#")
        assert self.display[0].strip() == "PIN SET", self.display
        self.keys("*")
