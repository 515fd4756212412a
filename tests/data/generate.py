"""Make `tests/data/generated/`: small files of houses that nobody lives in, sound ones and broken ones.

    python tests/data/generate.py

A house's load is a base, a morning and an evening; generation is a bell around noon. The same bytes each time.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

FOLDER = Path(__file__).parent / "generated"
BERLIN = ZoneInfo("Europe/Berlin")
SOUND = "time,load_kwh,pv_kwh"


def load_w(house: int, at: datetime, chance: random.Random) -> float:
    hour = at.hour + at.minute / 60
    base = 150 + 20 * house
    peaks = 900 * math.exp(-((hour - 7.5) ** 2)) + 1_500 * math.exp(-((hour - 19) ** 2) / 4)
    return (base + peaks) * chance.uniform(0.7, 1.3)


def pv_w(at: datetime, chance: random.Random) -> float:
    hour = at.hour + at.minute / 60
    sun = math.sin(math.pi * (hour - 6) / 12) if 6 < hour < 18 else 0.0
    return 3_200 * sun * chance.uniform(0.5, 1.0)


def instants(first: datetime, minutes: int, count: int) -> Iterator[datetime]:
    """UTC, one step after another."""
    for number in range(count):
        yield first.astimezone(UTC) + timedelta(minutes=minutes * number)


def rows(
    first: datetime,
    minutes: int,
    count: int,
    *,
    seed: int,
    factor: float,
    stamp: Callable[[datetime], str] = lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    zone: ZoneInfo | None = None,
    digits: int = 4,
    separator: str = ",",
    house: int = 0,
    name: str = "",
) -> list[str]:
    """Lines of time, load and generation, W times `factor`."""
    chance = random.Random(seed)
    found = []
    for at in instants(first, minutes, count):
        local = at.astimezone(zone) if zone else at
        values = [f"{power * factor:.{digits}f}" for power in (load_w(house, local, chance), pv_w(local, chance))]
        if separator == ";":
            values = [value.replace(".", ",") for value in values]
        found.append(separator.join([*([name] if name else []), stamp(local), *values]))
    return found


def day(year: int, month: int, number: int, zone: ZoneInfo | None = None) -> datetime:
    return datetime(year, month, number, tzinfo=zone or UTC)


def wall(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def sound() -> dict[str, list[str]]:
    files = {
        "hourly-kwh-leap-2024": [SOUND, *rows(day(2024, 2, 27), 60, 96, seed=1, factor=1e-3)],
        "quarterly-w-2019": ["timestamp,Consumption [W],PV [W]", *rows(day(2019, 6, 1), 15, 288, seed=2, factor=1)],
        "half-hourly-wh-2021": ["start,usage_wh,solar_wh", *rows(day(2021, 12, 30), 30, 144, seed=3, factor=0.5)],
        "hourly-kw-2012": [
            "date_time,demand (kW),production (kW)",
            *rows(day(2012, 1, 1), 60, 72, seed=4, factor=1e-3),
        ],
        "semicolons-kwh-2023": [
            "Zeit;Verbrauch kWh;Erzeugung kWh",
            *rows(day(2023, 5, 1), 60, 48, seed=5, factor=1e-3, separator=";"),
        ],
        "names-of-its-own-2020": ["when,used,made", *rows(day(2020, 2, 28), 60, 72, seed=6, factor=1)],
        "no-generation-2022": ["time,load_wh"]
        + [line.rpartition(",")[0] for line in rows(day(2022, 3, 1), 60, 48, seed=7, factor=1)],
        "epoch-seconds-2018": [
            "time,load_w,pv_w",
            *rows(day(2018, 7, 1), 15, 96, seed=8, factor=1, stamp=lambda at: str(int(at.timestamp()))),
        ],
        "summer-begins-berlin-2024": [
            SOUND,
            *rows(day(2024, 3, 30, BERLIN), 60, 71, seed=9, factor=1e-3, stamp=wall, zone=BERLIN),
        ],
        "summer-ends-berlin-2024": [
            SOUND,
            *rows(day(2024, 10, 26, BERLIN), 15, 4 * 73, seed=10, factor=0.25e-3, stamp=wall, zone=BERLIN),
        ],
    }
    for count, step, until in ((1, 60, 48), (2, 60, 48), (5, 30, 96), (50, 60, 24)):
        lines = ["house,time,load_wh,pv_wh"]
        for number in range(count):
            name = f"house-{number + 1}"
            lines += rows(
                day(2023, 8, 1),
                step,
                until,
                seed=100 * count + number,
                factor=step / 60,
                digits=0,
                house=number,
                name=name,
            )
        files[f"{count}-houses-2023"] = lines
    gaps = rows(day(2023, 1, 1), 60, 48, seed=11, factor=1e-3)
    time, load, _ = gaps[7].split(",")
    gaps[7] = f"{time},{load},"
    time, _, pv = gaps[9].split(",")
    gaps[9] = f"{time},NaN,{pv}"
    files["gaps-2023"] = [SOUND, *gaps[:20], *gaps[23:]]
    files["without-times"] = ["load_w,pv_w"] + [
        line.partition(",")[2] for line in rows(day(2023, 1, 1), 15, 96, seed=12, factor=1)
    ]
    return files


def broken() -> dict[str, list[str]]:
    fine = rows(day(2023, 1, 1), 60, 24, seed=20, factor=1e-3)

    def with_line(number: int, *values: str) -> list[str]:
        stamp, load, pv = fine[number].split(",")
        given = dict(zip(("load", "pv"), values, strict=False))
        changed = ",".join([stamp, given.get("load", load), given.get("pv", pv)])
        return [SOUND, *fine[:number], changed, *fine[number + 1 :]]

    def renamed(header: str) -> list[str]:
        return [header, *fine]

    crooked = fine[5].replace("T05:00", "T05:07")
    return {
        "unit-missing": renamed("time,load,pv_kwh"),
        "unit-of-a-power-station": renamed("time,load_MWh,pv_MWh"),
        "watts-called-kilowatts": ["time,load_kw,pv_kw", *rows(day(2023, 1, 1), 60, 24, seed=21, factor=1)],
        "kilowatts-called-watts": ["time,load_w,pv_w", *fine],
        "hour-twice": [SOUND, *fine[:10], fine[9], *fine[10:]],
        "between-two-hours": [SOUND, *fine[:5], crooked, *fine[6:]],
        "negative": with_line(6, "-0.25"),
        "infinite": with_line(6, "inf"),
        "text": with_line(6, "0.2", "sunny"),
        "no-time": ["load_kwh,pv_kwh", *(line.partition(",")[2] for line in fine)],
        "no-such-day": [SOUND, fine[0], fine[1].replace("2023-01-01", "2023-02-30"), *fine[2:]],
        "no-load": renamed("time,temperature,pv_kwh"),
        "two-loads": ["time,load_kwh,consumption_kwh", *fine],
        "short-line": [SOUND, *fine[:8], fine[8].rpartition(",")[0], *fine[9:]],
        "only-a-header": [SOUND],
        "odd-step": [SOUND, *rows(day(2023, 1, 1), 7, 24, seed=22, factor=1e-3)],
        "one-row": [SOUND, fine[0]],
    }


def contents() -> dict[str, str]:
    """Every file by its name."""
    named = {**sound(), **{f"broken-{name}": lines for name, lines in broken().items()}}
    return {f"{name}.csv": "\n".join(lines) + "\n" for name, lines in sorted(named.items())}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in contents().items():
        (FOLDER / name).write_text(text)
    sys.stdout.write(f"{len(contents())} files in {FOLDER}\n")


if __name__ == "__main__":
    main()
