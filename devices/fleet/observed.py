"""A fleet that runs, as its operator's listener shows it: the counts of all its processes, added up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from devices.fleet.counts import Delays
from devices.fleet.crew import Now
from ledgernode.observe.figures import LONG_S, Figure, Sheet, Tally, counter, gauge, histogram
from ledgernode.observe.health import Verdict
from ledgernode.observe.listener import Ask, judged
from ledgernode.observe.turning import LAG, Turning

METERS: Final = gauge("ledgernode_fleet_meters", "Simulated meters that report.")
DUE: Final = counter("ledgernode_fleet_readings_due_total", "Readings whose time has come.")
TO_COME: Final = gauge("ledgernode_fleet_readings_to_come", "Readings of this run whose time has not come.")
SENT: Final = counter("ledgernode_fleet_readings_sent_total", "Readings sent, each time counted.")
AGAIN: Final = counter("ledgernode_fleet_readings_sent_again_total", "Of these, such as had been sent before.")
SAFE: Final = counter("ledgernode_fleet_readings_safe_total", "Readings that are on a gateway's disk.")
COMMITTED: Final = counter("ledgernode_fleet_readings_committed_total", "Readings that stand on the ledger.")
REPEATED: Final = counter(
    "ledgernode_fleet_readings_repeated_total", "Readings that the ledger had already when they came to it."
)
WAITING: Final = gauge("ledgernode_fleet_readings_waiting", "Readings that are due and not safe yet.")
UNHEARD: Final = gauge(
    "ledgernode_fleet_readings_unheard", "Readings that are safe, and whose outcome is not heard yet."
)
REFUSED: Final = counter("ledgernode_fleet_refused_total", "Readings that gateways refused, by code.", "code")
FAILED: Final = counter("ledgernode_fleet_failed_total", "Readings without effect on the ledger, by its code.", "code")
LOST: Final = counter(
    "ledgernode_fleet_connections_ended_total", "Connections to gateways that ended, by code.", "code"
)
UNTIL_SAFE: Final = histogram(
    "ledgernode_fleet_safe_seconds", "From a reading's time to its gateway's disk, true to 3 %."
)
UNTIL_COMMITTED: Final = histogram(
    "ledgernode_fleet_committed_seconds", "From a reading's time to word of its block, true to 3 %."
)
CPU: Final = counter("ledgernode_fleet_cpu_seconds_total", "Processor time of the fleet's processes.")

FIGURES: Final[tuple[Figure, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Figure))


class ObservedFleet:
    """`now` is how the fleet does; None before its processes have said anything."""

    def __init__(self, meters: int, now: Callable[[], Now | None]) -> None:
        self._meters = meters
        self._now = now
        self.turning = Turning()

    def ready(self) -> Verdict:
        now = self._now()
        return Verdict(now is not None, "running" if now is not None else "starting")

    def addresses(self) -> Mapping[str, Ask]:
        """What the listener answers."""
        return {
            "/health/started": judged(self.ready),
            "/health/ready": judged(self.ready),
            "/health/live": judged(lambda: Verdict(True, "live")),
            "/metrics": lambda: self.sheet().answer(),
        }

    def sheet(self) -> Sheet:
        sheet = Sheet(FIGURES)
        sheet.put(METERS, self._meters)
        sheet.tally(LAG, self.turning.lag_s)
        now = self._now()
        if now is None:
            return sheet
        counts = now.counts
        sheet.put(DUE, counts.due)
        sheet.put(TO_COME, now.to_come)
        sheet.put(SENT, counts.sent)
        sheet.put(AGAIN, counts.again)
        sheet.put(SAFE, counts.safe)
        sheet.put(COMMITTED, counts.committed)
        sheet.put(REPEATED, counts.repeated)
        sheet.put(WAITING, now.waiting)
        sheet.put(UNHEARD, now.unheard)
        sheet.put(CPU, counts.cpu_us / 1_000_000)
        for figure, codes in ((REFUSED, counts.refused), (FAILED, counts.failed), (LOST, counts.lost_connections)):
            for code, times in codes.items():
                sheet.put(figure, times, code)
        sheet.tally(UNTIL_SAFE, _tally(counts.until_safe))
        sheet.tally(UNTIL_COMMITTED, _tally(counts.until_committed))
        return sheet


def _tally(delays: Delays) -> Tally:
    tally = Tally(LONG_S)
    for delay_ms, times in delays.lengths():
        tally.add(delay_ms / 1_000, times)
    return tally
