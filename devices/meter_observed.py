"""A meter as its operator's listener shows it: whether it is linked, what waits, what went wrong. No readings."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Final

from devices.meter.settings import OUTBOX
from devices.meter_shell import MeterShell
from ledgernode import __version__
from ledgernode.observe.figures import Codes, Figure, Sheet, counter, gauge
from ledgernode.observe.health import Verdict
from ledgernode.observe.listener import Ask, judged
from ledgernode.observe.tracing import SPANS, Tracing
from ledgernode.observe.turning import LAG, Turning

BUILD: Final = gauge("ledgernode_meter_build_info", "Always 1; the labels say what runs.", "version", "python")
LINK: Final = gauge("ledgernode_meter_link_up", "1 while a gateway, or a broker before one, serves the meter.")
LINKS_ENDED: Final = counter(
    "ledgernode_meter_links_ended_total", "Links that ended or did not come about, by code.", "code"
)
WAITING: Final = gauge(
    "ledgernode_meter_outbox_transactions", "Signed transactions that wait for the ledger's receipt, on the disk."
)
ROOM: Final = gauge("ledgernode_meter_outbox_limit_transactions", "So many may wait; news stop at half of it.")
READINGS: Final = gauge("ledgernode_meter_readings_waiting", "Readings on the disk that no receipt has confirmed yet.")
THINNED: Final = counter(
    "ledgernode_meter_readings_thinned_total", "Readings given up for want of room, in all its life: registers go on."
)
SETTLED: Final = counter(
    "ledgernode_meter_settled_total", "Transactions the ledger has spoken about since the start, by its code.", "code"
)
REFUSED: Final = counter(
    "ledgernode_meter_transactions_refused_total", "Transactions that the ledger refused for good, in all its life."
)
UNPROVEN: Final = counter(
    "ledgernode_meter_commands_unproven_total", "Commands without a proof that holds, in all its life: none was obeyed."
)
COMMANDS: Final = counter("ledgernode_meter_commands_total", "Commands answered since the start, by code.", "code")
ALARMS: Final = counter("ledgernode_meter_alarms_total", "Alarms since the start, by kind.", "kind")
CLOCK: Final = gauge("ledgernode_meter_clock_valid", "1 while the meter knows the time.")
OFFSET: Final = gauge(
    "ledgernode_meter_clock_offset_seconds", "What the meter's time is ahead of its machine's clock, as it has learnt."
)
SUPPLY: Final = gauge("ledgernode_meter_supply_closed", "1 while the relay lets energy through.")

FIGURES: Final[tuple[Figure, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Figure))


class ObservedMeter:
    """Counts what the process tells of, and reads the rest of its state when somebody asks."""

    def __init__(self, shell: MeterShell, linked: Callable[[], bool | None], traces: Tracing | None) -> None:
        """`linked`: is there a gateway now; None where none was named."""
        self._shell = shell
        self._linked = linked
        self._traces = traces
        self.turning = Turning()
        self.settled, self.links_ended, self.commands, self.alarms = Codes(), Codes(), Codes(), Codes()

    def ready(self) -> Verdict:
        """It measures in any case; whoever asks wants to know whether anybody hears of it."""
        if self._linked() is False:
            return Verdict(False, "offline", "no gateway serves it: what it signs is kept")
        return Verdict(True, "ready")

    def addresses(self) -> Mapping[str, Ask]:
        """What the listener answers."""
        return {
            "/health/started": judged(lambda: Verdict(True, "started")),
            "/health/ready": judged(self.ready),
            "/health/live": judged(lambda: Verdict(True, "live")),
            "/metrics": lambda: self.sheet().answer(),
        }

    def sheet(self) -> Sheet:
        state = self._shell.meter.state
        sheet = Sheet(FIGURES)
        sheet.put(BUILD, 1, __version__, platform.python_version())
        sheet.tally(LAG, self.turning.lag_s)
        sheet.put(LINK, bool(self._linked()))
        sheet.put(WAITING, len(state.outbox))
        sheet.put(ROOM, OUTBOX)
        sheet.put(READINGS, len(state.readings))
        sheet.put(THINNED, state.numbers.thinned)
        sheet.put(REFUSED, state.numbers.refused)
        sheet.put(UNPROVEN, state.numbers.unproven)
        sheet.put(CLOCK, state.clock.valid)
        sheet.put(OFFSET, state.clock.offset_ms / 1_000)
        sheet.put(SUPPLY, state.supply.closed)
        sheet.codes(LINKS_ENDED, self.links_ended)
        sheet.codes(SETTLED, self.settled)
        sheet.codes(COMMANDS, self.commands)
        sheet.codes(ALARMS, self.alarms)
        if self._traces is not None:
            sheet.codes(SPANS, self._traces.spans)
        return sheet
