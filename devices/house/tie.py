"""The controller in a house of the village: two relays, two registers, and a link to the bus that may fail.

Algorithm 1 from the house's side, as a pure state machine. It connects, and when that fails tries again every 5 s; it
takes a demand over its own page and passes it on; it closes its relays when the bus says so, shows voltage, current,
power, energy and demand, and opens when the bought energy is there.

    offline ─connect▶ online ─told▶ relays as told
       ▲                 │
       └──failed─────────┘      no word for `WATCHDOG_MS`: both relays open, whatever else is true

The bus counts as well (`transfer`); a house opens by its own register too, so that no lost word sells more than was
bought. Where its meter hears the ledger, relays close for trades that the ledger lets run, and for no others: when it
stops one they open here at once, and the bus is told.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

RETRY_MS: Final = 5_000
WATCHDOG_MS: Final = 10_000
LARGEST_MWH: Final = 1_000_000_000
"""1 MWh: nobody asks a neighbour for more."""


class Sensed(msgspec.Struct, frozen=True):
    """What stands at the tie."""

    out_mwh: int
    in_mwh: int
    voltage_mv: int
    current_ma: int
    power_mw: int


class Word(msgspec.Struct, frozen=True):
    """What the bus answers to every message: how the relays are to be, and why."""

    tie_in: bool = False
    tie_out: bool = False
    trade: int = 0
    demand_mwh: int = 0
    energy_mwh: int = 0
    """Of that trade, as the bus has counted it at this house."""
    text: str = ""


class Ticked(msgspec.Struct, frozen=True):
    now_ms: int
    sensed: Sensed
    lets: tuple[int, ...] | None = None
    """The trades that the ledger lets this house deliver now; None where nobody hears the ledger."""


class Told(msgspec.Struct, frozen=True):
    """The message arrived, and this is the answer."""

    now_ms: int
    word: Word


class Failed(msgspec.Struct, frozen=True):
    """It did not arrive."""

    now_ms: int


class Demanded(msgspec.Struct, frozen=True):
    """Somebody in the house wants so much."""

    now_ms: int
    energy_mwh: int


Event = Ticked | Told | Failed | Demanded


class Message(msgspec.Struct, frozen=True):
    """What the house tells the bus, every time."""

    out_mwh: int
    in_mwh: int
    voltage_mv: int = 0
    current_ma: int = 0
    power_mw: int = 0
    demand_mwh: int = 0
    """Wanted and not traded yet: it is on the board for sellers to see."""
    lets: tuple[int, ...] | None = None
    """The trades that the ledger lets it deliver."""


class State(msgspec.Struct, frozen=True):
    """Nothing of it must survive: the bus knows what was delivered."""

    online: bool = False
    heard_ms: int = 0
    retry_ms: int = 0
    tries: int = 0
    sensed: Sensed = Sensed(0, 0, 0, 0, 0)
    word: Word = Word()
    bought_at_mwh: int | None = None
    """The import register at which this trade's energy is there."""
    wanted_mwh: int = 0
    lets: tuple[int, ...] | None = None
    tie_in: bool = False
    tie_out: bool = False
    text: str = "starting"


class Effects(NamedTuple):
    state: State
    relays: tuple[tuple[str, bool], ...] = ()
    send: Message | None = None


def step(state: State, event: Event) -> Effects:
    """One event; relays that change, and what is to be sent now."""
    match event:
        case Ticked(now_ms=now_ms, sensed=sensed, lets=lets):
            after = msgspec.structs.replace(state, sensed=sensed, lets=lets)
            return _switched(state, _watched(after, now_ms), _message(after) if now_ms >= after.retry_ms else None)
        case Told(now_ms=now_ms, word=word):
            return _switched(state, _told(state, now_ms, word))
        case Failed(now_ms=now_ms):
            text = f"connection failed, again in {RETRY_MS // 1_000} s"
            after = msgspec.structs.replace(
                state, online=False, retry_ms=now_ms + RETRY_MS, tries=state.tries + 1, text=text
            )
            return _switched(state, _watched(after, now_ms))
        case Demanded(energy_mwh=energy_mwh):
            wanted_mwh = min(max(0, energy_mwh), LARGEST_MWH)
            return Effects(msgspec.structs.replace(state, wanted_mwh=wanted_mwh, retry_ms=0))


def _told(state: State, now_ms: int, word: Word) -> State:
    bought_at_mwh = state.bought_at_mwh if word.trade == state.word.trade else None
    if word.tie_in and bought_at_mwh is None:
        bought_at_mwh = state.sensed.in_mwh + max(0, word.demand_mwh - word.energy_mwh)
    began = word.trade != state.word.trade and word.tie_in
    after = msgspec.structs.replace(
        state,
        online=True,
        heard_ms=now_ms,
        retry_ms=0,
        tries=0,
        word=word,
        bought_at_mwh=bought_at_mwh,
        wanted_mwh=0 if began else state.wanted_mwh,
        tie_in=word.tie_in,
        tie_out=word.tie_out,
        text=word.text or "connected",
    )
    return _watched(after, now_ms)


def _watched(state: State, now_ms: int) -> State:
    """Open what may not be closed: nobody was heard, the ledger does not let it, or what was bought is there."""
    stopped = state.lets is not None and state.word.trade not in state.lets
    if stopped or now_ms - state.heard_ms >= WATCHDOG_MS:
        return msgspec.structs.replace(state, tie_in=False, tie_out=False)
    if state.bought_at_mwh is not None and state.sensed.in_mwh >= state.bought_at_mwh:
        return msgspec.structs.replace(state, tie_in=False)
    return state


def _switched(before: State, after: State, send: Message | None = None) -> Effects:
    changed = []
    if after.tie_in != before.tie_in:
        changed.append(("tie_in", after.tie_in))
    if after.tie_out != before.tie_out:
        changed.append(("tie_out", after.tie_out))
    return Effects(after, tuple(changed), send)


def _message(state: State) -> Message:
    return Message(**msgspec.structs.asdict(state.sensed), demand_mwh=state.wanted_mwh, lets=state.lets)
