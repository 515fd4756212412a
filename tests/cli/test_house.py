"""A village of processes: what is bought is measured and arrives, also when the bus's controller is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import command, done
from tests.cli.village import HOST, Village
from tests.conditions import until
from tests.ports import fresh_port


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    with Village(tmp_path / "village", ("h1", "h2")) as made:
        yield made


@pytest.mark.slow
def test_a_trade_is_delivered_over_the_death_of_the_bus(village: Village) -> None:
    """Houses first, which try again; then the bus, killed in the middle; demand, relays and page as they are."""
    village.tie("h1")
    village.tie("h2")
    until(lambda: village.page("h2").get("text") == "connection failed, again in 5 s")
    first = village.bus()
    until(lambda: all(village.page(name).get("linked") for name in ("h1", "h2")))
    done("house", "demand", village.directory, "h2", "--wh", 1, "--at", f"{HOST}:{village.ports['h2']}")
    until(lambda: village.page("h2").get("demand_mwh") == 1_000)
    announce = ("house", "trade", village.directory, 7, "h1", "h2", "--wh", 1, "--bus", f"{HOST}:{village.port}")
    done(*announce)
    until(lambda: village.page("h2").get("energy_mwh", 0) > 100)
    assert village.page("h2")["relay_in"]
    assert village.page("h1")["relay_out"]
    first.kill()
    first.wait()
    assert village.bus().poll() is None
    until(lambda: "trade 7 done" in village.output(), 50)
    done(*announce)
    until(lambda: not village.page("h1")["relay_out"] and not village.page("h2")["relay_in"])
    assert village.output().count("trade 7 done") == 1
    assert "disputed" not in village.output()
    assert 1_000 <= village.page("h2")["energy_mwh"] < 3_000


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    """No village, no such house, an address that others reach, nobody there; tokens are made once."""
    made = tmp_path / "village"
    done("house", "village", made)
    assert command("house", "village", made).code == 2
    for names in (("h1",), ("h1", "h1"), ("h1", "operator"), ("h1", "../h2")):
        named = [argument for name in names for argument in ("--name", name)]
        assert command("house", "village", tmp_path / "other", *named).code == 2
    assert (made / "h1.token").stat().st_mode & 0o077 == 0
    here = f"{HOST}:{fresh_port()}"
    assert command("house", "bus", tmp_path / "nowhere", "--listen", here).code == 2
    assert command("house", "bus", made, "--listen", "0.0.0.0:8700").code == 2
    assert command("house", "bus", made, "--listen", "8700").code == 2
    broker = ("house", "bus", made, "--listen", here, "--broker", "broker.example:8883")
    assert "--feeder" in command(*broker).err
    known = ("--broker-user", "u", "--broker-password-file", made / "h1.token", "--ledger", "test", "--feeder", "f")
    assert "TLS" in command(*broker, *known).err
    assert command("house", "tie", made, "h9", "--bus", here, "--listen", here).code == 2
    ended = command("house", "trade", made, 1, "h1", "h2", "--wh", 1, "--bus", here)
    assert ended.code != 0
    assert "does not answer" in ended.err
