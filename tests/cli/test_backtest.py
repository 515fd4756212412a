"""`ledgernode backtest` and `ledgernode forecast`: documents, folders, clocks, and what is refused."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from ledgernode.cli.backtest import MECHANISMS, follow
from tests.cli.command_line import command, done
from tests.devices.backtest.plans import plan

DATA = Path(__file__).parent.parent / "data"
MADE = DATA / "generated"
MEASURED = DATA / "citylearn2022"
FIVE = MADE / "5-houses-2023.csv"


def test_the_document_has_every_mechanism_and_house() -> None:
    """003-3, 003-10: yardsticks, then mechanisms, over the same data; integers for money and energy; all sums kept."""
    found = done("backtest", FIVE, "--json").document
    names = [one["mechanism"] for one in found["mechanisms"]]
    assert names == ["grid-only", "feed-in", "net-metering", *MECHANISMS]
    assert (found["houses"], found["deliveries"], found["step_minutes"]) == (5, 96, 30)
    assert found["terms"]["retail_micro"] == [300_000, 300_000]
    for one in found["mechanisms"]:
        assert one["conserved"] is True
        assert len(one["houses"]) == 5
        assert one["bill_minor"] == sum(house["bill_minor"] for house in one["houses"])
        assert isinstance(one["self_sufficiency_micro"], int)
    feed_in = found["mechanisms"][1]
    assert all(one["bill_minor"] <= feed_in["bill_minor"] for one in found["mechanisms"][3:])


def test_the_same_seed_gives_the_same_document() -> None:
    """And another seed another one."""
    first, again, other = (done("backtest", FIVE, "--seed", seed, "--json").out for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_a_page_for_people_and_the_same_in_a_folder(tmp_path: Path) -> None:
    """Figures, a page without any link or script that is read by day and by night, the document."""
    ended = done("backtest", FIVE, "--battery-kwh", "4,0", "--out", tmp_path / "report", "--title", "Five & more")
    assert "every sum, to the last digit" in ended.out
    for mechanism in MECHANISMS:
        assert mechanism in ended.out
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"index.html", "backtest.json", "bills.png", "savings.png", "fairness.png", "day.png", "prices.png"} <= names
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<title>Five &amp; more</title>" in text
    assert "prefers-color-scheme: dark" in text
    assert text.count("<svg") == len([name for name in names if name.endswith(".png")])
    assert not re.search(r"<script|<link|<img|(?:src|href)=\"(?!#|data:)|@import", text)
    assert "#1b2a34;" in text
    assert text.count("#1b2a34") == 1, "colours are variables, named once"
    assert json.loads((tmp_path / "report" / "backtest.json").read_text())["houses"] == 5
    again = tmp_path / "again"
    done("backtest", FIVE, "--battery-kwh", "4,0", "--out", again, "--title", "Five & more")
    for name in names - {"backtest.json"}:
        assert (again / name).read_bytes() == (tmp_path / "report" / name).read_bytes(), name


def test_prices_of_another_time_are_refused(tmp_path: Path) -> None:
    """A tariff says for which hours it is, or has as many rows as the houses."""
    short = tmp_path / "prices.csv"
    short.write_text("time,price\n2023-08-01T00:00:00Z,0.2\n2023-08-01T01:00:00Z,0.5\n")
    refused = command("backtest", FIVE, "--prices", short)
    assert refused.code != 0
    assert "prices.csv has prices from 2023-08-01 00:00:00" in refused.err
    flat = tmp_path / "flat.csv"
    flat.write_text("electricity_pricing\n" + "0.2\n" * 48)
    found = done("backtest", FIVE, "--prices", flat, "--mechanism", "uniform", "--json").document
    same = done("backtest", FIVE, "--retail", "0.20", "--mechanism", "uniform", "--json").document
    assert found == same


@pytest.mark.parametrize("foresight", ["yesterday", "forecast"])
def test_who_does_not_know_tomorrow_falls_short(foresight: str) -> None:
    """Sellers give less than they sold; the sums are kept all the same."""
    found = done("backtest", FIVE, "--foresight", foresight, "--mechanism", "uniform", "--json").document
    uniform = found["mechanisms"][3]
    assert uniform["short_wh"] > 0
    assert uniform["conserved"] is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strategy", "lucky"], "there is no strategy 'lucky'"),
        (["--strategy", "cost-plus:luck=1"], "cost-plus has no 'luck'"),
        (["--strategy", "cost-plus:margin_micro=much"], "cost-plus:margin_micro=much"),
        (["--fee", "-0.1"], "not below zero"),
        (["--retail", "dear"], "'dear' is no number"),
        (["--panels-kw", "-1"], "below zero"),
        (["--pace", "fast", "--mechanism", "uniform"], "such as 3600x"),
        (["--pace", "10x"], "name the one --mechanism"),
        (["--unit", "load"], "--unit 'load'"),
        (["--unit", "load=MW"], "'MW' is no unit of load"),
        (["--zone", "Berlin"], "no time zone 'Berlin'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], words: str) -> None:
    """With words that say what would."""
    refused = command("backtest", FIVE, *options)
    assert refused.code == 2
    assert words in refused.err


def test_a_broken_file_is_refused_by_line_and_column() -> None:
    """As an error of its own code."""
    refused = command("backtest", MADE / "broken-text.csv", "--json")
    assert refused.error["code"] == "HISTORY_INVALID"
    assert "broken-text.csv, line 8, column 'pv_kwh'" in refused.error["message"]


def test_the_same_deliveries_come_by_the_clock() -> None:
    """004-6, simulated in real time: paced, one line each, what a study of all of them sums up."""
    lines = done("backtest", FIVE, "--mechanism", "central", "--pace", "1000000x", "--json").out.splitlines()
    rows = [json.loads(line) for line in lines]
    whole = done("backtest", FIVE, "--mechanism", "central", "--json").document["mechanisms"][3]
    assert len(rows) == 96
    assert sum(row["volume_wh"] for row in rows) == whole["volume_wh"]
    assert sum(row["trades"] for row in rows) == whole["trades"]
    assert all(row["conserved"] for row in rows)
    assert (
        len(done("backtest", FIVE, "--mechanism", "central", "--pace", "1000000x", "--limit", "3").out.splitlines())
        == 3
    )


def test_pace_is_kept_whatever_a_delivery_takes() -> None:
    """Each is told when its time is over, counted from the beginning: no delay adds up."""
    from devices.backtest.play import Play

    play = Play(plan(([500] * 4, [0] * 4), ([0] * 4, [500] * 4)), "uniform")
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds + 0.25  # late each time

    follow(play, 3_600.0, 4, as_json=True, clock=lambda: now[0], sleep=sleep)
    assert slept == [1.0, 0.75, 0.75, 0.75]


def test_tomorrow_is_forecast_from_files() -> None:
    """Each house's next day, interval by interval."""
    found = done("forecast", "day", FIVE, "--json").document["houses"]
    assert [house["name"] for house in found] == [f"house-{number}" for number in range(1, 6)]
    for house in found:
        assert len(house["load_wh"]) == len(house["generation_wh"]) == 48
        assert min(house["load_wh"]) > 0
    assert "2023-08-03" in done("forecast", "day", FIVE).out


def test_a_forecast_is_scored_beside_its_yardsticks() -> None:
    """One measured house; refusals where nothing is held back, and where nothing is named."""
    found = done("forecast", "score", MEASURED / "Building_6.csv", "--json").document
    assert found["load"]["forecast"]["mean_error"] < found["load"]["yesterday"]["mean_error"]
    assert "nothing is held back" in command("forecast", "score", FIVE).err
    assert "name files, or points" in command("forecast", "day").err


def test_neighbours_are_looked_at_together() -> None:
    """Five quiet days are no ground for suspicion."""
    assert done("forecast", "anomalies", FIVE, "--json").document == {"meters": 5, "days": 2, "alarms": []}
    assert "nothing is suspicious" in done("forecast", "anomalies", FIVE).out


@pytest.mark.slow
def test_ten_houses_and_a_year_are_played_in_time() -> None:
    """All mechanisms by the hour, of the minute that hours and quarters of hours may take together on one core."""
    from devices.backtest.plan import planned
    from devices.backtest.study import studied
    from devices.history.reading import read_houses
    from devices.house.strategy import Terms, ZeroIntelligence

    began_s = time.process_time()
    terms = Terms(300_000, 60_000, 10_000)
    study = studied(
        planned(read_houses([MEASURED]), retail_micro=[300_000], terms=terms, strategies=[ZeroIntelligence(1)])
    )
    assert time.process_time() - began_s < 30.0
    assert len(study.plan) == 8_760
    assert all(found.conserved for found in study.found)
    assert study.of("central").volume_wh > 3_000_000
