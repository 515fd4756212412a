"""A gateway as its operator's listener shows it: health by the rules of `gateway.health`, figures by
`gateway.metrics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gateway import health
from gateway.health import Condition
from gateway.metrics import GatewayFigures
from gateway.outbox.outbox import Outbox
from ledgernode.config import STUCK_AFTER_MS, WATCH_MS
from ledgernode.observe.health import Pulse, Verdict
from ledgernode.observe.listener import Ask, judged
from ledgernode.observe.turning import Turning

if TYPE_CHECKING:
    from gateway.readmodel.model import ReadModel


class Observed:
    """Of one gateway. `run` looks at it about once a second: standstills are noticed there."""

    def __init__(
        self,
        outbox: Outbox,
        model: ReadModel | None,
        figures: GatewayFigures,
        turning: Turning,
        *,
        console: bool,
        steady_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._model = model
        self._console = console
        self._steady_ms = steady_ms
        self._figures = figures
        self._turning = turning
        self._disk, self._ledger = Pulse(), Pulse()
        self._model_was_near = False
        self.serving = self.stopping = False

    async def run(self) -> None:
        """Until it is cancelled."""
        turning = asyncio.create_task(self._turning.run())
        try:
            while True:
                self.beat()
                await asyncio.sleep(WATCH_MS / 1_000)
        finally:
            turning.cancel()

    def beat(self) -> None:
        now_ms, outbox = self._steady_ms(), self._outbox
        self._disk.beat(outbox.written, now_ms, should_move=outbox.unwritten > 0)
        self._ledger.beat(outbox.settled_entries, now_ms, should_move=outbox.turns.entries > 0)
        if self._model is not None:
            status = self._model.status
            self._model_was_near = self._model_was_near or health.is_near(status.behind, status.state.value)

    def condition(self) -> Condition:
        outbox, status = self._outbox, None if self._model is None else self._model.status
        return Condition(
            serving=self.serving,
            stopping=self.stopping,
            waiting=outbox.turns.entries,
            kept_bytes=outbox.room.size,
            limit_bytes=outbox.limits.outbox_bytes,
            ledger_away_ms=self._ledger.still_ms,
            still_ms=self._disk.still_ms,
            model="" if status is None else status.state.value,
            model_behind=0 if status is None else status.behind,
            model_was_near=self._model_was_near,
            console=self._console,
        )

    def started(self) -> Verdict:
        return health.started(self.condition())

    def ready(self) -> Verdict:
        return health.ready(self.condition())

    def live(self) -> Verdict:
        return health.live(self.condition(), STUCK_AFTER_MS)

    def addresses(self) -> Mapping[str, Ask]:
        """What the listener answers."""
        return {
            "/health/started": judged(self.started),
            "/health/ready": judged(self.ready),
            "/health/live": judged(self.live),
            "/metrics": lambda: self._figures.sheet(self._ledger.still_ms).answer(),
        }
