"""The engine of one validator: what is proposed is decided.

For development, and for a community that runs on one small box. Block time strictly increases, also
when the clock stands still or steps back.
"""

from __future__ import annotations

from ledgernode.consensus.engine import Event, ProposalAvailable, Ready, Started
from ledgernode.wire.block import Batch
from ledgernode.wire.types import Epoch, Height, TimeMs


class Solo:
    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._height = Height(0)
        self._time_ms = TimeMs(0)

    def step(self, event: Event) -> Ready:
        match event:
            case Started(height=height, time_ms=time_ms):
                self._height, self._time_ms = height, time_ms
                return Ready(wants_proposal=True)
            case ProposalAvailable(now_ms, envelopes):
                self._height = Height(self._height + 1)
                self._time_ms = TimeMs(max(now_ms, self._time_ms + 1))
                batch = Batch(self._epoch, self._height, self._time_ms, envelopes)
                return Ready(deliver=(batch,), wants_proposal=True)
            case _:
                return Ready(wants_proposal=True)
