"""A step under way: the state as it becomes, and what is to be done when it is on the disk."""

from __future__ import annotations

from typing import Any

import msgspec

from devices.meter.events import Alarm, Answer, Outgoing
from devices.meter.settings import Settings
from devices.meter.state import Session, State


class Refused(Exception):
    """The meter will not; `code` is stable and has a line on the display. Raised before anything is changed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Turn:
    """Parts are exchanged by `change` (durable) and `session` (not); lists gather what follows."""

    def __init__(self, settings: Settings, state: State, session: Session, clock_ms: int) -> None:
        self.settings = settings
        self.state = state
        self.session = session
        self.clock_ms = clock_ms
        self.send: list[Outgoing] = []
        self.answers: list[Answer] = []
        self.alarms: list[Alarm] = []
        self.ask = ""
        self.request = ""
        self.relays: dict[str, bool] = {}

    @property
    def now_ms(self) -> int:
        """The meter's time."""
        return self.clock_ms + self.state.clock.offset_ms

    def change(self, part: str, **fields: Any) -> None:
        """Fields of one part; a part whose fields stay as they are is not written."""
        before = getattr(self.state, part)
        after = msgspec.structs.replace(before, **fields)
        if after != before:
            self.put(**{part: after})

    def put(self, **parts: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **parts)

    def recall(self, **fields: Any) -> None:
        """Fields of the session."""
        self.session = msgspec.structs.replace(self.session, **fields)

    def alarm(self, kind: str, detail: str = "") -> None:
        self.alarms.append(Alarm(kind, detail))
