"""A meter with a load, mains that may fail, and a clock that may run faster: what a unit in a terminal hangs on.

Nothing but the meter's shell writes to disk, and what the display shows is there already. Where gateways are named it
has a link to the ledger; else what it signs waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from devices.bearers import bearers
from devices.customer_unit import CODES, PAGES
from devices.gateway_link import GatewayLink, Way
from devices.meter.events import (
    Alarm,
    Answer,
    KeyPressed,
    Measured,
    Phase,
    PowerLost,
    PowerRestored,
    Tampered,
    Ticked,
)
from devices.meter_shell import MeterShell

HOUR_MS: Final = 3_600_000
MAINS_MV: Final = 230_000
HEARD: Final = 50
"""Lines of what happened that are kept."""
PULSE_MWH: Final = 1_000
"""A meter's lamp flashes a thousand times for a kWh."""


class Face:
    """What a meter's effects reach here: two lines, relays, and what happened."""

    def __init__(self) -> None:
        self.lines = ("", "")
        self.relays: dict[str, bool] = {}
        self.happened: list[str] = []
        self.link: GatewayLink | None = None

    def _say(self, line: str) -> None:
        self.happened = [*self.happened, line][-HEARD:]

    def show(self, first: str, second: str) -> None:
        self.lines = (first, second)

    def switch(self, relay: str, closed: bool) -> None:
        known = self.relays.get(relay)
        if known is None:
            self._say(f"relay {relay} is {'closed' if closed else 'open'}")
        elif known != closed:
            self._say(f"relay {relay} {'closed' if closed else 'opened'}")
        self.relays[relay] = closed

    def alarm(self, alarm: Alarm) -> None:
        self._say(f"alarm: {alarm.kind.lower().replace('_', ' ')} {alarm.detail}".rstrip())

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        self._say(f"{'sent' if self.link else 'signed'} {key} #{sequence}, {len(envelope)} bytes")
        if self.link is not None:
            self.link.send(key, sequence, envelope)

    def ask(self, pan: str) -> None:
        if self.link is not None:
            self.link.ask(pan)

    def linked(self, gateway: str, reason: str) -> None:
        self._say(f"gateway {gateway}" if gateway else f"no gateway: {reason}")

    def request(self, certificate_request: str) -> None:
        self._say(f"asked for a certificate, {len(certificate_request)} characters")

    def answer(self, answer: Answer) -> None: ...


class Bench:
    """`clock_ms` never goes back. Who has named `gateways` runs the `link`."""

    def __init__(
        self, home: Path, clock_ms: Callable[[], int], *, load_w: int = 0, gateways: Sequence[str] = ()
    ) -> None:
        self.face = Face()
        self.shell = MeterShell(home, self.face, clock_ms)
        if gateways:
            settings = self.shell.meter.settings
            way = Way(settings.identity, settings.chain_id, bearers(gateways, home), self.shell.question)
            self.face.link = GatewayLink(way, self.shell.step, clock_ms, self.face.linked)
        self.load_w = load_w
        self.mains = True
        self.pulses = 0
        self._clock_ms = clock_ms
        self._last_ms = clock_ms()
        self._rest = 0
        self._counted_mwh = 0
        self.shell.start()

    def pass_time(self) -> None:
        """Count what the load took since this was last called, and let the meter know the time."""
        now_ms = self._clock_ms()
        drawn_w = self.load_w if self.has_power else 0
        energy_mwh, self._rest = divmod(self._rest + drawn_w * 1_000 * (now_ms - self._last_ms), HOUR_MS)
        self._last_ms = now_ms
        self._counted_mwh += energy_mwh
        self.pulses = self._counted_mwh // PULSE_MWH
        voltage_mv = MAINS_MV if self.mains else 0
        phase = Phase(voltage_mv, drawn_w * 1_000_000 // MAINS_MV, drawn_w * 1_000, 0)
        self.shell.step(Measured(now_ms, energy_mwh, 0, (phase,)))
        self.shell.step(Ticked(now_ms))

    def press(self, key: str) -> None:
        self.pass_time()
        self.shell.step(KeyPressed(self._clock_ms(), key))

    def switch_mains(self) -> None:
        self.pass_time()
        self.mains = not self.mains
        self.shell.step(PowerRestored(self._clock_ms()) if self.mains else PowerLost(self._clock_ms()))

    def open_cover(self) -> None:
        self.shell.step(Tampered(self._clock_ms(), "cover"))

    @property
    def link(self) -> GatewayLink | None:
        return self.face.link

    @property
    def has_power(self) -> bool:
        """Whether the load has."""
        return self.mains and self.face.relays.get("supply", False)

    @property
    def is_low(self) -> bool:
        credit = self.shell.meter.state.credit
        return self.shell.meter.settings.prepaid and (credit.warned or credit.balance_mwh <= 0)

    @property
    def page(self) -> str:
        """The page of the dialogue; empty at rest."""
        return self.shell.meter.session.page

    @property
    def meaning(self) -> tuple[str, str]:
        """What the page says, and which keys it takes; of a refusal, what its code means."""
        page = PAGES.get(self.page)
        if page is None:
            return "at rest: what a customer should know first", PAGES["credit"].keys
        code = CODES.get(str(dict(self.shell.meter.session.values).get("code", "")))
        return (code.about if self.page == "refused" and code else page.about), page.keys

    def close(self) -> None:
        self.shell.close()
