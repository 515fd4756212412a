"""A node as its operator's listener shows it: health by the rules of `node.health`, figures by `services.metrics`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ledgernode.node import health
from ledgernode.node.health import Condition
from ledgernode.node.ledger import ServedLedger
from ledgernode.observe.health import Pulse, Verdict, together
from ledgernode.observe.listener import Ask, judged
from ledgernode.services.metrics import NodeFigures

_NOT_OPEN = Condition(height=0, running=False)


class Observed:
    """The ledgers of one node. `beat` is called about once a second: standstills are noticed there."""

    def __init__(
        self,
        ledgers: Mapping[str, ServedLedger],
        names: Sequence[str],
        stuck_after_ms: int,
        figures: NodeFigures | None = None,
        *,
        failed: Mapping[str, Exception] = MappingProxyType({}),
    ) -> None:
        """`names`: of all ledgers that it is to serve; `ledgers` fills as they are opened, `failed` with those that
        could not be. All three may change."""
        self._figures = figures
        self._ledgers = ledgers
        self._names = names
        self._failed = failed
        self._stuck_after_ms = stuck_after_ms
        self._pulses: defaultdict[str, Pulse] = defaultdict(Pulse)
        self._was_ready: defaultdict[str, bool] = defaultdict(bool)
        self.stopping = False

    def beat(self) -> None:
        for name, ledger in self._ledgers.items():
            seen = ledger.condition()
            self._pulses[name].beat(ledger.mark(), time.monotonic_ns() // 1_000_000, should_move=seen.should_move)
            self._was_ready[name] = health.ready(seen, was_ready=self._was_ready[name]).holds

    # ------------------------------------------------------------ verdicts

    def started(self) -> Verdict:
        return together({name: health.started(self._seen(name)) for name in self._names}, "started")

    def ready(self) -> Verdict:
        if self.stopping:
            return Verdict(False, "stopping", "the node is shutting down")
        if not self._names:
            return Verdict(False, "empty", "it serves no ledger yet: give it one (`ledgernode node join`)")
        verdicts = {name: health.ready(self._seen(name), was_ready=self._was_ready[name]) for name in self._names}
        return together(verdicts, "ready", aside="halted")

    def live(self) -> Verdict:
        verdicts = {name: self._live(name) for name in self._names}
        return together(verdicts, "live")

    def _live(self, name: str) -> Verdict:
        ledger = self._ledgers.get(name)
        ended = ledger is not None and not ledger.is_closed and ledger.has_ended and not self.stopping
        return health.live(self._seen(name), self._stuck_after_ms, ended=ended)

    def _seen(self, name: str) -> Condition:
        ledger = self._ledgers.get(name)
        if ledger is None and name in self._failed:
            return Condition(height=0, halted=f"the ledger is not served: {self._failed[name]}")
        return _NOT_OPEN if ledger is None else ledger.condition(self._pulses[name].still_ms)

    # ------------------------------------------------------------ addresses

    def addresses(self) -> Mapping[str, Ask]:
        """What the listener answers."""
        figures = self._figures
        metrics: dict[str, Ask] = {}
        if figures is not None:
            metrics["/metrics"] = lambda: figures.sheet(self._was_ready, self._failed).answer()
        return metrics | {
            "/health/started": judged(self.started),
            "/health/ready": judged(self.ready),
            "/health/live": judged(self.live),
        }
