"""Price tables: what a kWh costs at a point from a time on, in the form in which a meter keeps and shows it.

    timeline   what holds of a point now, and what is decided to follow: each a tariff's version, from a time on
    table      one of them as data: every price with all that is on it (grid fee, levies, tax), and when it holds
    told       which of them a meter was told, so that only news is sent

A meter that is told a table forgets what it knew of that time and later. So the news of a timeline is everything from
the first difference on, and where only the end of it has gone, its last table once more.

Pure functions over what the registry and the tariff contract answer; no state.
"""

from collections.abc import Sequence
from typing import Any

from chaincode.api import Record
from chaincode.calendar import DAY_MS
from chaincode.units import MICRO, half_even

TABLES = 4
"""What a meter keeps: the one that holds, and three to follow."""
HOLIDAYS = 60
NONE = "none"
"""The kind of a table without prices: no tariff holds."""


class Place(Record):
    """A table's place in a timeline: from when it holds, of which tariff, and from when that version is."""

    from_ms: int
    tariff: str = ""
    version_ms: int = 0


class Told(Record):
    """What a meter was told, the oldest first."""

    places: list[Place]


class Stretch(Record):
    """A time in which a point has one tariff (`until_ms` 0: open)."""

    from_ms: int
    until_ms: int
    tariff: str


def stretches(spans: Sequence[dict[str, Any]], now_ms: int) -> list[Stretch]:
    """The tariffs that a point has now and later, by its spans; who moves in and out makes no difference."""
    found: list[Stretch] = []
    for span in spans:
        if found and found[-1].tariff == span["tariff"]:
            found[-1] = found[-1].replace(until_ms=span["until_ms"])
        else:
            found.append(Stretch(from_ms=span["from_ms"], until_ms=span["until_ms"], tariff=span["tariff"]))
    return [one for one in found if one.until_ms == 0 or one.until_ms > now_ms][:TABLES]


def timeline(
    stretch: Stretch, versions: Sequence[dict[str, Any]], now_ms: int
) -> list[tuple[Place, dict[str, Any] | None]]:
    """What holds in a stretch from now on, by the versions of its tariff that hold then: places, and their tariffs."""
    found: list[tuple[Place, dict[str, Any] | None]] = []
    first_ms = max(stretch.from_ms, now_ms)
    if not versions or versions[0]["from_ms"] > first_ms:
        found.append((Place(from_ms=stretch.from_ms), None))
    for version in versions:
        version_ms: int = version["from_ms"]
        if stretch.until_ms == 0 or version_ms < stretch.until_ms:
            place = Place(
                from_ms=max(stretch.from_ms, version_ms), tariff=version["tariff"]["id"], version_ms=version_ms
            )
            found.append((place, version["tariff"]))
    return found


def news(timeline: Sequence[Place], told: Sequence[Place]) -> list[int]:
    """Which places of a timeline a meter has to be told, that was told these."""
    if not told and not any(place.tariff for place in timeline):
        return []
    known = [place for place in told if timeline and place.from_ms >= timeline[0].from_ms]
    same = 0
    while same < len(timeline) and same < len(known) and timeline[same] == known[same]:
        same += 1
    if same == len(timeline) and len(known) > same:
        same -= 1
    return list(range(same, len(timeline)))


def table_of(tariff: dict[str, Any] | None, from_ms: int) -> dict[str, Any]:
    """A tariff as a meter shows it. Names of bands, seasons and day types are the tariff's own."""
    if tariff is None:
        return {"kind": NONE}
    extra_micro = tariff["grid_fee_micro"] + sum([levy["price_micro"] for levy in tariff["levies"]])
    tax_micro = tariff["tax_micro"]
    day = from_ms // DAY_MS - 1
    return {
        "kind": tariff["kind"],
        "zone": tariff["zone"],
        "bands": [
            [
                band["name"],
                with_all(band["price_micro"], extra_micro, tax_micro),
                band["season"],
                band["day_type"],
                band["from_minute"],
                band["until_minute"],
            ]
            for band in tariff["bands"]
        ],
        "steps": [
            [step["up_to_wh"], with_all(step["price_micro"], extra_micro, tax_micro)] for step in tariff["steps"]
        ],
        "seasons": [[season["name"], season["from_mmdd"], season["until_mmdd"]] for season in tariff["seasons"]],
        "day_types": [[kind["name"], kind["weekdays"], kind["holidays"]] for kind in tariff["day_types"]],
        "holidays": sorted([holiday for holiday in tariff["holidays"] if holiday >= day])[:HOLIDAYS],
    }


def with_all(price_micro: int, extra_micro: int, tax_micro: int) -> int:
    """What a kWh costs at this price: fees and levies on it, then tax on the sum."""
    return half_even((price_micro + extra_micro) * (MICRO + tax_micro), MICRO)
