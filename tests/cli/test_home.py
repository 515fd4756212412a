"""A home on a ledger by the command line: what it is written down as, and what is refused before anything runs."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from devices.house.strategy import FixedPrice
from devices.house_shell.home import FILE, TOKEN, read_home
from ledgernode.errors import BadRequest, KeyFileUnsafe
from tests.cli.command_line import command, done

NAMED = ("--name", "h1", "--point", "north:h1", "--market", "north:day")


def test_a_home_is_what_was_said_of_it(tmp_path: Path) -> None:
    """Its agent minds what stands in it, within its owner's bounds; its token is the owner's alone."""
    equipped = ("--peak-w", 4_000, "--battery-wh", 5_000, "--battery-w", 2_500, "--boiler", "--plug", "lamp")
    bounds = ("--cheapest-ask", "0.10", "--dearest-bid", "0.28", "--feed-in", "0.08", "--sheds", "lamp")
    found = done("house", "new", tmp_path / "home", *NAMED, *equipped, *bounds, "--json").document
    assert (found["point"], found["market"]) == ("north:h1", "north:day")
    home, token = read_home(tmp_path / "home")
    settings = home.settings(FixedPrice())
    assert (settings.bounds.least_ask_micro, settings.bounds.most_bid_micro) == (100_000, 280_000)
    assert (home.place.feed_in_micro, home.place.retail_micro) == (80_000, None)
    assert settings.house.battery is not None
    assert (settings.house.battery.capacity_wh, settings.preferences.sheds) == (5_000, ("lamp",))
    assert len(token) > 30
    for name in (FILE, TOKEN):
        assert stat.S_IMODE((tmp_path / "home" / name).stat().st_mode) == 0o600
    assert command("house", "new", tmp_path / "home", *NAMED).code == KeyFileUnsafe.exit_code


@pytest.mark.parametrize("wrong", [("--battery-wh", 5_000), ("--phases", "2"), ("--cheap", "cheap")])
def test_what_cannot_stand_in_a_house_is_refused(tmp_path: Path, wrong: tuple[object, ...]) -> None:
    assert command("house", "new", tmp_path / "home", *NAMED, *wrong).code != 0
    assert not (tmp_path / "home").exists()


def test_a_home_that_was_edited_badly_says_so(tmp_path: Path) -> None:
    """A name that nothing knows would be a wish that nothing follows."""
    done("house", "new", tmp_path, *NAMED)
    path = tmp_path / FILE
    known = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(known | {"battery_kwh": 5}))
    with pytest.raises(BadRequest, match="battery_kwh"):
        read_home(tmp_path)


def test_what_goes_together_is_named_together(tmp_path: Path) -> None:
    """Nothing listens, and nothing was written."""
    done("house", "village", tmp_path / "village", "--name", "north:h1", "--name", "north:h2")
    tie = ("house", "tie", tmp_path / "village", "north:h1", "--bus", "127.0.0.1:1", "--listen", "127.0.0.1:0")
    assert "--gateway" in command(*tie, "--meter", tmp_path).err
    done("house", "new", tmp_path / "home", *NAMED)
    password = tmp_path / "password"
    password.touch(mode=0o600)
    run = ("house", "run", tmp_path / "home", "--broker", "localhost:1", "--broker-user", "a")
    run = (*run, "--broker-password-file", password, "--listen")
    assert "no TLS" in command(*run, "0.0.0.0:1").err
    assert command(*run, "127.0.0.1:0", "--strategy", "hope").code == BadRequest.exit_code
    assert command("house", "run", tmp_path, *run[3:], "127.0.0.1:0").code == BadRequest.exit_code
