"""What a meter knows: frozen values in parts, so that a step writes only the parts it has changed.

`Session` is what a crash may take: half a dialogue, what lies on the link, the last measurement. A PIN that is being
typed lives there and nowhere else.
"""

from __future__ import annotations

import msgspec

from devices.meter.events import Answer, Outgoing, Phase
from devices.meter.prices import Tariff
from ledgernode.sts.decoder import Decoder
from ledgernode.sts.keys import Secret
from ledgernode.sts.tid import BaseDate


class Registers(msgspec.Struct, frozen=True):
    """As the meter shows them; they roll over at its modulus. `seen`: what the measuring part's own last showed."""

    import_mwh: int = 0
    export_mwh: int = 0
    seen: tuple[int, int] | None = None


class Credit(msgspec.Struct, frozen=True):
    """balance = credited - sent - cleared - consumed, always. `counter` numbers what is signed of it."""

    balance_mwh: int = 0
    credited_mwh: int = 0
    sent_mwh: int = 0
    cleared_mwh: int = 0
    consumed_mwh: int = 0
    counter: int = 0
    reported_ms: int = 0
    low_mwh: int = 2_000_000
    warned: bool = False


class Clock(msgspec.Struct, frozen=True):
    """What is added to the shell's clock; while it is not valid, no reading is taken and no time-out kept."""

    offset_ms: int = 0
    valid: bool = True
    synced_ms: int = 0


class Tokens(msgspec.Struct, frozen=True):
    decoder: Decoder
    base: BaseDate
    key_revision: int = 1
    tariff_index: int = 1
    sections_ms: int = 0
    refused_day: int = 0
    refused: int = 0


class Supply(msgspec.Struct, frozen=True):
    """Why the load has power or not. `tamper` stays until a token clears it; `outages` numbers the random waits."""

    closed: bool = False
    mains: bool = True
    outages: int = 0
    reconnect_ms: int = 0
    blocked: bool = False
    limit_w: int = 0
    unbalance_w: int = 0
    overload_ms: int = 0
    tamper: tuple[str, ...] = ()


class Tie(msgspec.Struct, frozen=True):
    """A delivery that runs, and the register at its start. `moved_mwh`: what flowed for it, where that is known.
    `ending`: the command that has ended it; what flows until its relay is open counts. `until_ms`: when its window is
    over (0: nobody has said), and `over_mwh` the register then."""

    trade: int
    relay: str
    start_mwh: int
    moved_mwh: int | None = None
    ending: int | None = None
    until_ms: int = 0
    over_mwh: int | None = None

    @property
    def lasts(self) -> bool:
        """Whether the ledger still lets it flow."""
        return self.ending is None and self.over_mwh is None


class Customer(msgspec.Struct, frozen=True):
    """The wrapped customer key, and how often its PIN was guessed wrong since it was right.

    `keys` and `draws` count the keys there were, and the wrappings.
    """

    wrapped: Secret = Secret()
    salt: bytes = b""
    public_key: bytes = b""
    request: str = ""
    sequence: int = 0
    may_choose: bool = True
    wrong: int = 0
    locked_ms: int = 0
    keys: int = 0
    draws: int = 0


class Numbers(msgspec.Struct, frozen=True):
    """The next ones, what the next reading will flag, and counts of what went wrong."""

    transaction: int = 0
    reading: int = 0
    last_reading_ms: int = 0
    flags: int = 0
    extra_day: int = 0
    extra: int = 0
    thinned: int = 0
    refused: int = 0
    unproven: int = 0
    ask_ms: int = 0
    """When it asks for prices, should it know none by then."""


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """A row, as `metering.record` takes it."""

    row: tuple[int, ...]

    @property
    def sequence(self) -> int:
        return self.row[0]

    @property
    def time_ms(self) -> int:
        return self.row[1]

    @property
    def flags(self) -> int:
        return self.row[4]


class State(msgspec.Struct, frozen=True, kw_only=True):
    tokens: Tokens
    registers: Registers = Registers()
    credit: Credit = Credit()
    clock: Clock = Clock()
    supply: Supply = Supply()
    customer: Customer = Customer()
    numbers: Numbers = Numbers()
    ties: tuple[Tie, ...] = ()
    answers: tuple[Answer, ...] = ()
    shares: tuple[int, ...] = ()
    message: str = ""
    tariffs: tuple[Tariff, ...] = ()
    """What a kWh costs, each from a time on, the oldest first."""
    trust: tuple[bytes, ...] = ()
    """Validator sets (`wire.validators`), by epoch: those of the commissioning, and what they have led to."""
    readings: tuple[Reading, ...] = ()
    outbox: tuple[Outgoing, ...] = ()


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What does not outlive the process."""

    page: str = ""
    typed: str = ""
    values: tuple[tuple[str, str], ...] = ()
    purpose: str = ""
    pan: str = ""
    label: str = ""
    energy_mwh: int = 0
    pin: str = ""
    key_ms: int = 0
    seed: bytes = b""
    phases: tuple[Phase, ...] = ()
    link: bool = False
    sent: tuple[tuple[str, int], ...] = ()
    sent_ms: int = 0
    held: tuple[tuple[int, int], ...] = ()
    was_open: bool = False
    leaked_mwh: int = 0
    shown: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"Session(page={self.page!r})"  # what is typed may be a PIN
