"""Meters at work: each with a key, a stream to the gateway of its own (`line`), and nothing else.

`HouseMeter` is the prepaid meter's core in its shell, on its disk. An
`Instrument` is the plain meter beside it: at the sun's inverter, or at the transformer, where it also says how that
fares.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from devices.community.street import HeadShown, Shown
from devices.meter.energy import power_factor_milli
from devices.meter.events import (
    Alarm,
    Answer,
    Event,
    KeyPressed,
    LinkDown,
    LinkUp,
    Phase,
    PowerLost,
    PowerRestored,
    Receipted,
    RecipientFound,
    RegistersRead,
    Told,
)
from devices.meter_shell import MeterShell
from ledgernode.errors import LedgerError
from ledgernode.sts.memory import accept
from ledgernode.sts.tid import Tid
from living.line import Line
from living.units import NWH_PER_MWH

_MILLI: Final = 1_000
_RECORD_BUDGET: Final = 40_000
_OBSERVE_BUDGET: Final = 60_000


class HouseMeter:
    """A house's meter at work. Whoever plays says what flowed; relays, alarms and the display are looked at here."""

    def __init__(
        self, shell_home: Any, line: Line, pan_label: Callable[[str], str], clock_ms: Callable[[], int]
    ) -> None:
        self.line = line
        self._clock_ms = clock_ms
        self._pan_label = pan_label
        self.relays = {"supply": False, "tie_in": False, "tie_out": False}
        self.display = ("", "")
        self.alarms: list[Alarm] = []
        self.answers: list[Answer] = []
        self.shell = MeterShell(shell_home, self, clock_ms)
        self._later: deque[Event] = deque()
        self._stepping = False
        line.settled = self._settled
        line.commanded = self._commanded
        line.linked = self._linked
        self.shell.start()

    @property
    def balance_mwh(self) -> int:
        return self.shell.meter.state.credit.balance_mwh

    @property
    def is_supplied(self) -> bool:
        return self.relays["supply"]

    @property
    def waiting(self) -> int:
        """What it has signed and the ledger has not answered for."""
        return len(self.shell.meter.state.outbox) + len(self.shell.meter.state.readings)

    def measured(self, now_ms: int, shown: Shown) -> None:
        phase = phase_of(shown.voltage_v, shown.power_w, shown.reactive_var)
        imported, exported = shown.import_nwh // NWH_PER_MWH, shown.export_nwh // NWH_PER_MWH
        self._step(RegistersRead(now_ms, imported, exported, (phase,)))

    def mains(self, on: bool) -> None:
        now_ms = self._clock_ms()
        self._step(PowerRestored(now_ms) if on else PowerLost(now_ms))

    def typed(self, digits: str) -> str:
        """The customer types a token at the keypad; what the display then says."""
        for key in f"{digits}#":
            self._step(KeyPressed(self._clock_ms(), key))
        said = self.display[0].strip()
        self._step(KeyPressed(self._clock_ms(), "*"))
        return said

    def has_had(self, tid: int) -> bool:
        """Whether a token of this identifier was taken, or is too old to be."""
        try:
            accept(self.shell.meter.state.tokens.decoder.memory, Tid(tid))
        except LedgerError:
            return True
        return False

    def close(self) -> None:
        self.shell.close()

    # ------------------------------------------------------------ from the line

    def _linked(self, up: bool) -> None:
        now_ms = self._clock_ms()
        self._step(LinkUp(now_ms) if up else LinkDown(now_ms))

    def _settled(self, sequence: int, code: str) -> None:
        self._step(Receipted(self._clock_ms(), sequence, code))

    def _commanded(self, command: Any) -> str:
        """The core believes what the evidence shows against the validators that it knows; its answer's code."""
        self._step(Told(self._clock_ms(), command.kind, int(command.number), command.payload, command.evidence))
        return self.answers[-1].code

    def _step(self, event: Event) -> None:
        """One after another, also where an effect causes the next event."""
        self._later.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._later:
                self.shell.step(self._later.popleft())
        finally:
            self._stepping = False

    # ------------------------------------------------------------ what its effects reach

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        del key  # a customer's key signs nothing here
        self.line.send(sequence, envelope)

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    def ask(self, pan: str) -> None:
        self._step(RecipientFound(self._clock_ms(), pan, self._pan_label(pan)))

    def request(self, certificate_request: str) -> None:
        """Nobody makes customer keys in a simulation."""

    def switch(self, relay: str, closed: bool) -> None:
        self.relays[relay] = closed

    def show(self, first: str, second: str) -> None:
        self.display = (first, second)

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)


class Instrument:
    """A meter without a purse. Its transactions are numbered by its readings: 2n a reading, 2n + 1 a sample."""

    def __init__(self, line: Line, first: int = 0) -> None:
        self.line = line
        self._number = first

    @property
    def number(self) -> int:
        """Of the last reading."""
        return self._number

    def reading(self, now_ms: int, import_nwh: int, export_nwh: int, phase: Phase) -> None:
        values = [*msgspec.structs.astuple(phase), power_factor_milli(phase)]
        row = [self._number + 1, now_ms, import_nwh // NWH_PER_MWH, export_nwh // NWH_PER_MWH, 0, *values]
        self._number += 1
        self._sign(2 * self._number, "metering", "record", {"rows": [row]}, _RECORD_BUDGET)

    def sample(self, now_ms: int, feeder: str, shown: HeadShown) -> None:
        """How the transformer fares, beside the reading of the same moment."""
        phase = phase_of(shown.voltage_v, shown.power_w, shown.reactive_var)
        row = [now_ms, round(shown.top_oil_c * _MILLI), None, None, *msgspec.structs.astuple(phase)]
        arguments = {"feeder": feeder, "rows": [row]}
        self._sign(2 * self._number + 1, "feeder", "observe", arguments, _OBSERVE_BUDGET)

    def _sign(self, sequence: int, contract: str, function: str, arguments: dict[str, Any], budget: int) -> None:
        signed = self.line.member.signer.transaction(contract, function, arguments, budget=budget, sequence=sequence)
        self.line.send(sequence, signed.envelope)


def phase_of(voltage_v: float, power_w: float, reactive_var: float) -> Phase:
    """As a meter shows it: whole numbers, rounded down in size."""
    apparent = abs(complex(power_w, reactive_var))
    current_ma = int(apparent / voltage_v * _MILLI) if voltage_v else 0
    return Phase(round(voltage_v * _MILLI), current_ma, round(power_w * _MILLI), round(reactive_var * _MILLI))
