"""One step of a meter: an event, then everything that follows from how things stand now.

    event ─▶ its part ─▶ supply ─▶ reading ─▶ batch ─▶ sending ─▶ display ─▶ what of this must be on the disk first

`Meter` holds the state and the session between steps; `step` is a function of them and the event. After each step the
balance is checked against what it is made of: a meter that cannot account for its units stops.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.meter import clock, commands, deliveries, energy, keypad, outbox, supply, tariffs, tokens
from devices.meter.believing import trusted
from devices.meter.events import (
    ClockSynced,
    Commanded,
    Effects,
    Event,
    KeyPressed,
    LinkDown,
    LinkUp,
    Measured,
    PowerLost,
    PowerRestored,
    Receipted,
    RecipientFound,
    RegistersRead,
    Started,
    Tampered,
    Ticked,
    TokenReceived,
    Told,
)
from devices.meter.records import changes, restored
from devices.meter.screens import lines
from devices.meter.settings import Settings
from devices.meter.state import Session, State, Tokens
from devices.meter.turn import Refused, Turn
from ledgernode.sts.decoder import Decoder
from ledgernode.sts.keys import DecoderKey
from ledgernode.sts.tid import NEVER_EXPIRES, BaseDate
from ledgernode.wire.validators import ValidatorSet


def new_state(
    key: DecoderKey,
    base: BaseDate,
    *,
    key_revision: int = 1,
    tariff_index: int = 1,
    key_expiry: int = NEVER_EXPIRES,
    validators: ValidatorSet | None = None,
) -> State:
    """A meter as it leaves the factory. Without the validators of its ledger it takes tokens, and no commands."""
    decoder = Decoder(key=key, key_expiry=key_expiry)
    trust = () if validators is None else trusted((validators,))
    return State(tokens=Tokens(decoder, base, key_revision=key_revision, tariff_index=tariff_index), trust=trust)


class Meter:
    """Begin with `Started`; of a new one everything is written then."""

    def __init__(self, settings: Settings, state: State, *, on_disk: bool = False) -> None:
        self.settings = settings
        self.state = state
        self.session = Session()
        self._on_disk = state if on_disk else None

    @classmethod
    def from_records(cls, settings: Settings, records: Mapping[str, bytes]) -> Meter:
        return cls(settings, restored(records), on_disk=True)

    def step(self, event: Event) -> Effects:
        turn = Turn(self.settings, self.state, self.session, event.now_ms)
        _happened(turn, event)
        _followed(turn)
        _accounted(turn.state)
        shown = lines(turn)
        display = None if shown == turn.session.shown else shown
        turn.recall(shown=shown)
        persist = changes(self._on_disk, turn.state)
        self.state = self._on_disk = turn.state
        self.session = turn.session
        return Effects(
            persist=persist,
            send=tuple(turn.send),
            answers=tuple(turn.answers),
            ask=turn.ask,
            request=turn.request,
            relays=tuple(sorted(turn.relays.items())),
            display=display,
            alarms=tuple(turn.alarms),
        )


def _happened(turn: Turn, event: Event) -> None:
    match event:
        case Measured():
            energy.measured(turn, event)
            supply.watch_power(turn)
        case RegistersRead():
            energy.registers_read(turn, event)
            supply.watch_power(turn)
        case Ticked():
            keypad.waited(turn)
            tokens.drop_sections(turn)
        case KeyPressed(key=key):
            keypad.pressed(turn, key)
        case RecipientFound(pan=pan, label=label):
            keypad.found(turn, pan, label)
        case TokenReceived(digits=digits):
            _received(turn, digits)
        case Commanded():
            commands.commanded(turn, event)
        case Told():
            commands.told(turn, event)
        case Receipted(key=key, sequence=sequence, code=code):
            outbox.receipted(turn, key, sequence, code)
        case LinkUp() | LinkDown():
            outbox.link_changed(turn, isinstance(event, LinkUp))
        case PowerLost():
            supply.power_lost(turn)
        case PowerRestored():
            supply.power_restored(turn)
        case Tampered(kind=kind):
            energy.tampered(turn, kind)
        case ClockSynced(true_ms=true_ms):
            clock.synced(turn, true_ms)
        case Started():
            _started(turn, event)


def _started(turn: Turn, event: Started) -> None:
    """Everything that a crash may have kept from being done is said again: relays, and a key's request."""
    turn.recall(seed=event.seed)
    clock.started(turn, event.clock_valid)
    (supply.power_restored if event.mains else supply.power_lost)(turn)
    turn.relays |= deliveries.closed(turn)
    turn.relays[supply.SUPPLY] = turn.state.supply.closed
    turn.request = turn.state.customer.request


def _received(turn: Turn, digits: str) -> None:
    try:
        tokens.enter(turn, digits, typed=False)
    except Refused as refusal:
        turn.alarm("TOKEN_REFUSED", refusal.code)


def _followed(turn: Turn) -> None:
    supply.switch(turn)
    deliveries.watch(turn)
    energy.read_when_due(turn)
    energy.send_batch(turn)
    _report_balance(turn)
    tariffs.ask_when_due(turn)
    outbox.flush(turn)


def _report_balance(turn: Turn) -> None:
    """Once in a while, when nothing else waits that says the balance."""
    credit = turn.state.credit
    due = abs(turn.now_ms - credit.reported_ms) >= turn.settings.balance_ms
    if not due or not turn.settings.prepaid or not turn.session.link or not turn.state.clock.valid or turn.state.outbox:
        return
    turn.change("credit", counter=credit.counter + 1, reported_ms=turn.now_ms)
    said = {"balance_mwh": credit.balance_mwh, "counter": credit.counter + 1}
    outbox.tell(turn, "prepaid", "report_balance", 200_000, **said)


def _accounted(state: State) -> None:
    credit = state.credit
    there_mwh = credit.credited_mwh - credit.sent_mwh - credit.cleared_mwh - credit.consumed_mwh
    assert credit.balance_mwh == there_mwh, "the balance is what came less what went"
