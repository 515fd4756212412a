"""A meter in the terminal: made, used, killed, used again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devices.journal import Journal
from devices.meter.records import restored
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from tests.cli.command_line import command, done
from tests.sts.published import METER, VENDING_KEY

PAGE = Path(__file__).parents[2] / "docs" / "customer-unit.md"
OPTIONS = (
    *("--vending-key", VENDING_KEY.hex(), "--supply-group", METER.supply_group, "--key-type", 2),
    *("--key-revision", 1, "--tariff-index", METER.tariff_index, "--pan", METER.pan, "--base", 1993),
)


def token(units: int, tid: int) -> str:
    return mint(Credit(tid=Tid(tid), random=5, units=units), derive(VENDING_KEY, METER))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "meter"
    assert done("meter", "new", made, *OPTIONS, "--json").document["pan"] == METER.pan
    return made


def balance_mwh(home: Path) -> int:
    journal = Journal(home / "meter.journal")
    journal.close()
    return restored(journal.records).credit.balance_mwh


def test_a_token_is_typed_and_is_there_the_next_time(home: Path) -> None:
    """The display says so; the same digits again are used."""
    digits = token(125, 1_000)
    first = done("meter", "ciu", home, input=f"{digits}#\n*\nq\n").out
    assert "│NO CREDIT    OFF│" in first
    assert "│TOKEN ACCEPTED  │\n│+       12.5 kWh│" in first
    assert "relay supply: closed" in first
    second = done("meter", "ciu", home, input=f"{digits}#\n").out
    assert "│CREDIT        ON│\n│       12.50 kWh│" in second
    assert "│E03 TOKEN USED  │" in second


def test_the_house_draws_on_the_credit(home: Path) -> None:
    """At a load, in a time that runs faster."""
    options = ("--load", 100_000, "--speed", 100_000)
    out = done("meter", "ciu", home, *options, input=f"{token(1, 1_000)}#\n*\n" + "\n" * 400).out
    assert "relay supply: open" in out.rpartition("TOKEN ACCEPTED")[2]
    assert balance_mwh(home) <= 0


def test_a_home_that_exists_is_not_made_again(home: Path) -> None:
    """Its keys are not overwritten; one that is none is refused."""
    assert command("meter", "new", home, *OPTIONS).code == 2
    assert command("meter", "ciu", home.parent / "nowhere").code == 2
    assert command("meter", "new", home.parent / "other", *OPTIONS, "--point", "nowhere").code == 2
    assert not (home.parent / "other").exists()


@pytest.mark.slow
def test_the_commands_of_the_page_make_a_meter(tmp_path: Path) -> None:
    """`docs/customer-unit.md`, in one shell, with no keys pressed."""
    [commands] = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    program = tmp_path / "ledgernode"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ledgernode.cli "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euc", commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "│NO CREDIT    OFF│" in ended.stdout


@pytest.mark.slow
def test_what_the_display_has_shown_survives_a_kill(home: Path) -> None:
    """A real process, killed without notice the moment the credit is shown."""
    program = [sys.executable, "-m", "ledgernode.cli", "meter", "ciu", str(home)]
    for number in range(1, 4):
        process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env={"PYTHONUNBUFFERED": "1"}
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{token(10, 1_000 + number)}#\n")
        process.stdin.flush()
        assert any("TOKEN ACCEPTED" in line for line in process.stdout)
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        assert balance_mwh(home) == number * 1_000_000
