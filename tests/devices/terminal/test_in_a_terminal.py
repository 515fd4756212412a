"""`ledgernode meter ciu` in a real terminal: the unit is drawn, keys reach the meter, q ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devices.journal import Journal
from devices.meter.core import new_state
from devices.meter.records import restored
from devices.meter_shell import Facts, create_home
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from tests.cli.command_line import command
from tests.sts.published import METER, VENDING_KEY
from tests.terminal import DRAWS, Terminal

pytestmark = pytest.mark.slow


def made(tmp_path: Path) -> Path:
    """A meter's home."""
    home, key = tmp_path / "meter", derive(VENDING_KEY, METER)
    create_home(home, Facts(METER.pan, "utility:home-1", "00" * 32), new_state(key, METER.base))
    return home


def test_a_terminal_shows_the_unit_and_a_token_arrives(tmp_path: Path) -> None:
    """Drawn in dots; twenty digits and return; what was shown is on the disk when it has ended."""
    home = made(tmp_path)
    digits = mint(Credit(tid=Tid(1_000), random=5, units=77), derive(VENDING_KEY, METER))
    with Terminal([sys.executable, "-m", "ledgernode.cli", "meter", "ciu", str(home)], **DRAWS) as unit:
        unit.until(lambda seen: "LEDGERNODE" in seen and any(0x2800 < ord(letter) < 0x2900 for letter in seen))
        unit.type(f"{digits}\r")
        unit.until(lambda seen: "relay supply closed" in seen)
        assert unit.end("q") == 0
    journal = Journal(home / "meter.journal")
    journal.close()
    assert restored(journal.records).credit.balance_mwh == 7_700_000


def test_without_the_extra_it_goes_line_by_line(tmp_path: Path) -> None:
    """And says what to install."""
    program = (
        "import sys; sys.modules['textual'] = None\n"
        "from ledgernode.cli import main\n"
        f"main(['meter', 'ciu', {str(made(tmp_path))!r}])"
    )
    with Terminal([sys.executable, "-c", program], TERM="dumb") as unit:
        unit.until(lambda seen: "keys> " in seen)
        assert "install ledgernode[community]" in unit.seen
        assert "NO CREDIT    OFF" in unit.seen
        assert unit.end("q\n") == 0


def test_a_link_has_the_ledgers_time_and_a_display(tmp_path: Path) -> None:
    """Faster than the clock, or through a pipe, there is none."""
    home = made(tmp_path)
    assert "--speed" in command("meter", "ciu", home, "--gateway", "localhost:1", "--speed", 2).err
    assert "meter run" in command("meter", "ciu", home, "--gateway", "localhost:1").err
