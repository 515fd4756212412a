"""A house's controller: it tries again every 5 s, does what it is told, and opens when nobody tells it anything."""

from __future__ import annotations

import itertools

import pytest

from devices.house.tie import (
    LARGEST_MWH,
    RETRY_MS,
    WATCHDOG_MS,
    Demanded,
    Effects,
    Event,
    Failed,
    Message,
    Sensed,
    State,
    Ticked,
    Told,
    Word,
    step,
)

BUYING = Word(tie_in=True, trade=7, demand_mwh=2_000, text="#7 running")
SELLING = Word(tie_out=True, trade=7, demand_mwh=2_000)


class House:
    def __init__(self) -> None:
        self.state = State()
        self.now_ms = 1_000_000
        self.in_mwh = 500
        self.relays = {"tie_in": False, "tie_out": False}
        self.sent: list[Message] = []
        self.lets: tuple[int, ...] | None = None

    def do(self, event: Event) -> Effects:
        effects = step(self.state, event)
        self.state = effects.state
        self.relays |= dict(effects.relays)
        if effects.send is not None:
            self.sent.append(effects.send)
        return effects

    def tick(self, ms: int = 1_000) -> Message | None:
        self.now_ms += ms
        sensed = Sensed(0, self.in_mwh, 12_300, 4_000, 49_200)
        return self.do(Ticked(self.now_ms, sensed, self.lets)).send

    def told(self, word: Word) -> None:
        self.tick()
        self.do(Told(self.now_ms, word))


def test_it_tries_again_every_five_seconds() -> None:
    """Not sooner; it says so; connected, it speaks with every tick."""
    house = House()
    tried_ms = []
    for _ in range(21):
        if house.tick() is not None:
            tried_ms.append(house.now_ms)
            house.do(Failed(house.now_ms))
    assert [later - earlier for earlier, later in itertools.pairwise(tried_ms)] == [RETRY_MS] * 4
    assert house.state.text == "connection failed, again in 5 s"
    assert (house.state.online, house.state.tries) == (False, 5)
    while house.tick() is None:
        pass
    house.do(Told(house.now_ms, Word()))
    assert (house.state.online, house.state.tries, house.state.text) == (True, 0, "connected")
    assert house.tick() is not None


def test_relays_are_as_the_bus_says() -> None:
    """Closed, opened, and the page's text is the bus's."""
    house = House()
    house.told(BUYING)
    assert house.relays == {"tie_in": True, "tie_out": False}
    assert house.state.text == "#7 running"
    house.told(Word())
    assert house.relays == {"tie_in": False, "tie_out": False}
    house.told(SELLING)
    assert house.relays == {"tie_in": False, "tie_out": True}


@pytest.mark.parametrize("word", [BUYING, SELLING])
def test_without_a_word_both_relays_open(word: Word) -> None:
    """Whether tries fail or time just passes; they close again only by a new word."""
    house = House()
    house.told(word)
    house.tick()
    house.do(Failed(house.now_ms))
    assert any(house.relays.values())
    house.tick(WATCHDOG_MS - 2_001)
    assert any(house.relays.values())
    house.tick(1_001)
    assert not any(house.relays.values())
    house.told(word)
    assert any(house.relays.values())


def test_it_opens_by_its_own_register() -> None:
    """The bought energy is there: no word is needed, and one that comes late closes nothing."""
    house = House()
    house.told(BUYING)
    house.in_mwh += 1_999
    house.tick()
    assert house.relays["tie_in"]
    house.in_mwh += 1
    house.tick()
    assert not house.relays["tie_in"]
    house.told(BUYING)
    assert not house.relays["tie_in"]
    house.told(Word(tie_in=True, trade=8, demand_mwh=100))
    assert house.relays["tie_in"]


def test_after_a_restart_only_the_rest_is_taken() -> None:
    """The bus has counted 1,500 of 2,000 already."""
    house = House()
    house.told(Word(tie_in=True, trade=7, demand_mwh=2_000, energy_mwh=1_500))
    house.in_mwh += 500
    house.tick()
    assert not house.relays["tie_in"]


def test_a_demand_is_told_until_it_is_traded() -> None:
    """At once, also while the next try was to wait; within bounds."""
    house = House()
    house.tick()
    house.do(Failed(house.now_ms))
    house.do(Demanded(house.now_ms, 3_000))
    assert house.tick() == Message(0, 500, 12_300, 4_000, 49_200, demand_mwh=3_000)
    house.told(BUYING)
    assert house.sent[-1].demand_mwh == 3_000
    house.tick()
    assert house.sent[-1].demand_mwh == 0
    house.do(Demanded(house.now_ms, 10 * LARGEST_MWH))
    assert house.state.wanted_mwh == LARGEST_MWH
    house.do(Demanded(house.now_ms, -5))
    assert house.state.wanted_mwh == 0


def test_relays_follow_the_ledger_before_the_bus() -> None:
    """No trade that it lets run, no closed relay; what it stops opens at once, and the bus is told."""
    house = House()
    house.lets = (6,)
    house.told(BUYING)
    assert not any(house.relays.values())
    house.lets = (6, 7)
    house.told(BUYING)
    assert house.relays == {"tie_in": True, "tie_out": False}
    house.lets = (6,)
    message = house.tick()
    assert not any(house.relays.values())
    assert message is not None
    assert message.lets == (6,)
    house.told(BUYING)
    house.told(SELLING)
    assert not any(house.relays.values())
