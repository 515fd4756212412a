"""`ledgernode trade run`: what is told of each turn, and that a ledger out of reach is asked again."""

from __future__ import annotations

import json

import pytest

from devices.backtest.trader import Placed, Turn
from ledgernode.cli.trade import follow
from ledgernode.errors import Unavailable
from tests.cli.command_line import command

TURN = Turn(
    from_ms=1_690_000_000_000,
    until_ms=1_690_000_900_000,
    load_wh=1_500,
    generation_wh=0,
    orders=(
        Placed("bid", 1_200, 242_100, number=7),
        Placed("bid", 10, 1, refused="market.POSITION_LIMIT"),
        Placed("ask", 1, 1),
    ),
    held=("bid of 1500 Wh to 1200 Wh: order limit",),
    dry_run=False,
)


class Scripted:
    """A trader that answers what it was given, or raises it."""

    def __init__(self, *turns: Turn | Exception | None) -> None:
        self.turns = list(turns)

    def turn(self) -> Turn | None:
        found = self.turns.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def test_each_turn_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What was expected, what became of each order, which limit held what back."""
    follow(Scripted(TURN), 1, 0.01, as_json=False)
    out = capsys.readouterr().out
    assert "2023-07-22 04:26:40  expects 1.500 kWh in, 0.000 kWh out" in out
    assert "1.200 kWh at 0.242100   order 7" in out
    assert "market.POSITION_LIMIT" in out
    assert "not sent" in out
    assert "held back: bid of 1500 Wh to 1200 Wh: order limit" in out
    follow(Scripted(TURN), 1, 0.01, as_json=True)
    assert json.loads(capsys.readouterr().out)["orders"][0]["number"] == 7


def test_a_ledger_out_of_reach_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither that nor a time without a delivery ends it; other failures do."""
    follow(Scripted(Unavailable("gone"), None, TURN), 1, 0.01, as_json=True)
    assert "trying again" in capsys.readouterr().err
    with pytest.raises(ValueError, match="wrong"):
        follow(Scripted(ValueError("wrong")), 1, 0.01, as_json=True)


def test_limits_are_numbers() -> None:
    """Checked before any network is looked for."""
    refused = command("trade", "run", "--market", "m", "--point", "p", "--order-kwh", "-1")
    assert refused.code == 2
    assert "below zero" in refused.err
