"""Tasmota: `tele/<topic>/SENSOR`, energy in kWh, power in W; `Total` is an array where phases are counted apart.

    {"Time":"2023-05-19T20:52:56","ENERGY":{"Total":514.153,"Today":0.5,"Power":56,"Voltage":234,"Current":0.24}}

`Time` is local and says no zone: the time of arrival counts. `LWT` and what has no ENERGY tell nothing of a register.
"""

from __future__ import annotations

from typing import Final

from gateway.edge.observed import Observed, document, energy, measures, part

_NAMES: Final = {
    "Voltage": ("voltage", "mv", 1_000),
    "Current": ("current", "ma", 1_000),
    "Power": ("power", "mw", 1_000),
    "ReactivePower": ("reactive", "mvar", 1_000),
    "Factor": ("power_factor", "milli", 1_000),
}


def belongs(topic: str) -> bool:
    return topic.startswith("tele/") and topic.endswith("/SENSOR")


def read(topic: str, payload: bytes) -> list[Observed]:
    found = part(document(payload), "ENERGY")
    if "Total" not in found:
        return []
    exported = energy(found["ExportActive"], "kWh") if "ExportActive" in found else None
    channel = topic.removesuffix("/SENSOR")
    return [Observed(channel, energy(found["Total"], "kWh"), exported, values=measures(found, _NAMES))]
