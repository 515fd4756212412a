"""Measured transfers over a shared bus: relays close, energy is counted at both ends, relays open when it is delivered.

Algorithm 1 of the off-grid houses, as a pure state machine over numbered trades: events in, effects out, no I/O, no
clock. A trade's way:

    waiting ─▶ running ─▶ opening ─▶ done · short · stalled · stopped · curtailed · disputed
       ▲                     │
       └───── link lost ─────┘         delivered so far stays delivered; it goes on when both ends are there again

Rules it keeps:

* relays close only when both ends have shown their registers, and stay open whenever an end is not heard;
* an end whose meter hears the ledger says which trades the ledger lets it deliver: no other begins, and one that it
  says no more is stopped;
* one trade at a time on a bus (`at_once` on one whose driver keeps several apart), by number; who cannot begin lets the
  next one go first; a house is in one running trade only, so that its registers are that trade's;
* delivered is what the buyer's register gained; what the seller's gained beyond it is the line's loss. Both go on being
  counted until each has been read with its relay open: energy that flowed while relays were opening is someone's too;
* ends that disagree by more than the line's loss and both classes stop the trade and open a dispute;
* everything is in `State`: a controller that begins again opens all relays, reads registers and goes on from there;
* the same number twice is one trade.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from ledgernode.errors import BadRequest

MICRO: Final = 1_000_000
HOUR_MS: Final = 3_600_000
TIE_OUT: Final = "tie_out"
TIE_IN: Final = "tie_in"
LINE: Final = re.compile(r"New Transaction #(\d{1,15}): energy from (\S{1,200}) → (\S{1,200})")


class Status(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    OPENING = "opening"
    DONE = "done"
    SHORT = "short"
    """Its time was over."""
    STALLED = "stalled"
    """Relays were closed and nothing flowed."""
    STOPPED = "stopped"
    """The ledger said so."""
    CURTAILED = "curtailed"
    DISPUTED = "disputed"


ACTIVE: Final = frozenset({Status.RUNNING, Status.OPENING})
OPEN: Final = ACTIVE | {Status.WAITING}


class Bus(msgspec.Struct, frozen=True):
    """What is known of the wire and its meters."""

    loss_micro: int = 50_000
    """Of what the seller gives; more than that is no line's loss."""
    class_micro: int = 10_000
    """Of what each register counts."""
    slack_mwh: int = 500
    """Registers are read one after the other, and count whole mWh."""
    stall_ms: int = 60_000
    together_ms: int = 2_000
    """Readings of both ends within this time are held against one another."""
    at_once: int = 1
    watchdog_ms: int = 10_000
    """A house that hears nobody for so long opens its relays itself; until then the bus is not given to others."""
    open_limit: int = 1_000
    kept: int = 100
    """Trades that are over are remembered so that a late message begins none of them again."""

    def __post_init__(self) -> None:
        assert self.at_once > 0
        assert self.kept > 0
        assert min(self.loss_micro, self.class_micro, self.slack_mwh) >= 0


# ---------------------------------------------------------------- events in


class Started(msgspec.Struct, frozen=True):
    """New, or from what was kept."""

    now_ms: int


class Agreed(msgspec.Struct, frozen=True):
    """A numbered trade, as the line says it, with its energy (0: said later, by `Demanded`) and the end of its time."""

    now_ms: int
    number: int
    seller: str
    buyer: str
    energy_mwh: int = 0
    until_ms: int = 1 << 62


class Demanded(msgspec.Struct, frozen=True):
    """How much of a trade that was announced is wanted: the demand over HTTP."""

    now_ms: int
    number: int
    energy_mwh: int


class Read(msgspec.Struct, frozen=True):
    """What a house's tie shows. Registers only grow."""

    now_ms: int
    point: str
    out_mwh: int
    in_mwh: int
    voltage_mv: int = 0
    current_ma: int = 0
    power_mw: int = 0
    lets: tuple[int, ...] | None = None
    """The trades that the ledger lets this house deliver; None where it does not hear the ledger."""


class LinkChanged(msgspec.Struct, frozen=True):
    now_ms: int
    point: str
    up: bool


class Stopped(msgspec.Struct, frozen=True):
    """The ledger's command to open the ties of a trade."""

    now_ms: int
    number: int


class Curtailed(msgspec.Struct, frozen=True):
    """So many trades are too much for the feeder: the newest go first."""

    now_ms: int
    count: int = 1


class Ticked(msgspec.Struct, frozen=True):
    now_ms: int


Event = Started | Agreed | Demanded | Read | LinkChanged | Stopped | Curtailed | Ticked

# ---------------------------------------------------------------- state


class End(msgspec.Struct, frozen=True):
    """One side of a trade: where its register was last counted (None: not yet), and what it gained so far."""

    point: str
    register_mwh: int | None = None
    moved_mwh: int = 0
    read_ms: int = -1
    is_let: bool = False
    """Whether it has said that the ledger lets it deliver."""


class Trade(msgspec.Struct, frozen=True):
    number: int
    seller: End
    buyer: End
    energy_mwh: int
    until_ms: int
    status: Status = Status.WAITING
    then: Status = Status.WAITING
    """What it becomes when its relays are open."""
    since_ms: int = 0
    progress_ms: int = 0

    @property
    def delivered_mwh(self) -> int:
        return self.buyer.moved_mwh

    @property
    def loss_mwh(self) -> int:
        return self.seller.moved_mwh - self.buyer.moved_mwh


class Tie(msgspec.Struct, frozen=True):
    """What is known of a house's tie."""

    linked: bool = False
    last: Read | None = None


class State(msgspec.Struct, frozen=True):
    """Everything; `msgspec.msgpack` keeps it."""

    trades: dict[int, Trade] = {}
    ties: dict[str, Tie] = {}


class Relay(NamedTuple):
    point: str
    relay: str
    closed: bool


class Dispute(NamedTuple):
    number: int
    out_mwh: int
    in_mwh: int
    allowed_mwh: int


class Effects(NamedTuple):
    """To be done in this order: keep the state, switch, tell."""

    state: State
    relays: tuple[Relay, ...] = ()
    ended: tuple[Trade, ...] = ()
    disputes: tuple[Dispute, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """What the page of one house shows, live."""

    point: str
    linked: bool
    relay_in: bool
    relay_out: bool
    voltage_mv: int
    current_ma: int
    power_mw: int
    energy_mwh: int
    """Of the trade that it is in."""
    demand_mwh: int
    trade: int
    text: str


# ---------------------------------------------------------------- one step


def step(bus: Bus, state: State, event: Event) -> Effects:
    """What an event changes, and what is to be done about it."""
    turn = _Turn(bus, state, event.now_ms)
    match event:
        case Started():
            turn.begin_again()
        case Agreed():
            turn.agree(event)
        case Demanded():
            turn.demand(event)
        case Read():
            turn.read(event)
        case LinkChanged(point=point, up=up):
            turn.link(point, up)
        case Stopped(number=number):
            turn.end(number, Status.STOPPED)
        case Curtailed(count=count):
            for trade in sorted(turn.open_trades(), key=lambda each: -each.number)[:count]:
                turn.end(trade.number, Status.CURTAILED)
        case Ticked():
            pass
    turn.watch()
    turn.next_turns()
    return turn.effects()


class _Turn:
    def __init__(self, bus: Bus, state: State, now_ms: int) -> None:
        self.bus, self.now_ms = bus, now_ms
        self.trades = dict(state.trades)
        self.ties = dict(state.ties)
        self.relays: list[Relay] = []
        self.ended: list[Trade] = []
        self.disputes: list[Dispute] = []

    def effects(self) -> Effects:
        over = [number for number, trade in sorted(self.trades.items()) if trade.status not in OPEN]
        for number in over[: max(0, len(over) - self.bus.kept)]:
            del self.trades[number]
        return Effects(State(self.trades, self.ties), tuple(self.relays), tuple(self.ended), tuple(self.disputes))

    # ------------------------------------------------------------ what events say

    def begin_again(self) -> None:
        """Nobody knows how relays stand: all of them open, registers are read anew."""
        self.ties = {point: Tie(False, tie.last) for point, tie in self.ties.items()}
        for trade in self.open_trades():
            if trade.status in ACTIVE:
                then = trade.then if trade.status is Status.OPENING else Status.WAITING
                self.open_relays(trade, then)

    def agree(self, event: Agreed) -> None:
        """A number that is known, or older than all that are kept, is a repetition."""
        old = len(self.trades) >= self.bus.kept and event.number < min(self.trades)
        if event.number in self.trades or old:
            return
        if len(self.open_trades()) >= self.bus.open_limit:
            raise BadRequest(f"{self.bus.open_limit} trades wait for this bus: no more are taken")
        if event.seller == event.buyer:
            raise BadRequest(f"trade {event.number} has one house at both ends")
        ends = End(event.seller), End(event.buyer)
        self.trades[event.number] = Trade(event.number, *ends, event.energy_mwh, event.until_ms, since_ms=self.now_ms)

    def demand(self, event: Demanded) -> None:
        trade = self.trades.get(event.number)
        if trade is not None and trade.status in OPEN and trade.energy_mwh == 0 < event.energy_mwh:
            self.put(trade, energy_mwh=event.energy_mwh)

    def read(self, event: Read) -> None:
        """Count what its register gained for the trade that the house is in, and what the ledger lets it do."""
        self.ties[event.point] = Tie(True, event)
        if event.lets is not None:
            self.heed(event.point, event.lets)
        for trade in self.open_trades():
            if trade.status in ACTIVE and event.point in {trade.seller.point, trade.buyer.point}:
                self.count(trade, event)

    def heed(self, point: str, lets: tuple[int, ...]) -> None:
        """What the ledger has let an end deliver, and lets it no more, is stopped."""
        for trade in self.open_trades():
            for name, end in (("seller", trade.seller), ("buyer", trade.buyer)):
                if end.point != point:
                    continue
                if trade.number in lets:
                    self.put(trade, **{name: msgspec.structs.replace(end, is_let=True)})
                elif end.is_let:
                    self.end(trade.number, Status.STOPPED)

    def link(self, point: str, up: bool) -> None:
        known = self.ties.get(point, Tie())
        self.ties[point] = Tie(up, known.last if up else None)
        for trade in self.open_trades():
            if not up and trade.status is Status.RUNNING and point in {trade.seller.point, trade.buyer.point}:
                self.open_relays(trade, Status.WAITING)

    # ------------------------------------------------------------ counting

    def count(self, trade: Trade, event: Read) -> None:
        sells = event.point == trade.seller.point
        end = trade.seller if sells else trade.buyer
        register_mwh = event.out_mwh if sells else event.in_mwh
        gained_mwh = 0 if end.register_mwh is None else register_mwh - end.register_mwh
        moved_mwh = end.moved_mwh + max(0, gained_mwh)
        end = End(end.point, register_mwh, moved_mwh, event.now_ms, end.is_let)
        trade = self.put(trade, seller=end) if sells else self.put(trade, buyer=end)
        if gained_mwh:
            trade = self.put(trade, progress_ms=event.now_ms)
        if gained_mwh < 0 or self.disagrees(trade):
            self.dispute(trade)
        elif trade.status is Status.RUNNING and trade.delivered_mwh >= trade.energy_mwh:
            self.open_relays(trade, Status.DONE)

    def disagrees(self, trade: Trade) -> bool:
        """More lost than a line loses, or energy from nowhere: only said of readings of about the same time."""
        if abs(trade.seller.read_ms - trade.buyer.read_ms) > self.bus.together_ms:
            return False
        return not -self.unsure_mwh(trade) <= trade.loss_mwh <= self.allowed_mwh(trade)

    def unsure_mwh(self, trade: Trade) -> int:
        """What classes make of it, and what flowed between the two readings."""
        counted_mwh = trade.seller.moved_mwh + trade.buyer.moved_mwh
        apart_ms = abs(trade.seller.read_ms - trade.buyer.read_ms)
        lasts = (self.ties.get(end.point, Tie()).last for end in (trade.seller, trade.buyer))
        power_mw = max((abs(last.power_mw) for last in lasts if last is not None), default=0)
        return self.bus.slack_mwh + counted_mwh * self.bus.class_micro // MICRO + power_mw * apart_ms // HOUR_MS

    def allowed_mwh(self, trade: Trade) -> int:
        return self.unsure_mwh(trade) + -(-trade.seller.moved_mwh * self.bus.loss_micro // MICRO)

    def dispute(self, trade: Trade) -> None:
        if Status.DISPUTED in {trade.status, trade.then}:
            return
        out_mwh, in_mwh = trade.seller.moved_mwh, trade.buyer.moved_mwh
        self.disputes.append(Dispute(trade.number, out_mwh, in_mwh, self.allowed_mwh(trade)))
        self.open_relays(trade, Status.DISPUTED)

    # ------------------------------------------------------------ time and turns

    def watch(self) -> None:
        """What time alone does: a trade ends late, stalls, or has its last readings."""
        for trade in self.open_trades():
            if trade.status is Status.RUNNING and self.now_ms - trade.progress_ms >= self.bus.stall_ms:
                self.open_relays(trade, Status.STALLED)
            elif self.now_ms >= trade.until_ms:
                self.end(trade.number, Status.SHORT)
        for trade in self.open_trades():
            read_ms = min(trade.seller.read_ms, trade.buyer.read_ms)
            if trade.status is Status.OPENING and (read_ms > trade.since_ms or self.is_lost(trade)):
                self.opened(trade)

    def is_lost(self, trade: Trade) -> bool:
        """Its time is long over and an end never came back: what was counted stands."""
        return trade.then is not Status.WAITING and self.now_ms - trade.since_ms >= 10 * self.bus.stall_ms

    def opened(self, trade: Trade) -> None:
        status = trade.then
        if status is Status.WAITING and trade.delivered_mwh >= trade.energy_mwh:
            status = Status.DONE
        trade = self.put(trade, status=status, since_ms=self.now_ms)
        if status is Status.WAITING:
            both = (trade.seller, trade.buyer)
            ends = {end.point: End(end.point, None, end.moved_mwh, is_let=end.is_let) for end in both}
            self.put(trade, seller=ends[trade.seller.point], buyer=ends[trade.buyer.point])
        else:
            self.ended.append(trade)

    def next_turns(self) -> None:
        """Let trades begin, by number, as many as the bus keeps apart."""
        for trade in self.open_trades():
            active = [each for each in self.open_trades() if each.status in ACTIVE]
            if sum(self.holds_the_bus(each) for each in active) >= self.bus.at_once:
                return
            taken = {end.point for each in active for end in (each.seller, each.buyer)}
            is_due = trade.status is Status.WAITING and trade.energy_mwh > 0
            if is_due and not taken & {trade.seller.point, trade.buyer.point}:
                self.close_relays(trade)

    def holds_the_bus(self, trade: Trade) -> bool:
        """One that is opening holds it until every relay is open, by word or by its own watchdog."""
        return trade.status is Status.RUNNING or self.now_ms - trade.since_ms < self.bus.watchdog_ms

    def close_relays(self, trade: Trade) -> None:
        """If both ends are there, have shown their registers, and may."""
        out = self.ties.get(trade.seller.point, Tie())
        into = self.ties.get(trade.buyer.point, Tie())
        if not (out.linked and into.linked) or out.last is None or into.last is None:
            return
        if any(last.lets is not None and trade.number not in last.lets for last in (out.last, into.last)):
            return
        self.put(
            trade,
            status=Status.RUNNING,
            then=Status.WAITING,
            seller=begun(trade.seller, out.last.out_mwh, out.last.now_ms),
            buyer=begun(trade.buyer, into.last.in_mwh, into.last.now_ms),
            since_ms=self.now_ms,
            progress_ms=self.now_ms,
        )
        self.relays += [Relay(trade.buyer.point, TIE_IN, True), Relay(trade.seller.point, TIE_OUT, True)]

    def open_relays(self, trade: Trade, then: Status) -> None:
        self.put(trade, status=Status.OPENING, then=then, since_ms=self.now_ms)
        self.relays += [Relay(trade.seller.point, TIE_OUT, False), Relay(trade.buyer.point, TIE_IN, False)]

    def end(self, number: int, status: Status) -> None:
        """Now if it has not begun, else when its relays are open."""
        trade = self.trades.get(number)
        if trade is None or trade.status not in OPEN:
            return
        if trade.status is Status.WAITING:
            self.ended.append(self.put(trade, status=status, since_ms=self.now_ms))
        elif trade.status is Status.RUNNING:
            self.open_relays(trade, status)
        elif trade.then is Status.WAITING:
            self.put(trade, then=status)

    # ------------------------------------------------------------ looking

    def open_trades(self) -> list[Trade]:
        return [trade for _, trade in sorted(self.trades.items()) if trade.status in OPEN]

    def put(self, trade: Trade, **changes: object) -> Trade:
        self.trades[trade.number] = after = msgspec.structs.replace(trade, **changes)
        return after


def begun(end: End, register_mwh: int, read_ms: int) -> End:
    """Counted from here on."""
    return msgspec.structs.replace(end, register_mwh=register_mwh, read_ms=read_ms)


def page(state: State, point: str) -> Page:
    """What the page of a house shows now."""
    tie = state.ties.get(point, Tie())
    mine = [trade for _, trade in sorted(state.trades.items()) if point in {trade.seller.point, trade.buyer.point}]
    shown = next((trade for trade in mine if trade.status in ACTIVE), mine[-1] if mine else None)
    last = tie.last or Read(0, point, 0, 0)
    running = shown is not None and shown.status is Status.RUNNING
    text = "" if shown is None else f"#{shown.number} {shown.status}: {shown.seller.point} → {shown.buyer.point}"
    end = None if shown is None else (shown.seller if shown.seller.point == point else shown.buyer)
    return Page(
        point=point,
        linked=tie.linked,
        relay_in=running and shown is not None and shown.buyer.point == point,
        relay_out=running and shown is not None and shown.seller.point == point,
        voltage_mv=last.voltage_mv,
        current_ma=last.current_ma,
        power_mw=last.power_mw,
        energy_mwh=0 if end is None else end.moved_mwh,
        demand_mwh=0 if shown is None else shown.energy_mwh,
        trade=0 if shown is None else shown.number,
        text=text,
    )


def announced(line: str, now_ms: int) -> Agreed:
    """The trade that a published line names. Refuses what is no such line."""
    found = LINE.fullmatch(line.strip())
    if found is None:
        raise BadRequest("not a line `New Transaction #n: energy from seller → buyer`")
    return Agreed(now_ms, int(found[1]), found[2], found[3])
