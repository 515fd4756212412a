"""Shelly devices, of both generations.

Gen2 and later, in Wh, `ts` in seconds UTC; a notification holds only what has changed:

    <id>/events/rpc               {"method":"NotifyStatus","params":{"ts":1631186545.04,"em1data:0":{…}}}
    <prefix>/status/em1data:0     {"id":0,"total_act_energy":1.5,"total_act_ret_energy":0.2}
    <prefix>/status/emdata:0      {"id":0,"total_act":3.1,"total_act_ret":0}
    <prefix>/status/switch:0      {"id":0,"apower":8.9,"voltage":237.5,"aenergy":{"total":6.5}}

Gen1, a bare number a topic: `shellies/<id>/relay/0/energy` in watt-minutes, from zero at every restart;
`shellies/<id>/emeter/0/total` and `…/total_returned` in Wh. All of these counters can be reset by their user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.edge.observed import (
    MWH_PER_WATT_MINUTE,
    Observed,
    document,
    energy,
    json_value,
    measures,
    moment,
    part,
    whole,
)

_COMPONENTS: Final = ("em1data:", "emdata:", "switch:", "pm1:", "cover:")
_NAMES: Final = {
    "voltage": ("voltage", "mv", 1_000),
    "current": ("current", "ma", 1_000),
    "apower": ("power", "mw", 1_000),
    "pf": ("power_factor", "milli", 1_000),
}


def belongs(topic: str) -> bool:
    """Of notifications, status topics of what has a register, and the first generation."""
    if topic.startswith("shellies/"):
        return True
    _, status, component = topic.rpartition("/status/")
    return topic.endswith("/events/rpc") or (bool(status) and component.startswith(_COMPONENTS))


def read(topic: str, payload: bytes) -> list[Observed]:
    if topic.startswith("shellies/"):
        return _first_generation(topic, payload)
    if topic.endswith("/events/rpc"):
        message = document(payload)
        if message.get("method") not in ("NotifyStatus", "NotifyFullStatus"):
            return []
        parts = part(message, "params")
        device = topic.removesuffix("/events/rpc")
        found = [_component(device, name, part(parts, name), parts.get("ts")) for name in sorted(parts)]
        return [one for one in found if one is not None]
    device, _, name = topic.rpartition("/status/")
    one = _component(device, name, document(payload), None)
    return [] if one is None else [one]


def _component(device: str, name: str, found: Mapping[str, Any], ts: object) -> Observed | None:
    """One component with a register, if what has changed of it is that."""
    if not name.startswith(_COMPONENTS):
        return None
    taken = found.get("total_act_energy", found.get("total_act", part(found, "aenergy").get("total")))
    given = found.get("total_act_ret_energy", found.get("total_act_ret", part(found, "ret_aenergy").get("total")))
    if taken is None and given is None:
        return None
    return Observed(
        f"{device}/{name}",
        None if taken is None else energy(taken, "Wh"),
        None if given is None else energy(given, "Wh"),
        moment(ts),
        measures(found, _NAMES),
    )


def _first_generation(topic: str, payload: bytes) -> list[Observed]:
    channel, _, what = topic.rpartition("/")
    if "/relay/" in topic and what == "energy":
        return [Observed(channel, import_mwh=whole(json_value(payload), MWH_PER_WATT_MINUTE))]
    if "/emeter/" in topic and what == "total":
        return [Observed(channel, import_mwh=energy(json_value(payload), "Wh"))]
    if "/emeter/" in topic and what == "total_returned":
        return [Observed(channel, export_mwh=energy(json_value(payload), "Wh"))]
    return []
