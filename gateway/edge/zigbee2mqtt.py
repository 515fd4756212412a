"""Zigbee2MQTT: `zigbee2mqtt/<friendly name>`, energy in kWh. The name may hold spaces and slashes.

{"energy":31.02,"power":0,"voltage":236.19,"last_seen":"2023-05-19T20:52:56+02:00"}
"""

from __future__ import annotations

from typing import Final

from gateway.edge.observed import Observed, document, energy, measures, moment

_BASE: Final = "zigbee2mqtt/"
_NOT_STATES: Final = ("/availability", "/set", "/get")
_NAMES: Final = {
    "voltage": ("voltage", "mv", 1_000),
    "current": ("current", "ma", 1_000),
    "power": ("power", "mw", 1_000),
    "power_factor": ("power_factor", "milli", 1_000),
}


def belongs(topic: str) -> bool:
    return topic.startswith(_BASE) and not topic.startswith(_BASE + "bridge/") and not topic.endswith(_NOT_STATES)


def read(topic: str, payload: bytes) -> list[Observed]:
    found = document(payload)
    taken, given = found.get("energy"), found.get("produced_energy")
    if taken is None and given is None:
        return []
    return [
        Observed(
            topic,
            None if taken is None else energy(taken, "kWh"),
            None if given is None else energy(given, "kWh"),
            moment(found.get("last_seen")),
            measures(found, _NAMES),
        )
    ]
