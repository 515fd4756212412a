"""The screen of a living community: every house, who trades with whom, what the ledger says, in the room there is."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from devices.community.scenario import found_scenario, read_scenario
from devices.community.street import HeadShown, Shown
from ledgernode.cli.living.screen import drawn, plain, standing_line
from living.homes import Home
from living.play import Play
from living.watching import Watcher

QUARTER_MS = 900_000
STARTS_MS = 1_795_341_600_000


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Ten houses at the end of their second quarter; nothing runs."""
    scenario = read_scenario(found_scenario("ten-houses"))
    made = Play(tmp_path, scenario, say=lambda _text: None)
    made.nodes = SimpleNamespace(network=SimpleNamespace(ledger="simulated-ten-houses", engine="pbft", nodes=range(4)))  # type: ignore[assignment]
    made.time.starts_ms = STARTS_MS
    made.time.go_on_from(STARTS_MS + 29 * 60_000)
    for number, house in enumerate(scenario.houses):
        line = SimpleNamespace(silent=number == 4)
        meter: Any = SimpleNamespace(is_supplied=number != 5, line=line, balance_mwh=1_234_000 * number)
        one = Home(house, meter, None, "acacia")
        level = 640_000 if house.battery else -1
        one.shown = Shown(0, 0, 0, -750.0 if number == 0 else 320.0, 0.0, 230.0, 512.0, 1_262.0, level)
        one.money_minor = (375_000, 0)
        made.houses[house.name] = one
    made.heads["acacia"] = HeadShown(0, 0, 4_000.0, 0.0, 230.0, 41.5, 52.5, 12_500)
    return made


def tell(play: Play, *events: tuple[str, str, dict[str, Any]]) -> None:
    """What the ledger says, as blocks bring it."""
    watcher = Watcher(None, play.figures, lambda *_: None, names={})  # type: ignore[arg-type]  # no ledger is asked
    play.figures.time_ms = STARTS_MS + QUARTER_MS
    for event in events:
        watcher._event(*event)


def agreed(trade: int, seller: str, buyer: str) -> tuple[str, str, dict[str, Any]]:
    said = {"trade": trade, "seller_point": f"north:{seller}", "buyer_point": f"north:{buyer}", "energy_wh": 229}
    times = {"from_ms": STARTS_MS + QUARTER_MS, "until_ms": STARTS_MS + 2 * QUARTER_MS}
    return "settlement", "TradeAgreed", said | times | {"price_micro": 131_700}


def on_screen(play: Play, width: int, height: int) -> str:
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    console.print(drawn(play, "view 0 led by north", width, height), height=height)
    return console.export_text()


def test_every_house_and_what_the_ledger_says_is_on_one_screen(play: Play) -> None:
    """Power, battery, credit, money; who trades with whom at which price; loss, alerts, tokens."""
    reported = {
        "generation_mwh": 1,
        "consumption_mwh": 2,
        "supply_mwh": 3,
        "loss_mwh": 635_000,
        "loading_micro": 320_000,
    }
    tell(
        play,
        agreed(7, "h01", "h02"),
        ("feeder", "FeederReported", {"feeder": "north:acacia", "interval_ms": STARTS_MS, "state": "d"} | reported),
        ("feeder", "AlertOpened", {"feeder": "north:acacia", "kind": "loss", "value": 1, "limit": 1}),
        ("prepaid", "CreditReserved", {"point": "north:h02", "credit": 1, "kind": "vend", "units": 16}),
        ("prepaid", "CreditRedeemed", {"point": "north:h02", "credit": 1, "kind": "vend", "energy_mwh": 1_600_000}),
    )
    shown = on_screen(play, 140, 44)
    for house in play.houses:
        assert house in shown
    for text in (
        "simulated-ten-houses", "60x", "pbft, 4 validators; view 0 led by north", "▲ 750", "▼ 320", "64%", "h06 off",
        "h05 mute", "→ h02 229 Wh", "← h01 229 Wh", "37.50", "1.23 kWh", "32%, 4,000 W from the grid", "41.5 °C",
        "0.64 kWh", "loss on acacia", "1 bought", "13.17", "h01 sells 229 Wh to h02 at 13.17 ct/kWh",
        "h02 buys a token of 1.6 kWh", "the meter of h02 takes a token: 1.600 kWh",
    ):  # fmt: skip
        assert text in shown, text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60)])
def test_it_fits_the_terminal_that_there_is(play: Play, width: int, height: int) -> None:
    """No line is longer, and there are no more of them."""
    tell(play, agreed(1, "h01", "h02"))
    lines = on_screen(play, width, height).rstrip("\n").splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert "h01" in "".join(lines)


def test_without_a_terminal_it_is_told_in_lines(play: Play) -> None:
    """The time of the ledger's day, and what happened; now and then how everything stands."""
    tell(play, agreed(1, "h01", "h02"))
    assert plain(play.figures.lines[-1]) == "10:15  h01 sells 229 Wh to h02 at 13.17 ct/kWh"
    assert standing_line(play).startswith("10:29  -- block 0, 0.0 tx/s, 0 readings, 1 trades")
    assert "transformer at 32%" in standing_line(play)
