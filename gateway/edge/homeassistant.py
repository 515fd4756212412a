"""Home Assistant discovery: a device describes its topics itself, and so becomes readable.

    homeassistant/sensor/<node>/<object>/config
    {"stat_t":"plug/sensor/energy/state","unit_of_meas":"kWh","dev_cla":"energy","stat_cla":"total_increasing"}

Only registers are taken: class energy, a total, a unit of energy. ESPHome's bare numbers (`<node>/sensor/<name>/state`)
come in this way, because nothing else says their unit. Of templates only a path is understood (`value_json.a.b`, with
`| float` and the like after it): a template is a program of someone else's.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.edge.observed import Observed, document, energy, energy_unit, json_value
from ledgernode.errors import ReadingInvalid

SENSORS: Final = 100_000
_TOPIC_CHARACTERS: Final = 200
_ABBREVIATED: Final = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "dev_cla": "device_class",
    "stat_cla": "state_class",
}
_TEMPLATE: Final = re.compile(
    r"\{\{\s*(?:value|value_json((?:\.[A-Za-z_]\w{0,60}|\[\s*'[^'\"\[\]]{1,60}'\s*\]|\[\s*\d{1,2}\s*\]){1,8}))\s*"
    r"(?:\|\s*(?:float|int)(?:\(\s*[\d.]{0,10}\s*\))?\s*){0,2}\}\}",
    re.ASCII,
)
_STEP: Final = re.compile(r"\.(\w+)|\[\s*'([^']+)'\s*\]|\[\s*(\d+)\s*\]", re.ASCII)


class Sensor(msgspec.Struct, frozen=True):
    """Where a register stands in what is said on a topic."""

    unit: str
    path: tuple[str | int, ...]
    exports: bool


class Discovery:
    """What was announced. Bounded; an empty configuration takes a sensor back."""

    def __init__(self, prefix: str = "homeassistant") -> None:
        self._prefix = f"{prefix}/sensor/"
        self._by_config: dict[str, str] = {}
        self._sensors: dict[str, Sensor] = {}

    def announces(self, topic: str) -> bool:
        return topic.startswith(self._prefix) and topic.endswith("/config")

    def belongs(self, topic: str) -> bool:
        return topic in self._sensors

    def announced(self, topic: str, payload: bytes) -> str:
        """Take a configuration; the topic to listen to from now on, empty if it is of no register."""
        former = self._by_config.pop(topic, None)
        if former is not None:
            self._sensors.pop(former, None)
        if not payload:
            return ""
        found = document(payload)
        named = {_ABBREVIATED.get(key, key): value for key, value in found.items()}
        if named.get("device_class") != "energy" or named.get("state_class") not in ("total", "total_increasing"):
            return ""
        state = _text(named, "state_topic").replace("~", _text(named, "~", default=""))
        unit = _text(named, "unit_of_measurement")
        energy_unit(unit)
        if len(self._sensors) >= SENSORS or not state or len(state) > _TOPIC_CHARACTERS or set(state) & set("+#"):
            raise ReadingInvalid("a sensor has a topic of its own, and there is a limit to sensors")
        path = _path(_text(named, "value_template", default="{{ value }}"))
        name = f"{_text(named, 'name', default='')} {topic}".lower()
        exports = any(word in name for word in ("export", "return", "produc", "feed"))
        self._by_config[topic] = state
        self._sensors[state] = Sensor(unit, path, exports)
        return state

    def read(self, topic: str, payload: bytes) -> list[Observed]:
        sensor = self._sensors[topic]
        value = json_value(payload)
        for step in sensor.path:
            value = _inner(value, step)
        found = energy(value, sensor.unit)
        return [Observed(topic, export_mwh=found) if sensor.exports else Observed(topic, import_mwh=found)]


def _inner(value: Any, step: str | int) -> Any:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    raise ReadingInvalid("the payload has not what its configuration promised")


def _path(template: str) -> tuple[str | int, ...]:
    found = _TEMPLATE.fullmatch(template.strip()) if len(template) <= _TOPIC_CHARACTERS else None
    if found is None:
        raise ReadingInvalid("of templates only a path is understood")
    steps: list[str | int] = []
    for dotted, quoted, number in _STEP.findall(found[1] or ""):
        steps.append(int(number) if number else dotted or quoted)
    return tuple(steps)


def _text(found: dict[str, Any], name: str, *, default: str | None = None) -> str:
    value = found.get(name, default)
    if not isinstance(value, str):
        raise ReadingInvalid(f"a sensor's {name} is text")
    return value
