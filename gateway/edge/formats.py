"""Which reader a topic belongs to. What belongs to none is not for us, and not an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from gateway.edge import shelly, tasmota, zigbee2mqtt
from gateway.edge.esphome import Stated
from gateway.edge.homeassistant import Discovery
from gateway.edge.observed import Observed

Read: TypeAlias = Callable[[str, bytes], list[Observed]]
_FAMILIES: Final[tuple[tuple[Callable[[str], bool], Read], ...]] = (
    (tasmota.belongs, tasmota.read),
    (shelly.belongs, shelly.read),
    (zigbee2mqtt.belongs, zigbee2mqtt.read),
)


class Formats:
    """All of them, with what the operator and discovery have said."""

    def __init__(self, units: Mapping[str, str] | None = None, *, discovery_prefix: str = "homeassistant") -> None:
        self._stated = Stated(units or {})
        self.discovery = Discovery(discovery_prefix)

    def read(self, topic: str, payload: bytes) -> list[Observed]:
        """What a message says of registers; mostly nothing. Raises ReadingInvalid, and nothing else."""
        if self._stated.belongs(topic):
            return self._stated.read(topic, payload)
        if self.discovery.announces(topic):
            self.discovery.announced(topic, payload)
            return []
        for belongs, read in _FAMILIES:
            if belongs(topic):
                return read(topic, payload)
        return self.discovery.read(topic, payload) if self.discovery.belongs(topic) else []
