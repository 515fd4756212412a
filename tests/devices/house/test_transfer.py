"""What was bought is what is measured: over a shared bus, in turns, whatever happens on the way."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.house.transfer import (
    TIE_IN,
    TIE_OUT,
    Agreed,
    Bus,
    Curtailed,
    Demanded,
    Dispute,
    Effects,
    Event,
    LinkChanged,
    Read,
    Relay,
    Started,
    State,
    Status,
    Stopped,
    Ticked,
    Trade,
    announced,
    page,
    step,
)
from ledgernode.errors import BadRequest

WH = 1_000
POINTS = ("h1", "h2", "h3", "h4")


class Street:
    """Houses on a bus of 12 V: relays, registers, and a controller whose state is on a disk."""

    def __init__(self, *, power_w: float = 60.0, loss: float = 0.02, at_once: int = 1) -> None:
        self.bus = Bus(at_once=at_once)
        self.power_w, self.loss = power_w, loss
        self.now_ms = 0
        self.relays: dict[tuple[str, str], bool] = {}
        self.out_mwh = dict.fromkeys(POINTS, 7_000_000.0)
        self.in_mwh = dict.fromkeys(POINTS, 3_000_000.0)
        self.factor = dict.fromkeys(POINTS, 1.0)
        self.silent: set[str] = set()
        self.lets: dict[str, tuple[int, ...]] = {}
        self.ended: list[Trade] = []
        self.disputes: list[Dispute] = []
        self.most_sellers = 0
        self.disk = b""
        self.state = State()
        self.do(Started(0))

    def do(self, event: Event) -> Effects:
        effects = step(self.bus, self.state, event)
        self.state, self.disk = effects.state, msgspec.msgpack.encode(effects.state)
        for relay in effects.relays:
            if relay.point not in self.silent:
                self.relays[relay.point, relay.relay] = relay.closed
        self.ended += effects.ended
        self.disputes += effects.disputes
        return effects

    def restart(self) -> None:
        self.state = msgspec.msgpack.decode(self.disk, type=State)
        self.do(Started(self.now_ms))

    def agree(self, number: int, seller: str = "h1", buyer: str = "h2", energy_mwh: int = 2 * WH) -> None:
        self.do(Agreed(self.now_ms, number, seller, buyer, energy_mwh))

    def trade(self, number: int) -> Trade:
        return self.state.trades[number]

    def closed(self, point: str, relay: str) -> bool:
        return self.relays.get((point, relay), False)

    def lose(self, point: str) -> None:
        """The link is gone; the house's own watchdog opens its relays."""
        self.silent.add(point)
        self.do(LinkChanged(self.now_ms, point, False))
        for relay in (TIE_IN, TIE_OUT):
            self.relays[point, relay] = False

    def find(self, point: str) -> None:
        self.silent.discard(point)
        self.do(LinkChanged(self.now_ms, point, True))

    def flow(self, duration_ms: int) -> None:
        """What nature does meanwhile; nobody is told."""
        self.now_ms += duration_ms
        sellers = [point for point in POINTS if self.closed(point, TIE_OUT)]
        buyers = [point for point in POINTS if self.closed(point, TIE_IN)]
        self.most_sellers = max(self.most_sellers, len(sellers))
        for seller, buyer in zip(sellers, buyers, strict=False):
            energy_mwh = self.power_w * duration_ms / 3_600
            self.in_mwh[buyer] += energy_mwh * self.factor[buyer]
            self.out_mwh[seller] += energy_mwh * (1 + self.loss) * self.factor[seller]

    def read(self) -> None:
        for point in POINTS:
            if point not in self.silent:
                out_mwh, in_mwh = int(self.out_mwh[point]), int(self.in_mwh[point])
                running = self.closed(point, TIE_OUT) or self.closed(point, TIE_IN)
                power_mw = round(self.power_w * 1_000) if running else 0
                lets = self.lets.get(point)
                self.do(Read(self.now_ms, point, out_mwh, in_mwh, 12_300, power_mw * 10 // 123, power_mw, lets))

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.flow(1_000)
            self.read()
            self.do(Ticked(self.now_ms))

    def run_until_over(self, number: int, limit_s: int = 1_000) -> Trade:
        for _ in range(limit_s):
            if any(trade.number == number for trade in self.ended):
                return next(trade for trade in self.ended if trade.number == number)
            self.run(1)
        raise AssertionError(f"trade {number} is {self.trade(number)}")


def test_relays_close_energy_is_measured_relays_open() -> None:
    """2 Wh at 60 W: two minutes; the overshoot is that of one reading, the line's loss is shown."""
    street = Street()
    street.agree(1)
    street.run(1)
    assert (street.closed("h1", TIE_OUT), street.closed("h2", TIE_IN)) == (True, True)
    assert street.trade(1).status is Status.RUNNING
    trade = street.run_until_over(1)
    assert 115 < street.now_ms / 1_000 < 130
    assert trade.status is Status.DONE
    assert 2 * WH <= trade.delivered_mwh <= 2 * WH + 40
    assert trade.loss_mwh == pytest.approx(0.02 * trade.delivered_mwh, abs=2)
    assert not any(street.relays.values())
    assert trade.delivered_mwh == int(street.in_mwh["h2"]) - 3_000_000


def test_one_seller_at_a_time_in_turns() -> None:
    """Three trades of different houses on one bus: by number, never two sellers at once."""
    street = Street()
    street.agree(2, "h3", "h4")
    street.agree(1)
    street.agree(3, "h4", "h1")
    for number in (1, 2, 3):
        street.run_until_over(number)
    assert street.most_sellers == 1
    assert [trade.number for trade in street.ended] in ([1, 2, 3], [2, 1, 3])
    assert all(trade.status is Status.DONE for trade in street.ended)


def test_a_driver_that_keeps_trades_apart_runs_several() -> None:
    """Houses that share none of them; one that does waits."""
    street = Street(at_once=2)
    street.agree(1)
    street.agree(2, "h3", "h4")
    street.agree(3, "h1", "h4")
    street.run(2)
    assert [street.trade(number).status for number in (1, 2, 3)] == [Status.RUNNING, Status.RUNNING, Status.WAITING]
    street.run_until_over(3)
    assert street.most_sellers == 2


def test_the_same_message_twice_is_one_trade() -> None:
    """Before, during and after it."""
    street = Street()
    street.agree(1)
    street.agree(1, energy_mwh=9 * WH)
    street.run_until_over(1)
    street.agree(1)
    street.run(5)
    assert len(street.ended) == 1
    assert not any(street.relays.values())


def test_a_line_announces_and_a_demand_says_how_much() -> None:
    """As the papers' controllers read it; nothing else is such a line."""
    street = Street()
    street.do(announced("New Transaction #7: energy from h1 → h2\n", street.now_ms))
    street.run(3)
    assert street.trade(7).status is Status.WAITING
    street.do(Demanded(street.now_ms, 7, WH))
    street.do(Demanded(street.now_ms, 7, 50 * WH))
    assert street.run_until_over(7).delivered_mwh == pytest.approx(WH, abs=40)
    for line in (
        "New Transaction #7",
        "New Transaction #x: energy from a → b",
        "new transaction #7: energy from a -> b",
    ):
        with pytest.raises(BadRequest):
            announced(line, 0)


@pytest.mark.parametrize("lost", ["h1", "h2"])
def test_a_lost_link_opens_and_goes_on_where_it_was(lost: str) -> None:
    """Nothing is delivered meanwhile, nothing is delivered twice."""
    street = Street()
    street.agree(1)
    street.run(60)
    street.lose(lost)
    street.run(30)
    assert not any(street.relays.values())
    assert street.trade(1).status is Status.OPENING
    street.find(lost)
    trade = street.run_until_over(1)
    assert trade.status is Status.DONE
    assert trade.delivered_mwh == pytest.approx(2 * WH, abs=60)
    assert trade.delivered_mwh == pytest.approx(street.in_mwh["h2"] - 3_000_000, abs=1)


def test_a_house_that_stays_away_does_not_hold_the_bus() -> None:
    """Others get their turn once its watchdog has opened its relays; its own trade waits for it."""
    street = Street()
    street.agree(1)
    street.agree(2, "h3", "h4")
    street.run(10)
    street.lose("h2")
    assert street.run_until_over(2).status is Status.DONE
    street.find("h2")
    assert street.run_until_over(1).status is Status.DONE


def test_relays_close_only_when_both_ends_are_heard() -> None:
    """A seller that nobody has heard of yet keeps its trade waiting, and no other one."""
    street = Street()
    street.silent.add("h1")
    street.agree(1)
    street.agree(2, "h3", "h4")
    street.run_until_over(2)
    assert street.trade(1).status is Status.WAITING
    assert not street.closed("h2", TIE_IN)


@pytest.mark.parametrize("down_s", [0, 5, 40])
def test_a_controller_that_begins_again_goes_on_from_the_registers(down_s: int) -> None:
    """Killed in the middle: relays stay as they were for a while, and what flowed then is counted."""
    street = Street()
    street.agree(1)
    street.run(30)
    street.flow(down_s * 1_000)
    street.restart()
    assert not any(street.relays.values())
    trade = street.run_until_over(1)
    assert trade.status is Status.DONE
    assert trade.delivered_mwh == pytest.approx(street.in_mwh["h2"] - 3_000_000, abs=1)
    assert trade.delivered_mwh == pytest.approx(2 * WH, abs=60)


@pytest.mark.parametrize(
    ("loss", "point", "factor", "disputed"),
    [
        (0.04, "h1", 1.0, False),
        (0.02, "h1", 1.01, False),
        (0.02, "h2", 0.99, False),
        (0.30, "h1", 1.0, True),  # somebody taps the line
        (0.02, "h2", 0.5, True),  # the buyer's meter shows half
        (0.02, "h1", 0.7, True),  # energy from nowhere: the seller's shows too little
    ],
)
def test_ends_that_disagree_stop_it(loss: float, point: str, factor: float, disputed: bool) -> None:
    """Beyond the line's loss and both classes; what both said goes with the dispute."""
    street = Street(loss=loss)
    street.factor[point] = factor
    street.agree(1, energy_mwh=20 * WH)
    trade = street.run_until_over(1, 2_000)
    assert trade.status is (Status.DISPUTED if disputed else Status.DONE)
    assert len(street.disputes) == disputed
    assert not any(street.relays.values())
    if disputed:
        said = street.disputes[0]
        assert said.number == 1
        assert trade.delivered_mwh < 10 * WH
        assert not 0 <= said.out_mwh - said.in_mwh <= said.allowed_mwh or said.out_mwh < said.in_mwh


def test_a_register_that_steps_back_is_a_dispute() -> None:
    """Registers only grow."""
    street = Street()
    street.agree(1)
    street.run(20)
    street.in_mwh["h2"] -= 500
    assert street.run_until_over(1).status is Status.DISPUTED


def test_a_trade_ends_with_its_time() -> None:
    """What was delivered until then stays delivered; it never begins again."""
    street = Street()
    street.do(Agreed(0, 1, "h1", "h2", 2 * WH, until_ms=60_000))
    street.do(Agreed(0, 2, "h3", "h4", 2 * WH, until_ms=50_000))
    short, never = street.run_until_over(1), street.run_until_over(2)
    assert (short.status, never.status) == (Status.SHORT, Status.SHORT)
    assert short.delivered_mwh == pytest.approx(WH, rel=0.1)
    assert never.delivered_mwh == 0


def test_a_trade_that_brings_nothing_gives_its_turn_away() -> None:
    """Relays closed for a minute and nothing flows: an empty battery, a broken wire."""
    street = Street(power_w=0.0)
    street.agree(1)
    trade = street.run_until_over(1)
    assert trade.status is Status.STALLED
    assert street.now_ms < 80_000


def test_curtailment_takes_the_newest_first() -> None:
    """Whether it runs or waits; the command of the ledger stops the one that it names."""
    street = Street(at_once=2)
    for number, seller, buyer in ((1, "h1", "h2"), (2, "h3", "h4"), (3, "h1", "h4")):
        street.agree(number, seller, buyer)
    street.run(5)
    street.do(Curtailed(street.now_ms, 2))
    street.run(3)
    assert [street.trade(number).status for number in (1, 2, 3)] == [
        Status.RUNNING,
        Status.CURTAILED,
        Status.CURTAILED,
    ]
    street.do(Stopped(street.now_ms, 1))
    assert street.run_until_over(1).status is Status.STOPPED
    assert street.trade(1).delivered_mwh > 0


def test_the_page_of_a_house_shows_it_live() -> None:
    """Voltage, current, power, energy, demand, and both relays."""
    street = Street()
    street.agree(1)
    street.run(31)
    street.read()
    buyer, seller, idle = (page(street.state, point) for point in ("h2", "h1", "h3"))
    assert (buyer.relay_in, buyer.relay_out, seller.relay_in, seller.relay_out) == (True, False, False, True)
    assert (buyer.voltage_mv, buyer.power_mw, buyer.demand_mwh) == (12_300, 60_000, 2 * WH)
    assert buyer.energy_mwh == pytest.approx(500, abs=35)
    assert seller.energy_mwh > buyer.energy_mwh
    assert buyer.text == "#1 running: h1 → h2"
    assert (idle.trade, idle.linked, idle.relay_in) == (0, True, False)
    assert page(State(), "h1").linked is False


def test_a_bus_has_room_for_so_many() -> None:
    """And nobody trades with himself."""
    bus, state = Bus(open_limit=2), State()
    for number in (1, 2):
        state = step(bus, state, Agreed(0, number, "h1", "h2", WH)).state
    with pytest.raises(BadRequest, match="no more"):
        step(bus, state, Agreed(0, 3, "h1", "h2", WH))
    with pytest.raises(BadRequest, match="both ends"):
        step(bus, State(), Agreed(0, 3, "h1", "h1", WH))


events = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 40)),
        st.tuples(st.just("flow"), st.integers(1, 9)),
        st.tuples(st.just("agree"), st.integers(1, 6)),
        st.tuples(st.just("lose"), st.integers(0, 3)),
        st.tuples(st.just("find"), st.integers(0, 3)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("curtail"), st.just(0)),
        st.tuples(st.just("stop"), st.integers(1, 6)),
    ),
    max_size=30,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(events)
def test_whatever_happens_nobody_is_told_of_energy_that_did_not_flow(happening: list[tuple[str, int]]) -> None:
    """Over any history: one seller at a time, what ended trades delivered is what registers gained, relays are open
    when no trade runs."""
    street = Street()
    for kind, which in happening:
        match kind:
            case "run":
                street.run(which)
            case "flow":
                street.flow(which * 1_000)
            case "agree":
                street.agree(which, POINTS[which % 4], POINTS[(which + 1 + which // 4) % 4])
            case "lose":
                street.lose(POINTS[which])
            case "find":
                street.find(POINTS[which])
            case "restart":
                street.restart()
            case "curtail":
                street.do(Curtailed(street.now_ms))
            case "stop":
                street.do(Stopped(street.now_ms, which))
        running = [trade for trade in street.state.trades.values() if trade.status is Status.RUNNING]
        closed = {key for key, is_closed in street.relays.items() if is_closed}
        allowed = {(trade.seller.point, TIE_OUT) for trade in running} | {
            (trade.buyer.point, TIE_IN) for trade in running
        }
        assert closed <= allowed
        assert len(running) <= 1
    for point in POINTS:
        street.find(point)
    street.run(700)
    assert street.most_sellers <= 1
    assert not any(street.relays.values())
    assert not street.disputes
    counted_mwh = sum(trade.delivered_mwh for trade in street.ended)
    assert counted_mwh == pytest.approx(sum(street.in_mwh.values()) - 4 * 3_000_000, abs=2 + 2 * len(street.ended))
    assert len({trade.number for trade in street.ended}) == len(street.ended)


def test_relays_are_named_for_both_ends() -> None:
    """The buyer's closes first, the seller's opens first: nobody gives into nothing."""
    state = State()
    for event in (
        Started(0),
        Agreed(0, 1, "h1", "h2", WH),
        Read(1, "h1", 0, 0),
    ):
        state = step(Bus(), state, event).state
    closing = step(Bus(), state, Read(2, "h2", 0, 0))
    assert closing.relays == (Relay("h2", TIE_IN, True), Relay("h1", TIE_OUT, True))
    opening = step(Bus(), closing.state, LinkChanged(3, "h2", False))
    assert opening.relays == (Relay("h1", TIE_OUT, False), Relay("h2", TIE_IN, False))


def test_nothing_begins_that_the_ledger_does_not_let_run() -> None:
    """Both ends must have heard of it; another trade, which they have, goes first meanwhile."""
    street = Street()
    street.lets = {"h1": (1,), "h2": (2,)}
    street.agree(1)
    street.agree(2, "h3", "h2")
    assert street.run_until_over(2).status is Status.DONE
    assert street.trade(1).status is Status.WAITING
    street.lets["h2"] = (1, 2)
    assert street.run_until_over(1).status is Status.DONE
    assert [trade.number for trade in street.ended] == [2, 1]


@pytest.mark.parametrize("end", ["h1", "h2"])
def test_what_the_ledger_stops_is_stopped_on_the_bus(end: str) -> None:
    """Whichever end hears it first: relays open, what flowed stays counted, the next one has its turn. So over a
    restart of the bus; and one that waits has no turn any more."""
    street = Street()
    street.lets = {"h1": (1, 2, 3), "h2": (1, 2, 3)}
    for number in (1, 2, 3):
        street.agree(number)
    street.run(30)
    assert street.trade(1).status is Status.RUNNING
    street.restart()
    street.lets[end] = (2,)
    trade = street.run_until_over(1)
    assert trade.status is Status.STOPPED
    assert trade.delivered_mwh == int(street.in_mwh["h2"]) - 3_000_000 > 300
    assert street.run_until_over(3).status is Status.STOPPED
    assert street.run_until_over(2).status is Status.DONE
    assert not any(street.relays.values())


def test_an_end_that_is_away_when_the_ledger_stops_says_so_when_it_is_back() -> None:
    """Its relays were open all the time."""
    street = Street()
    street.lets = {"h1": (1,), "h2": (1,)}
    street.agree(1)
    street.run(10)
    street.lose("h2")
    street.run(30)
    assert street.trade(1).status is not Status.RUNNING
    street.lets = {"h1": (1,), "h2": ()}
    street.find("h2")
    assert street.run_until_over(1).status is Status.STOPPED
