"""ESPHome: `<node>/sensor/<name>/state`, a bare number without its unit.

Where discovery is on, the unit comes from there (`homeassistant.py`). Otherwise the operator says it for each topic:
nothing in the payload tells kWh from W.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.edge.observed import Observed, energy, energy_unit, json_value


class Stated:
    """Topics with the unit of their number, as the operator states them."""

    def __init__(self, units: Mapping[str, str]) -> None:
        """Refuses what is no unit of energy."""
        for unit in units.values():
            energy_unit(unit)
        self._units = dict(units)

    def belongs(self, topic: str) -> bool:
        return topic in self._units

    def read(self, topic: str, payload: bytes) -> list[Observed]:
        return [Observed(topic, import_mwh=energy(json_value(payload), self._units[topic]))]
