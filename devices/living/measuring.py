"""What a community takes of one machine: processor time, memory and disk of its node, gateway and vending service.

Meters and houses are simulated in the process that measures; in the real world they are devices of their own, and are
left out. Two things are measured: what the processes take when nothing happens, and what they take while a community
is played at a multiple of the time. From both follows what they take at the real pace:

    share = idle share + (time taken while played - idle share x seconds played) / seconds of the community
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from devices.community.scenario import Scenario
from devices.living.play import Play
from ledgernode.local.usage import MemoryPeak, disk_bytes, usage

IDLE_S: Final = 10.0
_DAY_S: Final = 86_400


class Taken(msgspec.Struct):
    """Of one process, at one moment."""

    cpu_s: float
    disk_bytes: int


class Measured(msgspec.Struct):
    """Of one process, over the play."""

    idle_share: float
    work_share: float
    """Of one core, at the real pace."""
    memory_bytes: int
    disk_before_bytes: int
    disk_bytes_a_day: int


async def measured(play: Play, playing: Coroutine[Any, Any, None]) -> dict[str, Measured]:
    """Let it be played, and say what its processes took; nothing where it was stopped before it lived."""
    found: dict[str, Measured] = {}
    play.idle_s = IDLE_S
    looking = asyncio.create_task(_look(play, found))
    try:
        await playing
    finally:
        play.resting.set()
        play.living.set()
        play.over.set()
        await looking
    return found


def document(told: dict[str, Any], scenario: Scenario, found: dict[str, Measured]) -> dict[str, Any]:
    """Beside what the report says of the play."""
    return {
        "scenario": scenario.name,
        "houses": len(scenario.houses),
        "engine": scenario.engine,
        "minutes": told["minutes"],
        "pace": told["pace"],
        "reading_seconds": scenario.reading_seconds,
        "transactions": told["ledger"]["transactions"],
        "machine": {"processors": os.cpu_count(), "kind": platform.processor() or platform.machine()},
        "load": round(os.getloadavg()[0], 1),
        "processes": {name: msgspec.to_builtins(one) for name, one in found.items()},
        "audit": told["audit"]["holds"],
        "disagreements": told["disagreements"],
        "problems": told["problems"],
    }


async def _look(play: Play, found: dict[str, Measured]) -> None:
    await play.resting.wait()
    if play.over.is_set():
        return
    services = {service.name: service for service in (play.carrier, play.vending)}
    processes = {name: node.process_id for name, node in play.nodes.nodes.items()}
    processes |= {name: service.process_id for name, service in services.items()}
    homes = {node.name: play.directory / node.home for node in play.nodes.network.nodes}
    homes |= {name: service.directory for name, service in services.items()}

    def looked() -> tuple[float, dict[str, Taken]]:
        return time.monotonic(), {
            name: Taken(usage(pid).cpu_s, disk_bytes(homes[name])) for name, pid in processes.items()
        }

    rested_at, rested = looked()
    await play.living.wait()
    with MemoryPeak(processes) as peak:
        began_at, began = looked()
        await play.over.wait()
        ended_at, ended = looked()
    community_s = max(play.time.played_minutes * 60, 1.0)
    for name in processes:
        idle = (began[name].cpu_s - rested[name].cpu_s) / max(began_at - rested_at, 0.001)
        spent_s = ended[name].cpu_s - began[name].cpu_s - idle * (ended_at - began_at)
        grown = ended[name].disk_bytes - began[name].disk_bytes
        found[name] = Measured(
            idle_share=round(idle, 4),
            work_share=round(max(spent_s, 0.0) / community_s, 5),
            memory_bytes=peak.memory_bytes[name],
            disk_before_bytes=began[name].disk_bytes,
            disk_bytes_a_day=round(grown * _DAY_S / community_s),
        )
