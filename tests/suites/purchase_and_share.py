"""How long it takes from a purchase to the meter's display, and from a share to the recipient's relay.

    python -m tests.suites.purchase_and_share [REPETITIONS]

Every part is a process of its own: four PBFT validators, a gateway with a vendor beside it, two meters. Measured by one
clock, that of whoever buys and types:

    purchase   a wallet submits `reserve`, until the meter's display shows the credit: two blocks (reserved, minted),
               one token by wire
    share      `#` after the PIN at the sender's keypad, until the recipient's supply relay closes: two blocks (debit,
               minted), one token by wire
    web share  a wallet submits `request_share`, until that relay closes: one block more, and a proof that the sender's
               meter checks
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.community import House, kwh
from tests.acceptance.metered_town import MeteredTown
from tests.conditions import until
from tests.devices.running import MeterRunning

LIMIT_MS = 2_000
PIN = "1234"
TENTHS = "100"
_OF_PAIR = 25
"""Repetitions with one pair of meters: a meter gets at most sixty tokens more than minutes pass."""
_EVERY_S = 0.002
_LIMIT_S = 45.0


class Times(NamedTuple):
    """In milliseconds, each repetition's."""

    purchase: list[float]
    share: list[float]
    web_share: list[float]


def measure(town: MeteredTown, repetitions: int) -> Times:
    times = Times([], [], [])
    for begun in range(0, repetitions, _OF_PAIR):
        _measure_pair(town, min(_OF_PAIR, repetitions - begun), times)
    return times


def _measure_pair(town: MeteredTown, repetitions: int, times: Times) -> None:
    """Buy, share there by keypad, share back by the web; again and again. The recipient's relay is open each time."""
    first, second = town.house(), town.house()
    with town.meter(first) as one, town.meter(second) as other:
        for meter, house in ((one, first), (other, second)):
            meter.when(lambda meter=meter: meter.gateway)
            town.grant(house, 10)
            meter.when(lambda meter=meter: meter.supplied)
            meter.do(f"#3{PIN}#{PIN}#")
            meter.shows("PIN SET")
            meter.do("*")
        _share(other, first.pan)
        other.when(lambda: not other.supplied)
        until(lambda: town.account(first)["balance_mwh"] == kwh(20), _LIMIT_S)
        for number in range(repetitions):
            times.purchase.append(_purchase(town, first, one, number))
            begun = _share(one, second.pan)
            times.share.append(_since(begun, lambda: other.supplied))
            one.do("*")
            times.web_share.append(_back(town, (first, one), (second, other), number))


def _purchase(town: MeteredTown, house: House, meter: MeterRunning, number: int) -> float:
    before = meter.lines[1]
    begun = time.monotonic()
    town.buy(house, 10_000, f"purchase {number}")
    return _since(begun, lambda: meter.lines[0].startswith("CREDIT") and meter.lines[1] != before)


def _share(meter: MeterRunning, pan: str) -> float:
    """Ten kWh at the keypad; when its last key was pressed."""
    meter.do(f"#1{pan}#{TENTHS}#")
    meter.when(lambda: "#=OK" in meter.lines[1])
    meter.do("#")
    meter.shows("PIN")
    begun = time.monotonic()
    meter.do(f"{PIN}#")
    return begun


def _back(town: MeteredTown, to: tuple[House, MeterRunning], by: tuple[House, MeterRunning], number: int) -> float:
    """The second house sends what it has back, as its wallet asks; its own relay opens, the first one's is closed."""
    until(lambda: town.account(by[0])["balance_mwh"] == kwh(10), _LIMIT_S)
    until(lambda: by[1].lines[0].startswith("CREDIT"), _LIMIT_S)
    before = to[1].lines[1]
    begun = time.monotonic()
    asked: dict[str, Any] = {"recipient_pan": to[0].pan, "energy_mwh": kwh(10), "request": f"back {number}"}
    town.community.ok(by[0].wallet, "prepaid", "request_share", point=by[0].point, **asked)
    taken = _since(begun, lambda: to[1].lines[0].startswith("CREDIT") and to[1].lines[1] != before)
    by[1].when(lambda: not by[1].supplied)
    return taken


def _since(begun: float, condition: Callable[[], Any]) -> float:
    until(condition, _LIMIT_S, every_s=_EVERY_S)
    return (time.monotonic() - begun) * 1_000


def p95(times: list[float]) -> float:
    """The time within which 19 of 20 are."""
    return sorted(times)[max(0, -(-len(times) * 95 // 100) - 1)]


def summary(times: Times) -> dict[str, dict[str, int]]:
    return {
        name: {
            "repetitions": len(found),
            "p50_ms": round(sorted(found)[len(found) // 2]),
            "p95_ms": round(p95(found)),
            "longest_ms": round(max(found)),
        }
        for name, found in times._asdict().items()
    }


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        town = MeteredTown(Path(folder) / "network", 2 * -(-repetitions // _OF_PAIR))
        try:
            found = summary(measure(town, repetitions))
        finally:
            town.close()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    sys.exit(any(one["p95_ms"] > LIMIT_MS for one in found.values()))


if __name__ == "__main__":
    main()
