"""The seam: what happens to a meter, and what it wants done about it.

Every event carries the shell's clock. The shell performs `Effects` in the order of the fields: all of `persist` in one
write, then the rest. What a gateway tells is a `Told`: the core takes it only when it proves itself. `Commanded` is for
who knows already that the utility has said it.
"""

from __future__ import annotations

import msgspec

# ---------------------------------------------------------------- what the gateway brings


class EnterToken(msgspec.Struct, frozen=True, tag=True):
    """The same twenty digits that could be typed."""

    digits: str


class ShareUnits(msgspec.Struct, frozen=True, tag=True):
    """A share asked for by the web; refused after `until_ms`, when the ledger has given it up."""

    share: int
    recipient_pan: str
    energy_mwh: int
    until_ms: int


class ProveUnused(msgspec.Struct, frozen=True, tag=True):
    """Burn this identifier, and sign that its token was never taken."""

    base: int
    tid: int


class BlockSupply(msgspec.Struct, frozen=True, tag=True):
    on: bool


class Deliver(msgspec.Struct, frozen=True, tag=True):
    """A trade's delivery at this house: start, stop at a seller's; in, out at a buyer's."""

    command: int
    trade: int
    action: str
    text: str = ""
    until_ms: int = 0
    """When the trade's window is over; 0: nobody has said."""


class ShowMessage(msgspec.Struct, frozen=True, tag=True):
    text: str


class SetTerms(msgspec.Struct, frozen=True, tag=True):
    """From when on credit is low."""

    low_mwh: int


class SetTariff(msgspec.Struct, frozen=True, tag=True):
    """What a kWh costs from a time on; `table` is JSON (`prices.Table`)."""

    from_ms: int
    tariff: str
    table: bytes


class SetClock(msgspec.Struct, frozen=True, tag=True):
    """The time as the utility knows it, when a meter's clock is further off than a gateway may mend. From the ledger it
    is the time of the block that says so."""

    true_ms: int


class ChoosePin(msgspec.Struct, frozen=True, tag=True):
    """Utility and customer agree on a new PIN, or a new tenant has come: the old customer key ends, a new one may be
    made at the keypad."""


class CloseAccount(msgspec.Struct, frozen=True, tag=True):
    """The tenant leaves: sign the final balance, then clear it."""


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Of the utility, and of a kind that this meter does not know: it says so."""


Command = (
    EnterToken
    | ShareUnits
    | ProveUnused
    | BlockSupply
    | Deliver
    | ShowMessage
    | SetTerms
    | SetTariff
    | SetClock
    | ChoosePin
    | CloseAccount
    | Unknown
)

# ---------------------------------------------------------------- events in


class Phase(msgspec.Struct, frozen=True):
    voltage_mv: int
    current_ma: int
    power_mw: int
    reactive_mvar: int


class Started(msgspec.Struct, frozen=True):
    """From disk, or new. `seed`: 32 bytes of fresh randomness, for keys that are made until the next start."""

    now_ms: int
    seed: bytes
    clock_valid: bool = True
    mains: bool = True


class Ticked(msgspec.Struct, frozen=True):
    now_ms: int


class ClockSynced(msgspec.Struct, frozen=True):
    """The time as a gateway has it."""

    now_ms: int
    true_ms: int


class Measured(msgspec.Struct, frozen=True):
    """So much has flowed since the last one, and this is how it flows now."""

    now_ms: int
    import_mwh: int
    export_mwh: int = 0
    phases: tuple[Phase, ...] = ()


class RegistersRead(msgspec.Struct, frozen=True):
    """The same from registers that only grow, kept by whoever measures: what is new of them is counted once, also when
    a reading of them comes twice or some were lost. Those that stand lower begin anew.

    `trade`: whose energy that was, at a tie of which is known which trade it is in (0: in none); `closed`: which of its
    relays stood closed."""

    now_ms: int
    import_mwh: int
    export_mwh: int = 0
    phases: tuple[Phase, ...] = ()
    trade: int | None = None
    closed: tuple[str, ...] = ()


class KeyPressed(msgspec.Struct, frozen=True):
    """0 to 9, * (back), # (on)."""

    now_ms: int
    key: str


class TokenReceived(msgspec.Struct, frozen=True):
    """A token over the wire that is no numbered command: its identifier alone keeps it from counting twice."""

    now_ms: int
    digits: str


class Commanded(msgspec.Struct, frozen=True):
    """Numbers are of a kind of command, such as the ledger gives them; of its own kind, unless another is named."""

    now_ms: int
    number: int
    command: Command
    kind: str = ""


class Told(msgspec.Struct, frozen=True):
    """What a gateway says that somebody has said: a token (`payload` has its digits), or an event of the ledger, which
    `evidence` shows (`ledgernode.evidence`). Kind and number are the gateway's own; only its answer has them."""

    now_ms: int
    kind: str
    number: int
    payload: bytes = b""
    evidence: bytes = b""


class Receipted(msgspec.Struct, frozen=True):
    """The ledger has executed a transaction of ours, with this code; `key` is whose sequence number it is."""

    now_ms: int
    sequence: int
    code: str
    key: str = "meter"


class RecipientFound(msgspec.Struct, frozen=True):
    """Whom a meter number belongs to, masked; an empty label: nobody who takes units."""

    now_ms: int
    pan: str
    label: str


class PowerLost(msgspec.Struct, frozen=True):
    now_ms: int


class PowerRestored(msgspec.Struct, frozen=True):
    now_ms: int


class LinkUp(msgspec.Struct, frozen=True):
    now_ms: int


class LinkDown(msgspec.Struct, frozen=True):
    now_ms: int


class Tampered(msgspec.Struct, frozen=True):
    """cover, magnet or bypass."""

    now_ms: int
    kind: str


Event = (
    Started
    | Ticked
    | ClockSynced
    | Measured
    | RegistersRead
    | KeyPressed
    | TokenReceived
    | Commanded
    | Told
    | Receipted
    | RecipientFound
    | PowerLost
    | PowerRestored
    | LinkUp
    | LinkDown
    | Tampered
)

# ---------------------------------------------------------------- effects out


class Record(msgspec.Struct, frozen=True):
    """The last of a key counts; an empty one forgets it."""

    key: str
    content: bytes


class Outgoing(msgspec.Struct, frozen=True):
    """A transaction in sequence mode: its bytes are the same whenever it is signed, so it may be sent again.

    What the customer's key signs is signed already (`envelope`): that key is not there later.
    """

    sequence: int
    contract: str
    function: str
    arguments: bytes
    budget: int
    key: str = "meter"
    envelope: bytes = b""
    tries: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What became of a command; the same whenever it is asked again."""

    kind: str
    number: int
    code: str


class Alarm(msgspec.Struct, frozen=True):
    kind: str
    detail: str = ""


class Effects(msgspec.Struct, frozen=True):
    persist: tuple[Record, ...] = ()
    send: tuple[Outgoing, ...] = ()
    answers: tuple[Answer, ...] = ()
    ask: str = ""
    """Find out whom this meter number belongs to, and answer with `RecipientFound`."""
    request: str = ""
    """A certificate request of a new customer key (PEM): for the utility."""
    relays: tuple[tuple[str, bool], ...] = ()
    """By name, whether it shall be closed: supply, tie_in, tie_out."""
    display: tuple[str, str] | None = None
    """Two lines of sixteen characters, when they have changed."""
    alarms: tuple[Alarm, ...] = ()
